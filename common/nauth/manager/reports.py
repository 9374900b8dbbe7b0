"""What an observer is told at the end of a flight."""

from __future__ import annotations

from datetime import timedelta

from nauth.errors import NauthError
from nauth.events import Observer, RenewalFailed, RenewalJoined, RenewalSucceeded, TokenAdopted, notify
from nauth.manager.renewal import Minted
from nauth.manager.single_flight import Flight

__all__ = ["adopted", "failed", "joined", "landed"]


def joined(observer: Observer | None, flight: Flight) -> Flight:
    """Tell that a first caller is about to wait for `flight`, and return it."""
    if observer is not None and not flight.told:
        flight.told = True
        notify(observer, RenewalJoined(cause=flight.cause, waiters=1))
    return flight


def adopted(observer: Observer | None, age: timedelta, *, pushed: bool) -> None:
    """Tell that a sibling's token was taken over."""
    notify(observer, TokenAdopted(age=age, pushed=pushed))


def landed(observer: Observer | None, flight: Flight, made: Minted, *, now: float, started: float) -> None:
    """Tell what a successful flight brought; instants are monotonic seconds."""
    if made.call is None:
        adopted(observer, timedelta(seconds=now - made.asked_at), pushed=False)
        return
    notify(
        observer,
        RenewalSucceeded(
            cause=flight.cause,
            waiters=len(flight),
            took=timedelta(seconds=now - started),
            refreshed=made.call == "refresh",
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
        ),
    )
