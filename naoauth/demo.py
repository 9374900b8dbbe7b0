"""`NaoStory`: NAO Cloud's scenario in the demonstration."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from naoauth.client import NaoClient
from naoauth.sandbox import NaoSandbox
from nauth.cli.demo.sandbox_scenario import SandboxScenario
from nauth.cli.demo.scenario import Counters, Incident, Watch
from nauth.events import Observer
from nauth.stores.base import TokenStore

__all__ = ["NaoStory"]


class NaoStory(SandboxScenario):
    """Two clients, one account by e-mail and password, and its JWT.

    There are no refresh tokens, and a JWT cannot be revoked. An old JWT works beside a new one until it expires or the
    service ends every session.

    Args:
        watch: gives each client its observer.
        lifetime: how long a JWT lives.
    """

    name = "nao"
    refreshes = False
    slow: ClassVar[tuple[str, ...]] = ("sessions",)
    path = "/api/v2/sites"

    def __init__(self, watch: Watch, lifetime: timedelta) -> None:
        # an expiry in whole seconds is too coarse for a lifetime of three
        self._sandbox = NaoSandbox(jwt_life=lifetime, expiry_key="expires_in")
        super().__init__(watch, lifetime, self._sandbox)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """The service ends every session, twice."""
        return (
            Incident("sessions end", "one renewal after all sessions ended", self._end_sessions),
            Incident("sessions end again", "one renewal after they ended again", self._end_sessions),
        )

    def connect(self, store: TokenStore, observer: Observer) -> NaoClient:
        """Make one client of the sandbox."""
        return NaoClient(
            self._sandbox.credentials,
            base_url=self._sandbox.base_url,
            store=store,
            policy=self._policy,
            observer=observer,
        )

    def counters(self) -> Counters:
        """Return what the sandbox has counted."""
        return Counters(issue=self._sandbox.requests["sessions"], refused=self._sandbox.unauthorized)

    def endings(self) -> int:
        """Count incidents: a new session does not end an older one."""
        return self._incidents

    async def _end_sessions(self) -> None:
        self._sandbox.kill_sessions()
        self._incidents += 1
