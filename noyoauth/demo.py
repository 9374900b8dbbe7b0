"""`NoyoStory`: Noyo's scenario in the demonstration."""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar

from nauth.cli.demo.sandbox_scenario import SandboxScenario
from nauth.cli.demo.scenario import Counters, Incident, Watch
from nauth.events import Observer
from nauth.stores.base import TokenStore
from noyoauth.client import NoyoClient
from noyoauth.sandbox import NoyoSandbox

__all__ = ["NoyoStory"]


class NoyoStory(SandboxScenario):
    """Two clients, one key, and a Noyo that accepts only the newest token of a key.

    There are no refresh tokens, and a token cannot be revoked. Each renewal signs in, which ends the old token.

    Args:
        watch: gives each client its observer.
        lifetime: how long a token lives.
    """

    name = "noyo"
    refreshes = False
    slow: ClassVar[tuple[str, ...]] = ("token",)
    path = "/api/v1/groups"

    def __init__(self, watch: Watch, lifetime: timedelta) -> None:
        self._sandbox = NoyoSandbox(
            real_lifetime=lifetime, concurrent_tokens="newest_only", key_rotation="old_key_and_tokens_die"
        )
        super().__init__(watch, lifetime, self._sandbox)

    @property
    def incidents(self) -> tuple[Incident, ...]:
        """Another process fetches a token with the key; the key is replaced, and its tokens end with it."""
        return (
            Incident("takeover", "one renewal after a takeover", self._take_over),
            Incident("new key", "one issue after a change of key", self._change_key),
        )

    def connect(self, store: TokenStore, observer: Observer) -> NoyoClient:
        """Make one client of the sandbox, which asks for the current key."""
        return NoyoClient(
            lambda: self._sandbox.credentials,
            base_url=self._sandbox.base_url,
            store=store,
            policy=self._policy,
            observer=observer,
        )

    def counters(self) -> Counters:
        """Return what the sandbox has counted."""
        return Counters(issue=self._sandbox.requests["token"], refused=self._sandbox.unauthorized)

    def endings(self) -> int:
        """Count fetched tokens, and incidents."""
        return self._sandbox.committed["token"] + self._incidents

    async def _take_over(self) -> None:
        """Fetch a token as another process with the same key would: Noyo ends the first."""
        self._sandbox.take_over()
        self._incidents += 1

    async def _change_key(self) -> None:
        self._sandbox.rotate_key()
        self._incidents += 1
