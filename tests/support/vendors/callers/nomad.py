"""A plain HTTP client for the double of Nomad Media: what a user's own code would send, right or wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import aiohttp
import attrs

from nauth.testing import FakeClock
from nomadauth import NomadPassword
from nomadauth.sandbox import NomadSandbox
from tests.support.vendors.callers.answers import Answer as PlainAnswer

__all__ = ["Answer", "Caller", "calling"]


@attrs.frozen
class Answer(PlainAnswer):
    """What came back.

    Attributes:
        names: the headers' names as they stood on the wire.
    """

    names: tuple[str, ...]


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NomadSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, token: str | None = None, scheme: str = "Bearer", **options: Any
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        url = path if path.startswith("http") else f"{self.sandbox.base_url}{path}"
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as answer:
            names = tuple(name.decode() for name, _ in answer.raw_headers)
            return Answer(answer.status, await answer.read(), answer.headers, names)

    async def login(
        self, credentials: NomadPassword | None = None, *, token: str | None = None, **more: Any
    ) -> Answer:
        given = credentials or self.sandbox.credentials
        body = {"userName": given.username, "password": given.password.reveal()} | more
        body = {name: value for name, value in body.items() if value is not None}
        return await self.call("POST", "/api/account/login", token=token, json=body)

    async def pair(self) -> tuple[str, str]:
        body = (await self.login()).body
        return body["token"], body["refreshToken"]

    async def refresh(self, refresh_token: str, *, token: str | None = None) -> Answer:
        body = {"refreshToken": refresh_token}
        return await self.call("POST", "/api/account/refresh-token", token=token, json=body)

    async def renew(self, refresh_token: str, *, token: str | None = None) -> Answer:
        return await self.call(
            "POST", "/api/auth/azure/renew", token=token, json={"refreshToken": refresh_token}
        )

    async def user(self, token: str | None, scheme: str = "Bearer") -> int:
        return (await self.call("GET", "/api/account/user", token=token, scheme=scheme)).status

    def sign_on(self) -> dict[str, str]:
        query = self.sandbox.sign_on().partition("?")[2]
        return dict(parse_qsl(query.replace("+", "%2B")))


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NomadSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)
