"""google-auth, called in threads, and gcloud-aio-auth."""

from __future__ import annotations

import asyncio
import io
import json
from importlib import import_module
from typing import Any, ClassVar

from tests.bench.peers.peer import CannotDoError, Peer, Window

__all__ = ["ADAPTERS"]


class GoogleAuth(Peer):
    """`google.oauth2.credentials.Credentials` and `AuthorizedSession`, in a thread: what is public has no coroutines."""

    name: ClassVar[str] = "google-auth"
    package: ClassVar[str] = "google-auth"
    imports: ClassVar[str] = "google.auth.transport.requests"
    window: ClassVar[Window | None] = Window(lifetime_s=200)

    def _credentials(self) -> Any:
        return import_module("google.oauth2.credentials").Credentials(
            None,
            refresh_token=self.setup.refresh_token or "r",
            token_uri=f"{self.setup.url}/token",
            client_id="id",
            client_secret="secret",
        )

    async def open(self) -> None:
        transport: Any = import_module("google.auth.transport.requests")
        self._one = self._credentials()
        self._request = transport.Request()
        self._session = transport.AuthorizedSession(self._one)

    async def token(self) -> str:
        headers: dict[str, str] = {}
        await asyncio.to_thread(self._one.before_request, self._request, "GET", self.setup.url, headers)
        return headers["authorization"][7:]

    async def get(self, url: str) -> int:
        status: int = (await asyncio.to_thread(self._session.get, url)).status_code
        return status

    async def post(self, url: str, body: object) -> int:
        raise CannotDoError("its client is requests, which takes no asynchronous stream")

    async def close(self) -> None:
        self._session.close()

    def made(self) -> object:
        made: object = self._credentials()
        return made


class GcloudAioAuth(Peer):
    """`gcloud.aio.auth.Token.get` with the file of a signed-in person, the one kind whose address can be set."""

    name: ClassVar[str] = "gcloud-aio-auth"
    package: ClassVar[str] = "gcloud-aio-auth"
    imports: ClassVar[str] = "gcloud.aio.auth"
    # from half of the lifetime on, counted in whole seconds
    window: ClassVar[Window | None] = Window(lifetime_s=12, wait_s=7.1)

    def _token(self) -> Any:
        file = {
            "type": "authorized_user",
            "client_id": "id",
            "client_secret": "secret",
            "refresh_token": self.setup.refresh_token or "r",
            "token_uri": f"{self.setup.url}/token",
        }
        return import_module("gcloud.aio.auth").Token(service_file=io.StringIO(json.dumps(file)))

    async def open(self) -> None:
        self._one = self._token()

    async def token(self) -> str:
        token: str = await self._one.get()
        return token

    async def close(self) -> None:
        await self._one.close()

    def made(self) -> object:
        made: object = self._token()
        return made


ADAPTERS: list[type[Peer]] = [GoogleAuth, GcloudAioAuth]
