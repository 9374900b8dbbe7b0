"""How long a token lives, from a response whose documentation contradicts itself.

The documents say "about 10 minutes", and give `expires_in` as 864000 "milliseconds", which is 864 s, and as seconds
would be exactly ten days. So the token's claims count first, and `expires_in` counts for ten minutes at most. If the
lifetime is guessed too long, one request gets a 401 and is repeated. If it is guessed too short, there is one token
call more.

Source: https://docs.noyo.com/docs/introduction/getting-started/authentication
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Literal, TypeAlias, get_args

import attrs

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.time_formats import bounded_seconds, lifetime_until
from nauth.token import MAX_LIFETIME
from nauth.wire import jwt
from noyoauth.config import DEFAULT_LIFETIME, EXP_LEEWAY, MS_FROM
from noyoauth.models import AnswerMeta, TokenAnswer

__all__ = ["ExpiresInUnit", "LifetimeRules", "stated_lifetime", "token_lifetime"]

ExpiresInUnit: TypeAlias = Literal["auto", "ms", "s"]
_UNITS: tuple[ExpiresInUnit, ...] = get_args(ExpiresInUnit)

_LONGEST_NUMBER = MAX_LIFETIME * 1000
"""The limit of `expires_in` before its unit is known: the longest lifetime accepted, in milliseconds."""


def _positive(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, timedelta):
        raise ConfigurationError(f"{attribute.name} must be a timedelta, not {type(value).__name__}")
    if value <= timedelta(0):
        raise ConfigurationError(f"{attribute.name} must be longer than zero")


def _known(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value not in _UNITS:
        raise ConfigurationError(f"{attribute.name} must be {' or '.join(map(repr, _UNITS))}")


@attrs.frozen(kw_only=True)
class LifetimeRules:
    """Settings for what a user knows better than the documents.

    Attributes:
        max_lifetime: the longest lifetime accepted for a token whose claims do not state one.
        expires_in_unit: "ms" or "s"; "auto" takes numbers of 10,000 and more as milliseconds.

    Raises:
        ConfigurationError: `max_lifetime` is no positive timedelta, or the unit is unknown.
    """

    max_lifetime: timedelta = attrs.field(default=DEFAULT_LIFETIME, validator=_positive)
    expires_in_unit: ExpiresInUnit = attrs.field(default="auto", validator=_known)


def token_lifetime(answer: TokenAnswer, meta: AnswerMeta, rules: LifetimeRules) -> timedelta:
    """Return the lifetime of the token in `answer`, counted from when the request was sent.

    1. A JWT's ``exp - iat``, which needs no clock to be right; with `exp` alone, `exp` minus the `Date` of the
       response, or minus the time the request was sent. A result that is not positive is ignored.
    2. Else `expires_in`, see `stated_lifetime`, or the documented ten minutes; `max_lifetime` at most.
    """
    own = _own_lifetime(answer.access_token, meta)
    if own is not None:
        return own
    return min(
        stated_lifetime(answer.expires_in, rules.expires_in_unit) or DEFAULT_LIFETIME, rules.max_lifetime
    )


def stated_lifetime(expires_in: object, unit: ExpiresInUnit) -> timedelta | None:
    """Read `expires_in`: a number or numeric text. None for null, zero, negatives, infinity and anything else."""
    number = bounded_seconds(expires_in, cap=_LONGEST_NUMBER)
    if number is None:
        return None
    in_ms = unit == "ms" or (unit == "auto" and number >= timedelta(seconds=MS_FROM))
    return min(number / 1000 if in_ms else number, MAX_LIFETIME) or None


def _own_lifetime(token: Secret, meta: AnswerMeta) -> timedelta | None:
    """Return the lifetime in a JWT's claims, unverified, only to know when to renew; None if there is none."""
    whole = jwt.lifetime(token)
    if whole is not None or type(jwt.claims(token).get("iat")) in {int, float}:
        return whole
    end = jwt.expiry(token)
    if end is None:
        return None
    left = lifetime_until(end, date_header=meta.date, sent_wall=meta.sent_wall_s)
    left -= min(EXP_LEEWAY, left / 10)
    return left if left > timedelta(0) else None
