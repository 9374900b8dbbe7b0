"""A plain HTTP client for the double of NAO Cloud: what a user's own code would send, right or wrong."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl

import attrs
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from naoauth.sandbox import NaoSandbox, data
from nauth.testing import FakeClock

__all__ = ["APP", "LOGIN", "Caller", "calling"]

LOGIN = {"session": {"email": data.EMAIL, "password": data.PASSWORD}}
APP = {"client_id": data.CLIENT_ID, "client_secret": data.CLIENT_SECRET.reveal()}
_JSON = {"Accept": "application/json"}


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NaoSandbox
    clock: FakeClock
    http: ClientSession

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        response = await self.raw(method, path, **options)
        text = await response.text()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    async def raw(self, method: str, path: str, **options: Any) -> ClientResponse:
        headers = _JSON | options.pop("headers", {})
        return await self.http.request(
            method, f"{self.sandbox.base_url}{path}", headers=headers, allow_redirects=False, **options
        )

    async def jwt(self) -> str:
        _, body = await self("POST", "/api/v2/sessions", json=LOGIN)
        return str(body["meta"]["jwt"])

    async def grant(self, **fields: str) -> tuple[int, Any]:
        return await self("POST", self.sandbox.token_path, data=APP | fields)

    async def code(self, **more: str) -> dict[str, str]:
        query = {
            "client_id": data.CLIENT_ID,
            "redirect_uri": data.REDIRECT_URI,
            "response_type": "code",
            "state": "s",
        } | more
        response = await self.raw("GET", "/oauth/authorize", params=query)
        assert response.status == 302
        return dict(parse_qsl(URL(response.headers["Location"]).raw_query_string))

    async def tokens(self, **more: str) -> dict[str, Any]:
        code = (await self.code())["code"]
        _, body = await self.grant(
            grant_type="authorization_code", code=code, redirect_uri=data.REDIRECT_URI, **more
        )
        return dict(body)

    async def site(self, authorization: str) -> int:
        return (await self("GET", "/api/v2/sites", headers={"Authorization": authorization}))[0]


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NaoSandbox(clock=clock, **switches) as sandbox, ClientSession() as http:
        yield Caller(sandbox, clock, http)
