"""Digests that name a credential in a store key without revealing it."""

from __future__ import annotations

import functools
import hashlib
import json

from nauth.secret import Secret

__all__ = ["identity_digest", "slow_digest"]


def identity_digest(*parts: str | Secret | None) -> str:
    """Return a SHA-256 hex digest of all parts of a credential, secrets included.

    The secret is part of the digest, so that a client with a wrong secret does not find the token of the right one.
    The digest keeps the secret itself out of every store key. Use it for secrets that cannot be guessed; pass a
    password through `slow_digest` first.
    """
    opened = [part.reveal() if isinstance(part, Secret) else part for part in parts]
    return hashlib.sha256(json.dumps(opened).encode()).hexdigest()


@functools.lru_cache(maxsize=256)
def slow_digest(secret: Secret, salt: str) -> str:
    """Return a scrypt hex digest of a password: about 10 ms a call, so that guessing is expensive.

    The result is cached, so a program that opens a client for each request pays once. `salt` names the owner of the
    password.
    """
    digest = hashlib.scrypt(
        secret.reveal().encode("utf-8", "surrogatepass"),
        salt=salt.encode("utf-8", "surrogatepass"),
        n=2**12,
        r=8,
        p=1,
    )
    return digest.hex()
