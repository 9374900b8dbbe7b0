"""Encrypt a token with AES-256-GCM. Needs `cryptography`; `EncryptedStore` imports this module when it is created.

The construction, after NIST SP 800-38D (https://doi.org/10.6028/NIST.SP.800-38D):

- *Nonce*: 12 bytes from the system's generator, anew for each seal, stored before the ciphertext (section 8.2.2, the
  RBG-based construction). Not a counter: processes and machines share a key, and no counter that they could share
  survives a restored backup. Section 8.3 allows 2**32 seals under one key that way: at one renewal a second, 136
  years.
- *Tag*: all 16 bytes.
- *Additional data*: the format, the key id and the three parts of the `StoreKey`, as a JSON list, which no other parts
  can produce. A record copied to another credential's place, or relabelled, does not open.

What it does not prevent: a program that can write to the store can put back an *older* record of the same credential,
or delete it. A program that can read the store sees lifetime, expiry and length of the token.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
from collections.abc import Mapping
from typing import cast

import attrs
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from nauth.errors import ConfigurationError, StoreError
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.stores.codec import decode_token, encode_token, stated_refresh
from nauth.token import Token

__all__ = ["Keyring"]

_FORMAT = "nauth1"
_KEY_BYTES = 32
_NONCE_BYTES = 12

_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
"""Shorter than any base64 key, so that a key passed in the place of its id is refused and not quoted in an error."""
_SEALED = re.compile(rf"{_FORMAT}\.({_KEY_ID.pattern})\.([A-Za-z0-9_-]+)")

_REFRESHABLE = Secret("sealed")
"""Placeholder that tells the inner store of a refresh token, so that it keeps the record longer."""

_WAY_OUT = (
    "Nothing was overwritten. If the key is lost for good, delete the record: the next renewal writes it anew"
)


class Keyring:
    """Keys by id: the first encrypts, all of them decrypt. The repr shows the ids only.

    Args:
        keys: key id to 32 bytes as base64 text, either alphabet, with or without padding.

    Raises:
        ConfigurationError: no key, or a key or id of the wrong form. The text quotes neither: they may have been
            swapped.
    """

    def __init__(self, keys: object) -> None:
        if not isinstance(keys, Mapping):
            raise ConfigurationError(
                f"EncryptedStore(keys=...) must be a mapping of key id to Secret, not {type(keys).__name__}: write "
                '{"2026-11": Secret(...)}'
            )
        if not keys:
            raise ConfigurationError(
                "EncryptedStore(keys=...) is empty: give at least one key, made with EncryptedStore.generate_key()"
            )
        given = cast("Mapping[object, object]", keys)
        self._ciphers = {
            _checked(key_id, number): _cipher(secret, number)
            for number, (key_id, secret) in enumerate(given.items(), 1)
        }
        self._first = next(iter(self._ciphers))
        if len(set(given.values())) < len(given):
            raise ConfigurationError(
                "EncryptedStore(keys=...) has one key under two ids: a rotation needs a new key, made with "
                "EncryptedStore.generate_key()"
            )

    def __repr__(self) -> str:
        return f"<Keyring: {self.ids}>"

    @property
    def ids(self) -> str:
        """The ids of the keys, the encrypting one first."""
        return ", ".join(self._ciphers)

    def seal(self, key: StoreKey, token: Token) -> Token:
        """Return a token for the inner store that holds all of `token` sealed, and its lifetimes in clear."""
        text = self._sealed(encode_token(token).encode("ascii"), _bound(key, self._first))
        return Token(
            access_token=Secret(f"{_FORMAT}.{self._first}.{text}"),
            refresh_token=_REFRESHABLE if token.refresh_token else None,
            scheme="",
            lifetime=token.lifetime,
            expires_at=token.expires_at,
            extra=stated_refresh(token),
        )

    def open(self, key: StoreKey, sealed: Token) -> Token:
        """Return the token inside `sealed`.

        Raises:
            StoreError: not written by `EncryptedStore`, or it does not decrypt with these keys for this `StoreKey`.
        """
        match = _SEALED.fullmatch(sealed.access_token.reveal())
        if match is None:
            raise StoreError(
                "the store's record for this token is not one that EncryptedStore has written: a program without "
                "EncryptedStore, or a later version of nauth, shares this store. Nothing was overwritten. Give this "
                "program a store (or prefix) of its own, or delete the record: the next renewal writes it anew"
            )
        key_id, cipher = match[1], self._ciphers.get(match[1])
        if cipher is None:
            raise StoreError(
                f"the stored token was encrypted with the key {key_id!r}; the keys given here are: {self.ids}. Add "
                f"{key_id!r} to EncryptedStore(keys=...), as the first if it is the new one everywhere. {_WAY_OUT}"
            )
        blob = Secret(match[2])
        del match  # an error below would show it with this frame
        plain = _opened(cipher, blob.reveal(), _bound(key, key_id))
        if plain is None:
            raise StoreError(
                f"the stored token does not open with the key {key_id!r}: the key that wrote it under this id was "
                "another one, or the record was altered, or copied here from another credential. Check that every "
                f"program has the same key under {key_id!r}. {_WAY_OUT}"
            )
        return decode_token(plain.reveal())

    def seal_text(self, text: str, *context: str) -> str:
        """Return `text` sealed; only the same `context` opens it again."""
        return f"{self._first}.{self._sealed(text.encode(), _context(self._first, context))}"

    def open_text(self, sealed: Secret, *context: str) -> Secret | None:
        """Return the text inside `sealed`; None if no key here opens it for this `context`."""
        key_id, _, text = sealed.reveal().partition(".")
        cipher = self._ciphers.get(key_id)
        return None if cipher is None else _opened(cipher, text, _context(key_id, context))

    def _sealed(self, plain: bytes, bound: bytes) -> str:
        nonce = os.urandom(_NONCE_BYTES)
        blob = nonce + self._ciphers[self._first].encrypt(nonce, plain, bound)
        return base64.urlsafe_b64encode(blob).decode("ascii").rstrip("=")


def _opened(cipher: AESGCM, text: str, bound: bytes) -> Secret | None:
    # raises nothing: its frame holds what is sealed, and an error would keep the frame
    try:
        blob = _base64(text)
        return Secret(cipher.decrypt(blob[:_NONCE_BYTES], blob[_NONCE_BYTES:], bound).decode())
    except (InvalidTag, ValueError):
        return None


def _context(key_id: str, parts: tuple[str, ...]) -> bytes:
    # another format than a token's, so that neither opens as the other
    return json.dumps(["nauth-text1", key_id, *parts]).encode("ascii")


def _bound(key: StoreKey, key_id: str) -> bytes:
    return json.dumps([_FORMAT, key_id, *attrs.astuple(key)]).encode("ascii")


def _checked(key_id: object, number: int) -> str:
    if isinstance(key_id, str) and _KEY_ID.fullmatch(key_id):
        return key_id
    raise ConfigurationError(
        f"EncryptedStore(keys=...): the id of key number {number} must be a text of 1 to 32 letters, digits, "
        'hyphens and underscores, such as "2026-11"'
    )


def _cipher(secret: object, number: int) -> AESGCM:
    if not isinstance(secret, Secret):
        raise ConfigurationError(
            f"EncryptedStore(keys=...): key number {number} must be a Secret, not {type(secret).__name__}: write "
            "Secret(...) around its base64 text"
        )
    cipher = _made(secret)
    if cipher is None:
        raise ConfigurationError(
            f"EncryptedStore(keys=...): key number {number} is not {_KEY_BYTES} bytes as base64. Make one with "
            "EncryptedStore.generate_key()"
        )
    return cipher


def _made(secret: Secret) -> AESGCM | None:
    # raises nothing: its frame holds the key, and an error would keep the frame
    try:
        key = _base64(secret.reveal().strip())
    except ValueError:
        return None
    return AESGCM(key) if len(key) == _KEY_BYTES else None


def _base64(text: str) -> bytes:
    """Return the bytes of base64 `text` in either alphabet, padded or not.

    Raises:
        ValueError: it is not base64.
    """
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    return binascii.a2b_base64(plain + "=" * (-len(plain) % 4), strict_mode=True)
