"""The environment variables that point a `NomadClient` at its sandbox."""

from __future__ import annotations

from nomadauth.credentials import NomadPassword

__all__ = ["BASE_URL", "variables_of"]

BASE_URL: str = "NOMAD_MEDIA_BASE_URL"


def variables_of(credentials: NomadPassword) -> dict[str, str]:
    """Return the variables of `credentials` without the address. The sandbox has invented their secret, so it may be shown."""
    return {
        "NOMAD_MEDIA_USERNAME": credentials.username,
        "NOMAD_MEDIA_PASSWORD": credentials.password.reveal(),
        "NOMAD_MEDIA_APPLICATION_ID": credentials.application_id or "",
    }
