"""`Story`: the protocol of a vendor's scenario in the demonstration. The runner knows no vendor."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import attrs

from nauth.events import Observer

__all__ = ["Counters", "Incident", "MakeStory", "Story", "Watch"]


@attrs.frozen(kw_only=True)
class Counters:
    """What the vendor's sandbox has counted so far.

    Attributes:
        issue: sign-ins that arrived.
        refresh: refreshes that arrived.
        refresh_refused: those of them that were refused.
        revoke: revocations that arrived.
        refused: requests answered 401.
        reused: times that a refresh token already spent was presented again.
    """

    issue: int = 0
    refresh: int = 0
    refresh_refused: int = 0
    revoke: int = 0
    refused: int = 0
    reused: int = 0

    def __sub__(self, earlier: Counters) -> Counters:
        """Return what was counted since `earlier`."""
        now, then = attrs.astuple(self), attrs.astuple(earlier)
        names = attrs.fields_dict(Counters)
        return Counters(**dict(zip(names, (a - b for a, b in zip(now, then, strict=True)), strict=True)))

    @property
    def token_calls(self) -> int:
        """Sign-ins, refreshes and revocations together."""
        return self.issue + self.refresh + self.revoke


Watch: TypeAlias = Callable[[Callable[[], int]], Observer]
"""Returns a new observer for one client. Its argument is a function that returns how many times the vendor has ended a
live token so far, by a refresh, a revocation or another sign-in."""


@attrs.frozen
class Incident:
    """An event that ends the token all clients share; exactly one renewal, by one sign-in, must follow.

    Attributes:
        name: shown on the display; unique within a scenario.
        promise: the promise about it, in words.
        happen: causes it.
        revokes: calls that it makes to the vendor's revocation endpoint.
        refused_refreshes: the most refreshes that may be tried before the sign-in; all of them must be refused.
    """

    name: str
    promise: str
    happen: Callable[[], Awaitable[None]]
    revokes: int = attrs.field(default=0, kw_only=True)
    refused_refreshes: int = attrs.field(default=0, kw_only=True)


class Story(Protocol):
    """A vendor's sandbox and some clients of one credential, running while the context is entered.

    The sandbox's token calls take noticeable time, so that a caller that waits shows in the figures.
    """

    @property
    def name(self) -> str:
        """The vendor's name, as on the command line."""
        ...

    @property
    def refreshes(self) -> bool:
        """Whether the vendor has refresh tokens. Without them each renewal signs in."""
        ...

    @property
    def incidents(self) -> Sequence[Incident]:
        """The incidents, in order."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def request(self, number: int) -> int:
        """Make coroutine `number`'s next request, and return its HTTP status."""
        ...

    def counters(self) -> Counters:
        """Return what the sandbox has counted."""
        ...


MakeStory: TypeAlias = Callable[[Watch, timedelta], Story]
"""Makes a scenario whose access tokens live for the given time."""
