"""Digests that name a credential in a store key without revealing it."""

from __future__ import annotations

import functools
import hashlib
import hmac
import json
import secrets

from nauth.secret import Secret

__all__ = ["identity_digest", "process_digest", "slow_digest"]

_MOST = 4096
"""Passwords whose slow digest is remembered: beyond it a client opened for each request would pay each time."""

_process_key = secrets.token_bytes(32)


def identity_digest(*parts: str | Secret | None) -> str:
    """Return a digest of everything that makes a credential what it is, secrets included.

    A wrong secret must not find the token that the right one earned, so the secret is part of the identity; the
    digest keeps it out of every store key. Use it for high-entropy secrets; a password needs a slow hash first.
    """
    opened = [part.reveal() if isinstance(part, Secret) else part for part in parts]
    return hashlib.sha256(json.dumps(opened).encode()).hexdigest()


def process_digest(secret: Secret) -> str:
    """Return a digest of a secret that a person chose, for keys that never leave this process.

    It is made with a random key of this process, so guessing is hopeless without that, and it costs microseconds.
    """
    return hmac.digest(_process_key, secret.reveal().encode("utf-8", "surrogatepass"), "sha256").hex()


@functools.lru_cache(maxsize=_MOST)
def slow_digest(secret: Secret, salt: str) -> str:
    """Return a digest of a secret that a person chose, slow enough (scrypt, some 10 ms) to make guessing dear.

    For keys that are stored: other processes must find the same one. Cached, so that a client opened for each request
    pays once; the first one blocks its thread. `salt` is who the password belongs to.
    """
    digest = hashlib.scrypt(
        secret.reveal().encode("utf-8", "surrogatepass"),
        salt=salt.encode("utf-8", "surrogatepass"),
        n=2**12,
        r=8,
        p=1,
    )
    return digest.hex()
