"""Throttling and downtime that pass: the first request opens a window, and all requests in it are refused."""

from __future__ import annotations

import math
from datetime import timedelta
from email.utils import formatdate

import attrs

from nauth.clock import Clock
from noyoauth.sandbox.switches import Switches

__all__ = ["WINDOW", "Outages", "Verdict"]

WINDOW = timedelta(seconds=1)
"""Default length of a window: short enough for a client's own retries to outlast it."""


@attrs.frozen
class Verdict:
    """A refusal: its status, its `Retry-After` if it has one, and whether its body is markup."""

    status: int
    retry_after: str | None
    html: bool


class Outages:
    """Decide which requests are throttled or meet an outage. The token call and the API have one window each."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self.window = WINDOW
        self._form = switches.maintenance if switches.maintenance != "off" else switches.throttle
        self._clock = clock
        self._started: dict[str, float] = {}

    def again(self) -> None:
        """Let the next request open a new window."""
        self._started.clear()

    def verdict(self, channel: str) -> Verdict | None:
        """Return the refusal of a request of this channel; None if it is admitted."""
        if self._form == "off":
            return None
        now = self._clock.wall()
        left_s = self._started.setdefault(channel, now) + self.window.total_seconds() - now
        if left_s <= 0:
            return None
        status, _, form = self._form.partition("_")
        return Verdict(int(status), self._retry_after(form, now, left_s), form == "html")

    def _retry_after(self, form: str, now: float, left_s: float) -> str | None:
        if form == "seconds":
            return str(math.ceil(left_s))
        return formatdate(math.ceil(now + left_s), usegmt=True) if form == "http_date" else None
