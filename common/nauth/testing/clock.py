"""`FakeClock`: time that passes when the test says so."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

__all__ = ["FakeClock", "wake"]

_WALL_S = 1_782_950_400.0
"""2026-07-02T00:00:00Z: any fixed day would do; a round one is easy to recognise in a failing test."""


def _seconds(span: float | timedelta) -> float:
    return span.total_seconds() if isinstance(span, timedelta) else float(span)


def _forward(span: float | timedelta, what: str) -> float:
    seconds = _seconds(span)
    if not seconds >= 0:
        raise ValueError(f"FakeClock.{what}() moves time forward only; step_wall() may go back")
    return seconds


def wake(sleeper: asyncio.Future[None]) -> None:
    """End the wait for `sleeper`, from any thread."""
    loop = sleeper.get_loop()
    if loop is _running_loop():
        _set(sleeper)  # at once: call_soon would cost the test one more turn of the loop
    else:
        loop.call_soon_threadsafe(_set, sleeper)


def _set(sleeper: asyncio.Future[None]) -> None:
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

    __slots__ = ("__weakref__", "_guard", "_mono", "_sleepers", "_wall", "jump", "slept")

    def __init__(self, mono: float = 1000.0, wall: float = _WALL_S, *, jump: bool = False) -> None:
        self._guard = threading.Lock()
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
        with self._guard:
            due = self._mono + seconds
        if self.jump or seconds <= 0:
            await asyncio.sleep(0)
            self.advance(max(due - self._mono, 0.0))
            return
        sleeper = asyncio.get_running_loop().create_future()
        with self._guard:
            due_now = due <= self._mono  # another thread may have moved the clock meanwhile
            if not due_now:
                self._sleepers[sleeper] = due
        try:
            if not due_now:
                await sleeper
        finally:
            with self._guard:
                self._sleepers.pop(sleeper, None)

    def advance(self, span: float | timedelta) -> None:
        """Move both clocks forward by `span` (seconds or a timedelta) and wake every sleeper that is due.

        Raises:
            ValueError: `span` is negative.
        """
        seconds = _forward(span, "advance")
        with self._guard:
            self._mono += seconds
            self._wall += seconds
            # a stable sort: those that are due at the same instant wake in the order in which they fell asleep
            due = sorted(
                (one for one in self._sleepers.items() if one[1] <= self._mono), key=lambda one: one[1]
            )
            for sleeper, _ in due:
                del self._sleepers[sleeper]
        for sleeper, _ in due:
            wake(sleeper)

    def step_wall(self, span: float | timedelta) -> None:
        """Step the wall clock alone, either way, as a time server or a person does."""
        with self._guard:
            self._wall += _seconds(span)

    def suspend(self, span: float | timedelta) -> None:
        """Suspend the machine for `span`: the wall clock runs on, the monotonic clock and all sleepers stand still.

        Raises:
            ValueError: `span` is negative.
        """
        seconds = _forward(span, "suspend")
        with self._guard:
            self._wall += seconds

    def __repr__(self) -> str:
        return f"FakeClock(mono={self._mono!r}, wall={self._wall!r}, sleeping={self.sleeping})"


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
