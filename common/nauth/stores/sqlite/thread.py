"""`JobThread`: the one thread in which a `SQLiteStore` does its work, and forks kept away from work half done."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from nauth.errors import StoreError

__all__ = ["JobThread", "unforked"]

_T = TypeVar("_T")


class JobThread:
    """Run jobs one after another in a thread of its own.

    The thread starts with the first job and ends with `stop`, with the worker's garbage collection, or with the
    interpreter, which waits for what was handed in before.
    """

    def __init__(self) -> None:
        self.busy: threading.Lock = threading.Lock()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="nauth-sqlite")
        with unforked:
            _workers.add(self)

    def run(self, job: Callable[[], _T]) -> Future[_T]:
        """Hand `job` in; it runs whatever becomes of the caller, so that nothing written is left half done.

        Raises:
            StoreError: the interpreter is shutting down, or the machine gives no thread.
        """
        done: Future[_T] = Future()
        done.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        try:
            self._executor.submit(self._do, job, done)
        except RuntimeError:
            raise StoreError(
                "the SQLite store has no thread to work in: this program is shutting down, or has as many threads as "
                "it may have"
            ) from None
        return done

    def stop(self) -> None:
        """Let the thread end when it has done what was handed in."""
        self._executor.shutdown(wait=False)

    def _do(self, job: Callable[[], _T], done: Future[_T]) -> None:
        try:
            with self.busy:
                result = job()
        except BaseException as error:  # noqa: BLE001 - whoever waits must hear of it
            done.set_exception(error)
        else:
            done.set_result(result)


# A child forked amid a call to SQLite inherits its mutexes locked, by a thread that the child does not have: freeing
# the connection would hang it. So forks wait until every worker is between two jobs.

unforked: threading.RLock = threading.RLock()
"""Held for a moment by whoever hands a job in; no fork happens meanwhile, for the child could never take it."""

_workers: weakref.WeakSet[JobThread] = weakref.WeakSet()
_paused: list[JobThread] = []


def _pause() -> None:
    unforked.acquire()
    for worker in list(_workers):
        worker.busy.acquire()
        _paused.append(worker)


def _go_on() -> None:
    while _paused:
        _paused.pop().busy.release()
    unforked.release()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(before=_pause, after_in_parent=_go_on, after_in_child=_go_on)
