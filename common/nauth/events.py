"""The events an observer gets (how it is called: event_delivery.py). They are frozen and hold no secret."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeAlias

import attrs

__all__ = [
    "Cause",
    "Event",
    "Observer",
    "OriginRefused",
    "RenewalFailed",
    "RenewalJoined",
    "RenewalStarted",
    "RenewalSucceeded",
    "Reporting",
    "RequestReplayed",
    "TokenAdopted",
    "TokenRefused",
]


class Cause(enum.Enum):
    """Why a renewal was started."""

    COLD = "cold"
    """No token was held."""
    STALE = "stale"
    """The token was about to expire."""
    EXPIRED = "expired"
    """The token had expired."""
    REJECTED = "rejected"
    """The vendor answered 401."""
    FORCED = "forced"
    """The caller asked for it."""


@attrs.frozen(kw_only=True)
class _Reported:
    """What every event tells beside its own; it counts for no comparison, so that tests can name an event's own data.

    Attributes:
        vendor: the vendor's name, such as ``nomba``.
        identity: the first eight characters of the digest that names the credential in a store; no secret.
        at: when it happened, by the client's clock.
    """

    vendor: str = attrs.field(default="", eq=False)
    identity: str = attrs.field(default="", eq=False)
    at: datetime | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class RenewalStarted(_Reported):
    """A renewal began.

    Attributes:
        cause: why.
    """

    cause: Cause


@attrs.frozen(kw_only=True)
class RenewalJoined(_Reported):
    """A caller began to wait for a renewal. Told for the first one only; the renewal's outcome tells how many they were.

    Where tasks are eager (Python 3.12 and later) a renewal may be over before its first caller could wait: then this is
    not told, and the outcome counts no waiters.
    """

    cause: Cause
    waiters: int


@attrs.frozen(kw_only=True)
class RenewalSucceeded(_Reported):
    """The vendor issued a token.

    Attributes:
        cause: why the renewal was started.
        waiters: callers that waited for it.
        took: how long the renewal took.
        refreshed: true for a refresh, false for an issue.
        expires_at: when the new token expires; None if it does not, or it is not known.
    """

    cause: Cause
    waiters: int
    took: timedelta
    refreshed: bool
    expires_at: datetime | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class RenewalFailed(_Reported):
    """A renewal failed.

    Attributes:
        cause: why the renewal was started.
        waiters: callers that waited for it, and get the error.
        took: how long the renewal took.
        error: the name of the error's class.
        quiet: whether the old token is still valid, so that callers get it and no error.
        retry_after: the `retry_after` of the error, if it has one.
        request_id: the vendor's id of the request, if the response named one.
    """

    cause: Cause
    waiters: int
    took: timedelta
    error: str
    quiet: bool
    retry_after: timedelta | None
    request_id: str | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class TokenAdopted(_Reported):
    """Another client's token was taken from the store; the vendor was not called.

    Attributes:
        age: how long ago the token was requested.
        pushed: whether the store announced it; otherwise this client loaded it.
        expires_at: when it expires; None if it does not, or it is not known.
    """

    age: timedelta
    pushed: bool
    expires_at: datetime | None = attrs.field(default=None, eq=False)


@attrs.frozen(kw_only=True)
class TokenRefused(_Reported):
    """The vendor answered 401 to a token that it had only just issued, so 401s renew nothing for a while.

    Attributes:
        cooldown: for how long.
    """

    cooldown: timedelta


@attrs.frozen(kw_only=True)
class RequestReplayed(_Reported):
    """A request was sent again with a new token after a 401.

    Attributes:
        method: HTTP method.
        status: HTTP status of the second response.
    """

    method: str
    status: int


@attrs.frozen(kw_only=True)
class OriginRefused(_Reported):
    """A request went to an origin that was not configured, so no token was put on it.

    Attributes:
        origin: that origin, such as ``https://example.com:443``.
    """

    origin: str


Event: TypeAlias = (
    RenewalStarted
    | RenewalJoined
    | RenewalSucceeded
    | RenewalFailed
    | TokenAdopted
    | TokenRefused
    | RequestReplayed
    | OriginRefused
)
"""What an observer may be called with."""

Observer: TypeAlias = Callable[[Event], None]
"""Called with each event, in a later turn of the event loop or in a store's thread. Must not block. An exception it
raises is logged as a warning and goes no further."""


class Reporting(abc.ABC):
    """An observer that says whose event it is, and when it happened."""

    __slots__ = ()

    @abc.abstractmethod
    def stamped(self, event: Event) -> Event:
        """Return `event` with vendor, identity and time filled in."""

    @abc.abstractmethod
    def __call__(self, event: Event) -> None:
        """Take `event`."""
