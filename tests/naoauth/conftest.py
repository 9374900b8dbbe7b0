"""A stage for tests of NAO Cloud: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest

from naoauth import NaoClient, NaoCredentials, NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from tests.support.vendors.watching import Watching


@attrs.define(kw_only=True)
class Stage(Watching):
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        store: shared by the clients, by nobody else.
    """

    sandbox: NaoSandbox
    clock: FakeClock
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, credentials: NaoCredentials | None = None, **options: Any) -> NaoClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NaoClient(credentials or self.sandbox.credentials, observer=self.note, **given)
        return await self._stack.enter_async_context(client)

    def application(self) -> NaoOAuth:
        """Register a person's consent and return the application with it."""
        credentials = self.sandbox.credentials_of("oauth")
        assert isinstance(credentials, NaoOAuth)
        return credentials

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many sessions, token and revoke requests have arrived."""
        requests = self.sandbox.requests
        return requests["sessions"], requests["token"], requests["revoke"]


@asynccontextmanager
async def opened(**switches: Any) -> AsyncIterator[Stage]:
    """Start a sandbox with `switches`, on a clock where every sleep ends at once."""
    clock = FakeClock(jump=True)
    stack = AsyncExitStack()
    # closed in this order: clients, then the sandbox
    async with NaoSandbox(clock=clock, **switches) as sandbox, stack:
        yield Stage(sandbox=sandbox, clock=clock, store=MemoryStore(clock=clock), stack=stack)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """NAO Cloud as its pages say."""
    async with opened() as made:
        yield made
