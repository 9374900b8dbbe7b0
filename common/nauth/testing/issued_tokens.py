"""`IssuedTokens`: what a sandbox remembers of the tokens that it has handed out.

All times are wall seconds of the sandbox's clock: a vendor's day has no suspend.
"""

from __future__ import annotations

from math import inf
from typing import Generic, TypeVar

import attrs

from nauth.clock import Clock

__all__ = ["Access", "IssuedTokens", "Refresh", "Session"]


@attrs.define(eq=False, kw_only=True)
class Session:
    """What one sign-in opened; refreshing continues it. A vendor derives its own class, with whose session it is.

    Attributes:
        dies_at: when every token of the session is over, whatever its own life.
        refreshable: whether its refresh tokens still buy a token.
    """

    dies_at: float = inf
    refreshable: bool = True

    def end(self) -> None:
        """End the session at once: its tokens, and what could buy the next one."""
        self.dies_at = -inf
        self.refreshable = False


S = TypeVar("S", bound=Session)


@attrs.define(eq=False, kw_only=True)
class Access(Generic[S]):
    """One access token's life."""

    session: S
    expires_at: float

    def live(self, now: float) -> bool:
        """Tell whether the token opens anything at `now`."""
        return now < self.expires_at and now < self.session.dies_at

    def kill(self) -> None:
        """End the token at once."""
        self.expires_at = -inf


@attrs.define(eq=False, kw_only=True)
class Refresh(Generic[S]):
    """One refresh token's life."""

    session: S
    expires_at: float
    spent: bool = False

    def live(self, now: float) -> bool:
        """Tell whether the token still buys an access token at `now`."""
        alive = not self.spent and self.session.refreshable
        return alive and now < self.expires_at and now < self.session.dies_at


class IssuedTokens(Generic[S]):
    """Remember access tokens and refresh tokens, dead ones included.

    Args:
        clock: what lifetimes are counted on.

    Attributes:
        reuses: how many times a spent refresh token was presented again.
    """

    def __init__(self, clock: Clock) -> None:
        self.reuses: int = 0
        self._clock = clock
        self._accesses: dict[str, Access[S]] = {}
        self._refreshes: dict[str, Refresh[S]] = {}

    def add_access(self, token: str, session: S, life_s: float) -> Access[S]:
        """Remember an access token that lives for `life_s` seconds from now."""
        access = self._accesses[token] = Access(session=session, expires_at=self._clock.wall() + life_s)
        return access

    def add_refresh(self, token: str, session: S, life_s: float = inf) -> None:
        """Remember a refresh token that lives for `life_s` seconds from now."""
        self._refreshes[token] = Refresh(session=session, expires_at=self._clock.wall() + life_s)

    def access(self, token: str) -> Access[S] | None:
        """Return what is known of an access token, even if it is dead; None if it was never handed out."""
        return self._accesses.get(token)

    def presented(self, token: str) -> Refresh[S] | None:
        """Return what is known of a refresh token, even if it is dead; a spent one counts as a re-use."""
        refresh = self._refreshes.get(token)
        if refresh is not None and refresh.spent:
            self.note_reuse()
        return refresh

    def note_reuse(self) -> None:
        """Count a spent refresh token that was presented again."""
        self.reuses += 1

    def opens(self, token: str) -> bool:
        """Tell whether an access token works now."""
        access = self._accesses.get(token)
        return access is not None and access.live(self._clock.wall())

    def live_tokens(self) -> int:
        """Count the access tokens that work now."""
        now = self._clock.wall()
        return sum(access.live(now) for access in self._accesses.values())

    def kill_access(self, token: str) -> None:
        """Kill one access token; does nothing for a token that was never handed out."""
        access = self._accesses.get(token)
        if access is not None:
            access.kill()

    def kill_accesses(self, session: S) -> None:
        """Kill the access tokens of one session; its refresh tokens live on."""
        for access in self._accesses.values():
            if access.session is session:
                access.kill()

    def kill_all(self, *, kill_refresh: bool = False) -> None:
        """Kill every access token at once, and with `kill_refresh` every refresh token too."""
        for access in self._accesses.values():
            access.kill()
        if kill_refresh:
            for refresh in self._refreshes.values():
                refresh.session.refreshable = False
