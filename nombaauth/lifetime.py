"""How long a Nomba token lives."""

from __future__ import annotations

from datetime import timedelta

from nauth.time_formats import bounded_seconds, lifetime_until
from nombaauth.config import DEFAULT_LIFETIME, MAX_TOKEN_LIFETIME
from nombaauth.models import (
    AnswerMeta,
    TokenData,
)

__all__ = ["token_lifetime"]


def token_lifetime(data: TokenData, meta: AnswerMeta) -> timedelta:
    """Return `expiresAt` minus the response's `Date`, so that a wrong clock does not matter; else 30 minutes.

    The documented half hour counts only if the response states no usable expiry: 60 and 180 minutes have been seen.
    """
    stated = None
    if data.expires_at is not None:
        stated = lifetime_until(data.expires_at, date_header=meta.date, sent_wall=meta.sent_wall_s)
    if stated is None or stated <= timedelta(0):
        stated = bounded_seconds(data.expires_in) or DEFAULT_LIFETIME
    return min(stated, MAX_TOKEN_LIFETIME)
