"""Rate limits in fixed windows.

Source: https://developer.nomba.com/docs/api-basics/rate_limit.md
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import formatdate

import attrs

from nauth.clock import Clock
from nombaauth.sandbox.switches import Switches

__all__ = ["RateLimiter", "Verdict"]

_CLASSES: Mapping[str, tuple[float, int, int]] = {
    "regular": (1.0, 15, 75),
    "elevated": (1.0, 40, 100),
    "low": (60.0, 1, 25),
}
"""Class -> window in seconds, POSTs, other requests."""

_WINDOW_TEXT = {"window_60s": "60s"}


@attrs.frozen
class Verdict:
    """Whether a request is admitted, and the rate-limit headers of its response."""

    admitted: bool
    headers: Mapping[str, str]


@attrs.define
class _Window:
    start_s: float
    used: int = 0


class RateLimiter:
    """Count requests per account, kind of method and quota; a window opens with its first request."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._switches = switches
        self._clock = clock
        self._windows: dict[tuple[str, bool, bool], _Window] = {}

    def watches(self, *, auth: bool) -> bool:
        """Tell whether requests of this kind are limited at all."""
        return self._switches.rate_class != "off" and not (auth and self._switches.auth_quota == "none")

    def admit(self, account: str, *, post: bool, auth: bool) -> Verdict:
        """Count one request of a kind that is limited, and return whether it is admitted."""
        window_s, posts, others = _CLASSES[self._switches.rate_class]
        limit, now = posts if post else others, self._clock.wall()
        key = (account, post, auth and self._switches.auth_quota == "separate")
        window = self._windows.get(key)
        if window is None or not 0 <= now - window.start_s < window_s:
            window = self._windows[key] = _Window(now)
        admitted = window.used < limit
        window.used += admitted
        wait_s = None if admitted else window.start_s + window_s - now
        return Verdict(admitted, self._headers(limit, limit - window.used, wait_s))

    def _headers(self, limit: int, left: int, wait_s: float | None) -> Mapping[str, str]:
        form = self._switches.rate_headers
        if form == "absent":
            return {}
        headers = {
            "X-Rate-Limit-Limit": str(limit),
            "X-Rate-Limit-Remaining": str(left),
            "X-Rate-Limit-Window": _WINDOW_TEXT.get(form, "1s"),
        }
        if wait_s is not None and form == "retry_after_seconds":
            headers["Retry-After"] = str(math.ceil(wait_s))
        elif wait_s is not None and form == "retry_after_date":
            headers["Retry-After"] = formatdate(math.ceil(self._clock.wall() + wait_s), usegmt=True)
        return headers
