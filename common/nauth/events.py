"""The events an observer gets. They are frozen and hold no secret."""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from datetime import timedelta
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
    "RequestReplayed",
    "TokenAdopted",
    "notify",
]

_log = logging.getLogger("nauth")


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
class RenewalStarted:
    """A renewal began.

    Attributes:
        cause: why.
    """

    cause: Cause


@attrs.frozen(kw_only=True)
class RenewalJoined:
    """A caller began to wait for a renewal.

    Attributes:
        cause: why the renewal was started.
        waiters: callers that wait for it now, this one included.
    """

    cause: Cause
    waiters: int


@attrs.frozen(kw_only=True)
class RenewalSucceeded:
    """The vendor issued a token.

    Attributes:
        cause: why the renewal was started.
        waiters: callers that waited for it.
        took: how long the renewal took.
        refreshed: true for a refresh, false for an issue.
    """

    cause: Cause
    waiters: int
    took: timedelta
    refreshed: bool


@attrs.frozen(kw_only=True)
class RenewalFailed:
    """A renewal failed.

    Attributes:
        cause: why the renewal was started.
        waiters: callers that waited for it, and get the error.
        took: how long the renewal took.
        error: the name of the error's class.
        quiet: whether the old token is still valid, so that callers get it and no error.
        retry_after: the `retry_after` of the error, if it has one.
    """

    cause: Cause
    waiters: int
    took: timedelta
    error: str
    quiet: bool
    retry_after: timedelta | None


@attrs.frozen(kw_only=True)
class TokenAdopted:
    """Another client's token was taken from the store; the vendor was not called.

    Attributes:
        age: how long ago the token was requested.
        pushed: whether the store announced it; otherwise this client loaded it.
    """

    age: timedelta
    pushed: bool


@attrs.frozen(kw_only=True)
class RequestReplayed:
    """A request was sent again with a new token after a 401.

    Attributes:
        method: HTTP method.
        status: HTTP status of the second response.
    """

    method: str
    status: int


@attrs.frozen(kw_only=True)
class OriginRefused:
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
    | RequestReplayed
    | OriginRefused
)
"""What an observer may be called with."""

Observer: TypeAlias = Callable[[Event], None]
"""Called with each event, in a later turn of the event loop or in a store's thread. Must not block. An exception it
raises is logged as a warning and goes no further."""


def notify(observer: Observer | None, event: Event) -> None:
    """Call `observer` with `event` in a later turn of the running loop, so that it cannot delay or break the request.

    A store's own thread, which pushes a token, has no running loop; there the observer is called at once.
    """
    if observer is None:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _deliver(observer, event)
    else:
        loop.call_soon(_deliver, observer, event)


def _deliver(observer: Observer, event: Event) -> None:
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - a broken observer must not break sign-in
        _log.warning("the observer raised %s on %s", type(error).__name__, type(event).__name__)
