"""Stopping a caller, in eight ways, while a refresh token is being rotated."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest

from nauth.errors import OutcomeUnknownError, VendorUnavailableError
from tests.support.authenticator import HOUR
from tests.support.manager import POLICY, Rig, all_blocked


async def cancelled(work: Awaitable[object], stop: asyncio.Event) -> None:
    task = asyncio.ensure_future(work)
    await stop.wait()
    task.cancel()
    await task


async def cancelled_twice(work: Awaitable[object], stop: asyncio.Event) -> None:
    task = asyncio.ensure_future(work)
    await stop.wait()
    task.cancel()
    task.cancel()
    await task


async def timed_out(work: Awaitable[object], stop: asyncio.Event) -> None:
    async with asyncio.timeout(None) as limit:
        asyncio.ensure_future(stop.wait()).add_done_callback(
            lambda _: limit.reschedule(asyncio.get_running_loop().time())
        )
        await work


async def waited_for(work: Awaitable[object], stop: asyncio.Event) -> None:
    # no event can end `wait_for`; a moment is enough, for nothing else moves meanwhile
    await asyncio.wait_for(work, 0.001)


async def group_aborted(work: Awaitable[object], stop: asyncio.Event) -> None:
    async def fail() -> None:
        await stop.wait()
        raise ValueError

    async with asyncio.TaskGroup() as group:
        group.create_task(fail())
        await work


async def failed_after(work: Awaitable[object], stop: asyncio.Event) -> None:
    with anyio.fail_after(0.001):
        await work


async def scope_cancelled(work: Awaitable[object], stop: asyncio.Event) -> None:
    async with anyio.create_task_group() as group:

        async def cancel() -> None:
            await stop.wait()
            group.cancel_scope.cancel()

        group.start_soon(cancel)
        await work


async def disconnected(work: Awaitable[object], stop: asyncio.Event) -> None:
    """The way of aiohttp's total timeout: the task is cancelled from a timer, and sees a TimeoutError."""
    await stop.wait()
    async with asyncio.timeout(0):
        await work


KILLERS: list[Callable[[Awaitable[object], asyncio.Event], Awaitable[None]]] = [
    cancelled,
    cancelled_twice,
    timed_out,
    waited_for,
    group_aborted,
    failed_after,
    scope_cancelled,
    disconnected,
]


@pytest.mark.parametrize("killer", KILLERS)
@pytest.mark.parametrize("method", ["token", "renew"])
async def test_stopped_leader_hurts_no_other(killer: Callable[..., Any], method: str) -> None:
    """However the caller that started a rotating refresh is stopped, one call is made, its result kept and shared."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    gate, stop = rig.close_gate(), asyncio.Event()
    leader = asyncio.ensure_future(killer(getattr(rig.manager, method)(), stop))
    await asyncio.sleep(0)
    others = [asyncio.create_task(rig.name()) for _ in range(20)]
    await all_blocked()
    stop.set()
    await asyncio.wait([leader])
    assert not any(task.done() for task in others)
    gate.set()
    assert set(await asyncio.gather(*others)) == {"t2"}
    assert leader.cancelled() or leader.exception() is not None or killer is scope_cancelled
    assert rig.calls == ["issue", "refresh r1"]
    assert await rig.stored() == ("t2", "r2", 2)
    assert rig.held == "t2"
    rig.clock.advance(HOUR)
    assert await rig.name() == "t3"


@pytest.mark.parametrize("fails", [False, True])
async def test_all_waiters_cancelled(caplog: pytest.LogCaptureFixture, *, fails: bool) -> None:
    """If no caller waits any more, the outcome is kept, and no task or exception is left behind."""
    asyncio.get_running_loop().slow_callback_duration = 60  # remarks on that are not what is looked for
    rig = Rig(rotating=True)
    gate = rig.close_gate()
    rig.vendor.errors.append(VendorUnavailableError("down") if fails else None)
    callers = [asyncio.create_task(rig.name()) for _ in range(50)]
    await all_blocked()
    flight = rig.manager._loops.here().flight
    assert flight is not None
    assert len(flight) == 50
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    assert len(flight) == 0
    gate.set()
    await all_blocked()
    assert not rig.tasks()
    assert rig.manager._loops.here().flight is None
    assert rig.held == (None if fails else "t1")
    del flight, callers
    assert [record for record in caplog.records if record.name != "nauth.renewal"] == []


async def test_cancelled_waiters_are_not_quadratic() -> None:
    """No future or task gathers the callbacks of all waiters: removing them one by one would be quadratic."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.name()) for _ in range(10_000)]
    await all_blocked()
    flight = rig.manager._loops.here().flight
    assert flight is not None
    (task,) = rig.tasks()
    for future in (task, *flight._waiters):
        assert len(getattr(future, "_callbacks", None) or ()) <= 3
    for caller in callers:
        caller.cancel()
    await asyncio.wait(callers)
    assert len(flight) == 0
    assert len(getattr(task, "_callbacks", None) or ()) <= 3
    gate.set()
    assert await rig.name() == "t1"


async def test_cancelled_just_after_the_outcome() -> None:
    """A caller cancelled between the outcome and its own turn is cancelled; the others are served."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.name()) for _ in range(3)]
    await all_blocked()
    flight = rig.manager._loops.here().flight
    assert flight is not None
    gate.set()
    while flight.outcome is None:  # noqa: ASYNC110 - an event would come a turn too late
        await asyncio.sleep(0)
    callers[0].cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == ["t1", "t1"]


async def test_cancelled_before_it_began() -> None:
    """A caller cancelled before its first step causes no call."""
    rig = Rig()
    caller = asyncio.Task(rig.name())  # waits for its turn even where tasks are eager
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert rig.calls == []


async def test_cancelled_renewal() -> None:
    """When the owned task itself is cancelled during a call, waiters get a typed error, and it counts as a failed attempt."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.name()) for _ in range(5)]
    await all_blocked()
    for task in rig.tasks():
        task.cancel()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {OutcomeUnknownError}
    assert "was cancelled" in str(outcomes[0])
    gate.set()
    rig.clock.advance(POLICY.cooldown)
    assert await rig.name() == "t2"
    assert "0 leases" in repr(rig.store)
