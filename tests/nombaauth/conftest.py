"""A stage for tests of Nomba: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

import attrs
import pytest

from nauth.events import Event, RenewalFailed, RenewalSucceeded
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox

BODIES = Path(__file__).parent / "bodies"


def body(name: str) -> bytes:
    """Return a recorded body."""
    return (BODIES / name).read_bytes()


@attrs.define(kw_only=True)
class Stage:
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        events: what the clients' observers were told.
        store: shared by the clients, by nobody else.
    """

    sandbox: NombaSandbox
    clock: FakeClock
    store: MemoryStore
    events: list[Event] = attrs.Factory(list)
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)
    _changed: asyncio.Event = attrs.Factory(asyncio.Event)

    async def client(self, credentials: NombaCredentials | None = None, **options: Any) -> NombaClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NombaClient(credentials or self.sandbox.credentials, observer=self._note, **given)
        return await self._stack.enter_async_context(client)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def count(self, kind: type[Event]) -> int:
        """How many events of this kind there were."""
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many issue, refresh and revoke requests have arrived."""
        requests: Counter[str] = self.sandbox.requests
        return requests["issue"], requests["refresh"], requests["revoke"]

    async def renewals(self, count: int) -> None:
        """Wait until `count` renewals in all have ended, well or not."""
        while self.count(RenewalSucceeded) + self.count(RenewalFailed) < count:
            self._changed.clear()
            await self._changed.wait()

    @property
    def ended(self) -> int:
        """How many renewals have ended."""
        return self.count(RenewalSucceeded) + self.count(RenewalFailed)


OpenStage: TypeAlias = Callable[..., AbstractAsyncContextManager[Stage]]


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
