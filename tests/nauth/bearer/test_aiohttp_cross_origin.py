"""A redirect to another origin takes nothing along; one inside the origin keeps the token."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import ssl

import aiohttp
import pytest

from nauth.bearer.aiohttp import BearerAuth
from nauth.manager.token_manager import TokenManager
from tests.support.http.redirects import SECRETS, Moving, is_clean
from tests.support.http.vendor import Vendor, served

_KINDS = [301, 302, 303, 307, 308]


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", _KINDS)
async def test_other_origin(manager: TokenManager, status: int, method: str) -> None:
    """Another port sees neither the token nor the vendor's headers."""
    vendor, other = Moving(status, "t1"), Vendor()
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "end")
        auth = BearerAuth(manager, [url], headers=SECRETS)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            async with session.request(method, url / "start") as response:
                assert response.status == 401
    assert vendor.tokens == ["Bearer t1"]
    assert len(other.seen) == 1
    assert is_clean(other)


@pytest.mark.parametrize("status", _KINDS)
async def test_callers_authorization_is_not_replaced_by_ours(manager: TokenManager, status: int) -> None:
    """Aiohttp strips the caller's own header on the way out; ours is not filled in for the stranger."""
    vendor, other = Moving(status, "t1"), Vendor()
    vendor.good.add("Mine own")
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "end")
        auth = BearerAuth(manager, [url], headers=SECRETS)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            (await session.get(url / "start", headers={"Authorization": "Mine own"})).release()
    assert vendor.tokens == ["Mine own"]
    assert len(other.seen) == 1
    assert is_clean(other)


@pytest.mark.parametrize("status", _KINDS)
async def test_same_origin(manager: TokenManager, status: int) -> None:
    """A redirect inside the origin keeps token and headers, written relative or absolute."""
    vendor = Moving(status, "t1")
    async with served(vendor) as url:
        vendor.table = {"/start": "/middle", "/middle": str(url / "end")}
        auth = BearerAuth(manager, [url], headers=SECRETS)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            async with session.get(url / "start") as response:
                assert await response.text() == "here"
    assert vendor.tokens == ["Bearer t1"] * 3
    assert [seen.headers["accountId"] for seen in vendor.seen] == [SECRETS["accountId"]] * 3


@pytest.mark.parametrize("status", _KINDS)
async def test_there_and_back(manager: TokenManager, status: int) -> None:
    """A to B to A: the token goes to A both times, and never to B."""
    vendor, other = Moving(status, "t1"), Moving(status, without_token=True)
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        auth = BearerAuth(manager, [url], headers=SECRETS)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            async with session.get(url / "start") as response:
                assert await response.text() == "here"
    assert vendor.tokens == ["Bearer t1"] * 2
    assert len(other.seen) == 1
    assert is_clean(other)


@pytest.mark.parametrize("status", _KINDS)
async def test_to_plain_http(
    manager: TokenManager, tls: ssl.SSLContext, trusting: ssl.SSLContext, status: int
) -> None:
    """From https to http is another origin, on the same host too."""
    vendor, plain = Moving(status, "t1"), Vendor()
    async with served(vendor, tls=tls) as url, served(plain) as bare:
        vendor.table["/start"] = str(bare / "end")
        auth = BearerAuth(manager, [url], headers=SECRETS)
        connector = aiohttp.TCPConnector(ssl=trusting)
        async with aiohttp.ClientSession(middlewares=(auth,), connector=connector) as session:
            (await session.get(url / "start")).release()
    assert vendor.tokens == ["Bearer t1"]
    assert len(plain.seen) == 1
    assert is_clean(plain)


async def test_redirect_after_a_401(manager: TokenManager) -> None:
    """The token renewed on one hop is the next hop's, and a stranger's 401 renews nothing."""
    vendor, other = Moving(307, "t1"), Vendor()
    vendor.good = {"Bearer t2"}
    async with served(vendor) as url, served(other) as foreign:
        vendor.table = {"/start": "/middle", "/middle": str(foreign / "end")}
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(url / "start") as response:
                assert response.status == 401
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2"]
    assert is_clean(other)


async def test_redirects_off(manager: TokenManager) -> None:
    """allow_redirects=False hands the redirect itself back."""
    vendor = Moving(302, "t1")
    async with served(vendor) as url:
        vendor.table["/start"] = "/end"
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(url / "start", allow_redirects=False) as response:
                assert response.status == 302
    assert len(vendor.seen) == 1
