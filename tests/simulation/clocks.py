"""The clocks of a simulated process: with separate offsets and steps, and no real time."""

from __future__ import annotations

import asyncio

from tests.simulation.loop import SimLoop

__all__ = ["EPOCH", "SimClock"]

EPOCH = 1_800_000_000.0
"""The wall's true reading at virtual time zero."""


class SimClock:
    """A `nauth.Clock` on a loop's virtual time.

    Args:
        loop: whose time; any loop of the process.
        mono: the monotonic clock's reading at virtual time zero: it starts with the machine.
        skew: seconds by which the wall clock is wrong.
    """

    __slots__ = ("__weakref__", "_loop", "_mono", "skew")

    def __init__(self, loop: SimLoop, *, mono: float, skew: float) -> None:
        self._loop, self._mono, self.skew = loop, mono, skew

    def monotonic(self) -> float:
        return self._loop.scheduler.now - self._loop.lag + self._mono

    def wall(self) -> float:
        # a suspended machine's wall clock runs on
        return self._loop.scheduler.now + EPOCH + self.skew

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
