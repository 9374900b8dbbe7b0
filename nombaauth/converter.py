"""Nomba's wire rules on top of the core's: its spelling, its numeric codes, its envelope."""

from __future__ import annotations

from collections.abc import Mapping

import cattrs

from nauth.wire.converter import MismatchError, camel, make_converter, rename_with, type_name
from nombaauth.models import Balance, IssueTokenRequest, RefreshTokenRequest, RevokeTokenRequest, TokenData

__all__ = ["CONVERTER", "code_text"]

# https://developer.nomba.com/nomba-api-reference/openapi.json: camelCase, except for the names that OAuth 2.0 defines
_NAMES: Mapping[type, Mapping[str, str]] = {
    IssueTokenRequest: {name: name for name in ("grant_type", "client_id", "client_secret")},
    RefreshTokenRequest: {name: name for name in ("grant_type", "refresh_token")},
    RevokeTokenRequest: {"access_token": "access_token"},
    TokenData: {name: name for name in ("access_token", "refresh_token", "expires_in")},
}

# seen in public clients; the service may never use them, but they are accepted when reading
_ALIASES: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    TokenData: {
        "access_token": ("accessToken",),
        "refresh_token": ("refreshToken",),
        "expires_at": ("expires_at",),
        "expires_in": ("expiresIn",),
        "business_id": ("business_id",),
    },
    Balance: {"time_created": ("time_created",)},
}


def code_text(value: object) -> str:
    """Return an envelope's code as text of at least two digits: ``"00"`` for ``"00"``, ``"0"`` and ``0``.

    An empty code stays empty: it is not the code of a success.

    Raises:
        TypeError: neither text nor an integer. The message names the type only.
    """
    if type(value) is not str and type(value) is not int:
        raise MismatchError("str", type_name(value))
    text = str(value).strip()
    return text and text.zfill(2)


def _make() -> cattrs.Converter:
    converter = make_converter()
    rename_with(converter, camel, exceptions=_NAMES, aliases=_ALIASES)
    return converter


CONVERTER = _make()
