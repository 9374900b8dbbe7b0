"""A stage for each vendor's tests: the sandbox, a clock that both sides share, and clients that close with the stage."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, ClassVar, Generic, Self, TypeVar

import attrs

from naoauth import NaoClient, NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.client import VendorClient
from nauth.stores import MemoryStore
from nauth.testing import FakeClock, Sandbox
from nomadauth import NomadClient, NomadSSO
from nomadauth.sandbox import NomadSandbox
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from noyoauth import NoyoClient
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.watching import Watching

__all__ = ["STAGES", "NaoStage", "NomadStage", "NombaStage", "NoyoStage", "VendorStage"]

SandboxT = TypeVar("SandboxT", bound=Sandbox)
ClientT = TypeVar("ClientT", bound=VendorClient)


@attrs.define(kw_only=True)
class VendorStage(Watching, Generic[SandboxT, ClientT]):
    """The sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        store: shared by all clients of the stage, and by no other.
    """

    new_sandbox: ClassVar[Callable[..., Any]]
    new_client: ClassVar[Callable[..., Any]]
    addresses: ClassVar[tuple[str, ...]] = ("base_url",)
    sandbox: SandboxT
    clock: FakeClock
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, credentials: Any = None, **options: Any) -> ClientT:
        """Open a client that closes with the stage; without credentials it takes those that the sandbox accepts."""
        given = {name: getattr(self.sandbox, name) for name in self.addresses}
        given |= {"clock": self.clock, "store": self.store} | options
        accepted = self.sandbox.credentials  # type: ignore[attr-defined]  # every vendor's sandbox has them
        new: Any = type(self).new_client(credentials or accepted, observer=self.note, **given)
        client: ClientT = await self._stack.enter_async_context(new)
        return client

    @classmethod
    @asynccontextmanager
    async def opened(cls, **switches: Any) -> AsyncIterator[Self]:
        """Start a sandbox with `switches`, on a clock where every sleep ends at once."""
        clock, stack = FakeClock(jump=True), AsyncExitStack()
        # closed in this order: clients, then the sandbox
        async with cls.new_sandbox(clock=clock, **switches) as sandbox, stack:
            yield cls(sandbox=sandbox, clock=clock, store=MemoryStore(clock=clock), stack=stack)


class NomadStage(VendorStage[NomadSandbox, NomadClient]):
    """Nomad Media's sandbox and clients of it."""

    # strict: our own client keeps to the letter, which the sandbox does not ask of others
    new_sandbox = partial(NomadSandbox, login_id_match="exact", public_calls="strict")
    new_client, addresses = NomadClient, ("base_url", "sso_base_url")

    def signed_on(self, provider: str | None = "azure") -> NomadSSO:
        """Sign on in the browser, and read what it comes back with."""
        return NomadSSO.from_callback(self.sandbox.sign_on(), provider=provider, clock=self.clock)

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many login, refresh (or renew) and logout requests have arrived."""
        requests = self.sandbox.requests
        return requests["login"], requests["refresh"] + requests["renew"], requests["logout"]


class NombaStage(VendorStage[NombaSandbox, NombaClient]):
    """Nomba's sandbox and clients of it."""

    new_sandbox, new_client = NombaSandbox, NombaClient

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many issue, refresh and revoke requests have arrived."""
        requests = self.sandbox.requests
        return requests["issue"], requests["refresh"], requests["revoke"]


class NoyoStage(VendorStage[NoyoSandbox, NoyoClient]):
    """Noyo's sandbox and clients of it."""

    new_sandbox, new_client, addresses = NoyoSandbox, NoyoClient, ("base_url", "token_url")

    @property
    def calls(self) -> int:
        """How many token requests have arrived."""
        return self.sandbox.token_calls


class NaoStage(VendorStage[NaoSandbox, NaoClient]):
    """NAO Cloud's sandbox and clients of it."""

    new_sandbox, new_client = NaoSandbox, NaoClient

    def application(self) -> NaoOAuth:
        """Register a person's consent and return the application with it."""
        credentials = self.sandbox.credentials_of("oauth")
        assert isinstance(credentials, NaoOAuth)
        return credentials

    @property
    def calls(self) -> tuple[int, int, int]:
        """How many sessions, token and revoke requests have arrived."""
        requests = self.sandbox.requests
        return requests["sessions"], requests["token"], requests["revoke"]


STAGES: Mapping[str, type[VendorStage[Any, Any]]] = {
    "nomadauth": NomadStage,
    "nombaauth": NombaStage,
    "noyoauth": NoyoStage,
    "naoauth": NaoStage,
}
"""Folder of a vendor's tests -> its stage."""
