"""`Token`, when it is worth renewing, and the pure functions that decide it. No I/O, no clock of its own."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import inf
from types import MappingProxyType
from typing import Literal, TypeAlias

import attrs

from nauth.errors import ConfigurationError
from nauth.instants import MAX_LIFETIME
from nauth.secret import Secret

__all__ = [
    "MAX_LIFETIME",
    "NOTHING",
    "Held",
    "RenewalPolicy",
    "Token",
    "TokenState",
    "age_on_arrival",
    "held",
    "margin_s",
    "succeed",
]


class TokenState(enum.Enum):
    """What may be done with a token now."""

    FRESH = "fresh"
    """Hand it out."""
    STALE = "stale"
    """Hand it out, and renew it in the background."""
    EXPIRED = "expired"
    """Do not hand it out; wait for a renewal."""


def _frozen(extra: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(extra))


def _names_only(extra: Mapping[str, str]) -> str:
    return f"<{', '.join(sorted(extra))}>"


def _not_empty(_: object, attribute: attrs.Attribute[Secret], value: object) -> None:
    if not isinstance(value, Secret):
        raise TypeError(f"{attribute.name} must be a Secret, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{attribute.name} must not be empty")


def _hidden(_: object, attribute: attrs.Attribute[Secret | None], value: object) -> None:
    # a bare str would work everywhere, and show itself in every repr
    if not (value is None or isinstance(value, Secret)):
        raise TypeError(f"{attribute.name} must be a Secret or None, not {type(value).__name__}")


def _aware(_: object, attribute: attrs.Attribute[datetime | None], value: datetime | None) -> None:
    if value is not None and value.tzinfo is None:
        raise ValueError(f"{attribute.name} must be an aware datetime")


@attrs.frozen(kw_only=True)
class Token:
    """What a vendor issued. Immutable; shows no secret in any repr.

    Attributes:
        access_token: the credential that goes on requests.
        refresh_token: what buys the next token without the long-lived secret, if the vendor gave one.
        scheme: the word before the token in `Authorization`; empty for vendors that want the token raw.
        expires_at: aware end of life by this machine's wall clock; None if unknown or endless.
        lifetime: how long the token lives from the moment it was asked for; None if it never expires.
        extra: what the vendor needs back later, such as a session id. Its repr shows the names only.
    """

    access_token: Secret = attrs.field(validator=_not_empty)
    refresh_token: Secret | None = attrs.field(default=None, validator=_hidden)
    scheme: str = "Bearer"
    expires_at: datetime | None = attrs.field(default=None, validator=_aware)
    lifetime: timedelta | None = None
    extra: Mapping[str, str] = attrs.field(
        factory=dict[str, str], converter=_frozen, repr=_names_only, hash=False
    )
    # put together once: every request wants it
    _header: Secret = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        raw = self.access_token
        header = Secret(f"{self.scheme} {raw.reveal()}") if self.scheme else raw
        object.__setattr__(self, "_header", header)

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header. A secret: use it in the expression that sends it."""
        return self._header.reveal()

    def same_access(self, other: Token | None) -> bool:
        """Tell whether `other` carries the same access token, whatever else differs."""
        return other is self or (other is not None and self.access_token == other.access_token)


def _duration(_: object, attribute: attrs.Attribute[timedelta], value: object) -> None:
    if not isinstance(value, timedelta):
        raise ConfigurationError(
            f"RenewalPolicy.{attribute.name} must be a timedelta, not {type(value).__name__}: "
            f"write {attribute.name}=timedelta(seconds=...)"
        )
    if value < timedelta(0):
        raise ConfigurationError(f"RenewalPolicy.{attribute.name} must not be negative, got {value}")


def _positive(instance: object, attribute: attrs.Attribute[timedelta], value: timedelta) -> None:
    _duration(instance, attribute, value)
    if not value:
        raise ConfigurationError(f"RenewalPolicy.{attribute.name} must be longer than zero")


_OnStoreFailure: TypeAlias = Literal["serve", "renew-alone"]


def _known_choice(_: object, attribute: attrs.Attribute[_OnStoreFailure], value: object) -> None:
    if value not in {"serve", "renew-alone"}:
        raise ConfigurationError(f"RenewalPolicy.{attribute.name} must be 'serve' or 'renew-alone'")


@attrs.frozen(kw_only=True)
class RenewalPolicy:
    """When to renew, and how hard to try.

    Attributes:
        margin: how long before its end a token is renewed; never more than half of its lifetime.
        jitter: up to this much earlier still, drawn anew for each token, so that processes spread out.
        backoff: pause after a first failed renewal while the old token still lives; it doubles with each failure.
            Also the base of the pauses between attempts inside one renewal.
        backoff_cap: the longest such pause.
        cooldown: pause after a failed renewal when no valid token is left. Callers get the error at once meanwhile.
            Also the pause after a vendor refused a token it had just issued; that one doubles up to `backoff_cap`.
        deadline: the most that one renewal's calls to the vendor may take, repeats included. Waiting for another
            client's renewal comes on top.
        on_store_failure: what a renewal does when the shared store is down. ``"serve"`` keeps the token and tries
            again later; callers get a `StoreError` only once it has expired. ``"renew-alone"`` renews without the
            store's lease: nobody waits, but several processes may renew at once, and where the vendor allows one
            session or rotates refresh tokens they end each other's.
    """

    margin: timedelta = attrs.field(default=timedelta(seconds=60), validator=_duration)
    jitter: timedelta = attrs.field(default=timedelta(seconds=15), validator=_duration)
    backoff: timedelta = attrs.field(default=timedelta(seconds=1), validator=_duration)
    backoff_cap: timedelta = attrs.field(default=timedelta(seconds=60), validator=_duration)
    cooldown: timedelta = attrs.field(default=timedelta(seconds=10), validator=_duration)
    deadline: timedelta = attrs.field(default=timedelta(seconds=30), validator=_positive)
    on_store_failure: _OnStoreFailure = attrs.field(default="serve", validator=_known_choice)

    def pause_s(self, base: timedelta, failures: int) -> float:
        """Return the pause in seconds after `failures` failures in a row: `base`, doubled each time, capped."""
        start = base.total_seconds()
        # 2**40 already exceeds every cap; unbounded powers would overflow a float after a long outage
        return min(start * 2.0 ** min(failures - 1, 40), max(start, self.backoff_cap.total_seconds()))


@attrs.frozen
class Held:
    """A token in memory with the four instants that decide its state, in seconds of each clock.

    `asked_mono` is when it was asked for, `stored` whether the store has it. `barred` are the last few tokens that were
    revoked or refused here: they must not come back, though they may yet arrive at the store.
    """

    token: Token | None
    version: int
    renew_mono: float
    renew_wall: float
    expire_mono: float
    expire_wall: float
    asked_mono: float = -inf
    stored: bool = True
    barred: tuple[Token, ...] = ()

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

    def dead(self) -> Held:
        """Return the same token, known to be dead: kept for its refresh token only."""
        return attrs.evolve(self, renew_mono=-inf, renew_wall=-inf, expire_mono=-inf, expire_wall=-inf)

    def without(self, token: Token, version: int) -> Held:
        """Return what is held after `token`, stored as `version`, was revoked. Another token held here stays."""
        rest = NOTHING if token.same_access(self.token) else self
        return attrs.evolve(rest, version=max(self.version, version), barred=barring(self.barred, token))

    def discarded(self) -> Held:
        """Return what is held after a sibling has discarded the record: nothing, but never an older version again."""
        return attrs.evolve(NOTHING, version=self.version, barred=self.barred)

    def outdates(self, token: Token, asked_mono: float) -> bool:
        """Tell whether a stored `token`, asked for at `asked_mono`, is a step back: known to be dead, or older.

        Its version cannot tell where the token held here has never been stored.
        """
        return any(map(token.same_access, self.barred)) or (not self.stored and asked_mono < self.asked_mono)

    def knows_dead(self, token: Token) -> bool:
        """Tell whether `token` is the one held, and the vendor has refused it."""
        return self.refused and token.same_access(self.token)


_MOST_BARRED = 3
"""A revocation ends two tokens at most, the stored one and the one held; one more for a 401 before it."""


def barring(barred: tuple[Token, ...], token: Token) -> tuple[Token, ...]:
    """Return `barred` with `token` in front, without those that have waited longest."""
    return (token, *(one for one in barred if not one.same_access(token)))[:_MOST_BARRED]


NOTHING = Held(None, 0, -inf, -inf, -inf, -inf)
"""What is held before the first token and after a revocation."""


def margin_s(lifetime_s: float, policy: RenewalPolicy, spread: float) -> float:
    """Return how many seconds before its end a token of `lifetime_s` is renewed.

    `spread` in [0, 1) is this token's draw of the jitter. The sum never exceeds half of the lifetime: a fixed
    window at or above the lifetime would renew on every request. Where the half is the tighter bound, margin and
    jitter shrink in proportion, so that short-lived tokens keep some jitter.
    """
    margin, jitter = policy.margin.total_seconds(), policy.jitter.total_seconds()
    wanted = margin + jitter
    scale = min(1.0, lifetime_s / 2 / wanted) if wanted else 0.0
    return (margin + jitter * spread) * scale


def held(
    token: Token,
    policy: RenewalPolicy,
    *,
    version: int,
    age_s: float,
    mono: float,
    wall: float,
    spread: float,
    stored: bool = True,
) -> Held:
    """Place `token`, asked for `age_s` seconds ago, on both clocks."""
    asked = mono - age_s
    if token.lifetime is None:
        return Held(token, version, inf, inf, inf, inf, asked, stored)
    lifetime_s = min(token.lifetime, MAX_LIFETIME).total_seconds()
    left = lifetime_s - age_s
    fresh = left - margin_s(max(lifetime_s, 0.0), policy, spread)
    return Held(token, version, mono + fresh, wall + fresh, mono + left, wall + left, asked, stored)


def succeed(old: Held, new: Held, *, mono: float, wall: float) -> Held:
    """Return what to hold when `new` arrives in the place of `old`.

    A token that is dead on arrival brings nothing but its refresh token: while the old one lives, it goes on serving.
    """
    # what is known to be dead stays so, unless the vendor itself has handed it out again
    gone = barring(old.barred, old.token) if old.refused and old.token is not None else old.barred
    new = attrs.evolve(new, barred=tuple(one for one in gone if not one.same_access(new.token)))
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


def instant(epoch_s: float) -> datetime:
    """Return the aware UTC datetime of `epoch_s` seconds since the epoch."""
    return datetime.fromtimestamp(epoch_s, UTC)
