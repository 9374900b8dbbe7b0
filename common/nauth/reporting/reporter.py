"""`Reporter`: stamps a client's events and hands them to the log and to the user's observer."""

from __future__ import annotations

import inspect

import attrs

from nauth.clock import Clock
from nauth.errors import ConfigurationError
from nauth.event_delivery import deliver
from nauth.events import Event, Observer, Reporting
from nauth.reporting import telemetry_seam
from nauth.reporting.log_setup import set_up_log
from nauth.reporting.log_writer import LogWriter
from nauth.reporting.takeover import TAKEOVERS
from nauth.time_formats import instant

__all__ = ["SHORT_IDENTITY", "Reporter"]

SHORT_IDENTITY = 8
"""Characters of the identity's digest that are shown: enough to tell credentials apart, too few to find them by."""


class Reporter(Reporting):
    """The observer of one manager: fills in vendor, identity and time, writes the log, and calls the user's observer.

    Args:
        observer: the user's own, if there is one.
        vendor: the vendor's name.
        identity: the digest that names the credential; its first characters are shown.
        clock: tells when an event happened.

    Attributes:
        joins: whether `RenewalJoined` is of interest to any listener. There is one for each waiting caller, and
            the log does not mention them, so without an observer none is made.
        vendor: as shown.
    """

    __slots__ = ("__weakref__", "_digest", "_log", "_observer", "_wall", "joins", "vendor")

    def __init__(self, observer: Observer | None, *, vendor: str, identity: str, clock: Clock) -> None:
        set_up_log()
        self.vendor: str = vendor
        self._digest = identity
        self.joins: bool = observer is not None
        self._wall = clock.wall
        self._log = LogWriter()
        self._observer = observer

    @property
    def identity(self) -> str:
        """The beginning of the digest that names the credential, as shown."""
        return self._digest[:SHORT_IDENTITY]

    @classmethod
    def of(cls, observer: Observer | None, *, vendor: str, identity: str, clock: Clock) -> Reporter:
        """Return `observer` if it is a `Reporter`, else one for it.

        Raises:
            ConfigurationError: it cannot be called, or is async, so that none of its events would be observed.
        """
        if isinstance(observer, Reporter):
            return observer
        if observer is not None:  # most managers have none, and thousands are made
            _check(observer)
        return cls(observer, vendor=vendor, identity=identity, clock=clock)

    def __repr__(self) -> str:
        return f"<Reporter {self.vendor} {self.identity}>"

    def stamped(self, event: Event) -> Event:
        """Return `event` with vendor, identity and time filled in."""
        stamped = attrs.evolve(event, vendor=self.vendor, identity=self.identity, at=instant(self._wall()))
        # here, where it happens: of what waits for delivery some may be dropped, and the caller's trace is over by then
        if telemetry_seam.installed is not None:
            telemetry_seam.installed.event(stamped)
        return stamped

    def __call__(self, event: Event) -> None:
        """Hand `event` to each listener; one that raises keeps it from no other."""
        deliver(self._log, event)
        deliver(TAKEOVERS, event)
        if self._observer is not None:
            deliver(self._observer, event)


def _check(observer: object) -> None:
    if not callable(observer):
        raise ConfigurationError(f"observer must be a function of one event, not {type(observer).__name__}")
    if any(map(inspect.iscoroutinefunction, (observer, getattr(type(observer), "__call__", None)))):  # noqa: B004
        raise ConfigurationError(
            "observer must be a plain function, not an async one: let it put the event into an asyncio.Queue that a task "
            "of yours reads"
        )
