"""`MemoryStore`: one token for every client, thread and event loop of one process."""

from __future__ import annotations

import asyncio
import heapq
import weakref
from collections.abc import AsyncIterator
from datetime import timedelta

import attrs

from nauth.after_fork import forgets, guard
from nauth.clock import SYSTEM_CLOCK, Clock, SystemClock
from nauth.errors import ConfigurationError, LeaseLostError
from nauth.loop_ref import LoopRef, this_loop
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.codec import REFRESH_LIFETIME, checked_lifetime, lifetime_kept
from nauth.stores.listeners import Listeners, Waiters
from nauth.stores.record_info import RecordInfo
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
    """A lease of a `MemoryStore`; only the object that `lease` returned counts."""

    key: StoreKey
    ends_at: float
    clock: Clock
    loop: LoopRef = attrs.field(factory=this_loop, repr=False)

    @property
    def remaining(self) -> timedelta:
        """How long it still holds."""
        return timedelta(seconds=self.ends_at - self.clock.monotonic())


class MemoryStore:
    """Share tokens inside one process.

    Records leave when they expire, those with a refresh token when that one may have expired. Their number is bounded:
    beyond `max_records` the one nearest to its end goes first. Safe across threads and event loops: a lock guards the
    tables and is never held over an await. A lease of an event loop that was closed holds nothing, and a forked child
    begins without leases and waiters.

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
        self._clock = clock or SYSTEM_CLOCK
        self._max_records = max_records
        self._refresh_lifetime = checked_lifetime(refresh_lifetime, "MemoryStore")
        # reentrant: the garbage collector may end a coroutine of a closed loop at any moment, and it may come back here
        self._guard = guard()
        self._version = 0
        self._entries: dict[StoreKey, _Entry] = {}
        self._ends: list[tuple[float, int, StoreKey]] = []
        self._leases: dict[StoreKey, MemoryLease] = {}
        self._waiters = Waiters()
        self._listeners = Listeners()
        forgets(self)

    def after_fork(self) -> None:
        """Forget the parent's leases: the process that works under them is another one."""
        self._leases.clear()

    def __repr__(self) -> str:
        return f"<MemoryStore: {len(self._entries)} records, {len(self._leases)} leases>"

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        with self._guard:
            entry = self._entries.get(key)
        return None if entry is None else self._record(entry)

    async def records(self) -> AsyncIterator[RecordInfo]:
        """Yield a description of each record. Takes no lease and writes nothing."""
        now = self._clock.monotonic()
        with self._guard:
            found = list(self._entries.items())
            leased = {key for key, one in self._leases.items() if one.ends_at > now and not one.loop.gone}
        for key, entry in found:
            yield RecordInfo.of(key, self._record(entry), leased=key in leased)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`, or return None if another client holds it."""
        now = self._clock.monotonic()
        with self._guard:
            current = self._leases.get(key)
            if current is not None and current.ends_at > now and not current.loop.gone:
                return None
            lease = self._leases[key] = MemoryLease(key, now + ttl.total_seconds(), self._clock)
        return lease

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Return a lease that holds for `ttl` from now; the old object no longer works.

        Raises:
            LeaseLostError: it has ended, or another client holds it.
        """
        now = self._clock.monotonic()
        with self._guard:
            if self._leases.get(lease.key) is not lease or lease.remaining <= timedelta(0):
                raise LeaseLostError("the lease ended before it could be extended")
            longer = self._leases[lease.key] = MemoryLease(lease.key, now + ttl.total_seconds(), self._clock)
        return longer

    async def release(self, lease: Lease) -> None:
        """Give the lease back if this client still holds it."""
        with self._guard:
            if self._leases.get(lease.key) is not lease:
                return
            del self._leases[lease.key]
        self._waiters.wake(lease.key)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, release the lease and notify the listeners.

        Raises:
            LeaseLostError: the lease has ended, or the record has changed. Nothing was written.
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
            heapq.heappush(self._ends, (entry.until, entry.version, key))
            self._trim(now, keep=key)
        self._waiters.wake(key)
        record = self._record(entry)
        self._listeners.tell(key, record)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; return whether it did."""
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
            current = self._leases.get(key)
            if current is None or current.loop.gone:
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
        """Drop what is past its end, and what is nearest to it beyond the bound, in amortised constant time.

        `_ends` is a heap of (end, version, key) with an item for each commit; those of records replaced since are passed
        over, and swept when they are the most.
        """
        if len(self._ends) > 2 * len(self._entries) + _FEW:
            self._ends = [(one.until, one.version, key) for key, one in self._entries.items()]
            heapq.heapify(self._ends)
        spared: list[tuple[float, int, StoreKey]] = []
        while self._ends and (self._ends[0][0] <= now or len(self._entries) > self._max_records):
            end = heapq.heappop(self._ends)
            key = end[2]
            entry = self._entries.get(key)
            if entry is None or entry.version != end[1]:
                continue
            # a leased key's record must stay: its version is what the holder's commit compares
            if key == keep or key in self._leases:
                spared.append(end)
            else:
                del self._entries[key]
        for end in spared:
            heapq.heappush(self._ends, end)


_FEW = 64
"""Items of the heap not worth a sweep."""

_stores: weakref.WeakKeyDictionary[Clock, MemoryStore] = weakref.WeakKeyDictionary()
_stores_guard = guard()


def default_store(clock: Clock | None = None) -> MemoryStore:
    """Return the `MemoryStore` that this process shares; each clock other than the machine's has another one."""
    clock = clock or SYSTEM_CLOCK
    if isinstance(clock, SystemClock):
        clock = SYSTEM_CLOCK
    with _stores_guard:
        store = _stores.get(clock)
        if store is None:
            store = _stores[clock] = MemoryStore(clock=clock)
        return store
