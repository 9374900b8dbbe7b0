"""The environment variables that point a `NaoClient` at its sandbox."""

from __future__ import annotations

from naoauth.credentials import NaoSession

__all__ = ["BASE_URL", "variables_of"]

BASE_URL: str = "NAO_BASE_URL"


def variables_of(credentials: NaoSession) -> dict[str, str]:
    """Return the variables of `credentials` without the address. The sandbox has invented their secret, so it may be shown."""
    return {
        "NAO_EMAIL": credentials.email or "",
        "NAO_PASSWORD": "" if credentials.password is None else credentials.password.reveal(),
    }
