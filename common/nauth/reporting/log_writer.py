"""`LogWriter`: the log lines of a client's events. Machines read ``record.__dict__["nauth.event"]``, people the text."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from nauth.events import (
    Event,
    OriginRefused,
    RenewalFailed,
    RenewalJoined,
    RenewalStarted,
    RenewalSucceeded,
    RequestReplayed,
    TokenAdopted,
    TokenRefused,
)

__all__ = ["LogWriter"]

_renewal = logging.getLogger("nauth.renewal")
_request = logging.getLogger("nauth.request")

_NO_ORIGINS: frozenset[str] = frozenset()
_MOST_ORIGINS = 100
"""Refused origins that are remembered, so that each is reported once; further ones are not reported."""


class LogWriter:
    """Write one line for each event but `RenewalJoined`: a herd of callers would be ten thousand lines."""

    __slots__ = ("_origins",)

    def __init__(self) -> None:
        self._origins: frozenset[str] = _NO_ORIGINS

    def __call__(self, event: Event) -> None:
        """Write the line of `event`."""
        match event:
            case RenewalJoined():
                pass
            case RenewalStarted():
                _line(
                    _renewal,
                    logging.DEBUG,
                    "renewal.started",
                    event,
                    f"a renewal began ({event.cause.value})",
                    cause=event.cause.value,
                )
            case RenewalSucceeded():
                self._succeeded(event)
            case RenewalFailed():
                self._failed(event)
            case TokenAdopted():
                _line(
                    _renewal,
                    logging.DEBUG,
                    "token.adopted",
                    event,
                    "took over a token that another client had obtained",
                    age_s=event.age.total_seconds(),
                    pushed=event.pushed,
                    expires_at=_text(event.expires_at),
                )
            case TokenRefused():
                _line(
                    _renewal,
                    logging.WARNING,
                    "token.refused",
                    event,
                    "the vendor refused a token that it had only just issued; 401s renew nothing for "
                    f"{event.cooldown.total_seconds():.0f} s",
                    cooldown_s=event.cooldown.total_seconds(),
                )
            case RequestReplayed():
                _line(
                    _request,
                    logging.INFO,
                    "request.replayed",
                    event,
                    f"a {event.method} request was sent again with a new token; the vendor answered {event.status}",
                    method=event.method,
                    status=event.status,
                )
            case OriginRefused():  # pragma: no branch - the last kind there is
                self._refused_origin(event)

    def _succeeded(self, event: RenewalSucceeded) -> None:
        source = "refresh" if event.refreshed else "issue"
        took_ms = round(event.took / timedelta(milliseconds=1), 1)
        _line(
            _renewal,
            logging.INFO,
            "renewal.succeeded",
            event,
            f"renewed the token ({event.cause.value}, by {source}) in {took_ms:.0f} ms",
            cause=event.cause.value,
            source=source,
            took_ms=took_ms,
            waiters=event.waiters,
            expires_at=_text(event.expires_at),
        )

    def _failed(self, event: RenewalFailed) -> None:
        wait = None if event.retry_after is None else event.retry_after.total_seconds()
        outlook = "the token held is still valid" if event.quiet else "there is no valid token"
        _line(
            _renewal,
            logging.WARNING if event.quiet else logging.ERROR,
            "renewal.failed",
            event,
            f"a renewal ({event.cause.value}) failed with {event.error}; {outlook}"
            + ("" if wait is None else f"; the next attempt makes sense in {wait:.0f} s"),
            cause=event.cause.value,
            error=event.error,
            retry_after_s=wait,
            quiet=event.quiet,
            request_id=event.request_id,
        )

    def _refused_origin(self, event: OriginRefused) -> None:
        if event.origin in self._origins or len(self._origins) >= _MOST_ORIGINS:
            return
        self._origins |= {event.origin}
        _line(
            _request,
            logging.WARNING,
            "origin.refused",
            event,
            f"requests to {event.origin} get no token: it is not a configured origin. This is said once",
            origin=event.origin,
        )


def _line(
    logger: logging.Logger,
    level: int,
    name: str,
    event: Event,
    text: str,
    **fields: str | float | bool | None,
) -> None:
    if not logger.isEnabledFor(level):
        return
    extra: Mapping[str, object] = {
        "nauth.event": name,
        "vendor": event.vendor,
        "identity": event.identity,
        "at": _text(event.at),
        **fields,
    }
    logger.log(level, "%s: %s", event.vendor or "nauth", text, extra=extra)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat(timespec="seconds")
