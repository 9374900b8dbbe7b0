"""The environment variables that point a `NoyoClient` at its sandbox."""

from __future__ import annotations

from noyoauth.credentials import NoyoCredentials

__all__ = ["BASE_URL", "variables_of"]

BASE_URL: str = "NOYO_BASE_URL"


def variables_of(credentials: NoyoCredentials) -> dict[str, str]:
    """Return the variables of `credentials` without the address. The sandbox has invented their secret, so it may be shown."""
    return {
        "NOYO_CLIENT_ID": credentials.client_id,
        "NOYO_CLIENT_SECRET": credentials.client_secret.reveal(),
    }
