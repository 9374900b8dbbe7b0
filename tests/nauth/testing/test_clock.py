"""`FakeClock` obeys the test and nothing else."""

from __future__ import annotations

import asyncio
import threading
import weakref
from datetime import timedelta

import pytest

from nauth.clock import Clock
from nauth.testing import FakeClock


async def _asleep(clock: FakeClock, count: int) -> None:
    for _ in range(100):
        if clock.sleeping == count:
            return
        await asyncio.sleep(0)
    pytest.fail(f"{clock.sleeping} tasks asleep, not {count}")


def test_it_is_a_clock_that_can_be_keyed_weakly() -> None:
    """It fits the protocol, hashes by identity and leaves weak maps when dropped."""
    one, other = FakeClock(), FakeClock()
    seen = weakref.WeakKeyDictionary({one: 1, other: 2})
    assert isinstance(one, Clock)
    assert one != other
    assert seen[one] == 1
    del other
    assert len(seen) == 1


def test_advance_moves_both_clocks() -> None:
    """Seconds and timedeltas both move monotonic and wall time by the same amount."""
    clock = FakeClock(10.0, 500.0)
    clock.advance(1.5)
    clock.advance(timedelta(minutes=1))
    assert (clock.monotonic(), clock.wall()) == (71.5, 561.5)


def test_wall_alone_can_be_stepped_and_suspended() -> None:
    """A step goes either way and a suspend forward, both on the wall clock only."""
    clock = FakeClock(10.0, 500.0)
    clock.step_wall(-100)
    clock.step_wall(timedelta(seconds=30))
    clock.suspend(5)
    assert (clock.monotonic(), clock.wall()) == (10.0, 435.0)


@pytest.mark.parametrize("move", ["advance", "suspend"])
@pytest.mark.parametrize("span", [-1, float("nan")])
def test_time_never_runs_backwards(move: str, span: float) -> None:
    """A negative or meaningless advance or suspend is refused and moves nothing."""
    clock = FakeClock(10.0, 500.0)
    with pytest.raises(ValueError, match=move):
        getattr(clock, move)(span)
    assert (clock.monotonic(), clock.wall()) == (10.0, 500.0)


async def test_sleepers_wake_when_due_in_order_of_their_due_times() -> None:
    """Only those that are due wake, the earliest first, and equals in the order they fell asleep."""
    clock, woken = FakeClock(), list[str]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(name)

    async with asyncio.TaskGroup() as group:
        for name, seconds in [("three", 3), ("one", 1), ("two", 2), ("also one", 1), ("nine", 9)]:
            group.create_task(sleeper(name, seconds))
        await _asleep(clock, 5)
        clock.advance(3)
        await asyncio.sleep(0)
        assert woken == ["one", "also one", "two", "three"]
        clock.advance(5.9)
        await asyncio.sleep(0)
        assert clock.sleeping == 1
        clock.advance(0.1)
    assert woken[-1] == "nine"
    assert clock.slept == [3, 1, 2, 1, 9]


async def test_suspend_wakes_no_sleeper() -> None:
    """A sleeper counts on the monotonic clock, which stands still while the machine sleeps."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(1))
    await _asleep(clock, 1)
    clock.suspend(3600)
    assert clock.sleeping == 1
    clock.advance(1)
    await task


async def test_a_cancelled_sleeper_leaves_nothing_behind() -> None:
    """Cancelled while asleep, or just after the wake-up, a sleeper is forgotten and later advances work."""
    clock = FakeClock()
    tasks = [asyncio.create_task(clock.sleep(seconds)) for seconds in (5, 1)]
    await _asleep(clock, 2)
    clock.advance(1)
    for task in tasks:
        task.cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, asyncio.CancelledError]
    assert clock.sleeping == 0
    clock.advance(10)


async def test_a_sleeper_cancelled_in_the_same_turn_is_not_woken_twice() -> None:
    """An advance between the cancellation and its delivery finds the sleeper done and lets it be."""
    clock = FakeClock()
    task = asyncio.create_task(clock.sleep(5))
    await _asleep(clock, 1)
    task.cancel()
    clock.advance(5)
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize("seconds", [0, -1])
async def test_a_sleep_of_nothing_only_yields(seconds: float) -> None:
    """Zero and less let other tasks run once and move no clock."""
    clock, ran = FakeClock(), list[str]()
    asyncio.get_running_loop().call_soon(ran.append, "other")
    await clock.sleep(seconds)
    assert ran == ["other"]
    assert clock.monotonic() == 1000.0


async def test_with_jump_a_sleep_moves_the_clock_by_itself() -> None:
    """Each sleep ends after one turn of the loop; sleeps that overlap do not add up."""
    clock = FakeClock(jump=True)
    await clock.sleep(30)
    assert clock.monotonic() == 1030.0
    await asyncio.gather(clock.sleep(5), clock.sleep(20), clock.sleep(10))
    assert clock.monotonic() == 1050.0
    assert clock.slept == [30, 5, 20, 10]


def test_sleepers_of_another_thread_are_woken_there() -> None:
    """`advance` outside any loop wakes a sleeper in the loop it sleeps in."""
    clock, fell_asleep = FakeClock(), threading.Event()

    async def sleep() -> float:
        task = asyncio.create_task(clock.sleep(7))
        await _asleep(clock, 1)
        fell_asleep.set()
        await task
        return clock.monotonic()

    woke_at: list[float] = []
    thread = threading.Thread(target=lambda: woke_at.append(asyncio.run(sleep())))
    thread.start()
    assert fell_asleep.wait(10)
    clock.advance(7)
    thread.join(10)
    assert woke_at == [1007.0]


def test_repr_counts_the_sleepers() -> None:
    """The repr says what both clocks read."""
    assert repr(FakeClock(1.0, 2.0)) == "FakeClock(mono=1.0, wall=2.0, sleeping=0)"
