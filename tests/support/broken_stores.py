"""Stores that are broken in one way each, for tests of the contract suite."""

from __future__ import annotations

import asyncio
import inspect
from datetime import timedelta

import attrs

from nauth.errors import LeaseLostError
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.memory import MemoryStore
from nauth.token import Token

__all__ = ["BUGS"]


class Forgetful(MemoryStore):
    """Loses a field on the way."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        token = attrs.evolve(token, extra={})
        return await super().commit(lease, token, expected_version=expected_version, age=age)


class Rounding(MemoryStore):
    """Keeps whole seconds only."""

    async def load(self, key: StoreKey) -> Record | None:
        record = await super().load(key)
        if record is None or record.token.lifetime is None:
            return record
        whole = timedelta(seconds=record.token.lifetime // timedelta(seconds=1))
        return attrs.evolve(record, token=attrs.evolve(record.token, lifetime=whole))


class Ageless(MemoryStore):
    """Takes each record for new."""

    async def load(self, key: StoreKey) -> Record | None:
        record = await super().load(key)
        return None if record is None else attrs.evolve(record, age=timedelta(0))


class Recounting(MemoryStore):
    """Starts to count anew after a discard."""

    async def discard(self, key: StoreKey, token: Token) -> bool:
        done = await super().discard(key, token)
        if done:
            self._version = 0
        return done


class Overwriting(MemoryStore):
    """Commits under a lease whatever the version is."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        record = await self.load(lease.key)
        actual = 0 if record is None else record.version
        return await super().commit(lease, token, expected_version=actual, age=age)


class WritingFirst(MemoryStore):
    """Looks at the lease when the token is already written."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        try:
            return await super().commit(lease, token, expected_version=expected_version, age=age)
        except LeaseLostError:
            holder = self._leases.pop(lease.key, None)
            own = await super().lease(lease.key, timedelta(hours=1))
            assert own is not None
            record = await self.load(lease.key)
            await super().commit(own, token, expected_version=record.version if record else 0, age=age)
            if holder is not None:
                self._leases[lease.key] = holder
            raise


class Unfenced(MemoryStore):
    """Commits by the version alone, no matter which client holds the lease."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        holder = self._leases.pop(lease.key, None)
        own = await super().lease(lease.key, timedelta(hours=1))
        assert own is not None
        try:
            return await super().commit(own, token, expected_version=expected_version, age=age)
        finally:
            self._leases.pop(lease.key, None)
            if holder is not None and holder is not lease:
                self._leases[lease.key] = holder


class Generous(MemoryStore):
    """Gives the lease to every client."""

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        self._leases.pop(key, None)
        return await super().lease(key, ttl)


class Hesitant(MemoryStore):
    """Looks whether the lease is free, and takes it a moment later."""

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        current = self._leases.get(key)
        if current is not None and current.remaining > timedelta(0):
            return None
        await asyncio.sleep(0)
        self._leases.pop(key, None)
        return await super().lease(key, ttl)


class Eternal(MemoryStore):
    """Holds leases until they are given back."""

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        return await super().lease(key, timedelta(days=365))


class Grabbing(MemoryStore):
    """Releases by the key, no matter which client holds the lease."""

    async def release(self, lease: Lease) -> None:
        self._leases.pop(lease.key, None)


class Stubborn(MemoryStore):
    """Says yes to an extension and does nothing."""

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        await super().extend(lease, lease.remaining)
        return self._leases[lease.key]


class Reviving(MemoryStore):
    """Extends a lease that is over."""

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        self._leases.pop(lease.key, None)
        longer = await super().lease(lease.key, ttl)
        assert longer is not None
        return longer


class Keeping(MemoryStore):
    """Keeps the lease after a commit."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        held = self._leases.get(lease.key)
        record = await super().commit(lease, token, expected_version=expected_version, age=age)
        assert held is not None
        self._leases[lease.key] = held
        return record


class Careless(MemoryStore):
    """Discards whatever is there."""

    async def discard(self, key: StoreKey, token: Token) -> bool:
        record = await self.load(key)
        return record is not None and await super().discard(key, record.token)


class Confused(MemoryStore):
    """Joins the parts of a key so that different keys become one."""

    async def load(self, key: StoreKey) -> Record | None:
        return await super().load(self._joined(key))

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        return await super().lease(self._joined(key), ttl)

    async def discard(self, key: StoreKey, token: Token) -> bool:
        return await super().discard(self._joined(key), token)

    def _joined(self, key: StoreKey) -> StoreKey:
        return StoreKey(vendor="", base_url="", identity=str(key))


class Sleepy(MemoryStore):
    """Does not wake those who wait when a record is discarded."""

    async def discard(self, key: StoreKey, token: Token) -> bool:
        waiters = self._waiters.pop(key, {})
        done = await super().discard(key, token)
        self._waiters[key] = waiters
        return done


class Patient(MemoryStore):
    """Waits for a change though no client holds the lease."""

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        await asyncio.sleep(timeout.total_seconds())


class Private(MemoryStore):
    """Does not tell the listeners of a discard."""

    async def discard(self, key: StoreKey, token: Token) -> bool:
        listeners = self._listeners.pop(key, {})
        done = await super().discard(key, token)
        self._listeners[key] = listeners
        return done


class Clinging(MemoryStore):
    """Holds listeners strongly."""

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        return super().subscribe(key, lambda record: listener(record))  # noqa: PLW0108 - what the bug is made of


class Telling(MemoryStore):
    """Goes on telling those who have unsubscribed."""

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        super().subscribe(key, listener)
        return lambda: None


class Frail(MemoryStore):
    """Loses listeners that are referenced nowhere else."""

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        return super().subscribe(key, listener) if inspect.ismethod(listener) else lambda: None


class Leaky(MemoryStore):
    """Leaves a lease without an end behind when its taker is cancelled in the middle."""

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        lease = await super().lease(key, timedelta(days=365))
        await asyncio.sleep(0)
        if lease is None:
            return None
        return await super().extend(lease, ttl)


class Torn(MemoryStore):
    """Writes half of a record where a commit is cancelled in the middle."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        half = attrs.evolve(token, refresh_token=None)
        await super().commit(lease, half, expected_version=expected_version, age=age)
        await asyncio.sleep(0)
        entry = self._entries[lease.key] = attrs.evolve(self._entries[lease.key], token=token)
        return self._record(entry)


class Expiring(MemoryStore):
    """Drops a record at its access token's end, refresh token and all."""

    async def load(self, key: StoreKey) -> Record | None:
        record = await super().load(key)
        lifetime = None if record is None else record.token.lifetime
        return None if record is not None and lifetime is not None and record.age >= lifetime else record


class Strict(MemoryStore):
    """Cannot take a token that is already over."""

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        if token.lifetime is not None and age > token.lifetime and not token.refresh_token:
            raise ValueError
        return await super().commit(lease, token, expected_version=expected_version, age=age)


class OneLoop(MemoryStore):
    """Works in the event loop that used it first, and hangs in others."""

    loop: asyncio.AbstractEventLoop | None = None

    async def load(self, key: StoreKey) -> Record | None:
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            await asyncio.get_running_loop().create_future()
        return await super().load(key)


class Closing(MemoryStore):
    """Can be closed once only."""

    closed = False

    async def aclose(self) -> None:
        if self.closed:
            raise RuntimeError
        self.closed = True


BUGS: dict[type[MemoryStore], str] = {
    Forgetful: "test_round_trip",
    Rounding: "test_round_trip",
    Ageless: "test_age_is_counted_by_the_store",
    Recounting: "test_version_grows",
    Overwriting: "test_commit_compares_the_version",
    WritingFirst: "test_a_late_holder_cannot_touch_the_next_one",
    Unfenced: "test_a_late_holder_cannot_touch_the_next_one",
    Generous: "test_lease_is_exclusive",
    Hesitant: "test_one_of_many_gets_the_lease",
    Eternal: "test_lease_ends_by_time",
    Grabbing: "test_release_twice",
    Stubborn: "test_extend_keeps_the_lease",
    Reviving: "test_an_ended_lease_is_worth_nothing",
    Keeping: "test_commit_frees_the_lease",
    Careless: "test_discard_compares",
    Confused: "test_keys_are_independent",
    Sleepy: "test_a_discard_wakes",
    Patient: "test_changed_returns_at_once_without_a_lease",
    Private: "test_pushes_to_others",
    Clinging: "test_listeners_are_weak",
    Telling: "test_unsubscribe",
    Frail: "test_a_plain_function_listens",
    Leaky: "test_a_cancelled_lease_ends_by_itself",
    Torn: "test_a_cancelled_commit_is_whole_or_nothing",
    Expiring: "test_a_refresh_token_outlives_its_access_token",
    Strict: "test_dead_on_arrival",
    OneLoop: "test_two_event_loops",
    Closing: "test_aclose",
}
"""Each of them, and the test of the suite that must find it."""
