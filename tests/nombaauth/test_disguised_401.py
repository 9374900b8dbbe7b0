"""A 401 in disguise is found on the way through the client, however it is written, and its look reads nothing that it need not."""

from __future__ import annotations

import aiohttp
import pytest
from aiohttp import web

from nauth.bearer.aiohttp import BearerAuth
from nombaauth.responses import hidden_401
from tests.support.http.servers import RawServer
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_JSON = "application/json"


async def _tokens_after(body: bytes, content_type: str) -> list[str | None]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(body=body, headers={"Content-Type": content_type})

    vendor, manager = Vendor("t2", refusal=refuse), manager_of(Issuer())
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], hidden_401=hidden_401)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session, session.get(url) as response:
            await response.read()
    await manager.aclose()
    return vendor.tokens


@pytest.mark.parametrize(
    "body, content_type, found",
    [
        (b'{"code":"401"}', _JSON, True),
        (b'{"code":401}', "application/json; charset=utf-8", True),
        (b'{"code":"401"}', "Application/JSON ; charset=latin-1", True),
        (rb'{"code":"4\u00301"}', _JSON, True),
        (rb'{"c\u006fde":"\u0034\u0030\u0031"}', _JSON, True),
        ('{"code":"٤٠١"}'.encode(), _JSON, True),
        (b'\xef\xbb\xbf{"responseCode":"401"}', _JSON, True),
        (b'{"code":"00","amount":"401"}', _JSON, False),
        (b'{"code":"00"}', _JSON, False),
        (b'{"code":"401"}', "text/plain", False),
        (b'{"code":"401","pad":"' + b"x" * 20_000 + b'"}', _JSON, False),
    ],
)
async def test_disguises(body: bytes, content_type: str, found: bool) -> None:
    """Escapes, digits of another script and odd types hide no refusal; what is none is not renewed for."""
    assert await _tokens_after(body, content_type) == (["Bearer t1", "Bearer t2"] if found else ["Bearer t1"])


async def test_a_body_that_breaks_off() -> None:
    """A connection lost while looking is no 401; the caller meets the same failure when it reads."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    manager = manager_of(Issuer())
    async with RawServer(reply) as server:
        auth = BearerAuth(manager, [server.url()], hidden_401=hidden_401)
        async with (
            aiohttp.ClientSession(middlewares=(auth,)) as session,
            session.get(server.url()) as response,
        ):
            with pytest.raises(aiohttp.ClientError):
                await response.read()
    await manager.aclose()
