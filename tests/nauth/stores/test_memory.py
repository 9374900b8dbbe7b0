"""`MemoryStore`: the contract, and what is its own: bounds, threads, weak listeners."""

from __future__ import annotations

import asyncio
import gc
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import attrs
import pytest

from nauth.after_fork import begin_child
from nauth.clock import SystemClock
from nauth.errors import ConfigurationError, LeaseLostError
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.stores.memory import MemoryStore, default_store
from nauth.testing.clock import FakeClock
from nauth.token import Token
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY, all_blocked, immediately

TTL = timedelta(seconds=40)
NOW = timedelta(0)


def key(name: object) -> StoreKey:
    return attrs.evolve(KEY, identity=str(name))


class Shelf:
    """A store on a fake clock, with the contract's steps shortened."""

    def __init__(self, max_records: int = 10_000) -> None:
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock, max_records=max_records)

    async def lease(self, where: StoreKey = KEY) -> Lease:
        lease = await self.store.lease(where, TTL)
        assert lease is not None
        return lease

    async def put(self, token: Token, where: StoreKey = KEY, age: timedelta = NOW) -> Record:
        lease = await self.lease(where)
        record = await self.store.load(where)
        version = 0 if record is None else record.version
        return await self.store.commit(lease, token, expected_version=version, age=age)


async def test_load_and_commit() -> None:
    """What was committed is loaded, with a version and an age by the store's clock."""
    shelf = Shelf()
    assert isinstance(shelf.store, TokenStore)
    assert not shelf.store.persistent
    assert await shelf.store.load(KEY) is None
    token = made("a")
    record = await shelf.put(token, age=timedelta(seconds=3))
    assert record == Record(token=token, version=1, age=timedelta(seconds=3))
    shelf.clock.advance(4)
    assert await shelf.store.load(KEY) == Record(token=token, version=1, age=timedelta(seconds=7))
    assert await shelf.store.load(key("other")) is None
    await shelf.store.aclose()


async def test_lease_is_exclusive() -> None:
    """One holder at a time and per key; a commit or a release frees it."""
    shelf = Shelf()
    lease = await shelf.lease()
    assert lease.key == KEY
    assert lease.remaining == TTL
    assert await shelf.store.lease(KEY, TTL) is None
    assert await shelf.store.lease(key("other"), TTL) is not None
    await shelf.store.release(lease)
    await shelf.put(made("a"))
    await shelf.lease()


async def test_lease_ends_by_the_clock() -> None:
    """The lease of a dead holder ends by time; a late holder can neither commit nor free the next lease."""
    shelf = Shelf()
    late = await shelf.lease()
    shelf.clock.advance(39.5)
    assert await shelf.store.lease(KEY, TTL) is None
    shelf.clock.advance(0.5)
    assert late.remaining == NOW
    with pytest.raises(LeaseLostError, match="lease ended"):
        await shelf.store.commit(late, made("late"), expected_version=0, age=NOW)
    lease = await shelf.lease()
    await shelf.store.release(late)
    with pytest.raises(LeaseLostError, match="lease ended"):
        await shelf.store.commit(late, made("late"), expected_version=0, age=NOW)
    assert await shelf.store.load(KEY) is None
    await shelf.store.commit(lease, made("next"), expected_version=0, age=NOW)


async def test_commit_compares_the_version() -> None:
    """A commit on another version than expected writes nothing."""
    shelf = Shelf()
    await shelf.put(made("a"))
    lease = await shelf.lease()
    with pytest.raises(LeaseLostError, match="stored a token meanwhile"):
        await shelf.store.commit(lease, made("b"), expected_version=0, age=NOW)
    record = await shelf.store.load(KEY)
    assert record is not None
    assert record.token == made("a")


async def test_discard_compares() -> None:
    """A discard deletes only the token it names."""
    shelf = Shelf()
    assert not await shelf.store.discard(KEY, made("a"))
    await shelf.put(made("a"))
    assert not await shelf.store.discard(KEY, made("b"))
    assert await shelf.store.load(KEY) is not None
    assert await shelf.store.discard(KEY, made("a"))
    assert await shelf.store.load(KEY) is None


async def test_version_never_goes_back() -> None:
    """Versions grow over discards too: no client takes a new record for an old one."""
    shelf = Shelf()
    versions = []
    for name in "abc":
        versions.append((await shelf.put(made(name))).version)
        await shelf.store.discard(KEY, made(name))
    assert versions == sorted(set(versions))


async def test_changed_wakes() -> None:
    """A commit, a discard and a release wake those who wait for the key; other keys do not."""
    shelf = Shelf()
    await shelf.put(made("a"))

    async def deed(number: int) -> None:
        if number == 0:
            await shelf.store.release(lease)
        elif number == 1:
            await shelf.store.commit(lease, made("b"), expected_version=1, age=NOW)
        else:
            await shelf.store.discard(KEY, made("b"))

    for number in range(3):
        lease = await shelf.lease()
        waiters = [asyncio.create_task(shelf.store.changed(KEY, timeout=HOUR)) for _ in range(2)]
        await all_blocked()
        await shelf.put(made("x"), key("other"))
        await all_blocked()
        assert not any(waiter.done() for waiter in waiters)
        await deed(number)
        await asyncio.gather(*waiters)
    assert shelf.store._waiters == {}


async def test_changed_returns_at_once_without_a_lease() -> None:
    """There is nothing to wait for when the lease was freed between the caller's two looks."""
    immediately(Shelf().store.changed(KEY, timeout=HOUR))


async def test_changed_times_out() -> None:
    """A wait ends with its timeout and leaves nothing behind."""
    shelf = Shelf()
    await shelf.lease()
    other = asyncio.create_task(shelf.store.changed(KEY, timeout=HOUR))
    await all_blocked()
    await shelf.store.changed(KEY, timeout=timedelta(milliseconds=1))
    assert len(shelf.store._waiters[KEY]) == 1
    other.cancel()
    await asyncio.wait([other])
    assert shelf.store._waiters == {}


async def test_changed_cancelled_in_the_tick_of_the_change() -> None:
    """A waiter that is cancelled while it is being woken does no harm."""
    shelf = Shelf()
    lease = await shelf.lease()
    waiter = asyncio.create_task(shelf.store.changed(KEY, timeout=HOUR))
    await all_blocked()
    await shelf.store.release(lease)
    waiter.cancel()
    await asyncio.wait([waiter])
    assert waiter.cancelled()


def test_changed_in_a_loop_that_is_gone() -> None:
    """A waiter of a closed loop is passed over."""
    shelf = Shelf()
    lease = immediately(shelf.lease())
    loop = asyncio.new_event_loop()
    waiter = loop.create_task(shelf.store.changed(KEY, timeout=HOUR))
    loop.call_soon(loop.call_soon, loop.stop)
    loop.run_forever()
    assert shelf.store._waiters
    loop.close()
    asyncio.run(shelf.store.release(lease))
    assert not waiter.done()
    # its loop is gone, so nothing can end it but this; asyncio would complain of a task destroyed while pending
    waiter._log_destroy_pending = False  # type: ignore[attr-defined]  # a private switch of asyncio's
    waiter.get_coro().close()


class Listener:
    def __init__(self) -> None:
        self.heard: list[Record | None] = []

    def hear(self, record: Record | None) -> None:
        self.heard.append(record)


async def test_subscribe() -> None:
    """Listeners hear of each commit and discard of their key, until they unsubscribe."""
    shelf, first, second = Shelf(), Listener(), Listener()
    heard: list[Record | None] = []
    stops = [shelf.store.subscribe(KEY, call) for call in (first.hear, second.hear, heard.append)]
    stops.append(shelf.store.subscribe(KEY, lambda record: heard.append(record)))  # noqa: PLW0108 - a plain function
    record = await shelf.put(made("a"))
    await shelf.put(made("x"), key("other"))
    stops[0]()
    await shelf.store.discard(KEY, made("a"))
    assert first.heard == [record]
    assert second.heard == [record, None]
    for stop in stops:
        stop()
    await shelf.put(made("b"))
    assert second.heard == [record, None]
    assert shelf.store._listeners == {}


async def test_a_listener_that_goes_while_others_are_told() -> None:
    """A listener whose object another listener lets go in the same moment is left out."""
    shelf, owners = Shelf(), [Listener()]
    shelf.store.subscribe(KEY, lambda _: owners.clear())
    shelf.store.subscribe(KEY, owners[0].hear)
    await shelf.put(made("a"))
    assert owners == []
    assert len(shelf.store._listeners[KEY]) == 1


async def test_listeners_are_weak() -> None:
    """A subscription does not keep its object alive, and goes with it."""
    shelf, listener = Shelf(), Listener()
    stop = shelf.store.subscribe(KEY, listener.hear)
    del listener
    gc.collect()
    await shelf.put(made("a"))
    assert shelf.store._listeners == {}
    stop()


async def test_expired_records_leave() -> None:
    """Records leave with the next commit after their end, but for a key under lease."""
    shelf = Shelf()
    await shelf.put(made("a"), key("a"))
    await shelf.put(made("b"), key("b"))
    await shelf.put(made("forever", lifetime=None), key("forever"))
    await shelf.lease(key("b"))
    shelf.clock.advance(HOUR)
    await shelf.put(made("c"), key("c"))
    assert set(shelf.store._entries) == {key("b"), key("forever"), key("c")}


async def test_number_is_bounded() -> None:
    """Beyond the bound the record nearest to its end goes first, never the one just stored."""
    shelf = Shelf(max_records=20)
    for number in range(20):
        await shelf.put(made("long", lifetime=HOUR * (number + 2)), key(number))
    await shelf.put(made("short"), key("short"))
    assert len(shelf.store._entries) == 20
    assert key(0) not in shelf.store._entries
    assert key("short") in shelf.store._entries
    assert repr(shelf.store) == "<MemoryStore: 20 records, 0 leases>"


async def test_trimming_is_not_quadratic() -> None:
    """A commit looks at the records next to their end only, and what is kept of replaced ones stays bounded."""
    shelf = Shelf(max_records=500)
    for number in range(800):
        await shelf.put(made("a"), key(number))
    assert len(shelf.store._entries) == 500
    for number in range(2000):
        await shelf.put(made(f"t{number}", lifetime=HOUR * (number + 2)), KEY)
    assert len(shelf.store._ends) <= 2 * 500 + 65


async def test_leased_records_stay_beyond_the_bound() -> None:
    """The record of a leased key stays though it is the nearest to its end, and goes once the lease is over."""
    shelf = Shelf(max_records=2)
    await shelf.put(made("a"), key("a"))
    lease = await shelf.lease(key("a"))
    for number in range(3):
        await shelf.put(made("b", lifetime=2 * HOUR), key(number))
    assert key("a") in shelf.store._entries
    await shelf.store.release(lease)
    await shelf.put(made("c", lifetime=2 * HOUR), key("c"))
    assert key("a") not in shelf.store._entries


def test_a_lease_of_a_closed_loop_holds_nothing() -> None:
    """The next loop gets the lease at once, and a waiter does not wait for it."""
    store = MemoryStore()
    assert asyncio.run(store.lease(KEY, TTL)) is not None
    assert store._leases
    asyncio.run(asyncio.wait_for(store.changed(KEY, timeout=TTL), 1))
    assert asyncio.run(store.lease(KEY, TTL)) is not None


def test_a_lease_taken_outside_of_a_loop_stays() -> None:
    """A lease that no loop took ends by its time only."""
    store = MemoryStore()
    assert immediately(store.lease(KEY, TTL)) is not None
    assert asyncio.run(store.lease(KEY, TTL)) is None


def test_a_forked_child_begins_clean() -> None:
    """In a child the parent's leases and waiters are gone, records and listeners are not."""
    store, told = MemoryStore(), list[object]()
    store.subscribe(KEY, told.append)

    async def during() -> None:
        lease = await store.lease(KEY, TTL)
        assert lease is not None
        waiting = asyncio.create_task(store.changed(KEY, timeout=timedelta(seconds=5)))
        await asyncio.sleep(0)
        assert store._waiters
        begin_child()
        assert not store._leases
        assert not store._waiters
        waiting.cancel()
        again = await store.lease(KEY, TTL)
        assert again is not None
        await store.commit(again, made("a"), expected_version=0, age=timedelta(0))

    asyncio.run(during())
    assert len(told) == 1


def test_bound_must_be_positive() -> None:
    """A store for no record at all is a mistake."""
    with pytest.raises(ConfigurationError, match="at least 1"):
        MemoryStore(max_records=0)


def test_threads() -> None:
    """Threads that increment one record under its lease lose nothing."""
    store = MemoryStore()

    async def work() -> None:
        done = 0
        while done < 50:
            lease = await store.lease(KEY, TTL)
            if lease is None:
                await store.changed(KEY, timeout=timedelta(seconds=1))
                continue
            record = await store.load(KEY)
            count = 0 if record is None else int(record.token.access_token.reveal())
            version = 0 if record is None else record.version
            await store.commit(lease, made(str(count + 1)), expected_version=version, age=NOW)
            done += 1

    with ThreadPoolExecutor(4) as pool:
        for run in [pool.submit(asyncio.run, work()) for _ in range(4)]:
            run.result(timeout=30)
    record = asyncio.run(store.load(KEY))
    assert record is not None
    assert record.token.access_token.reveal() == "200"


def test_default_store() -> None:
    """The process has one store; a clock of one's own has another."""
    clock = FakeClock()
    assert default_store() is default_store(SystemClock())
    assert default_store(clock) is default_store(clock)
    assert default_store(clock) is not default_store()


async def test_a_refresh_token_outlives_its_access_token() -> None:
    """A record with a refresh token stays for that one's life: it may be the only one that still works."""
    shelf = Shelf()
    await shelf.put(made("plain", lifetime=HOUR), key(1))
    await shelf.put(made("refreshable", lifetime=HOUR, refresh="r"), key(2))
    shelf.clock.advance(HOUR)
    await shelf.put(made("c"), key(3))
    assert await shelf.store.load(key(1)) is None
    assert await shelf.store.load(key(2)) is not None
    shelf.clock.advance(timedelta(days=90) - HOUR)
    await shelf.put(made("d"), key(4))
    assert await shelf.store.load(key(2)) is None
