"""Notify of a changed record: `Listeners` are called, `Waiters` are woken. Used by the stores."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from types import MethodType
from typing import TypeAlias

from nauth.after_fork import forgets, guard
from nauth.stores.base import Listener, Record, StoreKey, Unsubscribe

__all__ = ["Listeners", "Waiters"]

_Deref: TypeAlias = Callable[[], Listener | None]


class Listeners(dict[StoreKey, dict[int, _Deref]]):
    """The listeners of each key, bound methods held weakly, one that was collected forgotten at once. Safe across threads.

    Adding and forgetting take constant time. The guard is reentrant: the garbage collector may forget a listener at any
    allocation, inside `add` and `tell` too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._guard = guard()
        self._last = 0

    def add(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` at each later `tell` of `key`, until the returned function is called."""
        with self._guard:
            self._last = number = self._last + 1

        def forget(_: object = None) -> None:
            with self._guard:
                mine = self.get(key)
                if mine is not None and mine.pop(number, None) is not None and not mine:
                    del self[key]

        # builtin methods, such as a list's `append`, are no `MethodType` and cannot be held weakly
        weak = isinstance(listener, MethodType)
        deref: _Deref = weakref.WeakMethod(listener, forget) if weak else lambda: listener
        with self._guard:
            self.setdefault(key, {})[number] = deref
        return forget

    def tell(self, key: StoreKey, record: Record | None) -> None:
        """Call the listeners of `key` in this thread: with the new record, or None for a discard."""
        with self._guard:
            derefs = tuple(self.get(key, {}).values())
        for deref in derefs:
            listener = deref()
            if listener is not None:
                listener(record)


class Waiters(dict[StoreKey, dict["asyncio.Future[None]", None]]):
    """The coroutines that wait for a change of each key, in any loop. Safe across threads; a forked child has none.

    The guard is reentrant: a coroutine of a closed loop is ended by the garbage collector, and leaves at any moment.
    """

    def __init__(self) -> None:
        super().__init__()
        self._guard = guard()
        forgets(self)

    # a dictionary's own would compare by content, and an object that is to be held in a set needs one
    __hash__ = object.__hash__  # type: ignore[assignment]

    def after_fork(self) -> None:
        """Forget the parent's waiters: their loops do not run in this process."""
        self.clear()

    def enter(self, key: StoreKey) -> asyncio.Future[None]:
        """Return a future of the running loop that the next `wake` of `key` settles. Always `leave` it."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._guard:
            self.setdefault(key, {})[waiter] = None
        return waiter

    def leave(self, key: StoreKey, waiter: asyncio.Future[None]) -> None:
        """Forget `waiter`, woken or not."""
        with self._guard:
            mine = self.get(key)
            if mine is not None and waiter in mine:
                del mine[waiter]
                if not mine:
                    del self[key]

    def wake(self, key: StoreKey) -> None:
        """Wake all waiters of `key`. May be called from any thread."""
        with self._guard:
            waiters = self.pop(key, {})
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # the waiter's loop is closed
                waiter.get_loop().call_soon_threadsafe(_settle, waiter)


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
