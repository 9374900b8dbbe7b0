"""`LoopStates`: what is kept for each loop, and the tasks owned there."""

from __future__ import annotations

import asyncio
import contextvars
import gc
from datetime import timedelta

import pytest

from nauth import owned_tasks
from nauth.after_fork import begin_child
from nauth.events import Cause
from nauth.manager import loop_state as loop_states
from nauth.manager.loop_state import LoopLock, LoopState, LoopStates
from nauth.manager.single_flight import Flight
from nauth.owned_tasks import own_task
from tests.support.manager import all_blocked


class Owner:
    """Has loop states, and is told of those that are lost."""

    def __init__(self) -> None:
        self.told: list[LoopState] = []


_KEPT: list[Owner] = []


def states() -> LoopStates[Owner]:
    """Return the loop states of an owner that lives on."""
    owner = Owner()
    _KEPT.append(owner)
    return LoopStates(owner, lambda mine, lost: mine.told.append(lost))


async def test_one_room_for_a_loop() -> None:
    """A loop has one loop_state, another loop another."""
    table = states()

    async def look() -> object:
        return table.here()

    assert table.here() is table.here()
    assert await asyncio.to_thread(asyncio.run, look()) is not table.here()


async def test_busy() -> None:
    """A flight in any loop makes the loop_states busy."""
    table = states()
    assert not table.busy()
    table.here().flight = Flight(Cause.COLD, asyncio.get_running_loop())
    assert await asyncio.to_thread(table.busy)


async def test_own_task_is_held() -> None:
    """An owned task is held until it is done, and not longer."""
    done = asyncio.Event()
    table = states()

    async def work() -> None:
        await done.wait()

    table.here().own(work(), name="work")
    await all_blocked()
    gc.collect()
    (task,) = table.here().tasks
    assert task.get_name() == "work"
    assert task in {work.task for work in owned_tasks._running[asyncio.get_running_loop()]}
    done.set()
    await task
    await all_blocked()
    assert not table.here().tasks
    assert not owned_tasks._running.get(asyncio.get_running_loop())


async def test_own_task_has_a_context_of_its_own() -> None:
    """An owned task neither sees nor changes its maker's context variables."""
    colour = contextvars.ContextVar("colour", default="none")
    seen: list[str] = []

    async def work() -> None:
        seen.append(colour.get())
        colour.set("blue")

    colour.set("red")
    await own_task(work(), name="work").task
    assert seen == ["none"]
    assert colour.get() == "red"


async def test_drain_waits() -> None:
    """Draining waits for the tasks of this loop; without any it returns at once."""
    table, log = states(), list[str]()
    await table.drain()

    async def work() -> None:
        await asyncio.sleep(0)
        log.append("worked")

    table.here().own(work(), name="work")
    await table.drain()
    assert log == ["worked"]


async def test_drain_cancels_who_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not over in time is cancelled, and may put its things away."""
    monkeypatch.setattr(loop_states, "DRAIN", timedelta(0))
    table, log = states(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            log.append("put away")

    table.here().own(work(), name="work")
    await all_blocked()
    await table.drain()
    assert log == ["put away"]


async def test_drain_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A task that does not let itself be cancelled does not hold draining up for ever."""
    monkeypatch.setattr(loop_states, "DRAIN", timedelta(0))
    monkeypatch.setattr(loop_states, "_FAREWELL_S", 0.0)
    table, free = states(), asyncio.Event()

    async def stubborn() -> None:
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    table.here().own(stubborn(), name="stubborn")
    await all_blocked()
    await table.drain()
    (task,) = table.here().tasks
    free.set()
    await task


async def test_the_lock_lets_one_in_at_a_time() -> None:
    """Those who wait get it in their order, one that is cancelled is passed over, and a lock that is free holds nothing."""
    lock, log, inside = LoopLock(), list[str](), 0
    assert not lock.locked()

    async def work(name: str) -> None:
        nonlocal inside
        async with lock:
            inside += 1
            assert inside == 1
            log.append(name)
            await all_blocked()
            inside -= 1

    tasks = [asyncio.create_task(work(name)) for name in "abcd"]
    await asyncio.sleep(0)
    assert lock.locked()
    tasks[1].cancel()
    await asyncio.wait(tasks)
    assert log == ["a", "c", "d"]
    assert lock._lock is None
    await work("e")
    assert log[-1] == "e"


async def test_the_last_who_waits_is_cancelled() -> None:
    """A lock whose waiter was cancelled is free once its holder leaves."""
    lock, leave = LoopLock(), asyncio.Event()

    async def hold() -> None:
        async with lock:
            await leave.wait()

    holder, waiter = asyncio.create_task(hold()), asyncio.create_task(hold())
    await all_blocked()
    waiter.cancel()
    leave.set()
    await asyncio.wait({holder, waiter})
    assert not lock.locked()
    async with lock:
        assert lock.locked()
    assert lock._lock is None


async def test_a_fork_tells_of_every_loop() -> None:
    """A forked child has no loop's state any more, and its owner was told of each that the parent had."""
    owner = Owner()
    table = LoopStates(owner, lambda mine, lost: mine.told.append(lost))
    before = table.here()
    begin_child()
    assert owner.told == [before]
    assert table.of(asyncio.get_running_loop()) is None
    assert table.here() is not before


async def test_an_owner_that_is_gone_is_told_nothing() -> None:
    """The owner is held weakly: it holds the states."""
    owner = Owner()
    told, table = owner.told, LoopStates(owner, lambda mine, lost: mine.told.append(lost))
    table.here()
    del owner
    gc.collect()
    table.after_fork()
    assert told == []
