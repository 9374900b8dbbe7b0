"""What an observer is told: frozen events without a secret in them."""

from __future__ import annotations

import asyncio
import enum
import logging
import weakref
from collections import deque
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
    """The token nears its end."""
    EXPIRED = "expired"
    """The token's life was over."""
    REJECTED = "rejected"
    """The vendor answered 401."""
    FORCED = "forced"
    """The caller asked for it."""


@attrs.frozen(kw_only=True)
class RenewalStarted:
    """A renewal began."""

    cause: Cause


@attrs.frozen(kw_only=True)
class RenewalJoined:
    """A caller began to wait for a renewal. Told for the first one only; the renewal's outcome tells how many they were."""

    cause: Cause
    waiters: int


@attrs.frozen(kw_only=True)
class RenewalSucceeded:
    """The vendor gave a token. `refreshed` tells a refresh from an issue; `took` is the renewal's duration."""

    cause: Cause
    waiters: int
    took: timedelta
    refreshed: bool


@attrs.frozen(kw_only=True)
class RenewalFailed:
    """A renewal failed. `error` is the class's name; `quiet` says that the old token still serves."""

    cause: Cause
    waiters: int
    took: timedelta
    error: str
    quiet: bool
    retry_after: timedelta | None


@attrs.frozen(kw_only=True)
class TokenAdopted:
    """A sibling's token, `age` old, was taken from the store: no call to the vendor was made."""

    age: timedelta
    pushed: bool


@attrs.frozen(kw_only=True)
class RequestReplayed:
    """A request was sent again with a new token after a 401. `status` is what the second attempt brought."""

    method: str
    status: int


@attrs.frozen(kw_only=True)
class OriginRefused:
    """A request went to an origin that was not configured, so no token was put on it."""

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
Observer: TypeAlias = Callable[[Event], None]


_MOST = 1_000
"""Events that may wait for delivery in one loop. An observer so slow that more come is told of the first ones only."""

_waiting: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, deque[tuple[Observer, Event]]] = (
    weakref.WeakKeyDictionary()
)


def notify(observer: Observer | None, event: Event) -> None:
    """Tell `observer` of `event` from a later turn of the running loop, so that it cannot hurt the request.

    A turn delivers one event, so that what an observer takes is spread over turns in which everything else goes on; but
    the turn itself waits for the observer, as for every callback. Where a store's own thread pushes a token there is no
    loop; the observer is called at once.
    """
    if observer is None:
        return
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _deliver(observer, event)
        return
    waiting = _waiting.get(loop)
    if waiting is None:
        waiting = _waiting[loop] = deque()
    if len(waiting) >= _MOST:
        if len(waiting) == _MOST:
            _log.warning("the observer is slower than what it is told of: events are dropped from here on")
            waiting.append((_silent, event))
        return
    waiting.append((observer, event))
    if len(waiting) == 1:
        loop.call_soon(_next, loop, waiting)


def _next(loop: asyncio.AbstractEventLoop, waiting: deque[tuple[Observer, Event]]) -> None:
    observer, event = waiting[0]
    _deliver(observer, event)
    waiting.popleft()  # after the delivery: what the observer itself causes is told in a turn of its own
    if waiting:
        loop.call_soon(_next, loop, waiting)


def _silent(_: Event) -> None:
    """Stand for the events that were dropped."""


def _deliver(observer: Observer, event: Event) -> None:
    try:
        observer(event)
    except Exception as error:  # noqa: BLE001 - a broken observer must not break sign-in
        _log.warning("the observer raised %s on %s", type(error).__name__, type(event).__name__)
