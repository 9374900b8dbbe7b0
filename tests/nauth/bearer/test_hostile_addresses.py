"""Addresses that look like the vendor's: the token goes where the request really goes to the vendor, and only there."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import socket

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from nauth.bearer.aiohttp import BearerAuth
from nauth.manager.token_manager import TokenManager
from tests.support.http.vendor import Issuer, Vendor, served


class _Everywhere(AbstractResolver):
    """Say that every name lives at one port of 127.0.0.1."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host="127.0.0.1", port=self._port, family=socket.AF_INET, proto=0, flags=0
            )
        ]

    async def close(self) -> None:
        """Do nothing."""


async def _token_shown(manager: TokenManager, origin: str, target: str) -> tuple[str | None, str]:
    """Return what a request for `target` carried, and the host that it was for."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        assert url.port is not None
        connector = aiohttp.TCPConnector(resolver=_Everywhere(url.port))
        auth = BearerAuth(manager, [URL(origin)])
        async with aiohttp.ClientSession(middlewares=(auth,), connector=connector) as session:
            (await session.get(target)).release()
    (seen,) = vendor.seen
    return seen.authorization, seen.headers["Host"]


@pytest.mark.parametrize(
    "origin,target",
    [
        ("http://api.example", "http://api.example/x"),
        ("http://api.example", "HTTP://API.Example/x"),
        ("http://api.example", "http://api.example:80/x"),
        ("http://api.example:80/v1", "http://api.example/x"),
        ("http://API.example", "http://api.example/x"),
        ("http://api.example:8080", "http://api.example:8080/x"),
        ("http://api.example", "http://api.example/../%2e%2e/x"),
        ("http://api.example", "http://api.example/@evil.example"),
        ("http://bücher.example", "http://xn--bcher-kva.example/x"),
        ("http://xn--bcher-kva.example", "http://BÜCHER.example/x"),
    ],
)
async def test_same_origin_in_other_words(manager: TokenManager, origin: str, target: str) -> None:
    """Case, a default port and the two spellings of a name make no difference."""
    shown, host = await _token_shown(manager, origin, target)
    assert shown == "Bearer t1"
    assert URL(f"http://{host}").raw_host == URL(origin).raw_host


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example/x",
        "http://api.example:81/x",
        "http://api.example.evil.example/x",
        "http://evil.example/api.example",
        "http://evil.example/?@api.example",
        "http://evil.example/#@api.example",
        "http://evil-api.example/x",
        "http://аpi.example/x",  # noqa: RUF001 - a Cyrillic letter is the point
        "http://apı.example/x",  # noqa: RUF001 - so is a dotless i
        "http://api.example%2eevil.example/x",
        "http://api-example/x",
    ],
)
async def test_lookalike(manager: TokenManager, issuer: Issuer, target: str) -> None:
    """What only looks like the origin gets a request without a token."""
    shown, host = await _token_shown(manager, "http://api.example", target)
    assert shown is None
    assert host != "api.example"
    assert issuer.calls == 0


@pytest.mark.parametrize(
    "target", ["http://api.example@evil.example/x", "http://api.example:80@evil.example/x"]
)
async def test_user_info_is_no_host(manager: TokenManager, issuer: Issuer, target: str) -> None:
    """What stands before the @ is a user name, and goes to the host behind it as such."""
    shown, host = await _token_shown(manager, "http://api.example", target)
    assert shown is not None
    assert shown.startswith("Basic ")
    assert host == "evil.example"
    assert issuer.calls == 0


async def test_trailing_dot(manager: TokenManager, issuer: Issuer) -> None:
    """A name with a dot at its end is looked up otherwise, so it is another origin, though aiohttp hides the dot."""
    assert await _token_shown(manager, "http://api.example", "http://api.example./x") == (None, "api.example")
    assert issuer.calls == 0


@pytest.mark.parametrize(
    "target",
    [
        "http://evil.example\\@api.example/x",
        "http://api.example\\.evil.example/x",
        "http:\\\\api.example/x",
        "//evil.example/x",
        "http:///x",
        "http://api.example:99999/x",
    ],
)
async def test_unreadable(manager: TokenManager, issuer: Issuer, target: str) -> None:
    """Backslashes, a missing scheme and the like are refused by aiohttp before any request or sign-in is sent."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        assert url.port is not None
        connector = aiohttp.TCPConnector(resolver=_Everywhere(url.port))
        auth = BearerAuth(manager, [URL("http://api.example")])
        async with aiohttp.ClientSession(middlewares=(auth,), connector=connector) as session:
            with pytest.raises((aiohttp.InvalidURL, ValueError, AssertionError)):  # the last without a scheme
                await session.get(target)
    assert vendor.seen == []
    assert issuer.calls == 0


@pytest.mark.parametrize(
    "target,shown",
    [
        ("http://[::1]:8080/x", "Bearer t1"),
        ("http://[0:0:0:0:0:0:0:1]:8080/x", "Bearer t1"),
        ("ws://[::1]:8080/x", "Bearer t1"),
        ("http://[::1]/x", None),
        ("http://[::2]:8080/x", None),
        ("http://[::ffff:127.0.0.1]:8080/x", None),
        ("https://[::1]:8080/x", None),
    ],
)
async def test_ipv6(manager: TokenManager, target: str, shown: str | None) -> None:
    """An IPv6 origin is the same in all its spellings, and nothing else is."""
    vendor = Vendor("t1")
    async with served(vendor) as url:

        async def deliver(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            request.url = url  # not every machine has an IPv6 loopback
            return await handler(request)

        auth = BearerAuth(manager, [URL("http://[::1]:8080")])
        async with aiohttp.ClientSession(middlewares=(auth, deliver)) as session:
            (await session.get(target)).release()
    assert vendor.tokens == [shown]


async def test_websocket_always_refused(manager: TokenManager, issuer: Issuer) -> None:
    """A handshake that is refused with the new token too is the caller's 401, after one renewal."""
    vendor = Vendor()
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            for _ in range(3):
                with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                    await session.ws_connect(url.with_scheme("ws"))
                assert caught.value.status == 401
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t2"]
    assert issuer.calls == 2
