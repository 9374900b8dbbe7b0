"""The token in memory with its two ends, its version and the tokens known to be dead. Immutable."""

from __future__ import annotations

from math import inf

import attrs

from nauth.time_formats import MAX_LIFETIME
from nauth.token import RenewalPolicy, Token, TokenState, margin_s

__all__ = ["NOTHING", "HeldToken", "age_on_arrival", "place_on_clocks", "successor"]


@attrs.frozen
class HeldToken:
    """A token in memory with the four instants that decide its state, in seconds of each clock.

    `asked_mono` is when it was asked for, `stored` whether the store has it. `unusable` are the last few tokens that were
    revoked or refused here: they must not come back, though they may yet arrive at the store. `replaced` are those before this
    one that the store has not confirmed either: it may take them late, and then tells a wrong age.
    """

    token: Token | None
    version: int
    renew_mono: float
    renew_wall: float
    expire_mono: float
    expire_wall: float
    asked_mono: float = -inf
    stored: bool = True
    unusable: tuple[Token, ...] = ()
    replaced: tuple[Token, ...] = ()

    def state(self, mono: float, wall: float) -> TokenState:
        """Say what may be done with the token. Either clock is enough to make it stale or expired."""
        if self.renew_mono > mono and self.renew_wall > wall:
            return TokenState.FRESH
        if self.expire_mono > mono and self.expire_wall > wall:
            return TokenState.STALE
        return TokenState.EXPIRED

    @property
    def refused(self) -> bool:
        """Whether the token is known to be dead before its time."""
        return self.token is not None and self.expire_mono == -inf

    def dead(self) -> HeldToken:
        """Return the same token, known to be dead: kept for its refresh token only."""
        return attrs.evolve(self, renew_mono=-inf, renew_wall=-inf, expire_mono=-inf, expire_wall=-inf)

    def without(self, token: Token, version: int) -> HeldToken:
        """Return what is held after `token`, stored as `version`, was revoked. Another token held here stays."""
        rest = NOTHING if token.same_access(self.token) else self
        return attrs.evolve(
            rest, version=max(self.version, version), unusable=with_newest(self.unusable, token)
        )

    def discarded(self) -> HeldToken:
        """Return what is held after a sibling has discarded the record: nothing, but never an older version again.

        The token may have come by an early push, and its own commit may still be on its way here: it must not come back.
        """
        known = self.token if self.stored else None
        gone = self.unusable if known is None else with_newest(self.unusable, known)
        return attrs.evolve(NOTHING, version=self.version, unusable=gone)

    def rules_out(self, token: Token, asked_mono: float) -> bool:
        """Tell whether a stored `token`, asked for at `asked_mono`, is older than ours, or was rejected or revoked here.

        Its version cannot tell where the token held here has never been stored.
        """
        if self.ended(token) or any(map(token.same_access, self.replaced)):
            return True
        return not self.stored and asked_mono < self.asked_mono

    def ended(self, token: Token) -> bool:
        """Tell whether `token`, which is not held any more, was refused or revoked here."""
        return any(map(token.same_access, self.unusable))

    def was_refused(self, token: Token) -> bool:
        """Tell whether `token` is the one held, and the vendor has refused it."""
        return self.refused and token.same_access(self.token)


_MOST_REMEMBERED = 3
"""A revocation ends two tokens at most, the stored one and the one held; one more for a 401 before it."""


def with_newest(tokens: tuple[Token, ...], token: Token) -> tuple[Token, ...]:
    """Return `tokens` with `token` in front, without those that have waited longest."""
    return (token, *(one for one in tokens if not one.same_access(token)))[:_MOST_REMEMBERED]


NOTHING = HeldToken(None, 0, -inf, -inf, -inf, -inf)
"""What is held before the first token and after a revocation."""


def place_on_clocks(
    token: Token,
    policy: RenewalPolicy,
    *,
    version: int,
    age_s: float,
    mono: float,
    wall: float,
    spread: float,
    stored: bool = True,
) -> HeldToken:
    """Place `token`, asked for `age_s` seconds ago, on both clocks."""
    asked = mono - age_s
    if token.lifetime is None:
        return HeldToken(token, version, inf, inf, inf, inf, asked, stored)
    lifetime_s = min(token.lifetime, MAX_LIFETIME).total_seconds()
    left = lifetime_s - age_s
    fresh = left - margin_s(max(lifetime_s, 0.0), policy, spread)
    return HeldToken(token, version, mono + fresh, wall + fresh, mono + left, wall + left, asked, stored)


def successor(old: HeldToken, new: HeldToken, *, mono: float, wall: float) -> HeldToken:
    """Return what to hold when `new` arrives in the place of `old`.

    A token that is dead on arrival brings nothing but its refresh token: while the old one lives, it goes on serving.
    """
    # what is known to be dead stays so, unless the vendor itself has handed it out again
    gone = with_newest(old.unusable, old.token) if old.refused and old.token is not None else old.unusable
    # a commit that was given up may be taken by the store all the same, later than this one was made
    late = () if old.stored or new.stored or old.token is None else with_newest(old.replaced, old.token)
    new = attrs.evolve(
        new,
        unusable=tuple(one for one in gone if not one.same_access(new.token)),
        replaced=tuple(one for one in late if not one.same_access(new.token)),
    )
    useless = new.state(mono, wall) is TokenState.EXPIRED and old.state(mono, wall) is not TokenState.EXPIRED
    if not useless or old.token is None or new.token is None:
        return new
    token = attrs.evolve(old.token, refresh_token=new.token.refresh_token, extra=new.token.extra)
    return attrs.evolve(old, token=token, version=new.version, stored=new.stored)


def age_on_arrival(token: Token, *, waited_s: float, wall: float) -> float:
    """Return how many seconds ago `token` was asked for, as closely as can be known.

    An authenticator that retries knows when its last attempt went out, and says so by `expires_at - lifetime`.
    It is believed only between zero and `waited_s`, the time since the authenticator was called.
    """
    if token.expires_at is None or token.lifetime is None:
        return waited_s
    # in floats: a lifetime of thousands of years would leave the calendar
    asked = token.expires_at.timestamp() - token.lifetime.total_seconds()
    return min(max(wall - asked, 0.0), waited_s)
