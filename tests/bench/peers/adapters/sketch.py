"""What most services write themselves: an `asyncio.Lock`, a timestamp and a middleware. And plain sessions, as floors."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from importlib import import_module
from typing import Any, ClassVar

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession
from aiohttp.hdrs import AUTHORIZATION

from tests.bench.peers.peer import CannotDoError, Peer, Setup, Window

__all__ = ["ADAPTERS"]


class Sketch(Peer):
    """A lock and a timestamp: forty lines that work until a caller is cancelled."""

    name: ClassVar[str] = "lock and timestamp"
    package: ClassVar[str] = ""
    imports: ClassVar[str] = "aiohttp"
    window: ClassVar[Window | None] = Window(lifetime_s=50)
    margin_s = 60.0

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        self._refresh_token = setup.refresh_token

    async def open(self) -> None:
        self._lock = asyncio.Lock()
        self._token, self._ends = "", 0.0
        self._session = ClientSession()
        self._signed = ClientSession(middlewares=(self._sign,))

    async def token(self) -> str:
        async with self._lock:
            if time.time() >= self._ends - self.margin_s:
                await self._renew()
            return self._token

    async def _renew(self) -> None:
        form = {"client_id": "id", "client_secret": "secret", "grant_type": "client_credentials"}
        if self._refresh_token:
            form |= {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        async with self._session.post(f"{self.setup.url}/token", data=form) as response:
            response.raise_for_status()
            answer = await response.json()
        self._token, self._ends = answer["access_token"], time.time() + answer["expires_in"]
        self._refresh_token = answer.get("refresh_token")

    async def _sign(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers[AUTHORIZATION] = f"Bearer {await self.token()}"
        response = await handler(request)
        if response.status == 401:
            self._ends = 0.0
            request.headers[AUTHORIZATION] = f"Bearer {await self.token()}"
            response = await handler(request)
        return response

    async def get(self, url: str) -> int:
        async with self._signed.get(url) as response:
            await response.read()
            return response.status

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        async with self._signed.post(url, data=body()) as response:
            await response.read()
            return response.status

    async def close(self) -> None:
        await self._signed.close()
        await self._session.close()


class PlainHttpx(Peer):
    """No cache at all: httpx2 with a static header, to tell what an HTTP library costs from what a token cache costs."""

    name: ClassVar[str] = "plain httpx2 (no cache)"
    package: ClassVar[str] = "httpx2"
    imports: ClassVar[str] = "httpx2"
    cannot: ClassVar[Mapping[str, str]] = dict.fromkeys(
        (
            *(
                "hot",
                "cold",
                "down",
                "leader",
                "all_cancelled",
                "window",
                "latency",
                "request_latency",
                "window_down",
            ),
            *(
                "short",
                "late_401s",
                "rotating",
                "redirect",
                "stream",
                "second_loop",
                "threads",
                "loops",
                "processes",
            ),
            "memory",
        ),
        "no token cache: it is here for requests a second and import",
    )

    async def open(self) -> None:
        httpx2: Any = import_module("httpx2")
        self._client = httpx2.AsyncClient()

    async def token(self) -> str:
        raise CannotDoError("no token cache: it is here for requests a second and import")

    async def get(self, url: str) -> int:
        # the first token that the server makes
        header = {"Authorization": f"Bearer t-0-{'x' * 40}"}
        status: int = (await self._client.get(url, headers=header)).status_code
        return status

    async def close(self) -> None:
        await self._client.aclose()


ADAPTERS: list[type[Peer]] = [Sketch, PlainHttpx]
