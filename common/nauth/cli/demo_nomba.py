"""`NombaStory`: Nomba's part of the demonstration."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Self

from nauth.cli.demo_story import Counters, Watch
from nauth.stores.memory import MemoryStore
from nauth.testing import Fault
from nauth.token import RenewalPolicy
from nombaauth.client import NombaClient
from nombaauth.sandbox import NombaSandbox

__all__ = ["NombaStory"]

_CLIENTS = 2
_VENDOR_THINKS = timedelta(seconds=0.05)
_FOR_EVER = 1_000_000


class NombaStory:
    """Two clients, one key, and a Nomba of the strictest kind that its documents allow.

    A single session per key, refresh tokens that work once, and a refresh that kills the old access token at once,
    while requests that carry it are still on their way.

    Args:
        watch: gives each client its observer.
        lifetime: how long an access token lives.
    """

    name = "nomba"

    def __init__(self, watch: Watch, lifetime: timedelta) -> None:
        self._watch = watch
        # Nomba's own is five minutes of thirty, and pauses of seconds: scaled to tokens of a few seconds
        self._policy = RenewalPolicy(
            margin=lifetime * 0.4,
            jitter=lifetime * 0.05,
            backoff=timedelta(seconds=0.1),
            cooldown=timedelta(seconds=0.2),
        )
        self._sandbox = NombaSandbox(
            access_ttl=lifetime,
            # a Date in whole seconds is too coarse to tell the life of a token that lives for three of them
            date_header="absent",
            session_scope="client_id",
            second_issue="kills_first",
            refresh_rotation="new_old_dies",
            refresh_kills_old_access="yes",
            refresh_bearer="expired_ok",
        )
        self._clients: list[NombaClient] = []
        self._takeovers = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self._sandbox)
        for endpoint in ("issue", "refresh"):
            slow = Fault(delay=_VENDOR_THINKS, hold="before")
            self._sandbox.faults.add(slow, endpoint=endpoint, times=_FOR_EVER)
        # clients of one process share a store by default; a story of its own shares with no story before it
        store = MemoryStore()
        for _ in range(_CLIENTS):
            client = NombaClient(
                self._sandbox.credentials,
                base_url=self._sandbox.base_url,
                store=store,
                policy=self._policy,
                observer=self._watch(self._endings),
            )
            self._clients.append(await self._stack.enter_async_context(client))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def request(self, number: int) -> int:
        """Ask for the list of banks."""
        async with self._clients[number % _CLIENTS].get("/v1/transfers/banks") as response:
            await response.read()
            return response.status

    async def takeover(self) -> None:
        """Sign in as another process with the same key would: Nomba ends the first session."""
        self._sandbox.take_over()
        self._takeovers += 1

    async def revoke(self) -> None:
        """Revoke the shared token through the first client."""
        await self._clients[0].revoke()

    def counters(self) -> Counters:
        """Return what the sandbox has counted."""
        requests, log = self._sandbox.requests, self._sandbox.log
        return Counters(
            issue=requests["issue"],
            refresh=requests["refresh"],
            refresh_refused=sum(
                exchange.endpoint == "refresh" and exchange.status != HTTPStatus.OK for exchange in log
            ),
            revoke=requests["revoke"],
            refused=self._sandbox.unauthorized,
            reused=self._sandbox.refresh_reuses,
        )

    def _endings(self) -> int:
        committed = self._sandbox.committed
        return committed["issue"] + committed["refresh"] + committed["revoke"] + self._takeovers
