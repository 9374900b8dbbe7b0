"""Digests that name a credential in a store key without revealing it."""

from __future__ import annotations

import functools
import hashlib
import json

from nauth.secret import Secret

__all__ = ["identity_digest", "slow_digest"]


def identity_digest(*parts: str | Secret | None) -> str:
    """Return a digest of everything that makes a credential what it is, secrets included.

    A wrong secret must not find the token that the right one earned, so the secret is part of the identity; the
    digest keeps it out of every store key. Use it for high-entropy secrets; a password needs a slow hash first.
    """
    opened = [part.reveal() if isinstance(part, Secret) else part for part in parts]
    return hashlib.sha256(json.dumps(opened).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def slow_digest(secret: Secret, salt: str) -> str:
    """Return a digest of a secret that a person chose, slow enough (scrypt, some 10 ms) to make guessing dear.

    Cached, so that a client opened for each request pays once. `salt` is who the password belongs to.
    """
    digest = hashlib.scrypt(
        secret.reveal().encode("utf-8", "surrogatepass"),
        salt=salt.encode("utf-8", "surrogatepass"),
        n=2**12,
        r=8,
        p=1,
    )
    return digest.hex()
