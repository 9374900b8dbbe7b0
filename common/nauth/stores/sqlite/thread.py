"""`JobThread`: the one thread in which a `SQLiteStore` works. Forks wait until it is outside SQLite."""

from __future__ import annotations

import atexit
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from math import inf
from typing import Any, TypeVar

import attrs

from nauth.clock import SystemClock
from nauth.errors import StoreError
from nauth.stores.sqlite.files import BUSY_S, BusyError

__all__ = ["CLOSE_S", "JobThread", "unforked"]

CLOSE_S = 2.0
"""Seconds that closing a store, or the interpreter's exit, waits for a file that another process keeps locked."""

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.001, 0.02
"""Between two attempts of a job that found the file locked."""

_T = TypeVar("_T")

_monotonic = SystemClock.monotonic


@attrs.define(eq=False)
class _Job:
    work: Callable[[], Any]
    done: Future[Any]
    deadline_s: float

    def settle(self, result: object = None, error: BaseException | None = None) -> None:
        # a caller that was cancelled during the job gets no result
        if not self.done.running() and not self.done.set_running_or_notify_cancel():
            return
        if error is None:
            self.done.set_result(result)
        else:
            self.done.set_exception(error)


class JobThread:
    """Run jobs one after another in a thread of its own.

    A job that finds the file locked by another process is tried again until its deadline, which counts from when it
    was handed in. So all jobs wait for a lock at the same time, and those behind the first fail soon after it. The
    thread waits outside SQLite: a fork in the meantime waits for nothing.

    A job that begins something waits behind all that go on with something: where thousands of renewals begin at once, the
    first are over before the last begin. In the order of their coming each step of each would wait for that step of all
    others, and every lease would end before its commit.

    The thread starts with the first job and ends with `stop`, or with the interpreter, at most `CLOSE_S` after that.

    Args:
        closing: the job that `stop` adds as the last one.
    """

    def __init__(self, closing: Callable[[], object]) -> None:
        self.in_sqlite: threading.Lock = threading.Lock()
        self._closing = closing
        # reentrant: the garbage collector may stop this thread while it looks for its next job
        self._changed = threading.Condition(threading.RLock())
        self._jobs: deque[_Job] = deque()
        self._last: deque[_Job] = deque()
        self._thread: threading.Thread | None = None
        self._stop_at_s = inf
        with unforked:
            _threads.add(self)

    def run(self, work: Callable[[], _T], *, keep: bool = False, last: bool = False) -> Future[_T]:
        """Hand a job in.

        Args:
            work: the job. It is tried again after a `BusyError`, so it must not have changed anything by then.
            keep: whether to run it even if the caller is cancelled. Any other job is skipped then.
            last: whether it waits behind those that are not.

        Raises:
            StoreError: the thread was stopped, or the machine gives no thread.
        """
        with self._changed:
            if self._stop_at_s < inf:
                raise _no_thread()
            return self._hand_in(work, BUSY_S, self._last if last else self._jobs, keep=keep)

    def stop(self, within_s: float = CLOSE_S) -> Future[Any]:
        """End the thread when it has done its jobs. No job waits for a locked file for longer than `within_s` from now.

        Returns:
            The future of the closing job, the last one.
        """
        with self._changed:
            self._stop_at_s = _monotonic() + within_s
            return self._hand_in(self._closing, within_s, self._last, keep=True)

    @property
    def running(self) -> bool:
        """Whether it has started and was not told to stop."""
        return self._thread is not None and self._stop_at_s == inf

    def join(self, timeout_s: float) -> None:
        """Wait until the thread has ended, at most `timeout_s`."""
        if self._thread is not None:
            self._thread.join(max(timeout_s, 0))

    def _hand_in(
        self, work: Callable[[], _T], patience_s: float, jobs: deque[_Job], *, keep: bool
    ) -> Future[_T]:
        done: Future[_T] = Future()
        if keep:
            done.set_running_or_notify_cancel()  # from here on it cannot be cancelled
        job = _Job(work, done, _monotonic() + patience_s)
        if self._thread is None:
            # a daemon: the interpreter waits for any other thread without a bound
            thread = threading.Thread(target=self._main, name="nauth-sqlite", daemon=True)
            try:
                thread.start()
            except RuntimeError:
                raise _no_thread() from None
            self._thread = thread
        jobs.append(job)
        self._changed.notify()
        return done

    def _main(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)
            del job  # it refers to the store, which may be dropped before the next job comes

    def _next(self) -> _Job | None:
        with self._changed:
            while not (jobs := self._jobs or self._last):
                if self._stop_at_s < inf:
                    return None
                self._changed.wait()
            return jobs.popleft()

    def _do(self, job: _Job) -> None:
        pause_s = _FIRST_PAUSE_S
        while not job.done.cancelled():
            try:
                with self.in_sqlite:
                    result = job.work()
            except BusyError as error:
                left_s = min(job.deadline_s, self._stop_at_s) - _monotonic()
                if left_s <= 0:
                    job.settle(error=StoreError(*error.args))
                    return
                jitter = random.uniform(0.5, 1.0)  # noqa: S311 - keeps processes apart, guards nothing
                time.sleep(min(pause_s * jitter, left_s))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            except BaseException as error:  # noqa: BLE001 - the caller must hear of it
                job.settle(error=error)
                return
            else:
                job.settle(result)
                return


def _no_thread() -> StoreError:
    return StoreError(
        "the SQLite store has no thread to work in: this store was closed, this program is shutting down, or it has as "
        "many threads as it may have"
    )


# A child forked during a call to SQLite inherits locked mutexes of SQLite, and the thread that would unlock them does
# not exist there: the child's first use of SQLite would hang. So a fork waits until each thread has returned from its
# call. Calls never wait for another process's lock, and event loops wait neither for the call nor for the fork.

unforked: threading.RLock = threading.RLock()
"""Held for a moment where a thread is added. No fork happens meanwhile."""

_threads: weakref.WeakSet[JobThread] = weakref.WeakSet()
_forking = threading.Lock()
_paused: list[JobThread] = []


def _pause() -> None:
    _forking.acquire()
    unforked.acquire()
    while fresh := [thread for thread in _threads if thread not in _paused]:
        unforked.release()
        for thread in fresh:
            thread.in_sqlite.acquire()
            _paused.append(thread)
        unforked.acquire()


def _resume() -> None:
    while _paused:
        _paused.pop().in_sqlite.release()
    unforked.release()
    _forking.release()


def _resume_in_child() -> None:
    _threads.clear()  # they run in the parent
    _resume()


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_resume_in_child)


@atexit.register
def _finish() -> None:
    """Let every thread do what was handed in, for `CLOSE_S` in all."""
    end_s = _monotonic() + CLOSE_S
    threads = list(_threads)
    for thread in threads:
        if thread.running:
            thread.stop(end_s - _monotonic())
    for thread in threads:
        thread.join(end_s - _monotonic())
