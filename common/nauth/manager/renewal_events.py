"""What an observer is told at the end of a flight."""

from __future__ import annotations

from datetime import datetime, timedelta

from nauth.errors import NauthError
from nauth.event_delivery import notify
from nauth.events import Observer, RenewalFailed, RenewalJoined, RenewalSucceeded, TokenAdopted
from nauth.manager.renewal import Renewed
from nauth.manager.single_flight import Flight
from nauth.reporting.reporter import Reporter

__all__ = ["adopted", "failed", "finished", "joined"]


def joined(observer: Reporter, flight: Flight) -> Flight:
    """Tell that a first caller is about to wait for `flight`, and return it."""
    if (
        observer.joins and not flight.told and flight.outcome is None
    ):  # an eager task may have ended it by now
        flight.told = True
        notify(observer, RenewalJoined(cause=flight.cause, waiters=1))
    return flight


def adopted(observer: Observer | None, age: timedelta, *, pushed: bool, expires_at: datetime | None) -> None:
    """Tell that a sibling's token was taken over."""
    notify(observer, TokenAdopted(age=age, pushed=pushed, expires_at=expires_at))


def finished(observer: Observer | None, flight: Flight, made: Renewed, *, now: float, started: float) -> None:
    """Tell what a successful flight brought; instants are monotonic seconds."""
    if made.call is None:
        age = timedelta(seconds=now - made.asked_at)
        adopted(observer, age, pushed=False, expires_at=made.token.expires_at)
        return
    notify(
        observer,
        RenewalSucceeded(
            cause=flight.cause,
            waiters=len(flight),
            took=timedelta(seconds=now - started),
            refreshed=made.call == "refresh",
            expires_at=made.token.expires_at,
        ),
    )


def failed(
    observer: Observer | None, flight: Flight, error: NauthError, *, took_s: float, quiet: bool
) -> None:
    """Tell that a flight failed; `quiet` says that the old token still serves."""
    notify(
        observer,
        RenewalFailed(
            cause=flight.cause,
            waiters=len(flight),
            took=timedelta(seconds=took_s),
            error=type(error).__name__,
            quiet=quiet,
            retry_after=error.retry_after,
            request_id=error.request_id,
        ),
    )
