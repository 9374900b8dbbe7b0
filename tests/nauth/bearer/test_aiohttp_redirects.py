"""A caller who brought an identity keeps it, or none, to the end of the redirects."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import gc
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.aiohttp_redirects import Calls, remember, remembered
from nauth.manager.token_manager import TokenManager
from tests.support.http.redirects import SECRETS, Moving
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_KINDS = [301, 302, 303, 307, 308]
_OWN = {"Authorization": "Mine own"}
_TIMEOUTS = [aiohttp.ClientTimeout(total=30), aiohttp.ClientTimeout(total=None)]


@pytest.mark.parametrize("limit", _TIMEOUTS)
@pytest.mark.parametrize("status", _KINDS)
async def test_there_and_back(
    manager: TokenManager, issuer: Issuer, status: int, limit: aiohttp.ClientTimeout
) -> None:
    """A to B to A: the header that aiohttp took away at B is not replaced by ours at A; a 401 there renews nothing."""
    vendor, other = Moving(status), Moving(status, without_token=True)
    vendor.good = {"Mine own"}
    async with served(vendor) as url, served(other) as foreign:
        vendor.table = {"/start": "/more", "/more": str(foreign / "middle")}
        other.table["/middle"] = str(url / "end")
        auth = BearerAuth(manager, [url], headers=SECRETS)
        async with aiohttp.ClientSession(middlewares=(auth,), timeout=limit) as session:
            async with session.get(url / "start", headers=_OWN) as response:
                assert response.status == 401
                assert len(response.history) == 3
    assert vendor.tokens == ["Mine own", "Mine own", None]
    assert other.tokens == [None]
    assert issuer.calls == 0


@pytest.mark.parametrize("status", _KINDS)
async def test_begun_elsewhere(manager: TokenManager, issuer: Issuer, status: int) -> None:
    """A header meant for B is no reason to show ours at A, nor further on in the same call."""
    vendor, other = Moving(status, without_token=True), Moving(status)
    other.good = {"Mine own"}
    async with served(vendor) as url, served(other) as foreign:
        other.table["/start"] = str(url / "middle")
        vendor.table["/middle"] = str(url / "end")
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(foreign / "start", headers=_OWN) as response:
                assert await response.text() == "here"
    assert other.tokens == ["Mine own"]
    assert vendor.tokens == [None, None]
    assert issuer.calls == 0


async def test_user_info(manager: TokenManager) -> None:
    """A user name in the URL is an identity like a header."""
    vendor, other = Moving(302), Moving(302, without_token=True)
    vendor.good = {"Basic bWU6cHc="}
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            (await session.get((url / "start").with_user("me").with_password("pw"))).release()
    assert vendor.tokens == ["Basic bWU6cHc=", None]
    assert other.tokens == [None]


async def test_sessions_own_header(manager: TokenManager) -> None:
    """So is a header of the session's."""
    vendor, other = Moving(302), Moving(302, without_token=True)
    vendor.good = {"Mine own"}
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),), headers=_OWN) as session:
            (await session.get(url / "start")).release()
    assert vendor.tokens == ["Mine own", None]


async def test_begun_without_identity(manager: TokenManager) -> None:
    """From B without a header to A is a call like any other: ours is filled in."""
    vendor, other = Moving(302, "t1"), Moving(302, without_token=True)
    async with served(vendor) as url, served(other) as foreign:
        other.table["/start"] = str(url / "end")
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(foreign / "start") as response:
                assert await response.text() == "here"
    assert vendor.tokens == ["Bearer t1"]


@pytest.mark.parametrize("limit", _TIMEOUTS)
async def test_other_calls_are_not_affected(manager: TokenManager, limit: aiohttp.ClientTimeout) -> None:
    """While one call in its caller's identity is on its way, and after it, all others get our token."""
    arrived, gate = asyncio.Event(), asyncio.Event()

    class Slow(Moving):
        async def __call__(self, request: web.Request) -> web.StreamResponse:
            arrived.set()
            await gate.wait()
            return await super().__call__(request)

    vendor, other = Moving(302, "t1"), Slow(302, without_token=True)
    vendor.good.add("Mine own")
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth,), timeout=limit) as session:
            own = asyncio.ensure_future(session.request("GET", url / "start", headers=_OWN))
            await arrived.wait()
            assert len(auth._foreign) == 1
            answers = [await session.get(url / "during") for _ in range(3)]
            gate.set()
            moved = await own
            assert moved.status == 401
            answers += [await session.get(url / "after") for _ in range(3)]
            assert [answer.status for answer in answers] == [200] * 6
    assert vendor.tokens == ["Mine own", *["Bearer t1"] * 3, None, *["Bearer t1"] * 3]


@pytest.mark.parametrize("limit", _TIMEOUTS)
async def test_next_call_of_the_same_task(manager: TokenManager, limit: aiohttp.ClientTimeout) -> None:
    """The next call of the same task gets our token, also while the moved call's answer is still held."""
    vendor = Moving(302, "t1")
    vendor.good.add("Mine own")
    async with served(vendor) as url:
        vendor.table["/start"] = "/end"
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth,), timeout=limit) as session:
            moved = await session.get(url / "start", headers=_OWN)
            assert len(auth._foreign) == len(moved.history) == 1
            (await session.get(url / "next")).release()
    assert vendor.tokens == ["Mine own", "Mine own", "Bearer t1"]


async def test_nothing_is_kept(manager: TokenManager) -> None:
    """The memory goes with the answer; a call that is not moved on leaves none."""
    vendor = Moving(302)
    vendor.good = {"Mine own"}
    async with served(vendor) as url:
        vendor.table["/start"] = "/end"
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            response = await session.get(url / "end", headers=_OWN)
            assert auth._foreign == {}
            for _ in range(10):
                response = await session.get(url / "start", headers=_OWN)
            assert len(response.history) == 1
            gc.collect()
            assert len(auth._foreign) == 1
            del response
            gc.collect()
            assert auth._foreign == {}


async def test_websocket(manager: TokenManager) -> None:
    """A handshake that is moved about follows the same rule."""
    vendor, other = Moving(302), Moving(302, without_token=True)
    vendor.good = {"Mine own"}
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect((url / "start").with_scheme("ws"), headers=_OWN)
    assert vendor.tokens == ["Mine own", None]
    assert other.tokens == [None]


async def test_two_vendors_on_one_session(manager: TokenManager) -> None:
    """The second middleware of a session treats the first one's token as the caller's, and replaces nothing."""
    one, two = Moving(302, "t1"), Vendor("t1")
    second = manager_of(Issuer())
    async with served(one) as url, served(two) as other:
        one.table["/start"] = str(other / "end")
        chain = (BearerAuth(manager, [url]), BearerAuth(second, [other]))
        async with aiohttp.ClientSession(middlewares=chain) as session:
            (await session.get(url / "start")).release()
            (await session.get(other / "direct")).release()
    assert one.tokens == ["Bearer t1"]
    assert two.tokens == [None, "Bearer t1"]
    await second.aclose()


async def test_without_a_timer() -> None:
    """With an aiohttp that does not show its timer the task stands in, while the redirected answer is held."""

    class Answer:
        status = 302

    def request() -> Any:
        return SimpleNamespace()

    calls: Calls = {}
    answer: Any = Answer()
    remember(calls, request(), answer)
    assert remembered(calls, request())

    async def ask() -> bool:
        return remembered(calls, request())

    assert not await asyncio.create_task(ask())
    del answer
    gc.collect()
    assert not remembered(calls, request())
