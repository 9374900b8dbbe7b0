"""The environment variables that point a `NombaClient` at its sandbox."""

from __future__ import annotations

from nombaauth.credentials import NombaCredentials

__all__ = ["BASE_URL", "variables_of"]

BASE_URL: str = "NOMBA_BASE_URL"


def variables_of(credentials: NombaCredentials) -> dict[str, str]:
    """Return the variables of `credentials` without the address. The sandbox has invented their secret, so it may be shown."""
    return {
        "NOMBA_CLIENT_ID": credentials.client_id,
        "NOMBA_CLIENT_SECRET": credentials.client_secret.reveal(),
        "NOMBA_ACCOUNT_ID": credentials.account_id,
    }
