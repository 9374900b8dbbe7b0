"""The store contract's tests of sharing: waking, pushing, contention, threads and cancelled callers."""

# ruff: noqa: S101 - assertions are what a contract suite is made of
from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from datetime import timedelta

from nauth.errors import LeaseLostError
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.testing.contract.hooks import HELD, MOMENTS, NOW, ContractHooks, sample, version_of

__all__ = ["SharingContract"]


class _Ear:
    """A listener that records what it hears. A list's append is atomic, whichever thread calls."""

    def __init__(self) -> None:
        self.heard: list[Record | None] = []

    def hear(self, record: Record | None) -> None:
        self.heard.append(record)

    @property
    def last(self) -> tuple[object, int] | None:
        """What was heard last, without its age."""
        record = self.heard[-1] if self.heard else None
        return None if record is None else (record.token, record.version)


class SharingContract(ContractHooks):
    """Tests that clients that share a token notify each other and cannot damage each other's records."""

    async def test_changed_returns_at_once_without_a_lease(self) -> None:
        """Without a lease there is nothing to wait for: it may have been freed since the caller looked."""
        async with self.open() as store, self.bounded("changed() returned though no lease is held"):
            await store.changed(self.key(), timeout=HELD)
            await self.put(store, sample(), self.key())
            await store.changed(self.key(), timeout=HELD)

    async def test_changed_returns_at_its_timeout(self) -> None:
        """A wait for a renewal that does not end returns at its timeout, and leaves the lease alone."""
        async with self.pair() as (ours, theirs):
            await self.take(ours, self.key())
            for timeout in (NOW, timedelta(milliseconds=20)):
                async with self.running([theirs.changed(self.key(), timeout=timeout)]) as (task,):
                    await self.until("changed() returned at its timeout", task.done)
            assert await theirs.lease(self.key(), HELD) is None

    async def test_a_release_wakes(self) -> None:
        """Waiters on every handle wake when the lease is released."""
        async with self.pair() as (ours, theirs):
            lease = await self.take(ours, self.key())
            async with self.waiting((ours, theirs), self.key()):
                await ours.release(lease)

    async def test_a_commit_wakes_everybody(self) -> None:
        """A hundred waiters over several handles all wake when the new token is stored."""
        async with self.pair() as (ours, theirs):
            lease = await self.take(ours, self.key())
            async with self.waiting((ours, theirs), self.key(), number=50):
                await ours.commit(lease, sample(), expected_version=0, age=NOW)

    async def test_a_discard_wakes(self) -> None:
        """Waiters wake after a discard too, though the lease is still held."""
        async with self.pair() as (ours, theirs):
            await self.put(ours, sample(), self.key())
            await self.take(ours, self.key())
            async with self.waiting((ours, theirs), self.key()):
                assert await ours.discard(self.key(), sample())

    async def test_pushes_to_others(self) -> None:
        """A listener hears of each commit and discard that another handle makes of its key, and of no other key."""
        async with self.pair() as (ours, theirs):
            ear, elsewhere = _Ear(), _Ear()
            theirs.subscribe(self.key(), ear.hear)
            theirs.subscribe(self.key("other"), elsewhere.hear)
            if not self.pushes:
                await self.put(ours, sample(), self.key())
                return
            await self._connected(ours, self.key(), ear)
            await self._connected(ours, self.key("other"), elsewhere)
            before = len(elsewhere.heard)
            for name in "abc":
                record = await self.put(ours, sample(name, refresh="r"), self.key())
                await self._hears(ear, (sample(name, refresh="r"), record.version))
                heard = ear.heard[-1]
                assert heard is not None
                assert NOW <= heard.age < self.patience
                assert await ours.discard(self.key(), sample(name))
                await self._hears(ear, None)
            assert len(elsewhere.heard) == before

    async def test_pushes_to_itself(self) -> None:
        """A listener hears of what its own handle writes, too: other managers of the process share it."""
        async with self.open() as store:
            ear = _Ear()
            stop = store.subscribe(self.key(), ear.hear)
            if self.pushes:
                await self._connected(store, self.key(), ear)
                record = await self.put(store, sample("b"), self.key())
                await self._hears(ear, (sample("b"), record.version))
            stop()

    async def test_unsubscribe(self) -> None:
        """An unsubscribed listener hears no more, while the others do; unsubscribing twice is harmless."""
        async with self.pair() as (ours, theirs):
            gone, stays = _Ear(), _Ear()
            stop = theirs.subscribe(self.key(), gone.hear)
            theirs.subscribe(self.key(), stays.hear)
            if self.pushes:
                await self._connected(ours, self.key(), stays)
            stop()
            stop()
            before = len(gone.heard)
            record = await self.put(ours, sample("after"), self.key())
            if self.pushes:
                await self._hears(stays, (sample("after"), record.version))
            assert len(gone.heard) == before

    async def test_a_plain_function_listens(self) -> None:
        """A function that nothing else refers to, a lambda perhaps, stays subscribed."""
        async with self.pair() as (ours, theirs):
            ear = _Ear()
            stop = theirs.subscribe(self.key(), lambda record: ear.hear(record))  # noqa: PLW0108 - a plain function
            gc.collect()
            if self.pushes:
                await self._connected(ours, self.key(), ear)
            stop()

    async def test_listeners_are_weak(self) -> None:
        """A subscription does not keep its bound method's object alive, and a push after its death is harmless."""
        async with self.pair() as (ours, theirs):
            ear = _Ear()
            stop = theirs.subscribe(self.key(), ear.hear)
            watch = weakref.ref(ear)
            del ear
            gc.collect()
            assert watch() is None, "the store keeps a listener's object alive"
            await self.put(ours, sample(), self.key())
            await self.settle()
            stop()

    async def test_increments_are_exact(self) -> None:
        """Many renewals of one record at once over several handles lose no commit."""
        async with self.pair() as (one, two), self.pair() as (three, four):
            stores = (one, two, three, four) * 2
            async with self.running(self.increment(store, self.key(), 5) for store in stores) as tasks:
                await self.until("every task was done", lambda: all(task.done() for task in tasks))
            assert (await self.get(one, self.key())).token == sample(str(5 * len(stores)))

    async def test_two_event_loops(self) -> None:
        """One store object serves several event loops, each in another thread, at the same time."""
        async with self.open() as store:
            await self.put(store, sample("0"), self.key())
            threads = [
                asyncio.to_thread(asyncio.run, self.increment(store, self.key(), 10)) for _ in range(3)
            ]
            async with self.running(threads) as tasks:
                await self.until("all threads were done", lambda: all(task.done() for task in tasks))
            await self.increment(store, self.key(), 1)
            assert (await self.get(store, self.key())).token == sample("31")

    async def test_a_cancelled_lease_ends_by_itself(self) -> None:
        """A client that is cancelled while it asks for the lease blocks the others until that lease's end at most."""
        async with self.pair() as (ours, theirs):
            for moment in MOMENTS:
                await self.interrupted(ours.lease(self.key(str(moment)), self.ttl), moment)
            for moment in MOMENTS:
                await theirs.release(await self.freed(theirs, self.key(str(moment))))
            await self.put(ours, sample(), self.key())

    async def test_a_cancelled_extend_ends_by_itself(self) -> None:
        """A lease whose extension was cancelled ends at its new end at the latest."""
        async with self.pair() as (ours, theirs):
            for moment in MOMENTS:
                lease = await self.take(ours, self.key(str(moment)), self.ttl)
                await self.interrupted(self._extended(ours, lease), moment)
            for moment in MOMENTS:
                await self.freed(theirs, self.key(str(moment)))

    async def test_a_cancelled_release_can_be_repeated(self) -> None:
        """After a cancelled release a second one frees the lease at the latest."""
        async with self.pair() as (ours, theirs):
            for moment in MOMENTS:
                lease = await self.take(ours, self.key())
                await self.interrupted(ours.release(lease), moment)
                await ours.release(lease)
                await theirs.release(await self.take(theirs, self.key()))

    async def test_a_cancelled_commit_is_whole_or_nothing(self) -> None:
        """After a cancelled commit the record is the old one or the new one, and the lease can be given back."""
        async with self.pair() as (ours, theirs):
            before = await self.put(ours, sample("0"), self.key())
            for moment in MOMENTS:
                token = sample(str(moment + 1), refresh="r" * moment)
                lease = await self.take(ours, self.key())
                commit = ours.commit(lease, token, expected_version=before.version, age=NOW)
                await self.interrupted(commit, moment)
                await ours.release(lease)
                lease = await self.take(theirs, self.key())
                record = await self.get(theirs, self.key())
                if record.version == before.version:
                    assert record.token == before.token
                else:
                    assert record.version > before.version
                    assert record.token == token
                before = record
                await theirs.release(lease)

    async def test_cancelled_readers_do_no_harm(self) -> None:
        """Cancelled loads, discards and waits leave the store in working order."""
        async with self.pair() as (ours, theirs):
            for moment in MOMENTS:
                key = self.key(str(moment))
                await self.put(ours, sample(), key)
                lease = await self.take(ours, key)
                await self.interrupted(ours.changed(key, timeout=HELD), moment)
                await self.interrupted(ours.load(key), moment)
                await self.interrupted(ours.discard(key, sample()), moment)
                await ours.release(lease)
                record = await theirs.load(key)
                assert record is None or record.token == sample()
                await theirs.release(await self.take(theirs, key))
            await self.put(ours, sample("after"), self.key())
            assert version_of(await theirs.load(self.key())) > 0

    async def _extended(self, store: TokenStore, lease: Lease) -> None:
        # on a real clock a short lease may be over before its turn comes
        with contextlib.suppress(LeaseLostError):
            await store.extend(lease, self.ttl)

    async def _connected(self, store: TokenStore, key: StoreKey, ear: _Ear) -> None:
        """Store tokens until the listener hears of one: a subscription over a network takes a moment to begin."""
        async with self.bounded("a listener heard of a commit"):
            while not ear.heard:
                await self.put(store, sample("connecting"), key)
                await self.settle()
        await self._hears(ear, (sample("connecting"), version_of(await store.load(key))))

    async def _hears(self, ear: _Ear, what: tuple[object, int] | None) -> None:
        await self.until("a listener heard of the change", lambda: bool(ear.heard) and ear.last == what)
