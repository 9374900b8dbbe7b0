"""A stage for tests of Noyo: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest

from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from noyoauth import NoyoClient
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.watching import Watching


@attrs.define(kw_only=True)
class Stage(Watching):
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        store: shared by the clients, by nobody else.
    """

    sandbox: NoyoSandbox
    clock: FakeClock
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, credentials: Any = None, **options: Any) -> NoyoClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "token_url": self.sandbox.token_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NoyoClient(credentials or self.sandbox.credentials, observer=self.note, **given)
        return await self._stack.enter_async_context(client)

    @property
    def calls(self) -> int:
        """How many token requests have arrived."""
        return self.sandbox.token_calls


@asynccontextmanager
async def opened(**switches: Any) -> AsyncIterator[Stage]:
    """Start a sandbox with `switches`, on a clock where every sleep ends at once."""
    clock = FakeClock(jump=True)
    stack = AsyncExitStack()
    # closed in this order: clients, then the sandbox
    async with NoyoSandbox(clock=clock, **switches) as sandbox, stack:
        yield Stage(sandbox=sandbox, clock=clock, store=MemoryStore(clock=clock), stack=stack)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Noyo as documented."""
    async with opened() as made:
        yield made
