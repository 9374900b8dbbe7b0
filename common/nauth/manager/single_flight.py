"""`Flight`: one renewal under way, and the callers who wait for it."""

from __future__ import annotations

import asyncio

import attrs

from nauth.errors import NauthError, VendorUnavailableError, fresh_copy
from nauth.events import Cause
from nauth.reporting.telemetry_seam import FlightTrace
from nauth.token import Token

__all__ = ["ABANDONED", "Flight", "Outcome"]


@attrs.frozen
class Outcome:
    """Result of a renewal: a token or an error. It is not set as a future's exception, which asyncio would log if it was never retrieved."""

    token: Token | None = None
    error: NauthError | None = None

    def unwrap(self) -> Token:
        """Return the token, or raise an error object of the caller's own.

        Raises:
            NauthError: the flight failed; the kind says how.
        """
        if self.error is not None:
            raise fresh_copy(self.error)
        assert self.token is not None  # noqa: S101 - one of the two is always set
        return self.token


class Flight:
    """A shared attempt with one future for each waiter.

    One future that all waiters shield would be quadratic when they are cancelled: each removes its callback from
    one shared list. A future each costs a dictionary entry.
    """

    __slots__ = ("_loop", "_waiters", "cause", "failure", "outcome", "rejected", "told", "trace")

    def __init__(self, cause: Cause, loop: asyncio.AbstractEventLoop, rejected: Token | None = None) -> None:
        self.cause: Cause = cause
        self.outcome: Outcome | None = None
        self.failure: tuple[NauthError, bool] | None = None
        """What it has failed with, once that is counted, and whether the old token lived on then."""
        self.told: bool = False  # the observer, that a caller waits
        self.trace: FlightTrace | None = None
        self.rejected: list[Token] = [] if rejected is None else [rejected]
        """Tokens that callers have seen refused; the renewal must not bring one of them back."""
        self._loop = loop
        self._waiters: dict[asyncio.Future[Outcome], None] = {}

    def __repr__(self) -> str:
        state = "under way" if self.outcome is None else "over"
        return f"<Flight {self.cause.value}: {state}, {len(self._waiters)} waiting>"

    def __len__(self) -> int:
        return len(self._waiters)

    def join(self) -> asyncio.Future[Outcome]:
        """Return a future for the outcome. A caller that stops waiting must `leave`."""
        waiter: asyncio.Future[Outcome] = asyncio.Future(loop=self._loop)
        if self.outcome is not None:  # an eager task may have finished before a caller could join
            waiter.set_result(self.outcome)
        else:
            self._waiters[waiter] = None
            if self.trace is not None:
                self.trace.joined(waiter)
        return waiter

    def leave(self, waiter: asyncio.Future[Outcome]) -> None:
        """Forget a waiter that was cancelled."""
        self._waiters.pop(waiter, None)
        if self.trace is not None:
            self.trace.left(waiter)

    def finish(self, outcome: Outcome) -> None:
        """Publish the outcome to all callers who still wait. The first outcome stands."""
        if self.outcome is not None:
            return
        self.outcome = outcome
        waiters, self._waiters = self._waiters, {}
        if self.trace is not None:
            self.trace.over(_error_name(outcome), len(waiters))
        if self._loop.is_closed():
            return  # the garbage collector ends the renewal of a closed loop: no caller can be woken there
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(outcome)

    async def wait(self) -> Outcome:
        """Wait for the outcome; being cancelled hurts neither the flight nor the others."""
        waiter = self.join()
        try:
            return await waiter
        finally:
            self.leave(waiter)


ABANDONED = Outcome(
    error=VendorUnavailableError(
        "the renewal was cancelled, because its event loop is shutting down or its client was closed; a call from a "
        "running loop to an open client starts a new one"
    )
)
"""What waiters are told when the owned task itself is cancelled."""


def _error_name(outcome: Outcome) -> str | None:
    if outcome is ABANDONED:
        return asyncio.CancelledError.__name__  # no failure of the vendor's
    return None if outcome.error is None else type(outcome.error).__name__
