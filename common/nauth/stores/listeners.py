"""Who wants to know of a change: `Listeners` are called, `Waiters` are woken. Shared by the stores."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from types import MethodType
from typing import TypeAlias

from nauth.stores.base import Listener, Record, StoreKey, Unsubscribe

__all__ = ["Listeners", "Waiters"]

_Deref: TypeAlias = Callable[[], Listener | None]


class Listeners(dict[StoreKey, list[_Deref]]):
    """The listeners of each key, bound methods held weakly. Safe across threads."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()

    def add(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` at each later `tell` of `key`, until the returned function is called."""
        # builtin methods, such as a list's `append`, are no `MethodType` and cannot be held weakly
        weak = isinstance(listener, MethodType)
        deref: _Deref = weakref.WeakMethod(listener) if weak else lambda: listener
        with self._guard:
            self.setdefault(key, []).append(deref)

        def unsubscribe() -> None:
            with self._guard:
                self._forget(key, [deref])

        return unsubscribe

    def tell(self, key: StoreKey, record: Record | None) -> None:
        """Call the listeners of `key` in this thread: with the new record, or None for a discard."""
        with self._guard:
            alive = [(deref, deref()) for deref in self.get(key, ())]
            self._forget(key, [deref for deref, listener in alive if listener is None])
        for _, listener in alive:
            if listener is not None:
                listener(record)

    def _forget(self, key: StoreKey, gone: list[_Deref]) -> None:
        # by identity: a weak reference whose object has died cannot be hashed
        rest = [deref for deref in self.get(key, ()) if not any(deref is one for one in gone)]
        if rest:
            self[key] = rest
        else:
            self.pop(key, None)


class Waiters(dict[StoreKey, list["asyncio.Future[None]"]]):
    """The coroutines that wait for a change of each key, in any loop. Safe across threads."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()

    def enter(self, key: StoreKey) -> asyncio.Future[None]:
        """Return a future of the running loop that the next `wake` of `key` settles. Always `leave` it."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        with self._guard:
            self.setdefault(key, []).append(waiter)
        return waiter

    def leave(self, key: StoreKey, waiter: asyncio.Future[None]) -> None:
        """Forget `waiter`, woken or not."""
        with self._guard:
            rest = [other for other in self.pop(key, ()) if other is not waiter]
            if rest:
                self[key] = rest

    def wake(self, key: StoreKey) -> None:
        """Wake all who wait for `key`, from any thread."""
        with self._guard:
            waiters = self.pop(key, [])
        for waiter in waiters:
            with contextlib.suppress(RuntimeError):  # a closed loop has no waiters any more
                waiter.get_loop().call_soon_threadsafe(_settle, waiter)


def _settle(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_result(None)
