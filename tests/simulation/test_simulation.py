"""The simulation's share of the ordinary suite, what it found before, and the simulation's own workings."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from tests.simulation.coverage import Coverage
from tests.simulation.loop import SimLoop
from tests.simulation.run import main, run_seeds, timeline
from tests.simulation.scheduler import Livelock, Scheduler
from tests.simulation.world import replay

REGRESSIONS = {
    34: "with backoff=0, storing a token late went round in circles without a pause",
    109: "a push that was on its way brought a revoked token back",
    145: "a token adopted from the store was handed out after it had ended: giving the lease back took too long",
    219: "a commit that failed after the store had lost its record took the holder's version back to 0",
    563: "as 219, because revoking forgot the version",
    2163: "as 219, because news of an old record's end wiped out the newer token",
    3554: "the vendor was called under a lease that had ended while the answer to its extension was on the way",
    100345: "a commit_until_stored that had been superseded brought back the token that was refused meanwhile",
    105275: "a sibling's token was revoked, and its push, still on the way, was adopted",
    128190: "as 105275, after a token of one's own had followed the revoked one",
    441239495359: "a wall clock stepped between a token's push and its commit's answer: it was handed out as over",
    262232: "a refused token came back when its commit, long on the way, arrived",
    900418741939: "a sibling revoked a token before its commit was confirmed: the maker handed it out all the same",
    1290776: "of two tokens revoked at once the first was forgotten, and came back when a sibling stored it late",
}
"""Seeds that once broke a promise, each with what it found. A change to `plan.py` changes what they mean."""

WITH_ENDINGS = {
    50769: "a client whose store was slow to release its lease let another loop call in the cool-down that it had begun",
    55789: "as 50769: the next loop got the lease before the failure was counted",
    361658284102: "after a shutdown's cancelling a caller of the loop that went on was told of an end that was not its own",
    700017668: "a loop that waited for the lease of a closed one called quietly right after the call that was lost there",
    910010641: "a token that another loop revoked before its commit was confirmed was handed out",
    7000009066: "a renewal whose refresh token was refused went on to issue in the cool-down that another loop had begun",
    900004037: "a revocation that was taking its lock in a closed loop complained at the garbage collection",
}
"""The same for loops that end."""


def test_a_share_of_all_seeds() -> None:
    """Whatever seed the run begins with, no promise is broken. Loops that end have seeds of their own, below.

    The same seeds each time, so that a run's verdict does not depend on chance: `.ci/proof` draws others.
    """
    base = int(os.environ.get("NAUTH_SIM_BASE") or 1_000_000_000)
    deadline = time.monotonic() + float(os.environ.get("NAUTH_SIM_SECONDS") or 4)
    batch = run_seeds(range(base, base + 10**9), deadline=deadline, most=1, endings=False)
    sys.stdout.write(f"seeds {base} to {base + batch.runs - 1}: NAUTH_SIM_BASE={base} begins there again\n")
    assert not batch.broken, "\n\n".join(timeline(seed, endings=False) for seed in batch.broken)
    assert batch.runs > 10


def test_loops_that_end() -> None:
    """Where loops end, are closed and forked, these seeds break no promise. The last fault came after 10,000 others."""
    batch = run_seeds(range(1, 201), most=1, endings=True)
    assert not batch.broken, "\n\n".join(timeline(seed, endings=True) for seed in batch.broken)
    assert batch.runs == 200


@pytest.mark.parametrize("seed", REGRESSIONS)
@pytest.mark.slow
def test_what_was_found_before(seed: int) -> None:
    """A seed that once broke a promise breaks none."""
    assert not run_seeds([seed], endings=False).broken, timeline(seed, endings=False)


@pytest.mark.parametrize("seed", WITH_ENDINGS)
@pytest.mark.slow
def test_what_was_found_where_loops_end(seed: int) -> None:
    """Nor does one in which loops end."""
    assert not run_seeds([seed], endings=True).broken, timeline(seed, endings=True)


def test_a_seed_replays_exactly() -> None:
    """Two runs of one seed tell the same story, whatever ran in between."""
    for seed in range(20):
        first = replay(seed)
        replay(seed + 1)
        assert replay(seed) == first


@pytest.mark.slow
def test_a_seed_with_endings_replays_exactly() -> None:
    """So do two runs in which loops end, are closed with tasks pending, and are followed by others."""
    told: set[str] = set()
    for seed in range(1, 60):
        first = replay(seed, endings=True)
        replay(seed + 1, endings=True)
        assert replay(seed, endings=True) == first
        told.update(
            line.split("world")[-1].split(" p")[0].strip() for line in first[1] if "  world  " in line
        )
    assert {"end", "end twice", "cancel all", "close"} <= told


@pytest.mark.slow
def test_a_seed_replays_in_another_process() -> None:
    """Neither addresses nor the hashes of strings have a part in a run."""
    command = [sys.executable, "-c", "from tests.simulation.run import timeline; print(timeline(7), end='')"]
    for hashing in ("0", "1"):
        told = subprocess.run(  # noqa: S603 - our own code, our own interpreter
            command,
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).parents[2],
            env={
                **os.environ,
                "PYTHONHASHSEED": hashing,
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            },
        )
        assert told.stdout == timeline(7)


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints its range, what was reached and its speed, and exits 0 if nothing was broken."""
    code = main(["--seeds", "40", "--processes", "1", "--base", "100"])
    told = capsys.readouterr().out
    assert told.startswith("seeds 100 to 139, 1 processes")
    assert "exit: " in told
    assert "40 seeds in " in told
    assert code == 0
    assert told.endswith("a second; 0 broke a promise\n")


def test_coverage_counts() -> None:
    """States are counted by kind, with the runs that reached them, and what was seen once says what is still unseen."""
    one, other = Coverage(), Coverage()
    one.run = other.run = 4
    for coverage in (one, other, other):
        coverage.reach(("exit", "issued"))
    other.run = 5
    other.reach(("exit", "refreshed"))
    whole = Coverage()
    whole.merge(one, after=10)
    whole.merge(other, after=0)
    assert whole.of("exit") == [(("issued",), 3), (("refreshed",), 1)]
    assert {state[1]: (sight.runs, sight.first) for state, sight in whole.sights.items()} == {
        "issued": (2, 4),
        "refreshed": (1, 5),
    }
    told = "".join(whole.report(20))
    assert "2 distinct, 4 in all" in told
    assert "1 in one run only, so that another run shows a new one with a probability of about 0.05" in told


def test_coverage_of_pairs() -> None:
    """Which values have been met together is known, and which have not."""
    coverage = Coverage()
    many, never = coverage.pairs()
    assert many == len(never)
    coverage.reach(("state", "hands out", "fresh", "-", "free", "up", "up"))
    left = coverage.pairs()[1]
    assert len(left) == many - 10
    assert set(never) - set(left) > {"held fresh with lease free", "store up with vendor up"}


# --- the loop ------------------------------------------------------------------------------------


def _run(work: Callable[[], Awaitable[object]], *, seed: int = 0, shuffled: bool = True) -> Scheduler:
    scheduler = Scheduler()
    scheduler.reset(random.Random(seed), shuffled=shuffled)
    loop = SimLoop(scheduler)  # type: ignore[abstract]  # methods that are never called are left out

    async def run() -> None:
        await work()

    loop.call_soon(lambda: loop.create_task(run()))
    scheduler.run()
    assert not scheduler.of(loop), "a task never ended"
    return scheduler


def _orders(count: int, *, shuffled: bool) -> set[str]:
    """Return the orders in which five tasks run, over `count` seeds."""
    orders: set[str] = set()
    for seed in range(count):
        order: list[str] = []

        async def one(name: str, order: list[str] = order) -> None:
            order.append(name)

        async def five(one: Callable[[str], Awaitable[None]] = one) -> None:
            await asyncio.gather(*map(one, "abcde"))

        _run(five, seed=seed, shuffled=shuffled)
        orders.add("".join(order))
    return orders


def test_order_differs_by_seed() -> None:
    """What is ready runs in every order, given seeds enough; asyncio's own order is one of them."""
    assert len(_orders(2000, shuffled=True)) == 120
    assert _orders(20, shuffled=False) == {"abcde"}


def test_time_jumps() -> None:
    """A sleep of a year takes no time, and ends when the loop's own time says so."""
    seen: list[float] = []

    async def sleep() -> None:
        await asyncio.sleep(31_536_000)
        seen.append(asyncio.get_running_loop().time())

    began = time.monotonic()
    _run(sleep)
    assert seen == [pytest.approx(31_536_000)]
    assert time.monotonic() - began < 5


def test_timers_in_order() -> None:
    """Timers fire by their times, whatever the seed, and cancelled ones never."""
    for seed in range(50):
        order: list[int] = []

        async def wait(order: list[int] = order) -> None:
            loop = asyncio.get_running_loop()
            for delay in (3, 1, 2, 5, 4):
                timer = loop.call_later(delay, order.append, delay)
                if delay == 5:
                    timer.cancel()
                    assert timer.cancelled()

        assert _run(wait, seed=seed).now == pytest.approx(4)
        assert order == [1, 2, 3, 4]


def test_locks_timeouts_and_scopes() -> None:
    """Asyncio's and anyio's own tools work in every order."""
    for seed in range(200):
        inside: list[int] = []
        most: list[int] = []

        async def enter(
            lock: anyio.Lock | asyncio.Lock, inside: list[int] = inside, most: list[int] = most
        ) -> None:
            async with lock:
                inside.append(1)
                most.append(len(inside))
                await asyncio.sleep(0.1)
                inside.pop()

        async def work(enter: Callable[[anyio.Lock | asyncio.Lock], Awaitable[None]] = enter) -> None:
            for lock in (anyio.Lock(), asyncio.Lock()):
                await asyncio.gather(*(enter(lock) for _ in range(3)))
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1):
                    await asyncio.sleep(2)
            with anyio.move_on_after(1) as scope:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(5))
            assert scope.cancelled_caught

        scheduler = _run(work, seed=seed)
        assert most == [1] * 6
        assert scheduler.now == pytest.approx(2.6)
        assert scheduler.complaints == []


def test_unretrieved_exceptions_are_complaints() -> None:
    """What asyncio would only log is kept: the exception of a task that was not retrieved."""

    async def forget() -> None:
        async def fail() -> None:
            raise ValueError("forgotten")

        asyncio.get_running_loop().create_task(fail())
        await asyncio.sleep(1)

    assert _run(forget).complaints == [
        "SimTask exception was never retrieved (ValueError: forgotten)",
    ]


def test_errors_of_callbacks_are_complaints() -> None:
    """A callback that raises is reported and stops no process."""

    async def schedule() -> None:
        def fail() -> None:
            raise ValueError("oh")

        asyncio.get_running_loop().call_soon(fail)
        await asyncio.sleep(1)

    assert _run(schedule).complaints == ["ValueError in a callback: oh"]


def test_livelock() -> None:
    """A program that goes round in circles without any time passing is found out."""
    scheduler = Scheduler()
    loop = SimLoop(scheduler)  # type: ignore[abstract]  # as above

    def again() -> None:
        loop.call_soon(again)

    loop.call_soon(again)
    with pytest.raises(Livelock):
        scheduler.run(1000)


def test_killed_process() -> None:
    """The tasks of a killed process end at once and are not heard of again."""
    scheduler = Scheduler()
    loop, other = SimLoop(scheduler), SimLoop(scheduler)  # type: ignore[abstract]  # as above
    ended: list[str] = []

    async def live(name: str) -> None:
        try:
            await asyncio.sleep(10)
            ended.append(f"{name} slept")
        finally:
            ended.append(f"{name} ended")

    loop.call_soon(lambda: loop.create_task(live("killed")))
    other.call_soon(lambda: other.create_task(live("other")))
    scheduler.at(5, scheduler.kill, loop)
    scheduler.run()
    assert ended == ["killed ended", "other slept", "other ended"]
    assert scheduler.complaints == []


def test_suspended_process() -> None:
    """The timers of a suspended process fire as much later as it was suspended."""
    scheduler = Scheduler()
    loop = SimLoop(scheduler)  # type: ignore[abstract]  # as above
    seen: list[float] = []

    async def sleep() -> None:
        await asyncio.sleep(10)
        seen.extend((loop.time(), scheduler.now))

    loop.call_soon(lambda: loop.create_task(sleep()))
    scheduler.at(5, scheduler.put_off, loop, 100.0)
    scheduler.run()
    assert seen == pytest.approx([10, 110])


def test_closed_loop() -> None:
    """What a closed loop had ready or waiting never runs, nothing more can be scheduled there, and its tasks stay."""
    scheduler = Scheduler()
    loop, other = SimLoop(scheduler), SimLoop(scheduler)  # type: ignore[abstract]  # as above
    seen: list[str] = []

    async def live(name: str) -> None:
        await asyncio.sleep(10)
        seen.append(name)

    loop.call_soon(lambda: loop.create_task(live("closed")))
    other.call_soon(lambda: other.create_task(live("other")))
    left: list[asyncio.Task[object]] = []
    scheduler.at(5, lambda: left.extend(scheduler.close(loop)))
    scheduler.run()
    assert seen == ["other"]
    assert loop.is_closed()
    assert not loop.is_running()
    assert [task.done() for task in left] == [False]
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(seen.append, "too late")
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_later(1, seen.append, "too late")
    left.pop().get_coro().close()
    assert scheduler.complaints == []


def test_visible_tasks() -> None:
    """A program that asks for all tasks of a loop gets them oldest first, without those that were hidden."""
    scheduler = Scheduler()
    loop = SimLoop(scheduler)  # type: ignore[abstract]  # as above
    names: list[str] = []

    async def look() -> None:
        hidden = loop.create_task(asyncio.sleep(1), name="hidden")
        for name in "abc":
            loop.create_task(asyncio.sleep(1), name=name)
        asyncio._unregister_task(hidden)
        names.extend(task.get_name() for task in scheduler.visible(loop))
        assert hidden in scheduler.of(loop)

    loop.call_soon(lambda: loop.create_task(look(), name="looking"))
    scheduler.run()
    assert names == ["looking", "a", "b", "c"]
