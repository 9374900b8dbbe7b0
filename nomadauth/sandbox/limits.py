"""Turn the first calls away, in every way the documents leave open. No limit is documented."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import formatdate

import attrs

from nauth.clock import Clock
from nomadauth.sandbox.switches import Switches

__all__ = ["Throttle", "TooMany"]

_WAIT_S = 2
_BARE_WAIT_S = 0.25
"""How long a call is turned away where nothing says so: less than any client's first pause."""


@attrs.frozen
class TooMany:
    """How a call is turned away."""

    status: int
    headers: Mapping[str, str]


class Throttle:
    """Turn each endpoint's first call away, and all others until the wait is over."""

    def __init__(self, switches: Switches, clock: Clock) -> None:
        self._status, _, self._form = switches.throttle.partition("_")
        self._clock = clock
        self._until: dict[str, float] = {}

    def refuse(self, endpoint: str) -> TooMany | None:
        """Return how a call to `endpoint` is turned away; None if it is served."""
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
