"""`NomadStory`: Nomad Media's scenario in the demonstration."""

from __future__ import annotations

from datetime import timedelta
from http import HTTPStatus
from typing import ClassVar

from nauth.cli.demo.sandbox_scenario import SandboxScenario
from nauth.cli.demo.scenario import Counters, Incident, Watch
from nauth.events import Observer
from nauth.stores.base import TokenStore
from nomadauth.client import NomadClient
from nomadauth.sandbox import NomadSandbox

__all__ = ["NomadStory"]


class NomadStory(SandboxScenario):
    """Two clients, one account, and the strictest behaviour that a Nomad Media may have.

    A single session per account, whose tokens end with it; refresh tokens that work once; and a refresh that ends the
    old token at once.

    Args:
        watch: gives each client its observer.
        lifetime: how long a token lives.
    """

    name = "nomad"
    refreshes = True
    slow: ClassVar[tuple[str, ...]] = ("login", "refresh")
    path = "/account/user"

    def __init__(self, watch: Watch, lifetime: timedelta) -> None:
        self._sandbox = NomadSandbox(
            expiry_value=lifetime,
            user_session="newest_only",
            replaced_session_signal="401",
            refresh_rotation="new_old_dies",
            refresh_kills_old_token="yes",  # noqa: S106 - a switch, not a secret
        )
        self._nomads: list[NomadClient] = []
        super().__init__(watch, lifetime, self._sandbox)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Another process signs in to the account; one client logs out the session that both share."""
        return (
            Incident("takeover", "one renewal after a takeover", self._take_over, refused_refreshes=1),
            Incident("logout", "one issue after a logout", self._log_out, revokes=1),
        )

    def connect(self, store: TokenStore, observer: Observer) -> NomadClient:
        """Make one client of the sandbox."""
        client = NomadClient(
            self._sandbox.credentials,
            base_url=self._sandbox.base_url,
            store=store,
            policy=self._policy,
            observer=observer,
        )
        self._nomads.append(client)
        return client

    def counters(self) -> Counters:
        """Return what the sandbox has counted; a logout counts as a revocation."""
        requests, log = self._sandbox.requests, self._sandbox.log
        return Counters(
            issue=requests["login"],
            refresh=requests["refresh"],
            refresh_refused=sum(
                exchange.endpoint == "refresh" and exchange.status != HTTPStatus.OK for exchange in log
            ),
            revoke=requests["logout"],
            refused=self._sandbox.unauthorized,
            reused=self._sandbox.refresh_reuses,
        )

    def endings(self) -> int:
        """Count logins, refreshes and logouts, and takeovers."""
        committed = self._sandbox.committed
        return committed["login"] + committed["refresh"] + committed["logout"] + self._incidents

    async def _take_over(self) -> None:
        """Log in as another process with the same account would: Nomad ends the first session."""
        self._sandbox.take_over()
        self._incidents += 1

    async def _log_out(self) -> None:
        await self._nomads[0].logout()
