"""nauth, by its public names: a client credentials grant, or a refresh token where the scenario has one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import ClassVar

from aiohttp import ClientSession
from yarl import URL

from nauth import BearerAuth, Secret, StoreKey, TokenManager
from nauth.oauth2 import AuthorizationCode, ClientCredentials, TokenEndpoint
from nauth.stores import MemoryStore, SQLiteStore
from nauth.stores.base import TokenStore
from tests.bench.peers.peer import Peer, Setup, Window

__all__ = ["ADAPTERS"]


class Nauth(Peer):
    """A `TokenManager`, and `BearerAuth` on an aiohttp session."""

    name: ClassVar[str] = "nauth"
    package: ClassVar[str] = "nauth"
    imports: ClassVar[str] = (
        "nauth.bearer.aiohttp"  # which imports the manager too; `import nauth` alone imports nothing
    )
    # margin and jitter together are never more than half of the lifetime, and the jitter of a token may be zero
    window: ClassVar[Window | None] = Window(lifetime_s=6, wait_s=4.0)

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._session: ClientSession | None = None

    async def open(self) -> None:
        url = self.setup.url
        self._endpoint = TokenEndpoint(f"{url}/token", client_id="id", client_secret="secret")
        self._store: TokenStore = (
            SQLiteStore(self.setup.folder / "tokens.db") if self.setup.folder else MemoryStore()
        )
        given = self.setup.refresh_token
        authenticator = (
            AuthorizationCode(
                self._endpoint, authorization_url=f"{url}/authorize", refresh_token=Secret(given)
            )
            if given
            else ClientCredentials(self._endpoint)
        )
        self._manager = TokenManager(authenticator, key=self._endpoint.key("bench", "one"), store=self._store)

    async def token(self) -> str:
        return (await self._manager.token()).access_token.reveal()

    def _http(self) -> ClientSession:
        if self._session is None:
            self._session = ClientSession(middlewares=(BearerAuth(self._manager, [URL(self.setup.url)]),))
        return self._session

    async def get(self, url: str) -> int:
        async with self._http().get(url) as response:
            await response.read()
            return response.status

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        async with self._http().post(url, data=body()) as response:
            await response.read()
            return response.status

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
        await self._manager.aclose()
        await self._endpoint.aclose()
        await self._store.aclose()

    def made(self) -> object:
        return TokenManager(
            ClientCredentials(self._endpoint),
            key=StoreKey(vendor="bench", base_url=self.setup.url, identity="one"),
            store=self._store,
        )


ADAPTERS: list[type[Peer]] = [Nauth]
