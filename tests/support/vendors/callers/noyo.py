"""A plain HTTP client for the double of Noyo: what a user's own code would send, right or wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import attrs

from nauth.testing import FakeClock
from noyoauth.credentials import NoyoCredentials
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.callers.answers import Answer

__all__ = ["GRANT", "Caller", "calling"]

GRANT = {"grant_type": "client_credentials"}


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NoyoSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
        headers = ({} if token is None else {"Authorization": f"Bearer {token}"}) | options.pop("headers", {})
        url = f"{self.sandbox.base_url}{path}"
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def issue(self, credentials: NoyoCredentials | None = None, **options: Any) -> Answer:
        headers = {"Authorization": (credentials or self.sandbox.credentials).authorization}
        options = {"json": GRANT, "headers": headers} | options
        return await self.call("POST", urlsplit(self.sandbox.token_url).path, **options)

    async def token(self, credentials: NoyoCredentials | None = None) -> str:
        token: str = (await self.issue(credentials)).body["access_token"]
        return token

    async def groups(self, token: str | None, query: str = "") -> Answer:
        return await self.call("GET", f"/api/v1/groups{query}", token=token)


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NoyoSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)
