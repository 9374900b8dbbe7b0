"""`Token`, `RenewalPolicy` and the pure functions that decide when to renew. No I/O; they read no clock."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

import attrs

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.time_formats import MAX_LIFETIME

__all__ = ["MAX_LIFETIME", "RenewalPolicy", "Token", "TokenState", "check_policy", "margin_s"]


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
    # a bare str would work everywhere, and every repr would show it
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
        refresh_token: gets the next token without the long-lived secret; None if the vendor gave none.
        scheme: the word before the token in `Authorization`; empty for vendors that want the bare token.
        expires_at: aware expiry by this machine's wall clock; None if unknown or endless.
        lifetime: how long the token is valid, counted from when it was requested; None if it never expires.
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

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self

    # built once: every request needs it
    _header: Secret = attrs.field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        raw = self.access_token
        header = Secret(f"{self.scheme} {raw.reveal()}") if self.scheme else raw
        object.__setattr__(self, "_header", header)

    @property
    def authorization(self) -> str:
        """The value of the `Authorization` header. It is a secret, so use it in the expression that sends it."""
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


def _count(_: object, __: attrs.Attribute[int], value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(
            "RenewalPolicy.attempts must be a whole number of 1 or more: it counts the first attempt too"
        )


_OnStoreFailure: TypeAlias = Literal["serve", "renew-alone"]


def _known_choice(_: object, attribute: attrs.Attribute[_OnStoreFailure], value: object) -> None:
    if value not in {"serve", "renew-alone"}:
        raise ConfigurationError(f"RenewalPolicy.{attribute.name} must be 'serve' or 'renew-alone'")


@attrs.frozen(kw_only=True)
class RenewalPolicy:
    """When to renew, and how hard to try.

    Attributes:
        margin: how long before expiry a token is renewed; never more than half of its lifetime.
        jitter: up to this much earlier still, at random for each token, so that processes do not renew all at once.
        backoff: pause after a first failed renewal while the old token still lives; it doubles with each failure.
            Also the base of the pauses between attempts inside one renewal.
        backoff_cap: the longest such pause.
        attempts: how often one request is sent at most, the first time included, if it fails in a way that may pass and
            may be sent again. It counts for token calls and for typed calls. 1 sends nothing again.
        cooldown: pause after a failed renewal when no valid token is left. Callers get the error at once meanwhile.
            Also the pause after a vendor refused a token it had just issued; that one doubles up to `backoff_cap`.
        deadline: the most that one renewal's calls to the vendor may take, repeats included. Waiting for another
            client's renewal comes on top.
        on_store_failure: what a renewal does when the shared store is down. ``"serve"`` keeps the token and tries
            again later; callers get a `StoreError` only once it has expired. ``"renew-alone"`` renews without the
            store's lease: callers do not wait, but several processes may renew at once. If the vendor allows one
            session only, or rotates refresh tokens, they end each other's sessions.
    """

    margin: timedelta = attrs.field(default=timedelta(seconds=60), validator=_duration)
    jitter: timedelta = attrs.field(default=timedelta(seconds=15), validator=_duration)
    backoff: timedelta = attrs.field(default=timedelta(seconds=1), validator=_duration)
    backoff_cap: timedelta = attrs.field(default=timedelta(seconds=60), validator=_duration)
    attempts: int = attrs.field(default=3, validator=_count)
    cooldown: timedelta = attrs.field(default=timedelta(seconds=10), validator=_duration)
    deadline: timedelta = attrs.field(default=timedelta(seconds=30), validator=_positive)
    on_store_failure: _OnStoreFailure = attrs.field(default="serve", validator=_known_choice)

    def pause_s(self, base: timedelta, failures: int) -> float:
        """Return the pause in seconds after `failures` failures in a row: `base`, doubled each time, capped."""
        start = base.total_seconds()
        # 2**40 already exceeds every cap; unbounded powers would overflow a float after a long outage
        return min(start * 2.0 ** min(failures - 1, 40), max(start, self.backoff_cap.total_seconds()))


def margin_s(lifetime_s: float, policy: RenewalPolicy, spread: float) -> float:
    """Return how many seconds before expiry a token of `lifetime_s` is renewed.

    `spread` in [0, 1) is this token's draw of the jitter. The sum never exceeds half of the lifetime: a fixed
    window at or above the lifetime would renew on every request. If the half is the tighter bound, margin and jitter
    shrink in proportion, so that short-lived tokens keep some jitter.
    """
    margin, jitter = policy.margin.total_seconds(), policy.jitter.total_seconds()
    wanted = margin + jitter
    scale = min(1.0, lifetime_s / 2 / wanted) if wanted else 0.0
    return (margin + jitter * spread) * scale


def check_policy(policy: object) -> None:
    """Refuse what is no policy, before a client is made with it.

    Raises:
        ConfigurationError: `policy` is neither None nor a `RenewalPolicy`.
    """
    if policy is not None and not isinstance(policy, RenewalPolicy):
        raise ConfigurationError(
            f"policy must be a RenewalPolicy, not {type(policy).__name__}: RenewalPolicy(margin=timedelta(...))"
        )
