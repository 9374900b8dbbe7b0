"""`LoopStates`: what a `RedisStore` keeps for each running event loop. Clients of redis-py cannot be shared between loops."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator

from nauth.after_fork import guard
from nauth.errors import ConfigurationError
from nauth.loop_end import closed_by_loop
from nauth.owned_tasks import own_task
from nauth.stores.redis.client_factory import Source
from nauth.stores.redis.executor import ScriptExecutor
from nauth.stores.redis.subscription import Subscribers, Subscription

__all__ = ["LoopState", "LoopStates"]


class LoopState:
    """One loop's client, its executor and its subscription. Touched from its own loop only.

    Closes itself when its loop shuts its asynchronous generators down, as ``asyncio.run`` does at its end: it
    could not be closed later.
    """

    def __init__(self, executor: ScriptExecutor, subscribers: Subscribers, *, ours: bool) -> None:
        self.executor: ScriptExecutor = executor
        self.subscription: Subscription = Subscription(executor, subscribers)
        self.closed: bool = False
        self._loop = asyncio.get_running_loop()
        self._ours = ours
        self._keeper = closed_by_loop(self._keep())

    @property
    def gone(self) -> bool:
        """Whether it can do no more work."""
        return self.closed or self._loop.is_closed()

    async def aclose(self) -> None:
        """End the subscription, wait for what was sent, close the client if it is ours."""
        self.closed = True
        await self._keeper.aclose()

    def abandon(self) -> bool:
        """Begin to close, from any thread, without waiting for the end; return whether it was open."""
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
                await self.subscription.stop()
                await self.executor.drain()
            finally:
                if self._ours:
                    await self._close_client()

    async def _close_client(self) -> None:
        with contextlib.suppress(Exception):  # a server that is away must not prevent closing
            async with asyncio.timeout(self.executor.timeout_s):
                await self.executor.client.aclose()


class LoopStates:
    """The states of a store, and the one among them whose subscription serves the subscribers.

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
        # a state holds its loop, so weak keys would never let go of either
        self._table: dict[asyncio.AbstractEventLoop, LoopState] = {}
        self._teller: LoopState | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._pid = os.getpid()
        self._inherited: list[object] = []

    def __len__(self) -> int:
        return len(self._table)

    def here(self) -> LoopState:
        """Return the running loop's state.

        Raises:
            ConfigurationError: a client of the user's is used in a second loop, or a factory makes none.
        """
        state = self._table.get(asyncio.get_running_loop())
        if state is None or state.closed or self._pid != os.getpid():
            state = self._opened(asyncio.get_running_loop())
        if self.subscribers and self._teller is not state:
            with self._guard:
                if self._teller is None or self._teller.gone:
                    self._teller = state
            if self._teller is state:
                state.subscription.serve()
        return state

    async def aclose(self) -> None:
        """Close the running loop's state; those of other loops close with their loops.

        Being cancelled here does not stop the closing, which could not be continued later.
        """
        with self._guard:
            state = self._table.pop(asyncio.get_running_loop(), None)
        if state is not None:
            closing = own_task(state.aclose(), name="nauth closing of RedisStore", at_risk=True)
            await asyncio.shield(closing.task)

    def abandon(self) -> bool:
        """Begin to close all clients, from any thread; return whether one was open."""
        left_open = [state.abandon() for state in self._table.values()] if self._pid == os.getpid() else []
        return any(left_open)

    def _opened(self, loop: asyncio.AbstractEventLoop) -> LoopState:
        with self._guard:
            if self._pid != os.getpid():
                # the parent's connections: kept, for closing them here would close them there
                self._inherited += [self._table, self._teller]
                self._table, self._teller, self._pid = {}, None, os.getpid()
            for other in [other for other, state in self._table.items() if state.gone]:
                del self._table[other]
            if not self._source.ours:
                self._home = self._home or loop
                if self._home is not loop:
                    raise ConfigurationError(
                        "the Redis client given to RedisStore belongs to another event loop, and redis-py's clients "
                        "cannot be shared. Give the store a URL, or a function that makes clients: it then has one "
                        "for each loop"
                    )
            executor = ScriptExecutor(self._source.make(), prefix=self._prefix, timeout_s=self._timeout_s)
            state = self._table[loop] = LoopState(executor, self.subscribers, ours=self._source.ours)
        return state
