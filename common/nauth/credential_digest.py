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
    """Return a SHA-256 hex digest of all parts of a credential, secrets included.

    The secret is part of the digest, so that a client with a wrong secret does not find the token of the right one.
    The digest keeps the secret itself out of every store key. Use it for secrets that cannot be guessed; pass a
    password through `slow_digest` first.
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
    """Return a scrypt hex digest of a password: about 10 ms a call, so that guessing is expensive.

    For keys that are stored: other processes must find the same one. The result is cached, so a program that opens a client
    for each request pays once; the first call blocks its thread. `salt` names the owner of the password.
    """
    digest = hashlib.scrypt(
        secret.reveal().encode("utf-8", "surrogatepass"),
        salt=salt.encode("utf-8", "surrogatepass"),
        n=2**12,
        r=8,
        p=1,
    )
    return digest.hex()
