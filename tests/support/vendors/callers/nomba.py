"""A plain HTTP client for the double of Nomba: what a user's own code would send, right or wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import attrs

from nauth.testing import FakeClock
from nombaauth.credentials import NombaCredentials
from nombaauth.sandbox import NombaSandbox
from tests.support.vendors.callers.answers import Answer as PlainAnswer

__all__ = ["NO", "OK", "TTL_S", "Answer", "Caller", "calling"]

TTL_S = 1800
OK = (200, "00")
NO = (401, "401")


@attrs.frozen
class Answer(PlainAnswer):
    """What came back, in its envelope."""

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def brief(self) -> tuple[int, Any]:
        """Status and code, or the body if it is no object with a code."""
        try:
            return self.status, self.body["code"]
        except (ValueError, KeyError, TypeError):
            return self.status, self.raw.decode()


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NombaSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, token: str | None = None, account: str | None = "", **options: Any
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if account is not None:
            headers["accountId"] = account or self.sandbox.credentials.account_id
        url = f"{self.sandbox.base_url}{path}"
        async with self.http.request(method, url, headers=headers, **options) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def issue(
        self, credentials: NombaCredentials | None = None, *, account: str | None = "", **changed: Any
    ) -> Answer:
        credentials = credentials or self.sandbox.credentials
        body = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret.reveal(),
        }
        return await self.call("POST", "/v1/auth/token/issue", account=account, json=body | changed)

    async def refresh(self, refresh_token: str, bearer: str | None, *, account: str | None = "") -> Answer:
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.call("POST", "/v1/auth/token/refresh", token=bearer, account=account, json=body)

    async def revoke(self, token: str, *, account: str | None = "", client_id: str | None = None) -> Answer:
        body = {"clientId": client_id or self.sandbox.credentials.client_id, "access_token": token}
        return await self.call("POST", "/v1/auth/token/revoke", account=account, json=body)

    async def balance(self, token: str | None, *, account: str | None = "") -> Answer:
        return await self.call("GET", "/v1/accounts/balance", token=token, account=account)

    async def pair(self, credentials: NombaCredentials | None = None) -> tuple[str, str]:
        data = (await self.issue(credentials)).data
        return data["access_token"], data["refresh_token"]


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NombaSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)
