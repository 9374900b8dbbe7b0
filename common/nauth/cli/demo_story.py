"""`Story`: what a vendor brings to the demonstration. The runner knows this shape and no vendor."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import attrs

from nauth.events import Observer

__all__ = ["Counters", "MakeStory", "Story", "Watch"]


@attrs.frozen(kw_only=True)
class Counters:
    """What the vendor's double has counted so far.

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
        """Every call that dealt in tokens."""
        return self.issue + self.refresh + self.revoke


Watch: TypeAlias = Callable[[Callable[[], int]], Observer]
"""Gives a client its observer. Each client needs one of its own, and hands over a function that says how many times
the vendor has ended a live token so far (by refreshing, revoking or letting somebody else in)."""


class Story(Protocol):
    """A vendor's double and some clients of one credential, running while it is entered.

    The double's token calls take a noticeable time, so that waiting would show.
    """

    @property
    def name(self) -> str:
        """The vendor's name, as on the command line."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    async def request(self, number: int) -> int:
        """Make coroutine `number`'s next request, and return its HTTP status."""
        ...

    async def takeover(self) -> None:
        """Let somebody else sign in with the same credential, which ends the clients' session."""
        ...

    async def revoke(self) -> None:
        """Let one client revoke the token that all of them share."""
        ...

    def counters(self) -> Counters:
        """Return what the double has counted."""
        ...


MakeStory: TypeAlias = Callable[[Watch, timedelta], Story]
"""Makes a story whose access tokens live for the given time."""
