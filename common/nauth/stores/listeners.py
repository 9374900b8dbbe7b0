"""Notify of a changed record: `Listeners` are called, `Waiters` are woken. Used by the stores."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from types import MethodType

from nauth.after_fork import forgets, guard
from nauth.stores.base import Listener, Record, StoreKey, Unsubscribe

__all__ = ["Listeners", "Waiters"]


class _Method(weakref.ref[object]):
    """A bound method as a listener: its object by this weak reference, its function beside it."""

    __slots__ = ("function", "key", "listeners", "number")

    function: Callable[[object, Record | None], object]
    key: StoreKey
    listeners: Listeners
    number: int

    def tell(self, record: Record | None) -> None:
        """Call it, if its object is there still."""
        owner = self()
        if owner is not None:
            self.function(owner, record)

    def forget(self) -> None:
        """Call it no more."""
        self.listeners.forget(self.key, self.number)


class _Function:
    """Anything else as a listener, held as it is. Builtin methods, such as a list's `append`, cannot be held weakly."""

    __slots__ = ("key", "listeners", "number", "tell")

    def __init__(self, listener: Listener) -> None:
        self.tell = listener
        self.key: StoreKey
        self.listeners: Listeners
        self.number: int

    def forget(self) -> None:
        """Call it no more."""
        self.listeners.forget(self.key, self.number)


class Listeners(dict[StoreKey, dict[int, "_Method | _Function"]]):
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
        made: _Method | _Function
        if isinstance(listener, MethodType):
            made = _Method(listener.__self__, _Method.forget)
            made.function = listener.__func__
        else:
            made = _Function(listener)
        made.listeners, made.key = self, key
        with self._guard:
            self._last = made.number = self._last + 1
            self.setdefault(key, {})[made.number] = made
        return made.forget

    def forget(self, key: StoreKey, number: int) -> None:
        """Call the listener that was added as `number` no more."""
        with self._guard:
            mine = self.get(key)
            if mine is not None and mine.pop(number, None) is not None and not mine:
                del self[key]

    def tell(self, key: StoreKey, record: Record | None) -> None:
        """Call the listeners of `key` in this thread: with the new record, or None for a discard."""
        with self._guard:
            listeners = tuple(self.get(key, {}).values())
        for listener in listeners:
            listener.tell(record)


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
