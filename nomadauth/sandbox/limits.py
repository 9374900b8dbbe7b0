"""Refuse the first calls with 429 or 503, in each form that the documents leave open. No limit is documented."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate

import attrs

from nauth.clock import Clock
from nomadauth.sandbox.switches import Switches

__all__ = ["Throttle", "TooMany"]

_WAIT_S = 2
_BARE_WAIT_S = 0.25
"""Seconds that calls are refused if no header says how long: less than any client's first pause."""


@attrs.frozen
class TooMany:
    """The refusal of one call: its status and headers."""

    status: int
    headers: Mapping[str, str]


class Throttle:
    """Refuse each endpoint's first call, and all others until the wait has passed."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._status, _, self._form = switches.throttle.partition("_")
        self._clock = clock
        self._until: dict[str, float] = {}

    def refuse(self, endpoint: str) -> TooMany | None:
        """Return the refusal of a call to `endpoint`; None if it is served."""
        if self._status == "off":
            return None
        now, wait_s = self._clock.wall(), _BARE_WAIT_S if self._form == "bare" else _WAIT_S
        until = self._until.setdefault(endpoint, now + wait_s)
        return TooMany(int(self._status), self._headers(now)) if now < until else None

    def _headers(self, now: float) -> Mapping[str, str]:
        match self._form:
            case "seconds":
                return {"Retry-After": str(_WAIT_S)}
            case "http_date":
                return {"Retry-After": formatdate(now + _WAIT_S + 1, usegmt=True)}
            case _:
                return {}
