"""`LoopSessions`: one aiohttp session for each running event loop, made when first needed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from aiohttp import ClientSession

from nauth.forks import guard
from nauth.transport.aiohttp_private import close_now

__all__ = ["LoopSessions"]


class LoopSessions:
    """Make, hand out and close sessions. A session belongs to its loop and cannot be used from another.

    Args:
        make: builds a session; called inside the running loop.
    """

    __slots__ = ("__weakref__", "_guard", "_make", "_table")

    def __init__(self, make: Callable[[], ClientSession]) -> None:
        self._make = make
        self._guard = guard()
        # a session holds its loop, so weak keys would never let go of either
        self._table: dict[asyncio.AbstractEventLoop, ClientSession] = {}
        # A collector ends a cycle's members in any order. Held from outside, the sessions are none of its members, and
        # whoever abandons them comes before aiohttp's own complaint.
        weakref.finalize(self, _let_go, self._table).atexit = False

    def __len__(self) -> int:
        return len(self._table)

    def here(self) -> ClientSession:
        """Return the running loop's session."""
        loop = asyncio.get_running_loop()
        session = self._table.get(loop)
        if session is None or session.closed:
            with self._guard:
                self._sweep()
                session = self._table[loop] = self._make()
        return session

    async def aclose(self) -> None:
        """Close the running loop's session; those of other loops can only be closed there."""
        with self._guard:
            session = self._table.pop(asyncio.get_running_loop(), None)
            self._sweep()
        if session is not None:
            await session.close()

    def abandon(self) -> bool:
        """Let go of everything without closing it; say whether a loop that still runs was left with a session.

        For `__del__`, so that one warning names the object the user knows, not each session in it.
        """
        left_open = False
        for loop, session in self._table.items():
            left_open = left_open or not (loop.is_closed() or session.closed)
            _drop(session)
        self._table.clear()
        return left_open

    def _sweep(self) -> None:
        for loop in [loop for loop in self._table if loop.is_closed()]:
            _drop(self._table.pop(loop))


def _let_go(table: dict[asyncio.AbstractEventLoop, ClientSession]) -> None:
    """Do nothing: the finalizer only has to keep a reference to the sessions."""


def _drop(session: ClientSession) -> None:
    """Let go of a session that nobody can await any more, without a complaint of aiohttp's."""
    connector = session.connector
    session.detach()
    if connector is not None:
        close_now(connector)
