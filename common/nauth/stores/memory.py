"""`MemoryStore`: one token for every client, thread and event loop of one process."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import weakref
from collections.abc import Callable
from datetime import timedelta
from types import MethodType
from typing import TypeAlias

import attrs

from nauth.clock import Clock, SystemClock
from nauth.errors import ConfigurationError, LeaseLostError
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.token import MAX_LIFETIME, Token

__all__ = ["MemoryLease", "MemoryStore", "default_store"]

_Waiter: TypeAlias = "tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]"
_Deref: TypeAlias = Callable[[], Listener | None]

_REFRESHABLE = timedelta(hours=24)
"""How long a record outlives its access token for the sake of its refresh token. Where a person has signed in, the
rotated refresh token in it may be the only one that still works."""


@attrs.frozen
class _Entry:
    token: Token
    version: int
    asked_at: float  # the store's monotonic seconds

    def expires_at(self) -> float:
        lifetime = MAX_LIFETIME if self.token.lifetime is None else min(self.token.lifetime, MAX_LIFETIME)
        kept = lifetime + _REFRESHABLE if self.token.refresh_token else lifetime
        return self.asked_at + kept.total_seconds()


@attrs.frozen(eq=False)
class MemoryLease:
    """A lease of a `MemoryStore`; identity is ownership."""

    key: StoreKey
    ends_at: float
    clock: Clock

    @property
    def remaining(self) -> timedelta:
        """How long it still holds."""
        return timedelta(seconds=self.ends_at - self.clock.monotonic())


class MemoryStore:
    """Share tokens inside one process.

    Records leave when they expire (those with a refresh token a day later), and their number is bounded: beyond
    `max_records` the one nearest to its end goes first. Safe across threads and event loops: a plain lock guards the
    tables and is never held over an await.

    Args:
        clock: where time comes from.
        max_records: the bound.

    Raises:
        ConfigurationError: `max_records` is not positive.
    """

    persistent = False

    def __init__(self, *, clock: Clock | None = None, max_records: int = 10_000) -> None:
        if max_records < 1:
            raise ConfigurationError(f"MemoryStore(max_records=...) must be at least 1, got {max_records}")
        self._clock = clock or SystemClock()
        self._max_records = max_records
        self._guard = threading.Lock()
        self._version = 0
        self._commits_since_trim = 0
        self._entries: dict[StoreKey, _Entry] = {}
        self._leases: dict[StoreKey, MemoryLease] = {}
        self._waiters: dict[StoreKey, list[_Waiter]] = {}
        self._listeners: dict[StoreKey, list[_Deref]] = {}

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._entries)} records, {len(self._leases)} leases>"

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        with self._guard:
            entry = self._entries.get(key)
        return None if entry is None else self._record(entry)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`, or return None if somebody else has it."""
        now = self._clock.monotonic()
        with self._guard:
            current = self._leases.get(key)
            if current is not None and current.ends_at > now:
                return None
            lease = self._leases[key] = MemoryLease(key, now + ttl.total_seconds(), self._clock)
        return lease

    async def release(self, lease: Lease) -> None:
        """Give the lease back if it is still ours."""
        with self._guard:
            if self._leases.get(lease.key) is not lease:
                return
            del self._leases[lease.key]
            waiters = self._waiters.pop(lease.key, [])
        _wake(waiters)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, release the lease and tell the others.

        Raises:
            LeaseLostError: the lease is over or the record has changed. Nothing was written.
        """
        now, key = self._clock.monotonic(), lease.key
        with self._guard:
            before = self._entries.get(key)
            if self._leases.get(key) is not lease or lease.remaining <= timedelta(0):
                raise LeaseLostError("the lease ended before the new token was stored")
            if (before.version if before else 0) != expected_version:
                raise LeaseLostError("another client stored a token meanwhile")
            self._version += 1
            entry = self._entries[key] = _Entry(token, self._version, now - age.total_seconds())
            del self._leases[key]
            self._trim(now, keep=key)
            waiters, listeners = self._waiters.pop(key, []), self._listening(key)
        _wake(waiters)
        record = self._record(entry)
        for listener in listeners:
            listener(record)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did."""
        with self._guard:
            entry = self._entries.get(key)
            if entry is None or not entry.token.same_access(token):
                return False
            del self._entries[key]
            waiters, listeners = self._waiters.pop(key, []), self._listening(key)
        _wake(waiters)
        for listener in listeners:
            listener(None)
        return True

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` changed or its lease was freed, at the latest after `timeout`."""
        loop = asyncio.get_running_loop()
        waiter: _Waiter = (loop, loop.create_future())
        with self._guard:
            if key not in self._leases:
                return  # freed between the caller's look and this one
            self._waiters.setdefault(key, []).append(waiter)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await waiter[1]
        except TimeoutError:
            pass
        finally:
            with self._guard:
                rest = [other for other in self._waiters.pop(key, ()) if other is not waiter]
                if rest:
                    self._waiters[key] = rest

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change of `key`, in the thread that made it."""
        # builtin methods, such as a list's `append`, are no `MethodType` and cannot be held weakly
        weak = isinstance(listener, MethodType)
        deref: _Deref = weakref.WeakMethod(listener) if weak else lambda: listener
        with self._guard:
            self._listeners.setdefault(key, []).append(deref)

        def unsubscribe() -> None:
            with self._guard:
                self._forget(key, [deref])

        return unsubscribe

    async def aclose(self) -> None:
        """Do nothing: the store holds no connection."""

    def _record(self, entry: _Entry) -> Record:
        age = timedelta(seconds=max(self._clock.monotonic() - entry.asked_at, 0.0))
        return Record(token=entry.token, version=entry.version, age=age)

    def _listening(self, key: StoreKey) -> list[Listener]:
        alive = [(deref, deref()) for deref in self._listeners.get(key, ())]
        self._forget(key, [deref for deref, listener in alive if listener is None])
        return [listener for _, listener in alive if listener is not None]

    def _forget(self, key: StoreKey, gone: list[_Deref]) -> None:
        # by identity: a weak reference whose object has died cannot be hashed
        rest = [deref for deref in self._listeners.get(key, ()) if not any(deref is one for one in gone)]
        if rest:
            self._listeners[key] = rest
        else:
            self._listeners.pop(key, None)

    def _trim(self, now: float, *, keep: StoreKey) -> None:
        self._commits_since_trim += 1
        full = len(self._entries) > self._max_records
        if self._commits_since_trim * 8 < len(self._entries) and not full:
            return  # a look at every record at every commit would be quadratic
        self._commits_since_trim = 0
        # a leased key's record must stay: its version is what the holder's commit compares
        spare = [key for key in self._entries if key != keep and key not in self._leases]
        spare.sort(key=lambda key: self._entries[key].expires_at())
        for key in spare:
            if self._entries[key].expires_at() > now and len(self._entries) <= self._max_records:
                break
            del self._entries[key]


def _wake(waiters: list[_Waiter]) -> None:
    for loop, future in waiters:
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody waiting any more
            loop.call_soon_threadsafe(_settle, future)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


_system_clock = SystemClock()
_stores: weakref.WeakKeyDictionary[Clock, MemoryStore] = weakref.WeakKeyDictionary()
_stores_guard = threading.Lock()


def default_store(clock: Clock | None = None) -> MemoryStore:
    """Return the one `MemoryStore` of this process; a clock of your own has a store of its own."""
    clock = clock or _system_clock
    if isinstance(clock, SystemClock):
        clock = _system_clock
    with _stores_guard:
        store = _stores.get(clock)
        if store is None:
            store = _stores[clock] = MemoryStore(clock=clock)
        return store
