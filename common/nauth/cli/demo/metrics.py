"""`Tally`: counts and latencies of one scenario, as callers and observers saw them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import attrs

from nauth.clock import Clock
from nauth.events import (
    Cause,
    Event,
    Observer,
    RenewalFailed,
    RenewalJoined,
    RenewalSucceeded,
    RequestReplayed,
    TokenAdopted,
)

__all__ = ["Tally", "percentile_ms"]


@attrs.define
class Tally:
    """Counts, and the latencies of requests that were answered.

    Attributes:
        clock: the clock of `last_renewal`.
        requests: requests made, successful or not.
        unauthorized: those answered 401.
        errors: requests that failed otherwise, by what happened.
        replays: requests sent a second time after a 401 that no caller saw.
        herd_waited: callers that waited for the very first token, at the client that got it from the vendor.
        needless_waits: callers that waited for a renewal although the old token was still good.
        renewals: why each renewal that reached the vendor was made, in order.
        issued: how many of them signed in; the others refreshed.
        failed_renewals: renewals that brought no token.
        last_renewal: when a client last got a new token, in the clock's monotonic seconds.
        latencies_s: of every request but each coroutine's first.
        recent_s: of requests answered since the display's last update, first ones included.
    """

    clock: Clock
    requests: int = 0
    unauthorized: int = 0
    errors: Counter[str] = attrs.field(factory=Counter[str])
    replays: int = 0
    herd_waited: int = 0
    needless_waits: int = 0
    renewals: list[Cause] = attrs.field(factory=list[Cause])
    issued: int = 0
    failed_renewals: int = 0
    last_renewal: float = 0.0
    latencies_s: list[float] = attrs.field(factory=list[float])
    recent_s: list[float] = attrs.field(factory=list[float])

    def watch(self, endings: Callable[[], int]) -> Observer:
        """Return an observer for one client; see `nauth.cli.demo.scenario.Watch`."""
        endings_when_new = 0

        def observe(event: Event) -> None:
            nonlocal endings_when_new
            if isinstance(event, RenewalSucceeded | TokenAdopted):
                endings_when_new = endings()
                self.last_renewal = self.clock.monotonic()
            self._count(event, good=endings() == endings_when_new)

        return observe

    def _count(self, event: Event, *, good: bool) -> None:
        """Count one event; `good` says that the client's token is the newest the vendor knows."""
        match event:
            case RenewalSucceeded():
                if event.cause is Cause.COLD and not self.renewals:
                    self.herd_waited = event.waiters
                self.renewals.append(event.cause)
                self.issued += not event.refreshed
            case RenewalFailed():
                self.failed_renewals += 1
            case RenewalJoined(cause=Cause.STALE) if good:
                # if not `good`, the vendor has ended the old token meanwhile, so the caller has to wait
                self.needless_waits += 1
            case RequestReplayed():
                self.replays += 1
            case _:
                pass

    def failed(self, what: str) -> None:
        """Count one request that was not answered."""
        self.requests += 1
        self.errors[what] += 1

    def answered(self, status: int, took_s: float, *, first: bool) -> None:
        """Count one request that was answered after `took_s` seconds."""
        self.requests += 1
        self.recent_s.append(took_s)
        if not first:
            self.latencies_s.append(took_s)
        if status == 401:  # noqa: PLR2004 - the status itself says it best
            self.unauthorized += 1
        elif status >= 400:  # noqa: PLR2004 - as above
            self.errors[f"HTTP {status}"] += 1


def percentile_ms(values_s: list[float], percent: int) -> float:
    """Return the nearest-rank percentile of durations in seconds, in milliseconds; 0 if there are none."""
    if not values_s:
        return 0.0
    ranked = sorted(values_s)
    return ranked[min(len(ranked) * percent // 100, len(ranked) - 1)] * 1000
