"""Where telemetry attaches to the core. Nothing here before `nauth.telemetry.install()`.

The core looks at `installed` once for each renewal, waiter, event and store operation, and never for a request that finds
a fresh token. It tells what happens and knows no tracer.
"""

from __future__ import annotations

from typing import Protocol

from nauth.events import Cause, Event

__all__ = ["Expiring", "FlightTrace", "Telemetry", "Whose", "installed"]


class Whose(Protocol):
    """The client that something happened to, by names that are no secrets."""

    @property
    def vendor(self) -> str:
        """The vendor's name."""
        ...

    @property
    def identity(self) -> str:
        """The first characters of the digest that names the credential."""
        ...


class Expiring(Protocol):
    """What holds a client's token."""

    def reading(self) -> float:
        """Return the monotonic seconds of the client's clock."""
        ...

    def time_to_expiry_s(self) -> float | None:
        """Return how many seconds the token held still lives; None if there is none, or it does not expire.

        An expired token of a client that is idle counts as none; where renewing it fails, it counts as 0.
        """
        ...


class FlightTrace(Protocol):
    """Hears of one renewal or revocation. No method raises."""

    def enter(self) -> None:
        """Hear that the work begins; called in the task that does it, whose context belongs to it alone."""
        ...

    def joined(self, waiter: object) -> None:
        """Hear that a caller begins to wait; called in the caller's context."""
        ...

    def left(self, waiter: object) -> None:
        """Hear that a caller was cancelled, or has been served."""
        ...

    def brought(self, source: str) -> None:
        """Hear where the token came from: ``refresh``, ``issue`` or ``adopted``."""
        ...

    def over(self, error: str | None, waiters: int) -> None:
        """Hear of the end: the name of the error's class, and how many callers waited up to now."""
        ...


class Telemetry(Protocol):
    """Hears of everything that is measured or traced. No method raises."""

    def renewal(self, whose: Whose, cause: Cause, holder: Expiring) -> FlightTrace:
        """Return what hears of a renewal that begins now; called in the context of the caller that caused it."""
        ...

    def revocation(self, whose: Whose) -> FlightTrace:
        """Return what hears of a revocation that begins now; called in the caller's context."""
        ...

    def event(self, event: Event) -> None:
        """Hear of an event, when and where it happens."""
        ...

    def refresh_refused(self) -> None:
        """Hear that the vendor refused the refresh token of the renewal that the running task makes."""
        ...

    def store_operation(self, store: object, operation: str, took_s: float, error: str | None) -> None:
        """Hear of one operation of a store."""
        ...


installed: Telemetry | None = None
"""What hears, set by `nauth.telemetry`."""
