"""A token as text, for stores that live outside the process."""

from __future__ import annotations

import contextlib
import json
import re
from datetime import UTC, timedelta
from typing import cast

from nauth.errors import StoreError
from nauth.secret import Secret
from nauth.times import parse_iso
from nauth.token import Token

__all__ = ["FORMAT", "RETENTION", "decode_token", "encode_token", "lifetime_kept", "unreadable"]

FORMAT = 1
"""Version of the text; a reader refuses any other instead of guessing."""

RETENTION = timedelta(hours=24)
"""How long a record is kept after its access token has expired, because of its refresh token. After a person has
signed in, the rotated refresh token in it may be the only one that still works."""

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


def lifetime_kept(token: Token, longest: timedelta) -> timedelta:
    """Return how long the record of `token` is kept, counted from when the token was requested.

    That is its lifetime, at most `longest`, and `RETENTION` more if there is a refresh token.
    """
    lifetime = longest if token.lifetime is None else min(token.lifetime, longest)
    return lifetime + RETENTION if token.refresh_token else lifetime


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
    if _UNSENDABLE.search(token.authorization):
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
