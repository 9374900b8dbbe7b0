"""Libraries for any OAuth 2.0 server: Authlib and aiohttp-oauth2-client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any, ClassVar

from aiohttp import ClientSession

from tests.bench.peers.peer import CannotDoError, Peer, Window

__all__ = ["ADAPTERS"]


class Authlib(Peer):
    """`AsyncOAuth2Client`, which starts with an expired token, as one loaded from a store: it fetches no first one itself."""

    name: ClassVar[str] = "Authlib"
    package: ClassVar[str] = "authlib"
    imports: ClassVar[str] = "authlib.integrations.httpx_client"
    window: ClassVar[Window | None] = Window(lifetime_s=40)

    def _client(self) -> Any:
        token = {"access_token": "old", "token_type": "bearer", "expires_at": 1}
        if self.setup.refresh_token:
            token["refresh_token"] = self.setup.refresh_token
        return import_module("authlib.integrations.httpx_client").AsyncOAuth2Client(
            "id",
            "secret",
            token_endpoint=f"{self.setup.url}/token",
            grant_type="client_credentials",
            token=token,
            follow_redirects=True,
        )

    async def open(self) -> None:
        self._one = self._client()

    async def token(self) -> str:
        await self._one.ensure_active_token(self._one.token)
        token: str = self._one.token["access_token"]
        return token

    async def get(self, url: str) -> int:
        status: int = (await self._one.get(url)).status_code
        return status

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        status: int = (await self._one.post(url, content=body())).status_code
        return status

    async def close(self) -> None:
        await self._one.aclose()

    def made(self) -> object:
        made: object = self._client()
        return made


class AiohttpOAuth2Client(Peer):
    """`ClientCredentialsGrant` and its middleware on an aiohttp session."""

    name: ClassVar[str] = "aiohttp-oauth2-client"
    package: ClassVar[str] = "aiohttp-oauth2-client"
    imports: ClassVar[str] = "aiohttp_oauth2_client.middleware"
    window: ClassVar[Window | None] = Window(lifetime_s=20)
    cannot: ClassVar[dict[str, str]] = {
        "rotating": "client credentials are renewed by the credentials; its other grants ask a person"
    }

    def _grant(self) -> Any:
        grants: Any = import_module("aiohttp_oauth2_client.grant.client_credentials")
        return grants.ClientCredentialsGrant(f"{self.setup.url}/token", "id", "secret")

    async def open(self) -> None:
        self._one = self._grant()
        middleware: Any = import_module("aiohttp_oauth2_client.middleware").OAuth2Middleware(self._one)
        self._session = ClientSession(middlewares=(middleware,))

    async def token(self) -> str:
        token: str = (await self._one.prepare_headers())["Authorization"][7:]
        return token

    async def get(self, url: str) -> int:
        async with self._session.get(url) as response:
            await response.read()
            return response.status

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        async with self._session.post(url, data=body()) as response:
            await response.read()
            return response.status

    async def close(self) -> None:
        await self._session.close()
        await self._one.close()

    def made(self) -> object:
        raise CannotDoError("not weighed: each grant opens an aiohttp session, which is most of it")


ADAPTERS: list[type[Peer]] = [Authlib, AiohttpOAuth2Client]
