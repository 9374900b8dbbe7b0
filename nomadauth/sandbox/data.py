"""The accounts of the sandbox. Everything here is invented."""

from __future__ import annotations

import secrets
import uuid

import attrs

from nomadauth.credentials import NomadApiKey, NomadPassword, NomadStaticToken
from nomadauth.statuses import LoginStatus

__all__ = [
    "API_KEY",
    "CODE",
    "MAIN",
    "PROVIDER",
    "QR_CODE",
    "QR_IMAGE",
    "SECOND",
    "STATIC_TOKEN",
    "Account",
    "account_name",
    "accounts",
    "another",
    "new_password",
]

APPLICATION_ID = "0a9d3f6e-1c55-4d0e-8b6a-5f3e2d1c0b9a"
PROVIDER = "azure"
CODE = "314159"
"""The second factor's only code."""
QR_CODE = "otpauth://totp/sandbox?secret=NOTAREALSECRETATALL"
QR_IMAGE = "aW1hZ2luZSBhIHBpY3R1cmUgaGVyZQ=="

MAIN = NomadPassword("svc@example.com", "correct horse battery", APPLICATION_ID)
SECOND = NomadPassword("svc2@example.com", "staple another word", APPLICATION_ID)

STATIC_TOKEN = NomadStaticToken("static-sandbox-token-0123456789abcdef0123456789abcdef")
API_KEY = NomadApiKey("apikey-sandbox-0123456789abcdef0123456789abcdef")


@attrs.define(eq=False)
class Account:
    """One account: its credentials, and the status that keeps it from signing in, if any."""

    credentials: NomadPassword
    user_id: str
    login_status: LoginStatus | None = None


def account_name(status: LoginStatus) -> str:
    """Return the login id of the account that `status` keeps from signing in."""
    return f"{status.value.lower()}@example.com"


def another() -> Account:
    """Return a new account."""
    name = f"user-{secrets.token_hex(4)}@example.com"
    return Account(NomadPassword(name, secrets.token_hex(16), APPLICATION_ID), str(uuid.uuid4()))


def new_password(given: NomadPassword) -> NomadPassword:
    """Return the same account's credentials with a new password."""
    return NomadPassword(given.username, secrets.token_hex(16), given.application_id)


def accounts() -> dict[str, Account]:
    """Return new objects at each call, because a new password changes an account."""
    found = {
        given.username: Account(given, f"6f1c0f0e-5a53-4d0e-9f0b-0000000000{number:02}")
        for number, given in enumerate((MAIN, SECOND))
    }
    for number, status in enumerate(LoginStatus):
        given = NomadPassword(account_name(status), "kept out for now", APPLICATION_ID)
        found[given.username] = Account(given, f"6f1c0f0e-5a53-4d0e-9f0b-0000000001{number:02}", status)
    return found
