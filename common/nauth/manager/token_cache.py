"""`TokenCache`: the token held in memory, what went wrong, and how siblings change them. Thread-safe."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from math import inf
from typing import ClassVar, Protocol

import attrs

from nauth.after_fork import Guard
from nauth.clock import Clock
from nauth.errors import TokenRefusedError
from nauth.events import Observer
from nauth.manager import renewal_events
from nauth.manager.client_backoff import Backoff
from nauth.manager.held_token import NOTHING, HeldToken, place_on_clocks, successor
from nauth.manager.one_guard import GUARD
from nauth.stores.base import Record
from nauth.token import RenewalPolicy, Token, TokenState

__all__ = ["TokenCache"]

_SERVED_ON_S = 0.1
"""How long the fast path serves a token that is to be renewed. After that a caller looks whether a renewal has to be begun."""


class Busy(Protocol):
    """What knows of renewals under way."""

    def busy(self) -> bool:
        """Tell whether there is one."""
        ...


class TokenCache:
    """The token in memory and the back-off state of a `TokenManager`. Thread-safe.

    Args:
        policy: when to renew.
        clock: where time comes from.
        observer: told of adopted tokens.
        backoff: when the vendor is left alone.
        loops: tell whether a renewal is under way, which will report the token itself.

    Attributes:
        held: the token with its ends. Read without a lock: it is replaced as a whole and never changed.
        ready: what a fast path may serve from: `held`, or nothing where `TokenManager.token` has something to do; for a
            moment `held` with later ends, see `serve_on`.
        monotonic: the clock's reading that never runs backwards.
        wall: the clock's reading of the time of day.
        guard: for everything here that is changed; never held over an await.
        backoff: when the vendor is left alone.
        closed: nothing is adopted or held any more.
        settled: the token whose next acceptance needs no `accept`, as nothing new would be learned from it.
    """

    # a token that is fresh is handed out for each request: slots are the cheapest to read
    __slots__ = (
        "__weakref__",
        "_loops",
        "_observer",
        "_policy",
        "backoff",
        "closed",
        "held",
        "monotonic",
        "ready",
        "settled",
        "wall",
    )

    guard: ClassVar[Guard] = GUARD

    def __init__(
        self,
        policy: RenewalPolicy,
        clock: Clock,
        observer: Observer | None,
        *,
        loops: Busy,
        backoff: Backoff,
    ) -> None:
        self._policy, self._observer, self._loops = policy, observer, loops
        self.monotonic: Callable[[], float] = clock.monotonic
        self.wall: Callable[[], float] = clock.wall
        self.held: HeldToken = NOTHING
        self.ready: HeldToken = NOTHING
        self.backoff: Backoff = backoff
        self.settled: Token | None = None
        self.closed: bool = False

    def fresh(self) -> Token | None:
        """Return the token if it is fresh by both clocks; None where `TokenManager.token` has to decide."""
        now, monotonic, wall = self.ready, self.monotonic, self.wall
        return now.token if now.renew_mono > monotonic() and now.renew_wall > wall() else None

    def serve_on(self, now: HeldToken, mono: float, wall: float) -> None:
        """Let the fast path serve `now` for a moment: it lives, and its renewal is under way or must not begin yet.

        Else every caller would find out the same by the longer way.
        """
        with self.guard:
            if self.held is now and now.stored and not self.closed:
                self.ready = attrs.evolve(
                    now,
                    renew_mono=min(now.expire_mono, mono + _SERVED_ON_S),
                    renew_wall=min(now.expire_wall, wall + _SERVED_ON_S),
                )

    def look_again(self) -> None:
        """Let the next caller decide anew: a renewal has ended."""
        with self.guard:
            self.replace(self.held)

    def alive(self) -> bool:
        """Tell whether the token is not expired by either clock."""
        return self.held.state(self.monotonic(), self.wall()) is not TokenState.EXPIRED

    def reading(self) -> float:
        """Return the monotonic seconds of the clock."""
        return self.monotonic()

    def time_to_expiry_s(self) -> float | None:
        """Return how many seconds the token held still lives; see `nauth.reporting.telemetry_seam.Expiring`."""
        mono, held = self.monotonic(), self.held
        if held.token is None or held.expire_mono == inf:
            return None
        left_s = held.expire_mono - mono
        if left_s > 0:
            return left_s
        with self.guard:
            return None if self.backoff.last_failure(mono) is None else 0.0

    def adopt(self, record: Record | None) -> None:
        """Take over what a sibling stored, or forget what it discarded."""
        with self.guard:
            if self.closed or (record is not None and record.version <= self.held.version):
                return
            if record is None:
                self.replace(self.held.discarded())
                return
            if self.held.rules_out(record.token, self.monotonic() - record.age.total_seconds()):
                return  # the stored token is rejected, or older than ours, whose commit failed: ignore it
            # the store does not know that the vendor refused this one
            known = record.token.same_access(self.held.token)
            dead = self.held.refused and known
            self.hold(record.token, record.version, record.age.total_seconds(), dead=dead)
            if self.alive():
                self.backoff.succeeded()
            # this manager's own commit; or its flight is about to report the adoption
            own = known or self._loops.busy()
        if not own:
            renewal_events.adopted(
                self._observer, record.age, pushed=True, expires_at=record.token.expires_at
            )

    def stored(self, record: Record) -> None:
        """Note what a deferred commit has stored, or has found to be there already."""
        self.adopt(record)
        with self.guard:
            # not told by the version: a store that was restored counts anew, and a sibling may have brought the same token
            if not self.held.stored and record.token.same_access(self.held.token):
                self.replace(attrs.evolve(self.held, stored=True))

    def hold(self, token: Token, version: int, age_s: float, *, dead: bool, stored: bool = True) -> None:
        """Hold `token`, asked for `age_s` seconds ago, from now on. The caller has the guard."""
        if self.closed:
            return
        mono, wall = self.monotonic(), self.wall()
        # spreads renewals in time; guards nothing
        spread = random.random()  # noqa: S311
        new = place_on_clocks(
            token,
            self._policy,
            version=version,
            age_s=age_s,
            mono=mono,
            wall=wall,
            spread=spread,
            stored=stored,
        )
        self.replace(successor(self.held, new.dead() if dead else new, mono=mono, wall=wall))

    def accept(self, token: Token, at: str) -> None:
        """Note that endpoint `at` has accepted `token`."""
        with self.guard:
            watching = self.backoff.accepted(self.monotonic(), token, at)
            self.settled = None if watching else token

    def refuse(self, token: Token, at: str | None) -> timedelta | None:
        """Note that endpoint `at` has refused `token`, a new one; return the cool-down that this began.

        A token that is no longer held is ignored.
        """
        with self.guard:
            if not token.same_access(self.held.token):
                return None
            self.settled = None
            return self.backoff.refused(self.monotonic(), token, at)

    def reject(self, rejected: Token, at: str | None) -> TokenRefusedError | None:
        """Count `rejected` as dead if it is held, or return why it must not be renewed now."""
        with self.guard:
            error = self.backoff.refusal(self.monotonic(), rejected, at)
            if error is None and rejected.same_access(self.held.token):
                self.replace(self.held.dead())
        return error

    def forget(self, token: Token, version: int) -> None:
        """Drop `token`, which was revoked; `version` is the store's."""
        with self.guard:
            self.replace(self.held.without(token, version))

    def close(self) -> None:
        """Hand out nothing and take nothing over any more. The token stays for a commit that is still to be made."""
        with self.guard:
            self.closed = True
            self.replace(self.held)

    def replace(self, new: HeldToken) -> None:
        """Hold `new` in the place of what is held. The caller has the guard."""
        self.held = new
        # a token that is not stored yet may have lost the loop that was to store it: each call looks after that
        self.ready = new if new.stored and not self.closed else NOTHING
