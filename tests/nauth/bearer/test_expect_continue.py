"""A 401 in the place of "100 Continue" is replayed like any other, or handed back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from nauth.bearer.aiohttp import BearerAuth
from nauth.manager.token_manager import TokenManager
from tests.support.http.vendor import Issuer, Vendor, served


async def _generate() -> AsyncIterator[bytes]:
    yield b"once"


async def _refuse_at_once(request: web.Request) -> None:
    """Answer as a server that looks at the header before it wants the body."""
    if request.headers.get("Authorization") != "Bearer t2":
        raise web.HTTPUnauthorized
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _continue_first(request: web.Request) -> None:
    """Answer as a server that wants the body in any case."""
    assert request.transport is not None
    request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


@pytest.mark.parametrize("expect", [_refuse_at_once, _continue_first])
@pytest.mark.parametrize("said_by", ["option", "header"])
@pytest.mark.parametrize("body", [lambda: b"x" * 100_000, _generate], ids=["bytes", "generator"])
async def test_expect100(
    manager: TokenManager,
    issuer: Issuer,
    expect: Callable[[web.Request], Awaitable[None]],
    said_by: str,
    body: Callable[[], object],
) -> None:
    """Bytes are sent with the new token; a generator's 401 comes back, and the next call has the new token."""
    vendor = Vendor("t2")

    async def answer(request: web.Request) -> web.StreamResponse:
        return await vendor(request)

    app = web.Application()
    app.router.add_route("*", "/", answer, expect_handler=expect)
    options = {"expect100": True} if said_by == "option" else {"headers": {"Expect": "100-Continue"}}
    replayed = body is not _generate
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [server.make_url("/")]),)) as session,
    ):
        url = server.make_url("/")
        async with session.post(url, data=body(), **options) as response:
            assert response.status == (200 if replayed else 401)
        async with session.post(url, data=b"again", **options) as response:
            assert (response.status, await response.json()) == (200, {"size": 5})
    assert vendor.tokens[-1] == "Bearer t2"
    assert issuer.calls == 2


async def test_no_body(manager: TokenManager) -> None:
    """Without a body "100 Continue" is waited for as well, and nothing hangs."""
    async with (
        served(Vendor("t2")) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session,
        session.get(url, expect100=True) as response,
    ):
        assert response.status == 200
