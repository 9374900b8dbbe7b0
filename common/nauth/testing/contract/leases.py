"""The store contract's tests of leases: one holder at a time, and none of its rights after the lease has ended."""

# ruff: noqa: S101 - assertions are what a contract suite is made of
from __future__ import annotations

import asyncio
import itertools

from nauth.testing.contract.hooks import HELD, NOW, ContractHooks, sample

__all__ = ["LeaseContract"]

_TASKS = 50


class LeaseContract(ContractHooks):
    """Tests of leases."""

    async def test_lease_is_exclusive(self) -> None:
        """One holder at a time, whichever handle asks; a release frees it."""
        async with self.pair() as (ours, theirs):
            lease = await self.take(ours, self.key())
            assert lease.key == self.key()
            assert NOW < lease.remaining <= HELD
            for store in (ours, theirs):
                assert await store.lease(self.key(), HELD) is None, "two hold the lease at once"
            await ours.release(lease)
            await theirs.release(await self.take(theirs, self.key()))

    async def test_commit_frees_the_lease(self) -> None:
        """A commit releases the lease, and its old holder can neither use nor free the next one."""
        async with self.pair() as (ours, theirs):
            old = await self.take(ours, self.key())
            record = await ours.commit(old, sample("a"), expected_version=0, age=NOW)
            lease = await self.take(theirs, self.key())
            await ours.release(old)
            await self.lost(ours.commit(old, sample("b"), expected_version=record.version, age=NOW))
            await self.lost(ours.extend(old, HELD))
            assert await ours.lease(self.key(), HELD) is None, "a spent lease freed the next holder's"
            await theirs.commit(lease, sample("c"), expected_version=record.version, age=NOW)
            assert (await self.get(ours, self.key())).token == sample("c")

    async def test_lease_ends_by_time(self) -> None:
        """A lease holds as long as it says; then another client can take it."""
        async with self.pair() as (ours, theirs):
            lease = await self.take(ours, self.key(), self.ttl)
            assert lease.remaining <= self.ttl
            await self.advance(self.ttl / 2)
            taken = await theirs.lease(self.key(), HELD)
            # a real clock may have run on meanwhile
            assert taken is None or lease.remaining <= NOW, "a lease was given away before its end"
            await self.advance(self.ttl)
            assert lease.remaining <= NOW
            await self.freed(theirs, self.key())

    async def test_an_ended_lease_is_worth_nothing(self) -> None:
        """After its end a lease can neither commit nor be extended, even if no other client has taken it."""
        async with self.open() as store:
            late = await self.take(store, self.key(), self.ttl)
            await self.advance(1.5 * self.ttl)
            await self.lost(store.extend(late, HELD))
            await self.lost(store.commit(late, sample("late"), expected_version=0, age=NOW))
            assert await store.load(self.key()) is None, "a commit under a lost lease wrote a record"
            await store.release(late)
            await self.put(store, sample("next"), self.key())

    async def test_a_late_holder_cannot_touch_the_next_one(self) -> None:
        """A holder that slept past its lease's end neither writes nor takes the next holder's lease away."""
        async with self.pair() as (ours, theirs):
            late = await self.take(ours, self.key(), self.ttl)
            await self.advance(1.5 * self.ttl)
            lease = await self.take(theirs, self.key())
            await self.lost(ours.commit(late, sample("late"), expected_version=0, age=NOW))
            await self.lost(ours.extend(late, HELD))
            await ours.release(late)
            assert await ours.lease(self.key(), HELD) is None, "a late release freed the next holder's lease"
            assert await ours.load(self.key()) is None
            await theirs.commit(lease, sample("next"), expected_version=0, age=NOW)
            assert (await self.get(ours, self.key())).token == sample("next")

    async def test_the_same_handle_is_fenced_from_itself(self) -> None:
        """Two renewals through one handle are kept apart as two processes are."""
        async with self.open() as store:
            late = await self.take(store, self.key(), self.ttl)
            await self.advance(1.5 * self.ttl)
            lease = await self.take(store, self.key())
            await store.release(late)
            await self.lost(store.commit(late, sample("late"), expected_version=0, age=NOW))
            assert await store.lease(self.key(), HELD) is None
            await store.commit(lease, sample("next"), expected_version=0, age=NOW)

    async def test_extend_keeps_the_lease(self) -> None:
        """An extended lease holds past its first end, and can commit."""
        async with self.pair() as (ours, theirs):
            first = await self.take(ours, self.key(), 3 * self.ttl)
            lease = await ours.extend(first, HELD)
            assert lease.key == self.key()
            assert 3 * self.ttl < lease.remaining <= HELD
            await self.advance(3.5 * self.ttl)
            assert await theirs.lease(self.key(), HELD) is None
            await ours.commit(lease, sample(), expected_version=0, age=NOW)
            await self.take(theirs, self.key())

    async def test_extend_counts_from_now(self) -> None:
        """An extended lease holds for the new time and not for the sum: a shorter one ends sooner."""
        async with self.pair() as (ours, theirs):
            lease = await ours.extend(await self.take(ours, self.key()), self.ttl)
            assert lease.remaining <= self.ttl
            await self.advance(1.5 * self.ttl)
            await self.lost(ours.commit(lease, sample(), expected_version=0, age=NOW))
            await self.take(theirs, self.key())

    async def test_an_extended_lease_is_released(self) -> None:
        """The lease that extend returned is the one to give back."""
        async with self.pair() as (ours, theirs):
            lease = await ours.extend(await self.take(ours, self.key()), HELD)
            await ours.release(lease)
            await self.take(theirs, self.key())

    async def test_release_twice(self) -> None:
        """A second release is harmless, also to the client that holds the lease by then."""
        async with self.pair() as (ours, theirs):
            lease = await self.take(ours, self.key())
            await ours.release(lease)
            await ours.release(lease)
            await self.take(theirs, self.key())
            await ours.release(lease)
            assert await ours.lease(self.key(), HELD) is None

    async def test_one_of_many_gets_the_lease(self) -> None:
        """Of fifty that ask at once over several handles exactly one gets the lease."""
        async with self.pair() as (one, two), self.pair() as (three, four):
            for turn in range(4):
                stores = itertools.islice(itertools.cycle((one, two, three, four)), _TASKS)
                calls = (store.lease(self.key(str(turn)), HELD) for store in stores)
                leases = [lease for lease in await asyncio.gather(*calls) if lease is not None]
                assert len(leases) == 1, f"{len(leases)} hold the lease at once"
