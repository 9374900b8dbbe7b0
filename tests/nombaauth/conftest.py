"""A stage for tests of Nomba: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest

from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox
from tests.support.vendors.watching import Watching

BODIES = Path(__file__).parent / "bodies"


def body(name: str) -> bytes:
    """Return a recorded body."""
    return (BODIES / name).read_bytes()


@attrs.define(kw_only=True)
class Stage(Watching):
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        store: shared by the clients, by nobody else.
    """

    sandbox: NombaSandbox
    clock: FakeClock
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, credentials: NombaCredentials | None = None, **options: Any) -> NombaClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NombaClient(credentials or self.sandbox.credentials, observer=self.note, **given)
        return await self._stack.enter_async_context(client)

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many issue, refresh and revoke requests have arrived."""
        requests: Counter[str] = self.sandbox.requests
        return requests["issue"], requests["refresh"], requests["revoke"]


@asynccontextmanager
async def opened(**switches: Any) -> AsyncIterator[Stage]:
    """Start a sandbox with `switches`, on a clock where every sleep ends at once."""
    clock = FakeClock(jump=True)
    stack = AsyncExitStack()
    # closed in this order: clients, then the sandbox
    async with NombaSandbox(clock=clock, **switches) as sandbox, stack:
        yield Stage(sandbox=sandbox, clock=clock, store=MemoryStore(clock=clock), stack=stack)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    """Nomba as documented."""
    async with opened() as made:
        yield made
