"""`Rooms`: what a `RedisStore` keeps for each running event loop. Clients of redis-py cannot be shared between loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator

from nauth.errors import ConfigurationError
from nauth.forks import guard
from nauth.stores.redis.clients import Source
from nauth.stores.redis.executor import Engine
from nauth.stores.redis.subscribers import Subscribers
from nauth.stores.redis.subscription import Watch
from nauth.tasks import own_task

__all__ = ["Room", "Rooms"]


class Room:
    """One loop's client, its engine and its subscription. Touched from its own loop only.

    Closes itself when its loop shuts its asynchronous generators down, as ``asyncio.run`` does at its end: nobody
    could close it later.
    """

    def __init__(self, engine: Engine, subscribers: Subscribers, *, ours: bool) -> None:
        self.engine: Engine = engine
        self.watch: Watch = Watch(engine, subscribers)
        self.closed: bool = False
        self._loop = asyncio.get_running_loop()
        self._ours = ours
        self._keeper = self._keep()
        # the first step makes it known to the loop; it never waits
        with contextlib.suppress(StopIteration):
            next(self._keeper.__anext__().__await__())

    @property
    def gone(self) -> bool:
        """Whether it can do no more work."""
        return self.closed or self._loop.is_closed()

    async def aclose(self) -> None:
        """End the subscription, wait for what was sent, close the client if it is ours."""
        self.closed = True
        await self._keeper.aclose()

    def abandon(self) -> bool:
        """Begin to close, from any thread, for an owner that can wait no more; say whether it was needed."""
        if self.gone:
            return False
        with contextlib.suppress(RuntimeError):  # the loop has been closed meanwhile
            self._loop.call_soon_threadsafe(lambda: self._loop.create_task(self.aclose()))
        return True

    async def _keep(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self.closed = True
            try:
                await self.watch.stop()
                await self.engine.drain()
            finally:
                if self._ours:
                    await self._close_client()

    async def _close_client(self) -> None:
        with contextlib.suppress(Exception):  # a server that is away must not keep anybody from closing
            async with asyncio.timeout(self.engine.timeout_s):
                await self.engine.client.aclose()


class Rooms:
    """The rooms of a store, and the one among them whose watch serves the subscribers.

    Args:
        source: where clients come from.
        prefix: begins every key.
        timeout_s: the deadline of every operation.
    """

    def __init__(self, source: Source, *, prefix: str, timeout_s: float) -> None:
        self.subscribers: Subscribers = Subscribers()
        self._source = source
        self._prefix = prefix
        self._timeout_s = timeout_s
        self._guard = guard()
        # a room holds its loop, so weak keys would never let go of either
        self._table: dict[asyncio.AbstractEventLoop, Room] = {}
        self._teller: Room | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._inherited: list[object] = []

    def __len__(self) -> int:
        return len(self._table)

    def here(self) -> Room:
        """Return the running loop's room.

        Raises:
            ConfigurationError: a client of the user's is used in a second loop, or a factory makes none.
        """
        room = self._table.get(asyncio.get_running_loop())
        if room is None or room.closed or self._pid != os.getpid():
            room = self._opened(asyncio.get_running_loop())
        if self.subscribers and self._teller is not room:
            with self._guard:
                if self._teller is None or self._teller.gone:
                    self._teller = room
            if self._teller is room:
                room.watch.serve()
        return room

    async def aclose(self) -> None:
        """Close the running loop's room; those of other loops close with their loops.

        Being cancelled here does not stop the closing, which nobody could take up again.
        """
        with self._guard:
            room = self._table.pop(asyncio.get_running_loop(), None)
        if room is not None:
            closing = own_task(room.aclose(), name="nauth closing of RedisStore", at_risk=True)
            await asyncio.shield(closing.task)

    def abandon(self) -> bool:
        """Let go of everything, from any thread; say whether something was left open."""
        left_open = [room.abandon() for room in self._table.values()] if self._pid == os.getpid() else []
        return any(left_open)

    def _opened(self, loop: asyncio.AbstractEventLoop) -> Room:
        with self._guard:
            if self._pid != os.getpid():
                # the parent's connections: kept, for closing them here would close them there
                self._inherited += [self._table, self._teller]
                self._table, self._teller, self._pid = {}, None, os.getpid()
            for other in [other for other, room in self._table.items() if room.gone]:
                del self._table[other]
            if not self._source.ours:
                self._home = self._home or loop
                if self._home is not loop:
                    raise ConfigurationError(
                        "the Redis client given to RedisStore belongs to another event loop, and redis-py's clients "
                        "cannot be shared. Give the store a URL, or a function that makes clients: it then has one "
                        "for each loop"
                    )
            engine = Engine(self._source.make(), prefix=self._prefix, timeout_s=self._timeout_s)
            room = self._table[loop] = Room(engine, self.subscribers, ours=self._source.ours)
        return room
