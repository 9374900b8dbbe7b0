"""A token as text, for stores that live outside the process."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, timedelta
from typing import cast

from nauth.errors import ConfigurationError, StoreError
from nauth.secret import Secret
from nauth.time_formats import MAX_LIFETIME, bounded_seconds, parse_iso
from nauth.token import Token

__all__ = [
    "FORMAT",
    "REFRESH_LIFETIME",
    "checked_lifetime",
    "decode_token",
    "encode_token",
    "lifetime_kept",
    "stated_refresh",
    "unreadable",
]

FORMAT = 1
"""Version of the text; a reader refuses any other instead of guessing."""

REFRESH_LIFETIME = timedelta(days=90)
"""How long a record with a refresh token is kept unless the vendor states that token's life. No vendor here documents it;
where a person has signed in, the refresh token in the record may be the only one that still works."""

_STATED = ("refresh_token_expires_in", "refresh_expires_in")
"""What servers call a refresh token's life in seconds: the first as GitHub does, the second as Keycloak does."""

_MICROSECOND = timedelta(microseconds=1)

_UNSENDABLE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
"""Characters that no header may hold (RFC 9110 section 5.5). A line break would end the header and begin another
one."""


def encode_token(token: Token) -> str:
    """Return `token` as one line of JSON, secrets included: it goes to the store and nowhere else.

    Durations are whole microseconds, instants ISO 8601 in UTC.
    """
    return json.dumps(
        {
            "format": FORMAT,
            "access": token.access_token.reveal(),
            "refresh": None if token.refresh_token is None else token.refresh_token.reveal(),
            "scheme": token.scheme,
            "lifetime_us": None if token.lifetime is None else token.lifetime // _MICROSECOND,
            "expires_at": None if token.expires_at is None else token.expires_at.astimezone(UTC).isoformat(),
            "extra": dict(token.extra),
        },
        separators=(",", ":"),
    )


def decode_token(text: str | bytes) -> Token:
    """Return the token that `encode_token` wrote.

    Raises:
        StoreError: the text is something else, or its token cannot stand in a header, so no vendor has issued it. The
            error never quotes the text.
    """
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return _token(json.loads(text))
    # an error tracker prints the locals of every frame the error passed through, and of those of its context
    del text
    raise unreadable()


def unreadable() -> StoreError:
    """Return the error for a record that nauth cannot read."""
    return StoreError(
        "the store's record for this token cannot be read: another version of nauth, or another program, has written "
        "it. Give this program a store (or prefix) of its own, or delete the record; the next renewal writes it anew"
    )


def checked_lifetime(given: object, store: str) -> timedelta:
    """Return the `refresh_lifetime` that was given to a store.

    Raises:
        ConfigurationError: it is not a duration longer than zero.
    """
    if not isinstance(given, timedelta) or given <= timedelta(0):
        raise ConfigurationError(
            f"{store}(refresh_lifetime=...) must be a timedelta longer than zero: how long a refresh token can be used"
        )
    return given


def lifetime_kept(token: Token, refresh_lifetime: timedelta) -> timedelta:
    """Return how long after `token` was asked for its record is of use: as long as either of its tokens may live.

    Args:
        token: what is stored.
        refresh_lifetime: how long a refresh token lives whose life the vendor does not state.
    """
    lifetime = MAX_LIFETIME if token.lifetime is None else min(token.lifetime, MAX_LIFETIME)
    if not token.refresh_token:
        return lifetime
    stated = [span for text in stated_refresh(token).values() if (span := bounded_seconds(text))]
    return max(lifetime, *(stated or [refresh_lifetime]))


def stated_refresh(token: Token) -> dict[str, str]:
    """Return what the vendor says of the refresh token's life: that part of `token.extra`, which is no secret."""
    return {name: text for name in _STATED if bounded_seconds(text := token.extra.get(name, ""))}


def _token(wire: object) -> Token:
    fields = cast("dict[str, object]", wire)
    if fields["format"] != FORMAT:
        raise ValueError
    refresh, lifetime_us, expires_at = fields["refresh"], fields["lifetime_us"], fields["expires_at"]
    extra = cast("dict[object, object]", fields["extra"])
    if not all(isinstance(part, str) for pair in extra.items() for part in pair):
        raise TypeError
    token = Token(
        access_token=Secret(cast("str", fields["access"])),
        refresh_token=None if refresh is None else Secret(cast("str", refresh)),
        scheme=_text(fields["scheme"]),
        lifetime=None if lifetime_us is None else _whole(lifetime_us) * _MICROSECOND,
        expires_at=None if expires_at is None else parse_iso(_text(expires_at)),
        extra=cast("dict[str, str]", extra),
    )
    # the same rule as where a vendor's answer is read: no white space in it, at either end too
    if not token.access_token.sendable or _UNSENDABLE.search(token.scheme):
        raise ValueError
    return token


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError
    return value


def _whole(value: object) -> int:
    if type(value) is not int:
        raise TypeError
    return value
