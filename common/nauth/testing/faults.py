"""`Fault`: one failure of a sandbox, and `Faults`, the queue of failures still to come."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Literal

import attrs

from nauth.errors import ConfigurationError

__all__ = ["Fault", "Faults"]


def _frozen(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@attrs.frozen(kw_only=True, eq=False)
class Fault:
    """One failure of a request. An endpoint's work is *committed* when its handler has returned.

    Attributes:
        delay: wait this long, by the sandbox's clock.
        gate: wait until the test sets this event; a `threading.Event` where the sandbox runs in a thread.
        hold: where `delay` and `gate` wait: "before" the work, or "after" its commit and before the response.
        drop: cut the TCP connection "before" the work, or "after" its commit, so that the response is never sent.
        status: answer with this status **without** doing the work.
        body: the response's body. Without `status` the work is done and only the body of its response is replaced.
        headers: added to the response, replacing those of the same name.
        content_type: type of `body`; JSON unless said otherwise.

    Raises:
        ConfigurationError: `drop` is combined with `status` or `body`, which would never be sent.
    """

    delay: timedelta | None = None
    gate: asyncio.Event | threading.Event | None = None
    hold: Literal["before", "after"] = "after"
    drop: Literal["before", "after"] | None = None
    status: int | None = None
    body: bytes | None = attrs.field(default=None, repr=False)
    headers: Mapping[str, str] = attrs.field(factory=dict[str, str], converter=_frozen, repr=False)
    content_type: str = "application/json"

    def __attrs_post_init__(self) -> None:
        if self.drop is not None and (self.status is not None or self.body is not None):
            raise ConfigurationError(
                "Fault(drop=...) sends no answer: leave out status and body, or leave out drop"
            )


@attrs.define
class _Entry:
    fault: Fault
    endpoint: str | None
    left: int


class Faults:
    """The faults still to come, first in, first out for each endpoint."""

    __slots__ = ("_entries",)

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, fault: Fault, *, endpoint: str | None = None, times: int = 1) -> None:
        """Let the next `times` requests to `endpoint` (None: to any endpoint) meet `fault`.

        Raises:
            ConfigurationError: `times` is less than 1.
        """
        if times < 1:
            raise ConfigurationError(f"Faults.add(times=...) must be at least 1, got {times}")
        self._entries.append(_Entry(fault, endpoint, times))

    def clear(self) -> None:
        """Forget every fault still to come. Requests already held go on being held."""
        self._entries.clear()

    def take(self, endpoint: str) -> Fault | None:
        """Return the next fault for a request to `endpoint` and count it as used; None if there is none."""
        for entry in self._entries:
            if entry.endpoint is None or entry.endpoint == endpoint:
                entry.left -= 1
                if not entry.left:
                    self._entries.remove(entry)
                return entry.fault
        return None

    def __len__(self) -> int:
        return sum(entry.left for entry in self._entries)

    def __repr__(self) -> str:
        return f"<Faults: {len(self)} to come>"
