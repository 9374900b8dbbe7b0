"""`Stage`: run one scenario: its simulated callers, its incidents, its figures."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import attrs

from nauth.cli.demo.metrics import Tally, percentile_ms
from nauth.cli.demo.scenario import Counters, Incident, MakeStory, Story
from nauth.clock import Clock
from nauth.events import Cause

__all__ = ["Aftermath", "Figures", "Stage"]

_CALM_S = 0.3
"""Seconds after a renewal until everything has settled; far shorter than a scenario's tokens live.

An incident must not fall into a renewal: a request is replayed once, so a request hit by both would, as documented,
give its caller the second 401."""

_EASE, _EASE_HERD = 10, 2
"""How many times a request's duration is added to the pause after it; the second number is for each caller's first
request, which queues in any case. Without this pause the queue on a busy machine would grow until requests wait in it
for longer than their token lives."""

_POLL_S = 0.02
_FIRST_AT, _LAST_AT = 0.4, 0.7
"""Earliest moments of the first and the last incident, as shares of the whole."""


@attrs.frozen(kw_only=True)
class Aftermath:
    """What followed an incident: calls at the vendor, and renewals that reached it."""

    calls: Counters
    renewals: int


@attrs.frozen(kw_only=True)
class Figures:
    """One vendor's line on the display. Rate, latencies and incidents count since the last update."""

    vendor: str
    requests: int
    per_second: float
    calls: Counters
    replays: int
    errors: int
    p50_ms: float
    p99_ms: float
    happened: str = ""


class Stage:
    """Run one scenario.

    Args:
        make: makes the scenario.
        lifetime: how long its tokens live.
        clock: source of time.

    Attributes:
        story: the scenario.
        tally: what has been counted so far.
        stopping: set it to let every coroutine end after the request it is making.
        in_flight: how many requests are in flight.
        served: how many callers have had their first response or failure.
        aftermaths: what followed each incident, by its name, once that has been measured.
    """

    def __init__(self, make: MakeStory, lifetime: timedelta, clock: Clock) -> None:
        self._clock = clock
        self.tally: Tally = Tally(clock)
        self.story: Story = make(self.tally.watch, lifetime)
        self.stopping = False
        self.in_flight: int = 0
        self.served: int = 0
        self.aftermaths: dict[str, Aftermath] = {}
        self._opened = asyncio.Event()
        self._cold_issues: int | None = None
        self._looked = clock.monotonic()
        self._happened: list[str] = []

    @property
    def cold_issues(self) -> int:
        """Sign-ins for the very first token, counted until the first incident."""
        if self._cold_issues is not None:
            return self._cold_issues
        # without refresh tokens renewals ahead of expiry sign in too
        ahead = 0 if self.story.refreshes else self.tally.renewals.count(Cause.STALE)
        return self.story.counters().issue - ahead

    def open(self) -> None:
        """Let the callers start, and the incidents begin."""
        self._opened.set()

    async def visit(self, number: int, pace_s: float) -> None:
        """Be simulated caller `number`: one request at the start, then about one every `pace_s` seconds."""
        await self._opened.wait()
        first = True
        while not self.stopping:
            took_s = await self._request(number, first=first)
            self.served += first
            pause_s = pace_s + took_s * (_EASE_HERD if first else _EASE)
            first = False
            # at random, or a thousand coroutines would send at the same moments
            await self._clock.sleep(pause_s * (0.5 + random.random()))  # noqa: S311 - spreads load, guards nothing

    async def conduct(self, ends: float) -> None:
        """Once opened cause the incidents, each in the quiet moment after a renewal.

        Args:
            ends: when the demonstration is meant to end, in the clock's monotonic seconds.
        """
        await self._opened.wait()
        began = self._clock.monotonic()
        incidents = self.story.incidents
        for number, incident in enumerate(incidents):
            share = _FIRST_AT + (_LAST_AT - _FIRST_AT) * number / max(len(incidents) - 1, 1)
            await self._calm(began + (ends - began) * share)
            if self._cold_issues is None:
                self._cold_issues = self.cold_issues
            await self._incident(incident)

    def give_up(self) -> None:
        """Count the requests still under way as failed."""
        for _ in range(self.in_flight):
            self.tally.failed("not answered")

    def figures(self) -> Figures:
        """Return the line for the display, and start counting rate and latencies anew."""
        tally, now = self.tally, self._clock.monotonic()
        recent, tally.recent_s = tally.recent_s, []
        span_s, self._looked = now - self._looked, now
        happened, self._happened = self._happened, []
        return Figures(
            vendor=self.story.name,
            requests=tally.requests,
            per_second=len(recent) / span_s if span_s else 0.0,
            calls=self.story.counters(),
            replays=tally.replays,
            errors=tally.errors.total() + tally.unauthorized,
            p50_ms=percentile_ms(recent, 50),
            p99_ms=percentile_ms(recent, 99),
            happened=", ".join(happened),
        )

    async def _request(self, number: int, *, first: bool) -> float:
        began = self._clock.monotonic()
        self.in_flight += 1
        try:
            status = await self.story.request(number)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is what the demonstration must report
            self.tally.failed(type(error).__name__)
        else:
            self.tally.answered(status, self._clock.monotonic() - began, first=first)
        finally:
            self.in_flight -= 1
        return self._clock.monotonic() - began

    async def _incident(self, incident: Incident) -> None:
        before, renewals = self.story.counters(), len(self.tally.renewals)
        self._happened.append(incident.name)
        try:
            await incident.happen()
        except Exception as error:  # noqa: BLE001 - as for a request
            self.tally.failed(f"{incident.name}: {type(error).__name__}")
            return
        while len(self.tally.renewals) == renewals:
            await self._clock.sleep(_POLL_S)
        await self._calm()
        self.aftermaths[incident.name] = Aftermath(
            calls=self.story.counters() - before, renewals=len(self.tally.renewals) - renewals
        )

    async def _calm(self, not_before: float = 0.0) -> None:
        """Wait for the quiet moment after a renewal, once there has been a renewal ahead of expiry."""
        while True:
            now = self._clock.monotonic()
            settled = _CALM_S <= now - self.tally.last_renewal <= 2 * _CALM_S
            if settled and now >= not_before and Cause.STALE in self.tally.renewals:
                return
            await self._clock.sleep(_POLL_S)
