"""`MemoryStore`: one token for every client, thread and event loop of one process."""

from __future__ import annotations

import asyncio
import threading
import weakref
from datetime import timedelta

import attrs

from nauth.clock import Clock, SystemClock
from nauth.errors import ConfigurationError, LeaseLostError
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.codec import REFRESH_LIFETIME, checked_lifetime, lifetime_kept
from nauth.stores.listeners import Listeners, Waiters
from nauth.token import Token

__all__ = ["MemoryLease", "MemoryStore", "default_store"]


@attrs.frozen
class _Entry:
    token: Token
    version: int
    asked_at: float  # the store's monotonic seconds
    until: float  # the same clock: when the record is of no use any more


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

    Records leave when they expire, those with a refresh token when that one may have expired. Their number is bounded:
    beyond `max_records` the one nearest to its end goes first. Safe across threads and event loops: a plain lock guards the
    tables and is never held over an await.

    Args:
        clock: where time comes from.
        max_records: the bound.
        refresh_lifetime: how long a refresh token can be used whose vendor does not say so.

    Raises:
        ConfigurationError: `max_records` or `refresh_lifetime` is not positive.
    """

    persistent = False

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        max_records: int = 10_000,
        refresh_lifetime: timedelta = REFRESH_LIFETIME,
    ) -> None:
        if max_records < 1:
            raise ConfigurationError(f"MemoryStore(max_records=...) must be at least 1, got {max_records}")
        self._clock = clock or SystemClock()
        self._max_records = max_records
        self._refresh_lifetime = checked_lifetime(refresh_lifetime, "MemoryStore")
        self._guard = threading.Lock()
        self._version = 0
        self._commits_since_trim = 0
        self._entries: dict[StoreKey, _Entry] = {}
        self._leases: dict[StoreKey, MemoryLease] = {}
        self._waiters = Waiters()
        self._listeners = Listeners()

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._entries)} records, {len(self._leases)} leases>"

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        with self._guard:
            entry = self._entries.get(key)
        return None if entry is None else self._record(entry)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`, or return None if another client holds it."""
        now = self._clock.monotonic()
        with self._guard:
            current = self._leases.get(key)
            if current is not None and current.ends_at > now:
                return None
            lease = self._leases[key] = MemoryLease(key, now + ttl.total_seconds(), self._clock)
        return lease

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Let a lease that is still ours hold for `ttl` from now.

        Raises:
            LeaseLostError: it is over, or another client holds it.
        """
        now = self._clock.monotonic()
        with self._guard:
            if self._leases.get(lease.key) is not lease or lease.remaining <= timedelta(0):
                raise LeaseLostError("the lease ended before it could be extended")
            longer = self._leases[lease.key] = MemoryLease(lease.key, now + ttl.total_seconds(), self._clock)
        return longer

    async def release(self, lease: Lease) -> None:
        """Give the lease back if it is still ours."""
        with self._guard:
            if self._leases.get(lease.key) is not lease:
                return
            del self._leases[lease.key]
        self._waiters.wake(lease.key)

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
            asked_at = now - age.total_seconds()
            until = asked_at + lifetime_kept(token, self._refresh_lifetime).total_seconds()
            entry = self._entries[key] = _Entry(token, self._version, asked_at, until)
            del self._leases[key]
            self._trim(now, keep=key)
        self._waiters.wake(key)
        record = self._record(entry)
        self._listeners.tell(key, record)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did."""
        with self._guard:
            entry = self._entries.get(key)
            if entry is None or not entry.token.same_access(token):
                return False
            del self._entries[key]
        self._waiters.wake(key)
        self._listeners.tell(key, None)
        return True

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` changed or its lease was freed, at the latest after `timeout`."""
        with self._guard:
            if key not in self._leases:
                return  # freed between the caller's look and this one
            waiter = self._waiters.enter(key)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                await waiter
        except TimeoutError:
            pass
        finally:
            self._waiters.leave(key, waiter)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change of `key`, in the thread that made it."""
        return self._listeners.add(key, listener)

    async def aclose(self) -> None:
        """Do nothing: the store holds no connection."""

    def _record(self, entry: _Entry) -> Record:
        age = timedelta(seconds=max(self._clock.monotonic() - entry.asked_at, 0.0))
        return Record(token=entry.token, version=entry.version, age=age)

    def _trim(self, now: float, *, keep: StoreKey) -> None:
        self._commits_since_trim += 1
        full = len(self._entries) > self._max_records
        if self._commits_since_trim * 8 < len(self._entries) and not full:
            return  # a look at every record at every commit would be quadratic
        self._commits_since_trim = 0
        # a leased key's record must stay: its version is what the holder's commit compares
        spare = [key for key in self._entries if key != keep and key not in self._leases]
        spare.sort(key=lambda key: self._entries[key].until)
        for key in spare:
            if self._entries[key].until > now and len(self._entries) <= self._max_records:
                break
            del self._entries[key]


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
