"""The keys and records of the sandbox. Everything here is invented."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from uuid import UUID, uuid5

import attrs

from noyoauth.credentials import NoyoCredentials

__all__ = ["EIN", "MAIN", "OTHER_ENVIRONMENT", "SECOND", "Key", "group", "keys", "successor"]

EIN = "00-1234567"
"""An invented employer's tax number, which must never appear in a log."""

_SPACE = UUID("8d0c1b52-6f5e-4b6f-9c36-2b7a4f0e9d11")
_MADE_S = 1_767_225_600
"""2026-01-01T00:00:00Z."""

# the secrets hold characters that percent-encoding, form encoding or a split at the wrong colon would change
MAIN = NoyoCredentials(
    client_id="n0y0-sandbox-key-1", client_secret="not:a+real%2Bsecret/made&up=for the%sandbox~0001"
)
SECOND = NoyoCredentials(
    client_id="n0y0-sandbox-key-2", client_secret="another:key+of%20the/same&organization=ü~0002"
)
OTHER_ENVIRONMENT = NoyoCredentials(
    client_id="n0y0-other-key-3", client_secret="a:key+of%2Fthe/other&environment=made~up~0003"
)


@attrs.define(eq=False)
class Key:
    """One API key: whether it belongs to the other environment, and whether it is still accepted."""

    credentials: NoyoCredentials
    foreign: bool = False
    active: bool = True


def keys() -> dict[str, Key]:
    """Return the keys a fresh sandbox knows, by id."""
    made = (Key(MAIN), Key(SECOND), Key(OTHER_ENVIRONMENT, foreign=True))
    return {key.credentials.client_id: key for key in made}


def successor(client_id: str | None = None) -> NoyoCredentials:
    """Return a new key, or a new secret of the key `client_id`."""
    return NoyoCredentials(
        client_id=client_id or f"n0y0-rotated-{secrets.token_hex(4)}",
        client_secret=f"{secrets.token_hex(16)}:+%",
    )


def group(number: int) -> Mapping[str, object]:
    """Return the group with this number, from 1, as the list shows it."""
    return {
        "id": str(uuid5(_SPACE, f"group {number}")),
        "version": str(uuid5(_SPACE, f"version {number}")),
        "created": _MADE_S + number - 1,
        "modified": _MADE_S + number - 1,
        "name": "Sandbox Group" if number == 1 else f"Sandbox Group {number}",
        "organization_id": str(_SPACE),
        "federal_ein": EIN,
    }
