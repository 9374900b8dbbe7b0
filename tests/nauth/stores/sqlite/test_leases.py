"""Leases in an `SQLiteStore`: dead holders, clocks that jump, cancelled callers."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial

import attrs
import pytest

from nauth.errors import LeaseLostError
from nauth.loop_ref import LoopRef
from nauth.stores.sqlite.store import SQLiteLease, SQLiteStore
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, NOW, Shelf, crash, held, outside


async def test_a_dead_holders_lease_is_free_at_once(shelf: Shelf) -> None:
    """No time passes on the store's clock; waiters wake when the holder has died."""
    dead, store = shelf.open(), shelf.open()
    await held(dead)
    assert await store.lease(KEY, LONG) is None
    waiter = asyncio.create_task(store.changed(KEY, timeout=LONG))
    await crash(dead)
    await asyncio.wait_for(waiter, 20)
    await store.changed(KEY, timeout=LONG)
    await held(store)


async def test_one_of_many_inherits(shelf: Shelf) -> None:
    """Of many that find the holder dead, one takes its place."""
    dead, heirs = shelf.open(), [shelf.open() for _ in range(4)]
    await held(dead)
    await crash(dead)
    leases = await asyncio.gather(*(store.lease(KEY, LONG) for store in heirs))
    assert sum(lease is not None for lease in leases) == 1


async def test_the_dead_are_buried(shelf: Shelf) -> None:
    """A new process removes the signs and leases of those who died, and leaves those of the living."""
    living, dead = shelf.open(), shelf.open()
    await held(living)
    await held(dead, attrs.evolve(KEY, identity="other"))
    await crash(dead)
    before, mine = await shelf.signs(), await living._do(lambda tables: tables._liveness.name)
    assert len(before) == 2
    await held(shelf.open(), attrs.evolve(KEY, identity="third"))
    after = await shelf.signs()
    assert len(after) == 2
    assert before & after == {mine}
    assert len(await shelf.run("SELECT * FROM lease")) == 2


async def test_a_removed_sign_is_no_death(shelf: Shelf) -> None:
    """If the lock file was deleted, its owner may be alive: the lease ends by time."""
    tidied, store = shelf.open(), shelf.open()
    lease = await held(tidied)
    for sign in await shelf.signs():
        await outside(os.unlink, f"{shelf.path}-alive/{sign}")
    assert await store.lease(KEY, LONG) is None
    shelf.clock.advance(LONG)
    await held(store)
    with pytest.raises(LeaseLostError):
        await tidied.commit(lease, made("late"), expected_version=0, age=NOW)


async def test_a_clock_put_back(shelf: Shelf) -> None:
    """A lease from before the clock was put back does not last until that time comes again."""
    living, store = shelf.open(), shelf.open()
    lease = await held(living)
    shelf.clock.step_wall(-LONG / 2)
    assert await store.lease(KEY, LONG) is None
    shelf.clock.step_wall(-LONG)
    await held(store)
    with pytest.raises(LeaseLostError):
        await living.extend(lease, LONG)


async def test_a_clock_put_forward_loses_no_token(shelf: Shelf) -> None:
    """A token is stored though the clock ran ahead, as long as no other client took the lease."""
    store = shelf.open()
    lease = await held(store)
    shelf.clock.step_wall(2 * LONG)
    await store.commit(lease, made("a"), expected_version=0, age=NOW)
    assert await store.load(KEY) is not None


async def test_abandoned_leases_are_forgotten(shelf: Shelf) -> None:
    """Leases that were not released leave memory before they are many: each time there are twice as many as before."""
    store = shelf.open()
    for number in range(64):
        await held(store, attrs.evolve(KEY, identity=f"{number}"))
    shelf.clock.advance(LONG)
    lease = await held(store, attrs.evolve(KEY, identity="other"))
    assert await store._do(lambda tables: list(tables.held)) == [lease]


async def test_leases_of_other_keys_cost_a_lease_nothing(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of held leases are not looked through for each further one: that would be quadratic."""
    store, looks = shelf.open(), 0
    remaining, gone = SQLiteLease.remaining, LoopRef.gone

    def counted(lease: SQLiteLease) -> timedelta:
        nonlocal looks
        looks += 1
        return remaining.__get__(lease)  # type: ignore[no-any-return]  # a property's

    def asked(loop: LoopRef) -> bool:
        nonlocal looks
        looks += 1
        return gone.__get__(loop)  # type: ignore[no-any-return]  # as above

    monkeypatch.setattr(SQLiteLease, "remaining", property(counted))
    monkeypatch.setattr(LoopRef, "gone", property(asked))
    for number in range(300):
        await held(store, attrs.evolve(KEY, identity=f"{number}"))
    assert looks <= 8 * 300


async def test_who_begins_waits_behind_those_who_go_on(shelf: Shelf) -> None:
    """Reads and commits are done before leases that were asked for earlier: first renewals end, then others begin."""
    store, done = shelf.open(), list[str]()
    taken = await held(store)
    gate = Gate(store)
    calls = {
        "lease": store.lease(attrs.evolve(KEY, identity="1"), LONG),
        "look": store.changed(attrs.evolve(KEY, identity="2"), timeout=LONG),
        "read": store.load(KEY),
        "commit": store.commit(taken, made("a"), expected_version=0, age=NOW),
    }

    async def noted(name: str, call: Awaitable[object]) -> None:
        await call
        done.append(name)

    waiting = asyncio.gather(*(noted(name, call) for name, call in calls.items()))
    await asyncio.sleep(0)
    await gate.open()
    await waiting
    assert done == ["read", "commit", "lease", "look"]


class Gate:
    """Keeps a store's thread busy until it is opened."""

    def __init__(self, store: SQLiteStore) -> None:
        self._open = threading.Event()
        self._work = asyncio.ensure_future(store._do(lambda _: self._open.wait()))

    async def open(self) -> None:
        """Let the thread go on."""
        self._open.set()
        await self._work


async def _extend(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.extend, await held(store), LONG)


async def _lease(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.lease, KEY, LONG)


async def _release(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.release, await held(store))


@pytest.mark.parametrize("prepare", [_lease, _extend, _release])
async def test_a_cancelled_caller_leaves_no_lease(
    shelf: Shelf, prepare: Callable[[SQLiteStore], Awaitable[Callable[[], Awaitable[object]]]]
) -> None:
    """Whatever was asked for when the caller was cancelled, the lease is free as soon as the thread is."""
    store = shelf.open()
    call = await prepare(store)
    await asyncio.sleep(0)
    gate = Gate(store)
    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await gate.open()
    await held(store)


async def test_a_caller_cancelled_as_the_store_closes(shelf: Shelf) -> None:
    """Closing releases a lease that no caller waits for any more."""
    store = shelf.open()
    gate = Gate(store)
    await asyncio.sleep(0)
    task = asyncio.ensure_future(store.lease(KEY, LONG))
    closing = asyncio.ensure_future(store.aclose())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await gate.open()
    await closing
    await held(shelf.open())


async def test_a_cancelled_commit_is_done(shelf: Shelf) -> None:
    """A commit that was handed in goes through: the token in it may be the only one that works."""
    store = shelf.open()
    lease = await held(store)
    gate = Gate(store)
    task = asyncio.ensure_future(store.commit(lease, made("a"), expected_version=0, age=NOW))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await gate.open()
    record = await store.load(KEY)
    assert record is not None
    assert record.token == made("a")
