"""The keys, accounts and records of the sandbox. Everything here is invented."""

from __future__ import annotations

import base64
import secrets
import uuid
from collections.abc import Mapping

import attrs

from nombaauth.credentials import NombaCredentials

__all__ = ["BVN", "MAIN", "OTHER_ENVIRONMENT", "PARENT", "SECOND", "SUB_ACCOUNT_ID", "Key", "another", "keys"]

_ACCOUNT_ID = "5b0f3c1e-6d0a-4d7e-9a52-0f6b7f2f9c11"
SUB_ACCOUNT_ID = "9d2c7a44-18e6-4c0b-8f3d-6e5a4b3c2d1e"

BVN = "22200011122"
"""An invented bank verification number, which must never appear in a log."""

# 88 characters, as real secrets have, although the specification says 44
MAIN = NombaCredentials(
    client_id="c0ffee00-1111-4222-8333-444455556666",
    client_secret="bm90LWEtcmVhbC1zZWNyZXQtb2YtYW55Ym9keS1tYWRlLXVwLWZvci10aGUtc2FuZGJveC0wMDAwMDAwMDE5OTg=",
    account_id=_ACCOUNT_ID,
)
SECOND = NombaCredentials(
    client_id="c0ffee00-2222-4222-8333-444455556666",
    client_secret="YW5vdGhlci1rZXktb2YtdGhlLXNhbWUtYnVzaW5lc3MtbWFkZS11cC1mb3ItdGhlLXNhbmRib3gtMDAwMDAwMDI=",
    account_id=_ACCOUNT_ID,
)
OTHER_ENVIRONMENT = NombaCredentials(
    client_id="c0ffee00-3333-4222-8333-444455556666",
    client_secret="YS1rZXktb2YtdGhlLW90aGVyLWVudmlyb25tZW50LW1hZGUtdXAtZm9yLXRoZS1zYW5kYm94LTAwMDAwMDAwMDM=",
    account_id=_ACCOUNT_ID,
)


@attrs.define(eq=False)
class Key:
    """One API key, and whether it belongs to the other environment."""

    credentials: NombaCredentials
    foreign: bool = False


def keys() -> dict[str, Key]:
    """Return the keys that a fresh sandbox knows, by id."""
    made = (Key(MAIN), Key(SECOND), Key(OTHER_ENVIRONMENT, foreign=True))
    return {key.credentials.client_id: key for key in made}


def another(account_id: str, client_id: str | None = None) -> NombaCredentials:
    """Return a new key of an account, or a new secret of the key `client_id`."""
    return NombaCredentials(
        client_id=client_id or str(uuid.uuid4()),
        client_secret=base64.b64encode(secrets.token_bytes(64)).decode(),
        account_id=account_id,
    )


PARENT: Mapping[str, object] = {
    "createdAt": "2026-01-05T08:00:00.000Z",
    "accountId": _ACCOUNT_ID,
    "accountHolderId": "0a1b2c3d-4e5f-4061-8273-8495a6b7c8d9",
    "accountRef": "ref-ada-stores",
    "bvn": BVN,
    "status": "ACTIVE",
    "type": "outlet",
    "accountName": "Ada Stores",
    "banks": [
        {"bankAccountNumber": "9900112233", "bankName": "Sandbox MFB", "bankAccountName": "Ada Stores"},
    ],
    "currency": "NGN",
}

BALANCES: Mapping[str, str] = {_ACCOUNT_ID: "281946.0", "parent": "281946.0", SUB_ACCOUNT_ID: "1250.5"}
"""Path segment -> amount, a decimal string as the vendor sends it."""

BANKS = (
    {"code": "090001", "name": "Sandbox MFB"},
    {"code": "090002", "name": "Invented Bank"},
)
