"""A 401 in disguise is found on the way through the client, however it is written, and its look reads nothing that it need not."""

from __future__ import annotations

import gzip
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nauth.bearer import short_body
from nauth.bearer.aiohttp import BearerAuth
from nombaauth.responses import hidden_401
from tests.support.http.httpx_kits import KITS, auth_of, client_of
from tests.support.http.servers import RawServer
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_JSON = "application/json"


async def _tokens_after(body: bytes, content_type: str, how: str = "at_once") -> list[str | None]:
    async def refuse(request: web.Request) -> web.StreamResponse:
        if how == "at_once":
            return web.Response(body=body, headers={"Content-Type": content_type})
        packed = {"Content-Encoding": "gzip"} if how == "packed" else {}
        response = web.StreamResponse(headers={"Content-Type": content_type, **packed})
        if how == "until_the_end":
            response.force_close()
        else:
            response.enable_chunked_encoding()
        await response.prepare(request)
        sent = gzip.compress(body) if packed else body
        for half in (sent[:9], sent[9:]):
            await response.write(half)
        return response

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
        (b'{"code":"401"}', "application/problem+json", True),
        (b'{"code":"401"}', "text/json", True),
        (b'{"code":"401"}', "text/plain", False),
        (b'{"code":"401","pad":"' + b"x" * 20_000 + b'"}', _JSON, False),
    ],
)
async def test_disguises(body: bytes, content_type: str, found: bool) -> None:
    """Escapes, digits of another script and odd types hide no refusal; what is none is not renewed for."""
    assert await _tokens_after(body, content_type) == (["Bearer t1", "Bearer t2"] if found else ["Bearer t1"])


@pytest.mark.parametrize("how", ["chunked", "packed", "until_the_end"])
@pytest.mark.parametrize(
    "body, found",
    [
        (b'{"code":"401"}', True),
        (b'{"code":"00"}', False),
        (b'{"code":"401","pad":"' + b"x" * 20_000 + b'"}', False),
    ],
)
async def test_without_a_length(how: str, body: bytes, found: bool) -> None:
    """Most servers send JSON in chunks, packed or not, without saying how long it is."""
    assert await _tokens_after(body, _JSON, how) == (["Bearer t1", "Bearer t2"] if found else ["Bearer t1"])


@pytest.mark.parametrize("kit", ["aiohttp", *KITS])
@pytest.mark.parametrize("size", [20, 1024, 1025, 300_000])
async def test_a_body_without_a_length_stays_whole(kit: str, size: int) -> None:
    """Whatever was looked at before, the reader gets each byte."""
    body = json.dumps({"code": "00", "pad": "x" * (size - 22)}, separators=(",", ":")).encode()
    body += b" " * (size - len(body))

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        response.enable_chunked_encoding()
        await response.prepare(request)
        for start in range(0, size, 700):
            await response.write(body[start : start + 700])
        return response

    manager = manager_of(Issuer())
    async with served(answer) as url:
        if kit == "aiohttp":
            auth = BearerAuth(manager, [url], hidden_401=hidden_401)
            async with (
                aiohttp.ClientSession(middlewares=(auth,)) as session,
                session.get(url) as response,
            ):
                read = b"".join([chunk async for chunk in response.content.iter_any()])
                if not read:  # a short one is kept by aiohttp as a whole
                    read = await response.read()
        else:
            signed = auth_of(manager, url, hidden_401=hidden_401)
            async with client_of(kit, signed) as http, http.stream("GET", str(url)) as response:
                read = b"".join([chunk async for chunk in response.aiter_bytes()])
    assert read == body
    await manager.aclose()


@pytest.mark.parametrize("kit", KITS)
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("read_before", [False, True])
async def test_httpx_without_a_length(kit: str, packed: bool, read_before: bool) -> None:
    """The same for httpx, also where a hook has read the body."""

    async def hook(response: Any) -> None:
        if read_before:
            await response.aread()

    async def refuse(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": _JSON})
        response.enable_chunked_encoding()
        if packed:
            response.enable_compression()
        await response.prepare(request)
        await response.write(b'{"code":"401"}')
        return response

    vendor, manager = Vendor("t2", refusal=refuse), manager_of(Issuer())
    async with served(vendor) as url:
        auth = auth_of(manager, url, hidden_401=hidden_401)
        async with client_of(kit, auth, event_hooks={"response": [hook]}) as http:
            assert (await http.get(str(url))).status_code == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    await manager.aclose()


_CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("kit", KITS)
async def test_httpx_a_body_without_a_length_that_breaks_off(kit: str) -> None:
    """The caller meets the failure; nothing is renewed."""
    issuer = Issuer()
    manager = manager_of(issuer)
    async with (
        RawServer(_CHUNKED + b"1\r\n{\r\n") as server,
        client_of(kit, auth_of(manager, server.url(), hidden_401=hidden_401)) as http,
    ):
        with pytest.raises(Exception, match="closed"):
            await http.get(str(server.url()))
    assert issuer.calls == 1
    await manager.aclose()


async def test_a_body_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that goes on is handed to its reader after a moment."""
    monkeypatch.setattr(short_body, "_PATIENCE_S", 0.01)
    manager = manager_of(Issuer())
    async with RawServer(_CHUNKED + b"1\r\n{\r\n", hang=True) as server:
        auth = BearerAuth(manager, [server.url()], hidden_401=hidden_401)
        async with (
            aiohttp.ClientSession(middlewares=(auth,)) as session,
            session.get(server.url()) as response,
        ):
            assert await response.content.readany() == b"{"
    await manager.aclose()


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{",
        _CHUNKED,
        _CHUNKED + b"1\r\n{\r\n",
    ],
    ids=["of a length", "in chunks", "in a chunk"],
)
async def test_a_body_that_breaks_off(reply: bytes) -> None:
    """A connection lost while looking is no 401; the caller meets the same failure when it reads."""
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
