"""`Metrics`: the instruments. No attribute names a client, tenant, URL or request: each set of attributes lives for ever."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

from nauth.after_fork import guard
from nauth.reporting.telemetry_seam import Expiring

__all__ = ["SECONDS", "Metrics"]

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Advised buckets of durations: the default ones are made for milliseconds."""

_CALLERS = (0.0, 1.0, 2.0, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 10_000.0)


class Metrics:
    """The instruments of one meter.

    Args:
        meter: makes them.
    """

    def __init__(self, meter: Meter) -> None:
        self._guard = guard()
        self._holders: weakref.WeakKeyDictionary[Expiring, str] = weakref.WeakKeyDictionary()
        self.duration: Histogram = meter.create_histogram(
            "nauth.renewal.duration",
            unit="s",
            description="Duration of renewals, failed and adopted ones included.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self.waiters: Histogram = meter.create_histogram(
            "nauth.renewal.waiters",
            unit="{caller}",
            description="Callers that waited for a renewal.",
            explicit_bucket_boundaries_advisory=_CALLERS,
        )
        self.replays: Counter = meter.create_counter(
            "nauth.request.replays",
            unit="{request}",
            description="Requests sent again with a new token after the vendor refused the old one.",
        )
        self.refusals: Counter = meter.create_counter(
            "nauth.origin.refusals",
            unit="{request}",
            description="Requests to an origin that was not configured, which got no token.",
        )
        self.store: Histogram = meter.create_histogram(
            "nauth.store.operation.duration",
            unit="s",
            description="Duration of operations of the token store.",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        meter.create_observable_gauge(
            "nauth.token.time_to_expiry",
            callbacks=[self._time_to_expiry],
            unit="s",
            description="The least time to expiry among the tokens of all clients of a vendor.",
        )

    def watch(self, vendor: str, holder: Expiring) -> None:
        """Count `holder` in the gauge as long as it lives."""
        with self._guard:
            self._holders[holder] = vendor

    def _time_to_expiry(self, options: CallbackOptions) -> Iterable[Observation]:  # noqa: ARG002 - of the API
        with self._guard:  # the exporter's thread asks
            holders = list(self._holders.items())
        least: dict[str, float] = {}
        for holder, vendor in holders:
            left = holder.time_to_expiry_s()
            if left is not None:
                least[vendor] = min(left, least.get(vendor, left))
        return [Observation(left, _vendor(vendor)) for vendor, left in least.items()]


def _vendor(name: str) -> Mapping[str, str]:
    return {"nauth.vendor": name}
