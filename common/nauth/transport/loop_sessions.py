"""`LoopSessions`: one aiohttp session for each running event loop, made when first needed."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from typing import NoReturn, TypeAlias

import attrs
from aiohttp import BaseConnector, ClientSession

from nauth.transport.connectors import Lease

__all__ = ["LoopSessions"]


@attrs.frozen(eq=False)
class _Open:
    session: ClientSession
    lease: Lease

    def drop(self) -> None:
        """Let go of it where nothing can be awaited, without a complaint of aiohttp's."""
        self.session.detach()
        self.lease.abandon()


_Last: TypeAlias = "tuple[asyncio.AbstractEventLoop | None, ClientSession | None]"


class LoopSessions:
    """Make, hand out and close sessions. A session belongs to its loop and cannot be used from another.

    Args:
        lease: returns the connector to use; called inside the running loop.
        make: builds a session over it that does not own it.

    Attributes:
        last: the session handed out last, and its loop, for fast paths: they ask themselves whether it is the running one and
            the session is open. Set as a whole, as several threads may.
    """

    __slots__ = ("__weakref__", "_finalizer", "_lease", "_make", "_table", "last")

    def __init__(self, lease: Callable[[], Lease], make: Callable[[BaseConnector], ClientSession]) -> None:
        self._lease = lease
        self._make = make
        self.last: _Last = (None, None)
        # No lock: each loop touches its own entry only, and one of a closed loop is popped once.
        # A session holds its loop, so weak keys would never let go of either.
        self._table: dict[asyncio.AbstractEventLoop, _Open] = {}
        self._finalizer: weakref.finalize[..., LoopSessions] | None = None

    def __len__(self) -> int:
        return len(self._table)

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or pickled: a session belongs to its loop."""
        raise TypeError(
            f"{type(self).__name__} cannot be copied or pickled: its sessions belong to their event loops"
        )

    def here(self) -> ClientSession:
        """Return the running loop's session.

        Raises:
            NauthError: what `lease` raises.
        """
        loop = asyncio.get_running_loop()
        known = self._table.get(loop)
        if known is not None and not known.session.closed:
            self.last = (loop, known.session)
            return known.session
        self._sweep()
        if known is not None:  # closed behind our back
            del self._table[loop]
            known.drop()
        lease = self._lease()
        try:
            made = self._table[loop] = _Open(self._make(lease.connector), lease)
        except BaseException:
            lease.abandon()
            raise
        if self._finalizer is None:
            # A collector ends a cycle's members in any order. The finalizer keeps a reference to the sessions, so that their
            # owner is finalized before them and gives the one warning, instead of aiohttp's for each session.
            self._finalizer = weakref.finalize(self, _let_go, self._table)
            self._finalizer.atexit = False
        self.last = (loop, made.session)
        return made.session

    async def aclose(self) -> None:
        """Close the running loop's session; those of other loops can only be closed there."""
        known = self._table.pop(asyncio.get_running_loop(), None)
        self.last = (None, None)
        self._sweep()
        if known is not None:
            try:
                await known.session.close()
            finally:
                await known.lease.aclose()

    def abandon(self) -> bool:
        """Let go of everything without closing it; say whether a loop that still runs was left with a session.

        For `__del__`, so that one warning names the object the user knows, not each session in it.
        """
        left_open = False
        for loop, known in self._table.items():
            left_open = left_open or not (loop.is_closed() or known.session.closed)
            known.drop()
        self._table.clear()
        self.last = (None, None)
        return left_open

    def _sweep(self) -> None:
        self.last = (None, None)
        for loop in list(self._table):
            if loop.is_closed() and (known := self._table.pop(loop, None)) is not None:
                known.drop()


def _let_go(table: dict[asyncio.AbstractEventLoop, _Open]) -> None:
    """Do nothing: the finalizer only has to keep a reference to the sessions."""
