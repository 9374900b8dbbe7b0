"""For every redirect, every target and both adapters: the second origin sees no credential."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import attrs
import httpcore2  # noqa: F401 - httpx2 imports it late, inside the loop, and it reads a file
import httpx
import httpx2
import pytest
import trustme
from yarl import URL

from nauth.client import VendorClient
from nauth.errors import OriginError
from tests.support.http.redirects import SECRETS, Moving
from tests.support.http.vendor import Issuer, Seen, Vendor, client_of, served

_CODES = [301, 302, 303, 307, 308]
_SECRET_TEXT = ("Bearer", *SECRETS.values())


@pytest.fixture(scope="module")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the server's and the client's side of one certificate authority."""
    ca = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    ca.issue_cert("127.0.0.1", "localhost").configure_cert(server)
    ca.configure_trust(client)
    return server, client


# --- who follows ----------------------------------------------------------------------------------

Send = Callable[[VendorClient, ssl.SSLContext, str, URL], Awaitable[int]]


async def _by_client(client: VendorClient, _: ssl.SSLContext, method: str, url: URL) -> int:
    async with client.request(method, url, json={"a": 1}) as response:
        return response.status


async def _by_middleware(client: VendorClient, trusting: ssl.SSLContext, method: str, url: URL) -> int:
    connector = aiohttp.TCPConnector(ssl=trusting)
    async with (
        aiohttp.ClientSession(middlewares=(client.auth,), connector=connector) as session,
        session.request(method, url, json={"a": 1}) as response,
    ):
        return response.status


def _by_httpx(package: Any) -> Send:
    async def send(client: VendorClient, trusting: ssl.SSLContext, method: str, url: URL) -> int:
        async with package.AsyncClient(
            auth=client.httpx_auth(), verify=trusting, follow_redirects=True, trust_env=False
        ) as session:
            response = await session.request(method, str(url), json={"a": 1})
            return int(response.status_code)

    return send


_WAYS: dict[str, Send] = {
    "aiohttp client": _by_client,
    "aiohttp middleware": _by_middleware,
    "httpx": _by_httpx(httpx),
    "httpx2": _by_httpx(httpx2),
}


# --- where to -------------------------------------------------------------------------------------


@attrs.frozen
class _Route:
    """A vendor, and where it sends its visitors."""

    start: URL
    target: URL
    vendor: Moving
    other: Vendor
    """The same as `vendor` if only the name of the host differs."""
    client: VendorClient
    issuer: Issuer

    def seen_at(self, url: URL) -> list[Seen]:
        everything = [*self.vendor.seen, *(self.other.seen if self.other is not self.vendor else ())]
        return [seen for seen in everything if seen.headers["Host"] == url.authority]


@contextlib.asynccontextmanager
async def _route(code: int, where: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> AsyncIterator[_Route]:
    server, trusting = tls
    issuer, vendor, other = Issuer(), Moving(code, "t1"), Vendor()
    async with contextlib.AsyncExitStack() as stack:
        url = await stack.enter_async_context(
            served(vendor, tls=server if where == "https to http" else None)
        )
        if where == "other host":
            other, foreign = vendor, url.with_host("localhost")
        else:
            foreign = await stack.enter_async_context(
                served(other, tls=server if where == "http to https" else None)
            )
        vendor.table["/start"] = str(foreign / "end")
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting))
        )
        client = await stack.enter_async_context(client_of(issuer, url, headers=SECRETS, session=session))
        yield _Route(url / "start", foreign / "end", vendor, other, client, issuer)


def _shows_a_secret(seen: Seen) -> bool:
    named = any(name in seen.headers for name in ("Authorization", "Cookie", *SECRETS))
    told = (seen.path, *(f"{name}: {value}" for name, value in seen.headers.items() if name != "Host"))
    return named or any(secret in text for secret in _SECRET_TEXT for text in told)


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("where", ["other port", "other host", "https to http", "http to https"])
@pytest.mark.parametrize("code", _CODES)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_redirect(
    method: str, code: int, where: str, way: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """The first origin gets token and headers, the second is reached and gets neither; its 401 renews nothing."""
    async with _route(code, where, tls) as route:
        assert await _WAYS[way](route.client, tls[1], method, route.start) == 401
        (first,) = route.seen_at(route.start)
        assert first.authorization == "Bearer t1"
        assert {name: first.headers[name] for name in SECRETS} == SECRETS
        assert _shows_a_secret(first)
        (second,) = route.seen_at(route.target)
        assert second.path == "/end"
        assert not _shows_a_secret(second)
        assert route.issuer.calls == 1


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("where", ["other port", "other host", "https to http", "http to https"])
async def test_absolute_url(where: str, way: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A foreign origin called by its address gets nothing either; the client itself refuses to send at all."""
    async with _route(302, where, tls) as route:
        if way == "aiohttp client":
            with pytest.raises(OriginError, match="nothing was sent"):
                await _WAYS[way](route.client, tls[1], "GET", route.target)
            assert route.seen_at(route.target) == []
        else:
            assert await _WAYS[way](route.client, tls[1], "GET", route.target) == 401
            (seen,) = route.seen_at(route.target)
            assert not _shows_a_secret(seen)
        assert route.issuer.calls == 0
        assert await _WAYS[way](route.client, tls[1], "GET", route.start.with_path("/own")) == 200
        (own,) = route.seen_at(route.start)
        assert _shows_a_secret(own)


@pytest.mark.parametrize("code", _CODES)
@pytest.mark.parametrize("where", ["other port", "other host", "https to http", "http to https"])
async def test_websocket(code: int, where: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A websocket's handshake that is moved, or goes to a foreign origin at once, takes nothing along."""
    async with _route(code, where, tls) as route:
        connector = aiohttp.TCPConnector(ssl=tls[1])
        async with aiohttp.ClientSession(middlewares=(route.client.auth,), connector=connector) as session:
            for url in (route.start, route.target):
                scheme = {"http": "ws", "https": "wss"}[url.scheme]
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(url.with_scheme(scheme))
                assert caught.value.status == 401
        (first,) = route.seen_at(route.start)
        assert _shows_a_secret(first)
        moved, direct = route.seen_at(route.target)
        assert {moved.headers["Upgrade"], direct.headers["Upgrade"]} == {"websocket"}
        assert not _shows_a_secret(moved)
        assert not _shows_a_secret(direct)
        assert route.issuer.calls == 1


@pytest.mark.parametrize("way", _WAYS)
async def test_there_and_back(way: str, tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    """A to B to A: B sees nothing. What A sees the second time is the follower's rule: aiohttp runs us again."""
    issuer, vendor, other = Issuer(), Moving(307, "t1"), Moving(307, without_token=True)
    async with served(vendor) as url, served(other) as foreign, client_of(issuer, url) as client:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        status = await _WAYS[way](client, tls[1], "GET", url / "start")
    (middle,) = other.seen
    assert not _shows_a_secret(middle)
    again = "Bearer t1" if way.startswith("aiohttp") else None
    assert vendor.tokens == ["Bearer t1", again]
    assert status == (200 if again else 401)
    assert issuer.calls == 1
