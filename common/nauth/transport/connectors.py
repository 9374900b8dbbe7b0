"""One connector for each event loop, use and TLS or proxy setting, shared by all clients without a session of their own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator
from enum import Enum
from typing import Protocol

import attrs
from aiohttp import BaseConnector, TCPConnector

from nauth.after_fork import forgets, guard
from nauth.errors import ClosedError, ConfigurationError
from nauth.loop_end import closed_by_loop
from nauth.transport.aiohttp_private import close_now, session_loop
from nauth.transport.network import Network
from nauth.transport.proxies import Proxy

__all__ = ["Connectors", "Lease", "Use", "lease_for"]


class Use(Enum):
    """What the connections are for, and how many there may be at once. What is beyond waits, and fails for it only late.

    Together they stay below half of the 1,024 descriptors that a process usually has.
    """

    REQUESTS = 400
    TOKEN_CALLS = 100


class Lease(Protocol):
    """The right to use a connector, given back once."""

    connector: BaseConnector

    async def aclose(self) -> None:
        """Give it back, in its own loop."""
        ...

    def abandon(self) -> None:
        """Give it back where nothing can be awaited: from a finalizer, or after the loop's end."""
        ...


@attrs.frozen
class _Key:
    loop: asyncio.AbstractEventLoop
    use: Use
    tls: ssl.SSLContext | bool
    proxy: Proxy | None


@attrs.define(eq=False)
class _Shared:
    """A connector and its users. It closes itself when its loop shuts its asynchronous generators down, as `asyncio.run` does.

    Later it could not be closed: what it holds open would be left to the garbage collector, which complains of it.
    """

    connector: TCPConnector
    users: int = 0
    given_up: bool = False
    keeper: AsyncGenerator[None] | None = None

    def keep(self) -> None:
        """Make it known to the running loop."""
        self.keeper = closed_by_loop(self._kept())

    def forget(self) -> None:
        """End the keeper of a connector that is being closed: one that is collected would become a task of the loop's."""
        self.given_up = True
        if self.keeper is not None:
            # a loop in another thread may be ending it at this moment
            with contextlib.suppress(StopIteration, RuntimeError):
                self.keeper.aclose().send(None)

    def close_now(self) -> None:
        """Close it without waiting."""
        close_now(self.connector)
        self.forget()

    async def _kept(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            if not self.given_up:
                await self.connector.close()


@attrs.define(eq=False)
class _SharedLease:
    """A user's share of a connector; the last to give it back closes it."""

    connector: BaseConnector
    _pool: Connectors
    _key: _Key
    _shared: _Shared

    async def aclose(self) -> None:
        if self._pool.give_back(self._key, self._shared):
            closing = self.connector.close()
            self._shared.forget()
            await closing

    def abandon(self) -> None:
        if not self._pool.give_back(self._key, self._shared):
            return
        loop = self._key.loop
        if loop.is_running() and _running_loop() is not loop:
            with contextlib.suppress(RuntimeError):  # it was closed meanwhile
                loop.call_soon_threadsafe(self._shared.close_now)
        else:
            self._shared.close_now()


@attrs.define(eq=False)
class _Borrowed:
    """The connector of a session of the user's, who closes it."""

    connector: BaseConnector

    async def aclose(self) -> None:
        """Do nothing."""

    def abandon(self) -> None:
        """Do nothing."""


class Connectors:
    """The connectors of this process. Thread-safe, and safe to call from a finalizer."""

    def __init__(self) -> None:
        self._table: dict[_Key, _Shared] = {}
        # reentrant: a collection may run a client's finalizer in the middle of any of this
        self._guard = guard()
        self._inherited: list[dict[_Key, _Shared]] = []
        forgets(self)

    def __len__(self) -> int:
        return len(self._table)

    def take(self, use: Use, network: Network) -> Lease:
        """Return a share of the running loop's connector.

        Raises:
            ConfigurationError: see `Network.tls`.
        """
        key = _Key(asyncio.get_running_loop(), use, network.tls(), network.proxy)
        with self._guard:
            self._sweep()
            shared = self._table.get(key)
            while True:
                if shared is None:
                    shared = self._table[key] = _Shared(_open(use, key.tls))
                    if use is Use.REQUESTS:  # those of token calls hold nothing open
                        shared.keep()
                shared.users += 1
                # looked at after counting: now no finalizer closes it any more
                if not shared.connector.closed:
                    return _SharedLease(shared.connector, self, key, shared)
                shared = None

    def give_back(self, key: _Key, shared: _Shared) -> bool:
        """Take a share back; say whether it was the last, so that the connector is to be closed."""
        with self._guard:
            shared.users -= 1
            # after a fork it is not in the table: its sockets are the parent's, and closing them would speak on them
            if shared.users or self._table.get(key) is not shared:
                return False
            del self._table[key]
            return True

    def after_fork(self) -> None:
        """Start anew in a child. What the parent had open is kept, unused: dropping it would end the parent's TLS."""
        for shared in self._table.values():
            # a child that ends the parent's loop must not speak on the parent's connections
            shared.given_up = True
        self._inherited.append(self._table)
        self._table = {}

    def _sweep(self) -> None:
        for key in list(self._table):
            if key.loop.is_closed() and (shared := self._table.pop(key, None)) is not None:
                shared.close_now()  # its loop is closed: this only forgets the connections


CONNECTORS = Connectors()


def lease_for(use: Use, network: Network) -> Lease:
    """Return the connector that goes with `network`, in the running loop.

    Raises:
        ClosedError: the user's session is closed.
        ConfigurationError: it belongs to another loop, or see `Network.tls`.
    """
    session = network.session
    if session is None:
        return CONNECTORS.take(use, network)
    connector = session.connector
    if session.closed or connector is None:
        raise ClosedError("nothing was sent: the session is closed. Make the request before closing it.")
    if session_loop(session) is not asyncio.get_running_loop():
        raise ConfigurationError(
            "nothing was sent: the session was made in another event loop. Make session and client anew in each loop, or "
            "leave session out: a client without one works in any loop"
        )
    return _Borrowed(connector)


def _open(use: Use, tls: ssl.SSLContext | bool) -> TCPConnector:
    # a token call never reuses a connection: one that the server has just closed leaves open what it has seen
    return TCPConnector(limit=use.value, ssl=tls, force_close=use is Use.TOKEN_CALLS)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
