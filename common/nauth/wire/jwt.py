"""Read a JWT's claims, only to know when to renew. Nothing is verified, so no claim may authorise anything."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import cast

from nauth.errors import MalformedResponseError
from nauth.secret import Secret
from nauth.time_formats import MAX_LIFETIME, parse_instant
from nauth.wire.json_text import parse_json

__all__ = ["MAX_JWT_CHARS", "claims", "expiry", "lifetime"]

MAX_JWT_CHARS = 65_536
"""Longest token parsed, in characters. The longest seen from these vendors has about 1,500 characters; no server
accepts a header of this size."""

# RFC 7515 section 3.1: three base64url parts. Padding is forbidden there, but some servers send it.
_JWS = re.compile(r"[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]+={0,2}\.[A-Za-z0-9_-]*={0,2}", re.ASCII)


def claims(token: Secret) -> Mapping[str, object]:
    """Return the payload of a JWT without verifying it; an empty mapping for anything else. Never raises."""
    if len(token.reveal()) > MAX_JWT_CHARS or not _JWS.fullmatch(token.reveal()):
        return {}
    try:
        payload = parse_json(_unpadded(token.reveal().split(".")[1].rstrip("=")))
    except (MalformedResponseError, ValueError):
        return {}
    return cast("dict[str, object]", payload) if isinstance(payload, dict) else {}


def _unpadded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _instant(value: object) -> datetime | None:
    # RFC 7519 section 2 NumericDate: a number. Text is not one, whatever it spells.
    if type(value) not in (int, float):
        return None
    try:
        return parse_instant(value, epoch=True)
    except ValueError:
        return None


def lifetime(token: Secret) -> timedelta | None:
    """Return ``exp - iat``, which needs no clock to be right; at most `MAX_LIFETIME`.

    Returns:
        None if the token is no JWT, lacks either claim, or `exp` is not after `iat`.
    """
    found = claims(token)
    end, start = _instant(found.get("exp")), _instant(found.get("iat"))
    if end is None or start is None or end <= start:
        return None
    return min(end - start, MAX_LIFETIME)


def expiry(token: Secret) -> datetime | None:
    """Return the instant in ``exp``, by the vendor's clock; None if the token is no JWT or names none."""
    return _instant(claims(token).get("exp"))
