"""`TakeoverWatch`: notices that another process keeps ending this one's session, and says once what to do."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

import attrs

from nauth.events import Cause, Event, RenewalSucceeded, TokenRefused

__all__ = ["TAKEOVERS", "TakeoverWatch"]

_log = logging.getLogger("nauth.renewal")

_TIMES = 3
_WITHIN = timedelta(minutes=10)
"""So many sessions ended early within this time are no accident: tokens live for half an hour and longer."""

_MOST = 1_000
"""Credentials watched at the same time; the one that has been quiet longest goes."""


@attrs.define
class _Seen:
    ended: list[datetime] = attrs.field(factory=list[datetime])
    told: bool = False


class TakeoverWatch:
    """Count, for each credential, the tokens that the vendor refused before their time.

    One for the whole process: a service that makes a client for each request sees each takeover with another client.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: OrderedDict[tuple[str, str], _Seen] = OrderedDict()

    def __call__(self, event: Event) -> None:
        """Count `event` if it says that a living token was refused; warn at the third within ten minutes."""
        refused = isinstance(event, TokenRefused) or (
            isinstance(event, RenewalSucceeded) and event.cause is Cause.REJECTED
        )
        if not refused or event.at is None:
            return
        if self._count((event.vendor, event.identity), event.at):
            _log.warning(
                "%s: the vendor refused a living token %d times within %d minutes. Most often another process, or "
                "another worker of this service, signs in with the same credentials, and the vendor keeps one session: "
                "each ends the other's. Let them share one token: set NAUTH_STORE (sqlite:/path/tokens.db on one "
                "machine, redis://... on several), or pass each client the same store=. If all of them share one "
                "already, look for a program or a person that signs in beside them. This is said once",
                event.vendor,
                _TIMES,
                _WITHIN / timedelta(minutes=1),
                extra={
                    "nauth.event": "session.taken_over",
                    "vendor": event.vendor,
                    "identity": event.identity,
                    "at": event.at.isoformat(timespec="seconds"),
                },
            )

    def _count(self, whose: tuple[str, str], at: datetime) -> bool:
        with self._guard:
            seen = self._seen.setdefault(whose, _Seen())
            self._seen.move_to_end(whose)
            if len(self._seen) > _MOST:
                self._seen.popitem(last=False)
            seen.ended = [*(before for before in seen.ended if abs(at - before) < _WITHIN), at][-_TIMES:]
            if seen.told or len(seen.ended) < _TIMES:
                return False
            seen.told = True
            return True

    def forget(self) -> None:
        """Forget everything, in a child after a fork or in a test."""
        self._guard = threading.Lock()
        self._seen.clear()


TAKEOVERS = TakeoverWatch()
"""The process's own."""
