"""What the stages of the vendors' tests have in common: they listen to their clients."""

from __future__ import annotations

import asyncio

import attrs

from nauth.events import Event, RenewalFailed, RenewalSucceeded

__all__ = ["Watching"]


@attrs.define(kw_only=True)
class Watching:
    """Keeps what the clients' observers were told, and waits for their renewals.

    Attributes:
        events: in the order they came.
    """

    events: list[Event] = attrs.Factory(list)
    _changed: asyncio.Event = attrs.Factory(asyncio.Event)

    def note(self, event: Event) -> None:
        """Be the observer of a client."""
        self.events.append(event)
        self._changed.set()

    def count(self, kind: type[Event]) -> int:
        """How many events of this kind there were."""
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def ended(self) -> int:
        """How many renewals have ended, well or not."""
        return self.count(RenewalSucceeded) + self.count(RenewalFailed)

    async def renewals(self, count: int) -> None:
        """Wait until `count` renewals in all have ended, well or not."""
        while self.ended < count:
            self._changed.clear()
            await self._changed.wait()
