"""`SandboxScenario`: base of the vendors' scenarios: one sandbox, two clients, one store."""

from __future__ import annotations

import abc
from contextlib import AsyncExitStack
from datetime import timedelta
from types import TracebackType
from typing import ClassVar, Self

from nauth.cli.demo.scenario import Counters, Incident, Watch
from nauth.client import VendorClient
from nauth.events import Observer
from nauth.stores.base import TokenStore
from nauth.stores.memory import MemoryStore
from nauth.testing import Fault, Sandbox
from nauth.token import RenewalPolicy

__all__ = ["SandboxScenario"]

_CLIENTS = 2
_VENDOR_THINKS = timedelta(seconds=0.05)
_FOR_EVER = 1_000_000


class SandboxScenario(abc.ABC):
    """Two clients of one credential, and the vendor's sandbox, whose token calls are slowed down.

    Args:
        watch: gives each client its observer.
        lifetime: how long an access token lives.
        sandbox: the vendor's local test server, set to issue such tokens.
    """

    name: ClassVar[str]
    refreshes: ClassVar[bool]
    slow: ClassVar[tuple[str, ...]]
    """The sandbox's endpoints that issue tokens."""
    path: ClassVar[str]
    """Path of each request."""

    def __init__(self, watch: Watch, lifetime: timedelta, sandbox: Sandbox) -> None:
        self._watch = watch
        # the vendors' margins are minutes and their pauses seconds: scaled down to tokens of a few seconds
        self._policy = RenewalPolicy(
            margin=lifetime * 0.4,
            jitter=lifetime * 0.05,
            backoff=timedelta(seconds=0.1),
            cooldown=timedelta(seconds=0.2),
        )
        self._double = sandbox
        self._clients: list[VendorClient] = []
        self._incidents: int = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._double)
        for endpoint in self.slow:
            slow = Fault(delay=_VENDOR_THINKS, hold="before")
            self._double.faults.add(slow, endpoint=endpoint, times=_FOR_EVER)
        # not the process's default store: a scenario must not share tokens with the one before it
        store = MemoryStore()
        for _ in range(_CLIENTS):
            client = self.connect(store, self._watch(self.endings))
            self._clients.append(await self._stack.enter_async_context(client))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def request(self, number: int) -> int:
        """Make one request, and return its status."""
        async with self._clients[number % _CLIENTS].get(self.path) as response:
            await response.read()
            return response.status

    @property
    @abc.abstractmethod
    def incidents(self) -> tuple[Incident, ...]:
        """The incidents, in order."""

    @abc.abstractmethod
    def connect(self, store: TokenStore, observer: Observer) -> VendorClient:
        """Make one client of the sandbox."""

    @abc.abstractmethod
    def counters(self) -> Counters:
        """Return what the sandbox has counted."""

    @abc.abstractmethod
    def endings(self) -> int:
        """Return how many times the sandbox has ended a live token so far."""
