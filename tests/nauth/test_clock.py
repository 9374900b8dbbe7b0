from __future__ import annotations

import asyncio
import time
import weakref

from nauth.clock import Clock, SystemClock


def test_system_clock_reads_the_machine() -> None:
    """The system clock gives the machine's own readings, in order."""
    clock = SystemClock()
    before, wall = time.monotonic(), time.time()
    assert before <= clock.monotonic() <= time.monotonic()
    assert wall <= clock.wall() <= time.time() + 1


def test_it_is_a_clock() -> None:
    """It fits the protocol, can be a weak key, and names itself."""
    clock = SystemClock()
    assert isinstance(clock, Clock)
    assert weakref.ref(clock)() is clock
    assert repr(clock) == "SystemClock()"


async def test_sleep_takes_time_and_lets_others_run() -> None:
    """Sleeping pauses this task for at least the time asked and no other task."""
    others: list[str] = []

    async def other() -> None:
        others.append("ran")

    loop = asyncio.get_running_loop()
    task = loop.create_task(other())
    start = loop.time()
    await SystemClock().sleep(0.01)
    # the loop fires timers up to its clock's resolution early
    assert loop.time() - start >= 0.009
    assert others == ["ran"]
    await task
