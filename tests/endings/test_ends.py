"""A loop ends at every turn of a renewal, a revocation, a closing: the vendor acted if and only if it is held and stored."""

from __future__ import annotations

import asyncio
import gc
import time
from datetime import timedelta
from pathlib import Path

import pytest

from nauth import owned_tasks
from nauth.errors import OutcomeUnknownError, StoreError
from nauth.stores import MemoryStore
from nauth.stores.base import Lease, Record
from nauth.token import Token
from tests.endings.kit import (
    ENDS,
    LOOPS,
    POLICY,
    TURNS,
    Vendor,
    cancel_all,
    kept,
    manager_on,
    mute,
    runner,
    started,
    store_of,
    turns,
)
from tests.support.manager import KEY, Rig, all_blocked

UVLOOP_SLOWLY = [LOOPS[0], *(pytest.param(kind, marks=pytest.mark.slow) for kind in LOOPS[1:2]), *LOOPS[2:]]
"""The loops, the second kind for the long run only."""


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", UVLOOP_SLOWLY)
def test_a_renewal_is_kept_whenever_the_loop_ends(
    kind: str, end: str, store: str, tmp_path: Path, redis_url: str | None
) -> None:
    """The vendor has rotated if and only if the new token is held and stored; the next loop goes on with it."""
    for turn in TURNS:
        folder = tmp_path / str(turn)
        folder.mkdir()
        vendor = Vendor()
        with store_of(store, folder, redis_url) as opened:
            made_store = opened()
            manager = manager_on(made_store, vendor)
            with runner(kind) as first:
                first.run(manager.token())
            assert vendor.rotated == 1

            job = started(turn, manager.renew)

            with runner(kind) as second:
                second.run(ENDS[end](job, vendor))
            vendor.gate = None
            with runner(kind) as third:
                newest = f"r{vendor.rotated}"
                assert third.run(kept(manager, made_store)) == (newest, newest), f"turn {turn}"
                before = vendor.calls
                third.run(manager.token())
                assert vendor.calls == before, f"turn {turn}"
                third.run(manager.renew())
                third.run(manager.aclose())
                third.run(made_store.aclose())
            assert not owned_tasks._running


@pytest.mark.parametrize("store", ["memory", "sqlite"])
@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", UVLOOP_SLOWLY)
def test_a_revocation_is_finished_whenever_the_loop_ends(
    kind: str, end: str, store: str, tmp_path: Path
) -> None:
    """The vendor has revoked if and only if the token is forgotten, here and in the store."""
    for turn in TURNS:
        folder = tmp_path / str(turn)
        folder.mkdir()
        with store_of(store, folder, None) as opened:
            made_store = opened()
        vendor = Vendor()
        manager = manager_on(made_store, vendor)
        with runner(kind) as first:
            first.run(manager.token())

        job = started(turn, manager.revoke)

        with runner(kind) as second:
            second.run(ENDS[end](job, vendor))
        with runner(kind) as third:
            expected = (None, None) if vendor.revoked else ("r1", "r1")
            assert third.run(kept(manager, made_store)) == expected, f"turn {turn}"
            third.run(made_store.aclose())


async def test_a_confirmed_revocation_is_finished_in_the_store() -> None:
    """Once the vendor has confirmed it, the loop's end does not cut the revocation while the store forgets the token."""
    rig, gate = Rig(), asyncio.Event()
    await rig.name()
    rig.store.will("discard", gate.wait)
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    for work in tuple(owned_tasks._running[asyncio.get_running_loop()]):
        work.notice()
    await all_blocked()
    gate.set()
    await revoking
    assert rig.manager.current is None


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", LOOPS)
def test_closing_is_finished_whenever_the_loop_ends(kind: str, end: str) -> None:
    """A renewal that closing waits for is stored, although its loop ends meanwhile."""
    for turn in TURNS:
        vendor, store = Vendor(), MemoryStore()
        manager = manager_on(store, vendor)
        with runner(kind) as first:
            first.run(manager.token())

        job = started(turn, manager.renew, manager.aclose)

        with runner(kind) as second:
            second.run(ENDS[end](job, vendor))
        with runner(kind) as third:
            _, stored = third.run(kept(manager, store))
            assert stored == f"r{vendor.rotated}", f"turn {turn}"


@pytest.mark.parametrize("kind", LOOPS)
def test_before_the_first_step(kind: str) -> None:
    """All tasks are cancelled before the renewal takes its first step: the next `token()` of that loop is answered."""
    vendor = Vendor()
    manager = manager_on(MemoryStore(), vendor)

    async def main() -> str:
        caller = asyncio.create_task(manager.token())
        await asyncio.sleep(0)
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        del caller
        async with asyncio.timeout(5):
            return (await manager.token()).access_token.reveal()

    with runner(kind) as opened:
        assert opened.run(main()) == f"t{vendor.rotated or 1}"


@pytest.mark.parametrize("what", ["token", "renew"])
@pytest.mark.parametrize("kind", LOOPS)
def test_who_calls_after_all_was_cancelled(kind: str, what: str) -> None:
    """Where all tasks are cancelled and the loop goes on, the next caller gets a token, not the cancelled one's error."""
    vendor, store = Vendor(), MemoryStore()
    manager = manager_on(store, vendor)

    async def main() -> str:
        lease = await store.lease(KEY, timedelta(minutes=1))
        assert lease is not None
        caller = asyncio.create_task(manager.token())
        await turns(20)
        others = await cancel_all()
        next_one = asyncio.create_task(manager.token() if what == "token" else manager.renew())
        await asyncio.gather(*others, return_exceptions=True)
        await store.release(lease)
        del caller
        async with asyncio.timeout(5):
            return (await next_one).access_token.reveal()

    with runner(kind) as opened:
        assert opened.run(main()) == "t1"
    assert vendor.calls == 1


@pytest.mark.parametrize("kind", LOOPS)
def test_what_has_not_been_sent_ends_at_once(kind: str) -> None:
    """A renewal that waits for another client's lease does not hold the loop's end up, and counts as no failure."""
    vendor, store = Vendor(), MemoryStore()
    manager = manager_on(store, vendor)

    async def main() -> float:
        assert await store.lease(KEY, timedelta(minutes=1)) is not None
        caller = asyncio.create_task(manager.token())
        await turns(20)
        del caller
        return time.monotonic()

    with runner(kind) as opened:
        began = opened.run(main())
    assert time.monotonic() - began < owned_tasks.BOUND_S / 2
    assert vendor.calls == 0
    with runner(kind) as opened:
        opened.run(manager.token())


@pytest.mark.parametrize("kind", LOOPS)
def test_a_silent_vendor_is_given_up_at_the_bound(
    kind: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The end waits no longer than the bound; it counts as a failed attempt, and the next job does not call."""
    monkeypatch.setattr(owned_tasks, "BOUND_S", 0.05)
    vendor = Vendor()
    manager = manager_on(MemoryStore(), vendor)

    async def main() -> None:
        vendor.gate = asyncio.Event()
        caller = asyncio.create_task(manager.token())
        await turns(10)
        del caller

    with runner(kind) as opened:
        opened.run(main())
    assert "was given up: its event loop ends" in caplog.text
    vendor.gate = None

    async def again() -> None:
        with pytest.raises(OutcomeUnknownError) as told:
            await manager.token()
        assert told.value.retry_after is not None

    with runner(kind) as opened:
        opened.run(again())
    assert vendor.calls == 1


async def test_deadlines_inside_still_work() -> None:
    """A renewal's deadline cancels the work at the deadline, not at the bound of a loop's end."""
    vendor = Vendor()
    vendor.gate = asyncio.Event()
    policy = type(POLICY)(deadline=timedelta(seconds=0.05))
    manager = manager_on(MemoryStore(), vendor, policy)
    began = asyncio.get_running_loop().time()
    with pytest.raises(OutcomeUnknownError, match="did not end within"):
        await manager.token()
    assert asyncio.get_running_loop().time() - began < owned_tasks.BOUND_S / 2


async def test_work_is_hidden_and_its_keeper_is_not() -> None:
    """`asyncio.all_tasks()` lacks the work, so that a change of asyncio there fails loudly; it has the keeper."""
    done = asyncio.Event()

    async def work() -> None:
        await done.wait()

    owned = owned_tasks.own_task(work(), name="work")
    await asyncio.sleep(0)
    assert owned.task not in asyncio.all_tasks()
    assert owned.keeper in asyncio.all_tasks()
    done.set()
    await owned.keeper
    assert owned.task.done()
    assert not owned.keeper.cancel()


async def test_a_keeper_hears_one_notice() -> None:
    """Cancelled again and again, work at risk is given its time once."""
    done, log = asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            await done.wait()
        finally:
            log.append("over")

    owned = owned_tasks.own_task(work(), name="work", at_risk=True)
    owned.wake = lambda: log.append("woken")
    await asyncio.sleep(0)
    for _ in range(3):
        assert owned.keeper.cancel()
        await asyncio.sleep(0)
    assert owned.ending
    assert log == ["woken"]
    done.set()
    await owned.keeper
    assert log == ["woken", "over"]
    assert not owned.task.cancelled()


async def test_stubborn_work_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that does not let itself be cancelled does not hold the end up beyond the farewell."""
    monkeypatch.setattr(owned_tasks, "FAREWELL_S", 0.01)
    free = asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    owned = owned_tasks.own_task(stubborn(), name="stubborn")
    await asyncio.sleep(0)
    owned.keeper.cancel()
    let_go, _ = await asyncio.wait([owned.keeper], timeout=5)
    left_behind = not owned.task.done()
    free.set()  # whatever came of it: it would hold the end of this very loop up
    await owned.task
    assert let_go
    assert left_behind


async def test_stubborn_work_begun_during_the_end_is_left_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the work that it began after the notice: one bound and one farewell for both."""
    monkeypatch.setattr(owned_tasks, "BOUND_S", 0.02)
    monkeypatch.setattr(owned_tasks, "FAREWELL_S", 0.01)
    told, free = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    later: list[owned_tasks.Work] = []

    async def work() -> None:
        await told.wait()
        later.append(owned_tasks.own_task(stubborn(), name="later", at_risk=True))

    owned = owned_tasks.own_task(work(), name="work", at_risk=True)
    await asyncio.sleep(0)
    owned.keeper.cancel()
    told.set()
    let_go, _ = await asyncio.wait([owned.keeper], timeout=5)
    left_behind = owned.task.done() and not later[0].task.done()
    free.set()
    await later[0].task
    assert let_go
    assert left_behind


@pytest.mark.parametrize("up", [True, False])
def test_a_deferred_commit_is_stored_as_the_loop_ends(*, up: bool) -> None:
    """A commit that rests between two attempts is woken by the end, and stored; if not, the next loop stores it."""
    rig = Rig(rotating=True)

    async def main() -> None:
        rig.store.will("commit", StoreError("down"), None if up else StoreError("down"))
        await rig.manager.token()
        await turns(10)

    async def goes_on() -> None:
        await rig.manager.token()
        await turns(10)
        rig.clock.advance(60)
        await turns(20)

    with runner("asyncio") as opened:
        opened.run(main())
    with runner("asyncio") as opened:
        if not up:
            assert opened.run(rig.stored()) is None
            opened.run(goes_on())
        assert opened.run(rig.stored()) == ("t1", "r1", 1)
        assert rig.manager.cache.fresh() is not None


# what redis-py leaves open in a closed loop complains when it is collected, and is right
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
# a uvloop that warns of a connection as it closes itself does not close it, and waits for it for ever, if warnings are errors
@pytest.mark.filterwarnings("ignore:unclosed resource:ResourceWarning")
@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
@pytest.mark.parametrize("turn", [pytest.param(turn, marks=pytest.mark.slow) for turn in (1, 3, 9, 14)] + [6])
def test_a_closed_loop_holds_no_lease(
    turn: int, store: str, tmp_path: Path, redis_url: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop is closed during a renewal, without any cancelling: the first `token()` of the next one is there in time."""
    vendor = Vendor()
    with store_of(store, tmp_path, redis_url) as opened:
        made_store = opened()
        manager = manager_on(made_store, vendor)
        loop = asyncio.new_event_loop()
        vendor.gate = asyncio.Event()

        async def main() -> None:
            caller = asyncio.create_task(manager.token())
            for _ in range(turn):
                await asyncio.sleep(0.002 if store != "memory" else 0)
            del caller

        loop.run_until_complete(main())
        mute(loop)
        loop.close()
        vendor.gate = None
        began = time.monotonic()

        async def goes_on() -> None:
            async with asyncio.timeout(8):
                await manager.token()
            await manager.aclose()
            await made_store.aclose()

        asyncio.run(goes_on())
        assert time.monotonic() - began < 3
    del loop
    gc.collect()


class _Busy(MemoryStore):
    """Fails to store a token the first time."""

    failures = 1

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        await asyncio.sleep(0)
        if self.failures:
            self.failures -= 1
            raise StoreError("down")
        return await super().commit(lease, token, expected_version=expected_version, age=age)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("kind", LOOPS)
def test_a_commit_that_fails_during_the_end_is_tried_once_more(kind: str, end: str) -> None:
    """A renewal that ends with its loop stores its token itself: work made after the notice is waited for by nothing."""
    for turn in TURNS:
        vendor, store = Vendor(), _Busy()
        manager = manager_on(store, vendor)
        with runner(kind) as first:
            first.run(ENDS[end](started(turn, manager.token), vendor))
        newest = f"r{vendor.rotated}" if vendor.rotated else None
        with runner(kind) as second:
            assert second.run(kept(manager, store)) == (newest, newest), f"turn {turn}"


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("act", ["renew", "revoke", "deferred commit"])
def test_what_the_garbage_collector_ends_says_nothing(act: str, turn: int) -> None:
    """The coroutines of a closed loop are ended outside of any task, and neither fail nor count as a failure."""
    vendor, store = Vendor(), _Busy()
    store.failures = 10 if act == "deferred commit" else 0
    manager = manager_on(store, vendor)
    loop = asyncio.new_event_loop()

    async def main() -> None:
        await manager.token()
        if act == "deferred commit":
            await turns(turn)
            return
        caller = asyncio.create_task(manager.renew() if act == "renew" else manager.revoke())
        await turns(turn)
        del caller

    loop.run_until_complete(main())
    left = [*asyncio.all_tasks(loop), *(work.task for work in owned_tasks._running.get(loop, ()))]
    for task in left:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # Python says so, and it is honest
    loop.close()
    for task in left:
        task.get_coro().close()
    owned_tasks._running.clear()
    with runner("asyncio") as opened:
        opened.run(manager.token())


async def test_a_forked_child_takes_a_deferred_commit_up() -> None:
    """The parent's loop does not look closed to the child, and its commit is never made there."""
    rig = Rig(rotating=True)
    rig.store.will("commit", StoreError("down"))
    await rig.manager.token()
    parents = rig.manager._commit
    assert parents is not None
    rig.manager._loops.after_fork()
    await rig.manager.token()
    assert rig.manager._commit not in (None, parents)


@pytest.mark.parametrize("kind", LOOPS)
def test_after_a_loop_closed_during_a_renewal(kind: str) -> None:
    """What was pending in a closed loop holds nothing up: no loop_state, no busy flag, and the next loop is answered."""
    vendor, store = Vendor(), MemoryStore()
    manager = manager_on(store, vendor)
    loop = asyncio.new_event_loop()
    vendor.gate = asyncio.Event()

    async def main() -> None:
        caller = asyncio.create_task(manager.token())
        await turns(10)
        assert manager._loops.busy()
        del caller

    loop.run_until_complete(main())
    mute(loop)
    loop.close()
    vendor.gate = None
    assert not manager._loops.busy()

    async def next_one() -> str:
        async with asyncio.timeout(3):
            return (await manager.token()).access_token.reveal()

    with runner(kind) as opened:
        assert opened.run(next_one()) == "t2"
    assert loop not in owned_tasks._running
    assert manager._loops.of(loop) is None


def test_a_call_that_another_loop_was_closed_under_counts() -> None:
    """A loop that waits for the lease of one that is closed during its call does not call quietly right after it."""
    rig = Rig(rotating=True)
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    a_second_is_over = asyncio.Event()

    async def serves_a_stale_token() -> None:
        await rig.manager.token()
        await turns(10)

    async def goes_on() -> None:
        a_second_is_over.set()
        await turns(10)

    rig.store.will("changed", a_second_is_over.wait)
    first.run_until_complete(rig.manager.token())
    rig.clock.advance(3_545)
    rig.close_gate()
    for loop in (first, second):
        loop.run_until_complete(serves_a_stale_token())
        rig.clock.advance(0.2)  # a stale token is served on for a moment before the next caller looks
    mute(first)
    first.close()
    second.run_until_complete(goes_on())
    assert rig.calls == ["issue", "refresh r1"]
    assert not rig.manager._loops.busy()
    second.close()


def test_a_token_whose_commit_is_cut_at_the_bound_is_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the store hangs until the bound, the new token is held, and the next loop stores it."""
    monkeypatch.setattr(owned_tasks, "BOUND_S", 0.05)
    rig = Rig(rotating=True)
    hanging = asyncio.Event()
    rig.store.will("commit", hanging.wait)

    async def main() -> None:
        caller = asyncio.create_task(rig.manager.token())
        await turns(10)
        del caller

    with runner("asyncio") as opened:
        opened.run(main())
    assert rig.held == "t1"
    with runner("asyncio") as opened:
        assert opened.run(rig.stored()) is None

        async def goes_on() -> None:
            assert await rig.name() == "t1"
            await turns(5)
            rig.clock.advance(60)
            await turns(20)

        opened.run(goes_on())
        assert opened.run(rig.stored()) == ("t1", "r1", 1)
    assert rig.calls == ["issue"]
