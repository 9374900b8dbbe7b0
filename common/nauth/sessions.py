"""`LoopSessions`: one aiohttp session for each running event loop, made when first needed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from aiohttp import ClientSession

__all__ = ["LoopSessions"]


class LoopSessions:
    """Make, hand out and close sessions. A session belongs to its loop and cannot be used from another.

    Args:
        make: builds a session; called inside the running loop.
    """

    __slots__ = ("_make", "_table")

    def __init__(self, make: Callable[[], ClientSession]) -> None:
        self._make = make
        self._table: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, ClientSession] = (
            weakref.WeakKeyDictionary()
        )

    def here(self) -> ClientSession:
        """Return the running loop's session."""
        loop = asyncio.get_running_loop()
        session = self._table.get(loop)
        if session is None or session.closed:
            session = self._table[loop] = self._make()
        return session

    def any_open(self) -> bool:
        """Tell whether a session of a loop that still runs was left open."""
        return any(not session.closed and not loop.is_closed() for loop, session in self._table.items())

    async def aclose(self) -> None:
        """Close the running loop's session; those of other loops can only be closed there."""
        session = self._table.pop(asyncio.get_running_loop(), None)
        if session is not None:
            await session.close()
