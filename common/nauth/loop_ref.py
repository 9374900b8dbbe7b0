"""`LoopRef`: the event loop that something belongs to, held weakly."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

import attrs

__all__ = ["LoopRef", "this_loop"]


@attrs.frozen(eq=False)
class LoopRef:
    """Tells whether the loop that a lease was taken in can still use it. May be asked from any thread."""

    _loop: Callable[[], asyncio.AbstractEventLoop | None] | None

    @property
    def number(self) -> int:
        """The same for all references to one loop, and for no other loop while one of them is kept."""
        return id(self._loop)

    @property
    def gone(self) -> bool:
        """Whether the loop was closed or collected. It runs no code again then, and that never changes."""
        if self._loop is None:
            return False  # made outside of any loop, so no loop's end ends it
        loop = self._loop()
        return loop is None or loop.is_closed()


def this_loop() -> LoopRef:
    """Return a reference to the running loop, or one that is never gone where none runs."""
    try:
        return LoopRef(weakref.ref(asyncio.get_running_loop()))
    except RuntimeError:
        return LoopRef(None)
