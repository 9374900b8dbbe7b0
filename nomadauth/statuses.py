"""Statuses of an account or a session: known values as enums, unknown ones kept as text.

On the wire a status is a name or a number: https://docs.nomad.media/reference/post_account-login describes names, and
numbers occur in the prose of https://docs.nomad.media/docs/authentication.
"""

from __future__ import annotations

import enum
import itertools
from collections.abc import Mapping
from typing import TypeAlias, TypeVar

import attrs

from nauth.redact import clean
from nauth.wire.scalar_hooks import type_name

__all__ = [
    "STEPS",
    "AnyLoginStatus",
    "AnyPingStatus",
    "LoginStatus",
    "PingStatus",
    "UnknownStatus",
    "login_status",
    "ping_status",
]


class LoginStatus(enum.Enum):
    """Why a login returned no token. Values are the names in the JSON; members are in the order of its numbers."""

    TWO_FACTOR_SETUP_REQUIRED = "TwoFactorSetupRequired"
    """A second factor must be set up: the response holds the QR code to scan."""
    TWO_FACTOR_CODE_REQUIRED = "TwoFactorCodeRequired"
    """A code of the second factor is required."""
    IS_DISABLED = "IsDisabled"
    """Disabled, or awaiting approval."""
    IS_PENDING_EMAIL_CONFIRMATION = "IsPendingEmailConfirmation"
    """The e-mail address was not confirmed yet."""
    IS_PENDING_NEW_ACCOUNT_SIGNUP = "IsPendingNewAccountSignup"
    """The sign-up was not finished."""
    IS_PENDING_ACCOUNT_MIGRATION_SIGNUP = "IsPendingAccountMigrationSignup"
    """A sign-up is needed to migrate the account."""
    IS_PENDING_NEW_PASSWORD = "IsPendingNewPassword"  # noqa: S105 - a status
    """A new password must be chosen."""
    IS_EXPIRED = "IsExpired"
    """The account has expired."""
    IS_PENDING_INVITATION = "IsPendingInvitation"
    """The invitation was not accepted yet."""


class PingStatus(enum.Enum):
    """The session's status in a ping response. Values are names in the JSON; members are in order of its numbers."""

    NORMAL = "Normal"
    CHAT_DISABLED = "ChatDisabled"
    ACCOUNT_EXPIRED = "AccountExpired"
    SESSION_DEACTIVATED = "SessionDeactivated"
    """Another login has taken the session's place, or an administrator has ended it."""


@attrs.frozen
class UnknownStatus:
    """A status that this version does not know; `value` is the received text, cleaned."""

    value: str


AnyLoginStatus: TypeAlias = LoginStatus | UnknownStatus
AnyPingStatus: TypeAlias = PingStatus | UnknownStatus

STEPS: frozenset[AnyLoginStatus] = frozenset(
    {
        LoginStatus.TWO_FACTOR_SETUP_REQUIRED,
        LoginStatus.TWO_FACTOR_CODE_REQUIRED,
        LoginStatus.IS_PENDING_NEW_PASSWORD,
    }
)
"""Statuses that a person can resolve at once, by a code or a new password."""

_S = TypeVar("_S", bound=enum.Enum)


def _table(known: type[_S], prose: Mapping[str, _S]) -> Mapping[str, _S]:
    """Return a table from name (lower case, without a leading "is") or number to member."""
    names = {_plain(member.value): member for member in known}
    numbers = {str(number): member for number, member in zip(itertools.count(1), known, strict=False)}
    return names | numbers | {_plain(name): member for name, member in prose.items()}


def _plain(name: str) -> str:
    return name.strip().lower().removeprefix("is")


# names that occur in the text of the login's description but not in its enum
_LOGIN = _table(
    LoginStatus,
    {
        "RequiresNewPassword": LoginStatus.IS_PENDING_NEW_PASSWORD,
        "PendingApproval": LoginStatus.IS_DISABLED,
    },
)
_PING = _table(PingStatus, {"SessionReplaced": PingStatus.SESSION_DEACTIVATED})


def login_status(value: object) -> AnyLoginStatus | None:
    """Read a `loginStatus` of any type; None for null and empty text. Never raises."""
    return _read(value, _LOGIN)


def ping_status(value: object) -> AnyPingStatus | None:
    """Read a `pingStatus` of any type; None for null and empty text. Never raises."""
    return _read(value, _PING)


def _read(value: object, table: Mapping[str, _S]) -> _S | UnknownStatus | None:
    if type(value) is float and value.is_integer():
        value = int(value)
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    # a number of a thousand digits is no status, and Python refuses to print it
    if type(value) is int and abs(value) < 2**63:
        value = str(value)
    if not isinstance(value, str):
        return UnknownStatus(type_name(value))
    return table.get(_plain(value)) or UnknownStatus(clean(value) or "unreadable")
