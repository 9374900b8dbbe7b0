"""What the suite promises of its own event loops, whichever the command line chose."""

from __future__ import annotations

import asyncio
import sys
import time
import warnings

import pytest
from blockbuster import BlockingError

from tests.support.loops import Loops, all_blocked, timers


def _as_asked(loops: Loops) -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, asyncio.SelectorEventLoop) == (loops.kind == "asyncio")
    assert type(loop).__mro__[1].__module__.partition(".")[0] == loops.kind
    assert (loop.get_task_factory() is not None) == loops.eager
    assert loop.get_debug()


async def test_the_loop_of_a_test(loops: Loops) -> None:
    """A test that is a coroutine runs in debug mode, on the loop and with the tasks that were asked for."""
    _as_asked(loops)
    ran: list[str] = []

    async def run() -> None:
        ran.append("run")

    task = asyncio.create_task(run())
    assert bool(ran) == loops.eager
    await task


def test_the_loops_that_plain_tests_make(loops: Loops) -> None:
    """So does what a plain test runs."""

    async def look() -> None:
        _as_asked(loops)

    asyncio.run(look())
    with asyncio.Runner() as runner:
        runner.run(look())


async def test_blocking_is_found() -> None:
    """A call that would block the loop fails."""
    with pytest.raises(BlockingError):
        time.sleep(0)  # noqa: ASYNC251 - what must not be


async def test_an_unclosed_resource_is_an_error() -> None:
    """What warns of a resource left open fails."""
    with pytest.raises(ResourceWarning):
        warnings.warn("unclosed", ResourceWarning, stacklevel=1)


@pytest.mark.parametrize("turns", [0, 1, 2, 10])
async def test_all_blocked(turns: int) -> None:
    """`all_blocked` waits for work that takes a turn of the loop, or many, and for none that waits for a future."""
    gate, ran = asyncio.Event(), 0

    async def work() -> None:
        nonlocal ran
        for _ in range(turns):
            await asyncio.sleep(0)
            ran += 1
        await gate.wait()

    async def outer() -> None:
        await asyncio.gather(work(), asyncio.create_task(work()))

    task = asyncio.create_task(outer())
    await all_blocked()
    assert ran == 2 * turns
    assert not task.done()
    gate.set()
    await all_blocked()
    assert task.done()


async def test_timers() -> None:
    """`timers` names what has yet to run: not what has run, was cancelled or never was to wait."""
    before, ran = set(timers()), asyncio.Event()
    loop = asyncio.get_running_loop()
    waits, soon, cancelled = (loop.call_later(delay, ran.set) for delay in (1000, 0.001, 1000))
    loop.call_soon(str)
    cancelled.cancel()
    await ran.wait()
    assert set(timers()) - before == {waits}
    waits.cancel()
    assert set(timers()) <= before, soon


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python 3.12 brought eager tasks")
def test_eager_tasks_too_early() -> None:
    """Asking for eager tasks where Python has none is refused, not ignored."""
    with pytest.raises(ValueError, match=r"3\.12"):
        Loops(eager=True)
