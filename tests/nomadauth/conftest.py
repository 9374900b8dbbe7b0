"""A stage for tests of Nomad Media: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest

from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nomadauth import NomadClient, NomadCredentials, NomadSSO
from nomadauth.sandbox import NomadSandbox
from tests.support.vendors.watching import Watching


@attrs.define(kw_only=True)
class Stage(Watching):
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        store: shared by the clients, by nobody else.
    """

    sandbox: NomadSandbox
    clock: FakeClock
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, credentials: NomadCredentials | None = None, **options: Any) -> NomadClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "sso_base_url": self.sandbox.sso_base_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NomadClient(credentials or self.sandbox.credentials, observer=self.note, **given)
        return await self._stack.enter_async_context(client)

    def signed_on(self, provider: str | None = "azure") -> NomadSSO:
        """Sign on in the browser, and read what it comes back with."""
        return NomadSSO.from_callback(self.sandbox.sign_on(), provider=provider, clock=self.clock)

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many login, refresh (or renew) and logout requests have arrived."""
        requests: Counter[str] = self.sandbox.requests
        return requests["login"], requests["refresh"] + requests["renew"], requests["logout"]


@asynccontextmanager
async def opened(**switches: Any) -> AsyncIterator[Stage]:
    """Start a sandbox with `switches`, on a clock where every sleep ends at once."""
    clock = FakeClock(jump=True)
    stack = AsyncExitStack()
    # closed in this order: clients, then the sandbox
    async with NomadSandbox(clock=clock, **switches) as sandbox, stack:
        yield Stage(sandbox=sandbox, clock=clock, store=MemoryStore(clock=clock), stack=stack)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Nomad Media as documented."""
    async with opened() as made:
        yield made
