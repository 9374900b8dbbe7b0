"""`PKCE`: proof that the client that exchanges a code is the one that asked for it (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Any, Literal

import attrs

from nauth.errors import ConfigurationError
from nauth.secret import Secret

__all__ = ["PKCE"]

_VERIFIER = re.compile(r"[A-Za-z0-9\-._~]{43,128}", re.ASCII)
"""RFC 7636 section 4.1."""

_RANDOM_BYTES = 48
"""Makes a verifier of 64 characters and 384 bits; 256 bits are advised."""


def _new() -> Secret:
    return Secret(secrets.token_urlsafe(_RANDOM_BYTES))


def _well_formed(_: object, __: attrs.Attribute[Any], verifier: Secret) -> None:
    if not _VERIFIER.fullmatch(verifier.reveal()):
        raise ConfigurationError(
            "a PKCE verifier has 43 to 128 characters out of A-Z a-z 0-9 - . _ ~ (RFC 7636 section 4.1); leave it out "
            "to have one made"
        )


def _secret(value: str | Secret) -> Secret:
    if isinstance(value, Secret):
        return value
    try:
        return Secret(value)
    except TypeError as error:
        raise ConfigurationError(f"PKCE(verifier=...): {error}") from None


@attrs.frozen
class PKCE:
    """A verifier, kept in this object, and its S256 challenge, which stands in the authorization URL.

    The method "plain" of RFC 7636 is not offered: it would show the verifier to every program that sees the address.

    Args:
        verifier: 43 to 128 unreserved characters; new and random if left out.

    Raises:
        ConfigurationError: `verifier` is not of that form.
    """

    verifier: Secret = attrs.field(factory=_new, converter=_secret, validator=_well_formed)

    @property
    def method(self) -> Literal["S256"]:
        """The value of `code_challenge_method`."""
        return "S256"

    @property
    def challenge(self) -> str:
        """The value of `code_challenge`, which is the base64url SHA-256 of the verifier (RFC 7636 section 4.2)."""
        digest = hashlib.sha256(self.verifier.reveal().encode("ascii")).digest()
        return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
