"""`NombaStory`: Nomba's scenario in the demonstration."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

from nauth.cli.demo.sandbox_scenario import SandboxScenario
from nauth.cli.demo.scenario import Counters, Incident, Watch
from nauth.events import Observer
from nauth.stores.base import TokenStore
from nombaauth.client import NombaClient
from nombaauth.sandbox import NombaSandbox

__all__ = ["NombaStory"]


class NombaStory(SandboxScenario):
    """Two clients, one key, and the strictest behaviour that Nomba's documents allow.

    A single session per key, refresh tokens that work once, and a refresh that ends the old access token at once,
    while requests that carry it are in flight.

    Args:
        watch: gives each client its observer.
        lifetime: how long an access token lives.
    """

    name = "nomba"
    refreshes = True
    slow: ClassVar[tuple[str, ...]] = ("issue", "refresh")
    path = "/v1/transfers/banks"

    def __init__(self, watch: Watch, lifetime: timedelta) -> None:
        self._sandbox = NombaSandbox(
            access_ttl=lifetime,
            # a Date in whole seconds is too coarse for a token that lives for three seconds
            date_header="absent",
            session_scope="client_id",
            second_issue="kills_first",
            refresh_rotation="new_old_dies",
            refresh_kills_old_access="yes",
            refresh_bearer="expired_ok",
        )
        self._nombas: list[NombaClient] = []
        super().__init__(watch, lifetime, self._sandbox)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Another process signs in with the key; the shared token is revoked."""
        return (
            Incident("takeover", "one renewal after a takeover", self._take_over, refused_refreshes=1),
            Incident("revoke", "one issue after a revocation", self._revoke, revokes=1),
        )

    def connect(self, store: TokenStore, observer: Observer) -> NombaClient:
        """Make one client of the sandbox."""
        client = NombaClient(
            self._sandbox.credentials,
            base_url=self._sandbox.base_url,
            store=store,
            policy=self._policy,
            observer=observer,
        )
        self._nombas.append(client)
        return client

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

    def endings(self) -> int:
        """Count issues, refreshes and revocations, and takeovers."""
        committed = self._sandbox.committed
        return committed["issue"] + committed["refresh"] + committed["revoke"] + self._incidents

    async def _take_over(self) -> None:
        """Sign in as another process with the same key would: Nomba ends the first session."""
        self._sandbox.take_over()
        self._incidents += 1

    async def _revoke(self) -> None:
        await self._nombas[0].revoke()
