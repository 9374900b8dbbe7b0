"""`Health`: how a manager is doing, from memory alone."""

from __future__ import annotations

import enum
from datetime import datetime, timedelta

import attrs

__all__ = ["Health", "HealthState"]


class HealthState(enum.Enum):
    """What a call for a token would find now."""

    NONE = "none"
    """No token yet, or it was revoked. The next call signs in."""
    FRESH = "fresh"
    """A token far from its end."""
    STALE = "stale"
    """A token near its end, which still serves; it is renewed by the next call, or renewing fails for now."""
    EXPIRED = "expired"
    """The token has expired, or the vendor refused it. The next call waits for a renewal."""
    CLOSED = "closed"
    """The client was closed."""


@attrs.frozen(kw_only=True)
class Health:
    """How a client is doing. Reading it costs no call, neither to the vendor nor to the store.

    Attributes:
        state: what a call for a token would find.
        expires_at: when the token held expires; None if there is none, or it does not expire, or it is not known.
        last_error: the class name of the last renewal's error; None if the last renewal succeeded.
        failed_ago: how long ago that error was; None if there is none.
        retry_after: how long callers get that error at once; None if the next call may renew.
        renewing: whether a renewal is under way.
    """

    state: HealthState
    expires_at: datetime | None
    last_error: str | None
    failed_ago: timedelta | None
    retry_after: timedelta | None
    renewing: bool

    @property
    def has_token(self) -> bool:
        """Whether there is a token that is not expired."""
        return self.state in {HealthState.FRESH, HealthState.STALE}

    def ready(self, *, grace: timedelta = timedelta(seconds=60)) -> bool:
        """Tell whether a readiness probe should pass.

        True with a token, before the first call, and while the last failure is younger than `grace`: a short outage of
        the vendor must not take every instance of the service out of rotation.
        """
        if self.state is HealthState.CLOSED:
            return False
        return self.has_token or self.failed_ago is None or self.failed_ago < grace
