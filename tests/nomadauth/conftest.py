"""A stage for tests of Nomad Media: the sandbox, a clock that both sides share, and clients."""

from __future__ import annotations

import asyncio
import types
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import attrs
import pytest

from nauth.events import Event, RenewalFailed, RenewalSucceeded
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nomadauth import NomadClient, NomadCredentials, NomadSSO
from nomadauth.sandbox import NomadSandbox


@attrs.define(kw_only=True)
class Stage:
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        events: what the clients' observers were told.
        store: shared by the clients, by nobody else.
    """

    sandbox: NomadSandbox
    clock: FakeClock
    store: MemoryStore
    events: list[Event] = attrs.Factory(list)
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)
    _changed: asyncio.Event = attrs.Factory(asyncio.Event)

    async def client(self, credentials: NomadCredentials | None = None, **options: Any) -> NomadClient:
        """Open a client that closes with the stage."""
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "sso_base_url": self.sandbox.sso_base_url,
            "clock": self.clock,
            "store": self.store,
        } | options
        client = NomadClient(credentials or self.sandbox.credentials, observer=self._note, **given)
        return await self._stack.enter_async_context(client)

    def signed_on(self, provider: str | None = "azure") -> NomadSSO:
        """Sign on in the browser, and read what it comes back with."""
        return NomadSSO.from_callback(self.sandbox.sign_on(), provider=provider, clock=self.clock)

    def _note(self, event: Event) -> None:
        self.events.append(event)
        self._changed.set()

    def count(self, kind: type[Event]) -> int:
        """How many events of this kind there were."""
        return sum(isinstance(event, kind) for event in self.events)

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many login, refresh (or renew) and logout requests have arrived."""
        requests: Counter[str] = self.sandbox.requests
        return requests["login"], requests["refresh"] + requests["renew"], requests["logout"]

    async def renewals(self, count: int) -> None:
        """Wait until `count` renewals in all have ended, well or not."""
        while self.ended < count:
            self._changed.clear()
            await self._changed.wait()

    @property
    def ended(self) -> int:
        """How many renewals have ended."""
        return self.count(RenewalSucceeded) + self.count(RenewalFailed)


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


def leaks(error: BaseException, canaries: list[str]) -> list[str]:
    """Name every place of `error` where a canary shows: text, arguments, attributes, chain, locals of our frames."""
    found: list[str] = []
    for part in _chain(error):
        shown = [
            ("text", str(part)),
            ("repr", repr(part)),
            ("args", repr(part.args)),
            ("data", repr(vars(part))),
        ]
        shown += [
            (f"{frame.f_code.co_name}: {name}", _safe_repr(value))
            for frame in _frames(part.__traceback__)
            if "/tests/" not in frame.f_code.co_filename
            for name, value in frame.f_locals.items()
        ]
        found += [place for place, text in shown if any(canary in text for canary in canaries)]
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        pending += [link for link in (part.__cause__, part.__context__) if link is not None]


def _frames(trace: types.TracebackType | None) -> Iterator[types.FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a half-made object may have no repr; that shows nothing either
        return type(error).__name__
