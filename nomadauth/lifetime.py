"""How long a token lives: the smaller of what the response states and what the token's claims state."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from nauth.secret import Secret
from nauth.time_formats import bounded_seconds, parse_instant
from nauth.wire import jwt
from nomadauth.config import DEFAULT_LIFETIME, MAX_TOKEN_LIFETIME
from nomadauth.models import AccountLoginResponse

__all__ = ["expiry_of", "sso_expiry", "token_lifetime"]

_SPAN_BELOW = 1e8
"""A number below this counts seconds from now: as an instant it would lie before March 1973."""

_NUMBER = re.compile(r"\d{1,20}(?:\.\d*)?", re.ASCII)


def token_lifetime(answer: AccountLoginResponse, token: Secret, *, sent_wall_s: float) -> timedelta:
    """Return how long `token` is valid, counted from when it was requested; at most `MAX_TOKEN_LIFETIME`.

    The response's lifetime or the token's ``exp - iat``, whichever is smaller. Else ``expires``, or ``exp`` alone, by
    this machine's clock. Else the documented 45 minutes. Zero and negative values are ignored.

    Args:
        answer: the response to a login, refresh or renewal.
        token: the token in it.
        sent_wall_s: when it was requested, in epoch seconds.
    """
    stated = bounded_seconds(answer.expiration_seconds) or bounded_seconds(answer.expires_in)
    known = [span for span in (stated, jwt.lifetime(token)) if span is not None]
    if known:
        return min(*known, MAX_TOKEN_LIFETIME)
    asked = datetime.fromtimestamp(sent_wall_s, UTC)
    end = expiry_of(token, sso_expiry(answer.expires, now=asked))
    left = DEFAULT_LIFETIME if end is None or end <= asked else end - asked
    return min(left, MAX_TOKEN_LIFETIME)


def expiry_of(token: Secret, stated: datetime | None) -> datetime | None:
    """Return when `token` expires: as `stated`, else by its own ``exp``; None if neither is known."""
    return jwt.expiry(token) if stated is None else stated


def sso_expiry(value: object, *, now: datetime) -> datetime | None:
    """Read the `expires` of a single sign-on, whose unit is not documented.

    Args:
        value: seconds from now, epoch seconds or milliseconds, as a number or text; or ISO 8601.
        now: aware wall time.

    Returns:
        None if it is none of these.
    """
    if isinstance(value, str) and _NUMBER.fullmatch(text := value.strip()):
        # not float(value): it strips fewer kinds of white space
        value = float(text)
    if type(value) in (int, float) and value < _SPAN_BELOW:  # type: ignore[operator]  # a number by the first half
        span = bounded_seconds(value)
        return None if span is None else now + span
    try:
        return parse_instant(value, naive_is_utc=True, epoch=True)
    except ValueError:
        return None
