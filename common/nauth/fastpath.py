"""The call that every request makes, `token()`, as cheap as Python allows: one clock reading and two comparisons.

A *window* on the wall clock, at most `WINDOW_S` long, says until when the token may be handed out without looking
closer. It is opened by a close look at both clocks, and never reaches beyond what either of them allows. A wall clock
that is stepped, or runs on while the machine sleeps, leaves the window in one direction or the other; so every call
outside it takes the close look, and both clocks hold. The price is one close look a second.

It is a closure, not a method, because a method's attribute look-ups alone would break the bar that
``tests/bench/fast_path.py`` measures.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from math import inf
from typing import TypeAlias

from nauth.flight import Flight
from nauth.token import Held, Token

__all__ = ["WINDOW_S", "GetToken", "fast_path", "window"]

WINDOW_S = 1.0
"""How far a wall clock that is stepped back *inside* its window can delay the look at the monotonic one."""

GetToken: TypeAlias = Callable[[], Coroutine[object, None, Token]]
SetWindow: TypeAlias = Callable[[float, float, Token | None], None]


def fast_path(wall: Callable[[], float], attend: Callable[[], Token | Flight]) -> tuple[GetToken, SetWindow]:
    """Return ``token()`` and the function that opens and closes its window.

    Args:
        wall: reads the wall clock.
        attend: takes the close look: returns a token, or the flight to wait for.
    """
    since, until, fresh = inf, -inf, None

    async def token() -> Token:
        if since <= wall() < until:
            return fresh  # type: ignore[return-value]  # a window is only ever opened on a token
        answer = attend()
        if isinstance(answer, Token):
            return answer
        waiter = answer.join()
        try:
            outcome = await waiter
        except BaseException:
            answer.leave(waiter)
            raise
        return outcome.unwrap()

    def set_window(opens: float, closes: float, held: Token | None) -> None:
        nonlocal since, until, fresh
        # shut first: another thread may look in between, and must see a window only with its own token
        until = -inf
        # when it shuts for good the old token stays: that other thread may have looked already
        fresh = held or fresh
        since = opens
        until = closes

    return token, set_window


def window(held: Held, mono: float, wall: float) -> tuple[float, float]:
    """Return when the window on a fresh token opens and closes, by the wall clock."""
    return wall, wall + min(WINDOW_S, held.renew_mono - mono, held.renew_wall - wall)
