"""The only module that reads the time. All others are given a `Clock`."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol, runtime_checkable

from nauth.errors import ConfigurationError

__all__ = ["SYSTEM_CLOCK", "Clock", "SystemClock", "check_clock"]


@runtime_checkable
class Clock(Protocol):
    """Source of time: a monotonic clock, a wall clock and a sleep.

    Both readings are floats because the fast path compares them on every request; whatever the user sees is a
    `datetime` or a `timedelta`.
    """

    def monotonic(self) -> float:
        """Return seconds that never run backwards. They may stand still while the machine sleeps."""
        ...

    def wall(self) -> float:
        """Return seconds since the Unix epoch. They run on through sleep, and may be stepped either way."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Pause the calling task for `seconds`."""
        ...


class SystemClock:
    """The machine's own clocks."""

    __slots__ = ("__weakref__",)

    # C functions bound as they are: a Python frame around each would double the cost of the fast path.
    monotonic: staticmethod[[], float] = staticmethod(time.monotonic)
    wall: staticmethod[[], float] = staticmethod(time.time)

    async def sleep(self, seconds: float) -> None:
        """Pause the calling task for `seconds`."""
        await asyncio.sleep(seconds)

    def __repr__(self) -> str:
        return "SystemClock()"


SYSTEM_CLOCK = SystemClock()
"""The one that is meant where none is given: thousands of clients need no object each for it."""


def check_clock(clock: object) -> None:
    """Refuse what is no clock, before a client is made with it.

    Raises:
        ConfigurationError: `clock` is neither None nor a `Clock`.
    """
    if clock is not None and not isinstance(clock, Clock):
        raise ConfigurationError(
            f"clock must be a nauth.Clock, such as FakeClock(), not {type(clock).__name__}"
        )
