"""How long a JWT of NAO Cloud lives: from its claims, from ``meta``, or the documented 24 hours.

Source: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication, which promises an expiry date but
documents neither the member's name nor its form.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from naoauth.config import DEFAULT_LIFETIME
from naoauth.converter import snake
from nauth.secret import Secret
from nauth.time_formats import bounded_seconds, lifetime_until, parse_instant
from nauth.transport.base import Answer
from nauth.wire import jwt as jwts

__all__ = ["ABSOLUTE_NAMES", "RELATIVE_NAMES", "token_lifetime"]

_log = logging.getLogger("naoauth")

ABSOLUTE_NAMES = (
    "exp",
    "expires_at",
    "expires",
    "expiry",
    "expiration",
    "expiration_date",
    "expiration_time",
    "expire_at",
    "expired_at",
    "expires_on",
    "valid_until",
    "jwt_exp",
    "jwt_expires_at",
    "jwt_expiration",
    "jwt_expiration_date",
    "token_expires_at",
)
RELATIVE_NAMES = ("expires_in", "ttl", "validity")

_A_LONG_TIME_S = 1e9
"""Under `expires_key`, a number below this is a duration in seconds: as an instant it would lie before 2001."""


def token_lifetime(
    token: Secret, levels: list[Mapping[str, object]], expires_key: str | None, answer: Answer
) -> timedelta:
    """Return the earlier of the JWT's expiry and the one in ``meta``; if only one is present, that one; else 24 hours.

    An expiry that is unreadable or has passed is skipped with a warning: it must not fail a good sign-in.

    Args:
        token: the JWT, or an opaque text.
        levels: ``meta`` and the objects in it, with names in snake case.
        expires_key: the member's name as the user gave it, if any.
        answer: the response, for its `Date` header and the time its request was sent.
    """
    stated = [found for found in (_of_claims(token, answer), _of_meta(levels, expires_key, answer)) if found]
    return min(stated, default=DEFAULT_LIFETIME)


def _of_claims(token: Secret, answer: Answer) -> timedelta | None:
    lifetime = jwts.lifetime(token)
    if lifetime is not None:
        return lifetime
    end = jwts.expiry(token)
    return None if end is None else _left(end, "the JWT's own exp", answer)


def _of_meta(levels: list[Mapping[str, object]], expires_key: str | None, answer: Answer) -> timedelta | None:
    own = () if expires_key is None else (snake(expires_key),)
    for level in levels:
        for name in (*own, *ABSOLUTE_NAMES, *RELATIVE_NAMES):
            value = level.get(name)
            if value is None:
                continue
            found = _read(name, value, answer)
            if found is not None:
                return found
    return None


def _read(name: str, value: object, answer: Answer) -> timedelta | None:
    if name in RELATIVE_NAMES or (name not in ABSOLUTE_NAMES and _is_short(value)):
        span = bounded_seconds(value)
        if span is None:
            _log.warning("NAO Cloud states a lifetime in meta that cannot be read; it is ignored")
        return span
    try:
        end = parse_instant(value, naive_is_utc=True, epoch=True)
    except ValueError:
        _log.warning("NAO Cloud states an expiry in meta that cannot be read; it is ignored")
        return None
    return _left(end, "the expiry in meta", answer)


def _is_short(value: object) -> bool:
    """Tell whether `value` is a number too small for an instant."""
    try:
        return isinstance(value, str | int | float) and abs(float(value)) < _A_LONG_TIME_S
    except (ValueError, OverflowError):
        return False


def _left(end: datetime, what: str, answer: Answer) -> timedelta | None:
    left = lifetime_until(end, date_header=answer.headers.get("Date"), sent_wall=answer.sent_wall)
    if left <= timedelta(0):
        _log.warning("NAO Cloud sent a JWT for which %s is already over; it is ignored", what)
        return None
    return left
