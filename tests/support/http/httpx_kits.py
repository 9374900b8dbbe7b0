"""httpx and httpx2 alike, so that one suite can ask both the same things."""

from __future__ import annotations

import importlib
import ssl
from typing import Any

from yarl import URL

from nauth.bearer.httpx import HttpxAuth, httpx_auth
from nauth.manager.token_manager import TokenManager

__all__ = ["KITS", "auth_of", "client_of"]

KITS = ("httpx", "httpx2")
"""Names of the two packages."""


_TRUST = ssl.create_default_context()  # made once: each costs many milliseconds, and reads a file
_PACKAGES = {name: importlib.import_module(name) for name in KITS}
for _package in _PACKAGES.values():
    _package.AsyncClient(verify=_TRUST)  # the first one looks versions up in files, which would block a loop


def auth_of(manager: TokenManager, *origins: URL, **options: Any) -> HttpxAuth:
    """Return what `VendorClient.httpx_auth` would."""
    return httpx_auth(manager, origins, **options)


def client_of(kit: str, auth: HttpxAuth | None, **options: Any) -> Any:
    """Return an ``AsyncClient`` of package `kit`."""
    options.setdefault("verify", _TRUST)
    return _PACKAGES[kit].AsyncClient(auth=auth, **options)
