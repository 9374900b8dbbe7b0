"""Nomad's wire rules on top of the core's: keys in any case, several names for the token, statuses of two kinds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast, get_args

import attrs
import cattrs

from nauth.wire.converter import MismatchError, camel, make_converter, rename_with
from nomadauth.models import (
    LOGIN_STATUS,
    LOOSE,
    PING_STATUS,
    AccountLoginResponse,
    PingResponse,
    User,
)
from nomadauth.statuses import login_status, ping_status

__all__ = ["CONVERTER", "canonical"]

_NAMES: Mapping[type, Mapping[str, str]] = {
    AccountLoginResponse: {
        "two_factor_qr_code": "twoFactorQRCode",
        "two_factor_qr_code_image": "twoFactorQRCodeImage",
    },
}

# `authorizationToken` stands on https://docs.nomad.media/docs/quickstart; `token` everywhere else
_ALIASES: Mapping[type, Mapping[str, tuple[str, ...]]] = {
    AccountLoginResponse: {"token": ("authorizationToken", "accessToken")},
}


def _wire_names() -> Mapping[str, str]:
    names = {
        _NAMES.get(model, {}).get(field.name) or camel(field.name)
        for model in (AccountLoginResponse, PingResponse, User)
        for field in attrs.fields(model)
    }
    names.update(*_ALIASES[AccountLoginResponse].values())
    return {name.lower(): name for name in names}


_BY_LOWER = _wire_names()


def canonical(document: object) -> object:
    """Spell the keys of `document` as the models do, and leave out blank text, which means "none".

    .NET binds names without regard to case, and Nomad's prose writes them in PascalCase:
    https://docs.nomad.media/docs/authentication
    """
    if not isinstance(document, dict):
        return document
    found: dict[str, object] = {}
    for key, value in cast("dict[str, object]", document).items():
        name = _BY_LOWER.get(key.lower(), key)
        if isinstance(value, str) and not value.strip():
            continue
        if name not in found or name == key or found[name] is None:
            found[name] = value
    return found


def _marked(mark: object) -> Callable[[Any], bool]:
    return lambda kind: any(entry is mark for entry in getattr(kind, "__metadata__", ()))


def _loose(value: object, kind: Any) -> object:
    """Read a field that nothing depends on; None if it is not of its type."""
    (wanted,) = (part for part in get_args(get_args(kind)[0]) if part is not type(None))
    try:
        return CONVERTER.structure(value, wanted)
    except MismatchError:
        return None


def _make() -> cattrs.Converter:
    converter = make_converter()
    rename_with(converter, camel, exceptions=_NAMES, aliases=_ALIASES)
    converter.register_structure_hook_func(_marked(LOOSE), _loose)
    converter.register_structure_hook_func(_marked(LOGIN_STATUS), lambda value, _: login_status(value))
    converter.register_structure_hook_func(_marked(PING_STATUS), lambda value, _: ping_status(value))
    return converter


CONVERTER = _make()
