"""JSON Web Tokens as sandboxes hand them out: well formed, signed with a key that no client knows."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping

__all__ = ["compact", "signed_jwt"]

_SIGNING_KEY = b"the sandbox's own; no client checks it"


def compact(claims: Mapping[str, object]) -> bytes:
    """Return `claims` as JSON without spaces."""
    return json.dumps(claims, separators=(",", ":")).encode()


def signed_jwt(payload: Mapping[str, object] | bytes, **header: str) -> str:
    """Return an HS256 token (RFC 7519).

    Args:
        payload: the claims, or bytes that stand in their place.
        header: members of the header beside ``alg``.
    """
    claims = payload if isinstance(payload, bytes) else compact(payload)
    signed = f"{_b64(compact({'alg': 'HS256', **header}))}.{_b64(claims)}"
    return f"{signed}.{_b64(hmac.digest(_SIGNING_KEY, signed.encode(), 'sha256'))}"


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
