"""`FakeClock`: time that passes when the test says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta

__all__ = ["FakeClock"]

_WALL_S = 1_782_950_400.0
"""2026-07-02T00:00:00Z: any fixed day would do; a round one is easy to recognise in a failing test."""


def _seconds(span: float | timedelta) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)


def _forward(span: float | timedelta, what: str) -> float:
    seconds = _seconds(span)
    if not seconds >= 0:
        raise ValueError(f"FakeClock.{what}() moves time forward only; step_wall() may go back")
    return seconds


def _wake(sleeper: asyncio.Future[None]) -> None:
    if not sleeper.done():
        sleeper.set_result(None)


class FakeClock:
    """Implement `nauth.clock.Clock` without ever waiting.

    Both clocks stand still until `advance` moves them. A sleeper that is due wakes in the order of due times, once
    per `advance`: to see something sleep ten times for a second, advance ten times.

    Args:
        mono: the first reading of the monotonic clock, in seconds.
        wall: the first reading of the wall clock, in seconds since the Unix epoch.
        jump: if true, every `sleep` yields to the loop once, moves both clocks to its end and returns. Sleeps that
            overlap end where the longest does, as they would in real time.

    Attributes:
        jump: as above; may be switched while running.
        slept: the seconds of every sleep asked for so far, in order.
    """

    __slots__ = ("__weakref__", "_mono", "_sleepers", "_wall", "jump", "slept")

    def __init__(self, mono: float = 1000.0, wall: float = _WALL_S, *, jump: bool = False) -> None:
        self._mono = mono
        self._wall = wall
        self._sleepers: dict[asyncio.Future[None], float] = {}
        self.jump: bool = jump
        self.slept: list[float] = []

    def monotonic(self) -> float:
        """Return the monotonic reading in seconds."""
        return self._mono

    def wall(self) -> float:
        """Return the wall reading in seconds since the epoch."""
        return self._wall

    @property
    def sleeping(self) -> int:
        """How many tasks are asleep on this clock now."""
        return len(self._sleepers)

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved by `seconds`; with `jump`, move it."""
        self.slept.append(seconds)
        due = self._mono + seconds
        if self.jump or seconds <= 0:
            await asyncio.sleep(0)
            self.advance(max(due - self._mono, 0.0))
            return
        sleeper = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = due
        try:
            await sleeper
        finally:
            self._sleepers.pop(sleeper, None)

    def advance(self, span: float | timedelta) -> None:
        """Move both clocks forward by `span` (seconds or a timedelta) and wake every sleeper that is due.

        Raises:
            ValueError: `span` is negative.
        """
        seconds = _forward(span, "advance")
        self._mono += seconds
        self._wall += seconds
        due = sorted((at, order) for order, at in enumerate(self._sleepers.values()) if at <= self._mono)
        waiting = list(self._sleepers)
        for _, order in due:
            self._rouse(waiting[order])

    def step_wall(self, span: float | timedelta) -> None:
        """Step the wall clock alone, either way, as a time server or a person does."""
        self._wall += _seconds(span)

    def suspend(self, span: float | timedelta) -> None:
        """Suspend the machine for `span`: the wall clock runs on, the monotonic clock and all sleepers stand still.

        Raises:
            ValueError: `span` is negative.
        """
        self._wall += _forward(span, "suspend")

    def _rouse(self, sleeper: asyncio.Future[None]) -> None:
        del self._sleepers[sleeper]
        loop = sleeper.get_loop()
        if loop is _running_loop():
            _wake(sleeper)  # at once: call_soon would cost the test one more turn of the loop
        else:
            loop.call_soon_threadsafe(_wake, sleeper)

    def __repr__(self) -> str:
        return f"FakeClock(mono={self._mono!r}, wall={self._wall!r}, sleeping={self.sleeping})"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
