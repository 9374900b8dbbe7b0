"""One endpoint that refuses every token holds up no recovery elsewhere, and costs no storm of renewals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from nauth.bearer.aiohttp import BearerAuth
from nauth.manager.token_manager import TokenManager
from nauth.testing import FakeClock
from tests.support.http.httpx_kits import KITS, auth_of
from tests.support.http.httpx_kits import client_of as httpx_client
from tests.support.http.vendor import Issuer, manager_of, served

Call: TypeAlias = Callable[..., Awaitable[int]]
Kit: TypeAlias = Callable[[TokenManager, URL], AbstractAsyncContextManager[Call]]


async def _stream() -> AsyncIterator[bytes]:
    yield b"once"


@asynccontextmanager
async def _aiohttp(manager: TokenManager, url: URL) -> AsyncIterator[Call]:
    async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:

        async def call(path: str, *, stream: bool = False) -> int:
            body = _stream() if stream else None
            async with session.request(
                "POST" if stream else "GET", url.with_path(path), data=body
            ) as response:
                return response.status

        yield call


def _httpx(kit: str) -> Kit:
    @asynccontextmanager
    async def opened(manager: TokenManager, url: URL) -> AsyncIterator[Call]:
        async with httpx_client(kit, auth_of(manager, url)) as client:

            async def call(path: str, *, stream: bool = False) -> int:
                options: dict[str, Any] = {"content": _stream()} if stream else {}
                response = await client.request(
                    "POST" if stream else "GET", str(url.with_path(path)), **options
                )
                status: int = response.status_code
                return status

            yield call

    return opened


@pytest.fixture(params=["aiohttp", *KITS])
def kit(request: pytest.FixtureRequest) -> Kit:
    """Each of the three."""
    return _aiohttp if request.param == "aiohttp" else _httpx(request.param)


class Scene:
    """A vendor that takes the newest token, but for paths that begin with /odd, which take none."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.issuer = Issuer()
        self.manager = manager_of(self.issuer, clock=self.clock)
        self.least = 1

    async def answer(self, request: web.Request) -> web.Response:
        await request.read()
        token = request.headers["Authorization"].removeprefix("Bearer t")
        good = int(token) >= self.least and not request.path.startswith("/odd")
        return web.Response(status=200 if good else 401)

    def revoke(self) -> None:
        """Take tokens from the next one on only."""
        self.least = self.issuer.calls + 1


@asynccontextmanager
async def _scene(kit: Kit) -> AsyncIterator[tuple[Scene, Call]]:
    scene = Scene()
    async with served(scene.answer) as url, kit(scene.manager, url) as call:
        yield scene, call
    await scene.manager.aclose()


@pytest.mark.parametrize("after", ["/good", "/other"])
async def test_recovery_goes_on(kit: Kit, after: str) -> None:
    """A token revoked right after the odd endpoint began the pause is renewed at the first 401 elsewhere."""
    async with _scene(kit) as (scene, call):
        assert await call("/good") == 200
        assert await call("/odd") == 401
        assert await call("/good") == 200
        assert scene.issuer.calls == 2
        for _ in range(5):
            scene.revoke()
            assert await call(after) == 200
        assert scene.issuer.calls == 7


async def test_no_storm(kit: Kit) -> None:
    """Ten minutes of both, every five seconds: the odd one costs one renewal a pause, and no good call fails."""
    async with _scene(kit) as (scene, call):
        for _ in range(120):
            assert await call("/good") == 200
            assert await call("/odd") == 401
            scene.clock.advance(5)
        assert scene.issuer.calls <= 1 + 13  # pauses of 10, 20, 40 and then 60 s


@pytest.mark.slow
async def test_no_storm_of_odd_ids(kit: Kit) -> None:
    """A family of odd endpoints costs one renewal more in each pause, and holds up no recovery."""
    async with _scene(kit) as (scene, call):
        for number in range(100):
            assert await call("/good") == 200
            assert await call(f"/odd/{number}") == 401
            scene.clock.advance(3)
        storm = scene.issuer.calls
        assert storm <= 1 + 2 * 8
        scene.revoke()
        assert await call("/good") == 200
        assert scene.issuer.calls == storm + 1


@pytest.mark.parametrize("ids", [False, True])
@pytest.mark.slow
async def test_no_storm_of_streams(kit: Kit, ids: bool) -> None:
    """Requests that cannot be replayed cost no storm either, and the good calls between them do not hide that."""
    async with _scene(kit) as (scene, call):
        for number in range(100):
            assert await call("/good") == 200
            assert await call(f"/odd/{number}" if ids else "/odd", stream=True) == 401
            await scene.manager.token()
            scene.clock.advance(3)
        assert scene.issuer.calls <= 1 + 3 * 8


async def test_streams_recover(kit: Kit) -> None:
    """Where the next token works at the endpoint that refused the last, each later 401 renews at once."""
    async with _scene(kit) as (scene, call):
        assert await call("/up", stream=True) == 200
        for _ in range(5):
            scene.revoke()
            assert await call("/up", stream=True) == 401
            assert await call("/up", stream=True) == 200
        assert scene.issuer.calls == 6


async def test_an_old_401_is_forgotten(kit: Kit) -> None:
    """A 401 to a stream is not held against the endpoint once another token than its successor is in use."""
    async with _scene(kit) as (scene, call):
        assert await call("/good") == 200
        scene.revoke()
        assert await call("/up", stream=True) == 401
        assert await call("/good") == 200
        await scene.manager.renew()
        assert await call("/good") == 200
        scene.revoke()
        assert await call("/up", stream=True) == 401
        assert await call("/up", stream=True) == 200


async def test_everything_refused(kit: Kit) -> None:
    """Where no endpoint takes any token nothing is news: two renewals, as ever."""
    async with _scene(kit) as (scene, call):
        for number in range(50):
            assert await call(f"/odd/{number}") == 401
        assert scene.issuer.calls == 2


async def test_a_replay_that_fails_otherwise(kit: Kit) -> None:
    """A replay that is answered 500 says nothing of the new token: neither a pause begins, nor does it count as accepted."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=500 if request.headers["Authorization"] == "Bearer t2" else 401)

    manager = manager_of(Issuer())
    async with served(answer) as url, kit(manager, url) as call:
        assert await call("/x") == 500
        assert manager.cache.settled is None
        assert (await manager.renew(rejected=await manager.token(), at="GET /x")).authorization == "Bearer t3"
    await manager.aclose()
