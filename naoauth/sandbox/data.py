"""The accounts and records of the sandbox. Everything here is invented."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

from nauth.secret import Secret

__all__ = ["CLIENT_ID", "CLIENT_SECRET", "EMAIL", "PASSWORD", "REDIRECT_URI", "SITES", "auth_token"]

EMAIL = "ada@sites.example"
PASSWORD = "correct horse battery staple"
# 64 hex characters, like the samples in the documents
CLIENT_ID = "c0ffee00" * 8
CLIENT_SECRET = Secret("5ec2e700" * 8)
REDIRECT_URI = "https://app.example/callback"

_OPAQUE = "Kx3vQ9sandboxAuthTokenZr81"


def auth_token(shape: str) -> str:
    """Return the account's permanent key, under `auth_token_shape` "jwt_like" in the form of a JWT."""
    if shape == "opaque":
        return _OPAQUE
    parts = ({"alg": "HS256"}, {"sub": "1", "iat": 1_500_000_000})
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.c2FuZGJveA"


SITES: tuple[Mapping[str, object], ...] = (
    {"id": "1", "type": "site", "attributes": {"id": 1, "name": "Main hall"}},
    {"id": "2", "type": "site", "attributes": {"id": 2, "name": "Museum, first floor"}},
)
