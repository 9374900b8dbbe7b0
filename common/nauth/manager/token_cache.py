"""`Holding`: the token held in memory, what may be done with it now, and how siblings change it."""

from __future__ import annotations

import random
import threading
from math import inf

from nauth.clock import Clock, SystemClock
from nauth.events import Observer
from nauth.manager import reports
from nauth.manager.backoff import Pauses
from nauth.manager.held_token import NOTHING, Held, held, succeed
from nauth.manager.per_loop import Rooms
from nauth.stores.base import Record
from nauth.token import RenewalPolicy, Token, TokenState

__all__ = ["WINDOW_S", "Holding"]

WINDOW_S = 0.1
"""How long the fast path goes by the monotonic clock alone before it looks at both again: two readings for each call
would cost more than the coroutine around them. A stepped wall clock or a machine's sleep is seen this much later."""


class Holding:
    """The token in memory and the back-off state of a `TokenManager`. Thread-safe.

    Args:
        policy: when to renew.
        clock: where time comes from.
        observer: told of adopted tokens.
    """

    # the two that the fast path reads are cheaper in slots
    __slots__ = ("__dict__", "__weakref__", "_serving", "_until")

    def __init__(self, policy: RenewalPolicy, clock: Clock, observer: Observer | None) -> None:
        self._clock, self._policy, self._observer = clock, policy, observer
        self._monotonic, self._wall = clock.monotonic, clock.wall
        # the fast path reads the machine's clock; with any other, every call takes the close look
        self._windowed = isinstance(clock, SystemClock)
        self._until, self._serving = -inf, NOTHING.token
        self._held = NOTHING
        self._guard = threading.Lock()  # for `_held` and `_pauses`; never held over an await
        self._pauses = Pauses(policy)
        self._rooms = Rooms()
        self._closed = False

    def _is_alive(self) -> bool:
        return self._held.state(self._monotonic(), self._wall()) is not TokenState.EXPIRED

    def _on_change(self, record: Record | None) -> None:
        """Adopt what a sibling stored, or forget what it discarded."""
        with self._guard:
            if self._closed or (record is not None and record.version <= self._held.version):
                return
            if record is None:
                self._replace(self._held.discarded())
                return
            if self._held.outdates(record.token, self._monotonic() - record.age.total_seconds()):
                return  # the stored token is rejected, or older than ours, whose commit failed: ignore it
            # the store does not know that the vendor refused this one
            known = record.token.same_access(self._held.token)
            dead = self._held.refused and known
            self._hold(record.token, record.version, record.age.total_seconds(), dead=dead)
            if self._is_alive():
                self._pauses.succeeded()
            # this manager's own commit; or its flight is about to report the adoption
            own = known or self._rooms.busy()
        if not own:
            reports.adopted(self._observer, record.age, pushed=True)

    def _hold(self, token: Token, version: int, age_s: float, *, dead: bool, stored: bool = True) -> None:
        if self._closed:
            return
        mono, wall = self._monotonic(), self._wall()
        # spreads renewals in time; guards nothing
        spread = random.random()  # noqa: S311
        new = held(
            token,
            self._policy,
            version=version,
            age_s=age_s,
            mono=mono,
            wall=wall,
            spread=spread,
            stored=stored,
        )
        self._replace(succeed(self._held, new.dead() if dead else new, mono=mono, wall=wall))

    def _replace(self, new: Held) -> None:
        self._held = new
        self._until = -inf

    def _open_window(self, now: Held, mono: float, wall: float) -> None:
        with self._guard:
            if self._windowed and self._held is now:  # else another thread has just replaced it
                self._until = -inf  # a thread on the fast path must not meet the new end with the old token
                self._serving = now.token
                self._until = mono + min(WINDOW_S, now.renew_mono - mono, now.renew_wall - wall)

    def _forget(self, token: Token, version: int) -> None:
        with self._guard:
            self._replace(self._held.without(token, version))
