"""The first attempt is settled: its connection let go, its upload stopped, and its answer kept readable."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from nauth.bearer import aiohttp_replay as replay
from nauth.bearer.aiohttp_replay import settle
from tests.support.http.servers import RawServer
from tests.support.http.vendor import served


class _Settling:
    """A middleware that settles every answer and hands it back."""

    def __init__(self) -> None:
        self.released: bool | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        await settle(request, response)
        self.released = response.connection is None
        return response


async def _settled(handler: Callable[[web.Request], Any], **options: Any) -> tuple[bytes, int]:
    """Return what is readable of an answer that was settled, and how many connections two such took."""
    ports, body = set(), b""

    async def count(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        answer: web.StreamResponse = await handler(request)
        return answer

    settling = _Settling()
    async with served(count) as url, aiohttp.ClientSession(middlewares=(settling,)) as session:
        for _ in range(2):
            async with session.get(url, **options) as response:
                assert settling.released
                body = await response.read()
        return body, len(ports)


async def test_small_answer_keeps_its_connection() -> None:
    """A small answer is read whole, stays readable, and its connection serves the next request."""

    async def small(_: web.Request) -> web.Response:
        return web.Response(status=401, body=b"x" * 1000)

    assert await _settled(small) == (b"x" * 1000, 1)


async def test_chunked_answer_keeps_its_connection() -> None:
    """So does one that does not say how long it is."""

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=401)
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"one ")
        await response.write(b"two")
        await response.write_eof()
        return response

    assert await _settled(chunked) == (b"one two", 1)


async def test_empty_answer() -> None:
    """There need be nothing to read."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(status=401)

    assert await _settled(empty) == (b"", 1)


async def test_large_answer_is_cut() -> None:
    """Of a large answer the first 64 KiB stay, and the connection goes."""

    async def large(_: web.Request) -> web.Response:
        return web.Response(status=401, body=b"x" * 2_000_000)

    assert await _settled(large) == (b"x" * 65_536, 2)


async def test_every_way_of_reading() -> None:
    """A settled answer can be read as text, as JSON, and as a stream."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"no": "ü"}, status=401)

    async with served(refuse) as url, aiohttp.ClientSession(middlewares=(_Settling(),)) as session:
        async with session.get(url) as response:
            assert not response.content.at_eof()
            assert await response.json() == {"no": "ü"}
            assert await response.text() == '{"no": "\\u00fc"}'
            assert response.content.at_eof()
        async with session.get(url) as response:
            assert b"".join([chunk async for chunk in response.content.iter_any()]) == b'{"no": "\\u00fc"}'
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(url, raise_for_status=True)


async def test_body_already_read() -> None:
    """An answer whose body a vendor's own check has read stays readable."""

    class Reading(_Settling):
        async def __call__(
            self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            async def read(inner: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
                response = await handler(inner)
                await response.read()
                return response

            return await super().__call__(request, read)

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, text="no")

    async with served(refuse) as url, aiohttp.ClientSession(middlewares=(Reading(),)) as session:
        async with session.get(url) as response:
            assert response.content.at_eof()
            assert await response.read() == b"no"


async def test_endless_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that never ends is waited for no longer than the deadline; what came of it stays readable."""
    monkeypatch.setattr(replay, "_SETTLE_S", 0.05)
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    async with (
        RawServer(reply, hang=True) as server,
        aiohttp.ClientSession(middlewares=(_Settling(),)) as session,
    ):
        async with session.get(server.url()) as response:
            assert response.status == 401
            assert await response.read() == b"some"


async def test_answer_that_breaks() -> None:
    """A 401 whose body breaks off still counts as a 401."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    async with RawServer(reply) as server, aiohttp.ClientSession(middlewares=(_Settling(),)) as session:
        async with session.get(server.url()) as response:
            assert response.status == 401
            assert await response.read() in {b"", b"some"}  # aiohttp drops what arrives together with the end


async def test_callers_timeout_is_the_callers() -> None:
    """The caller's own deadline, met while settling, ends the request; it is not taken for ours."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    timeout = aiohttp.ClientTimeout(total=0.1)
    reached: list[str] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await _Settling()(request, handler)
        reached.append("settled")
        return response

    async with RawServer(reply, hang=True) as server, aiohttp.ClientSession(middlewares=(note,)) as session:
        with pytest.raises(TimeoutError):
            await session.get(server.url(), timeout=timeout)
    assert reached == []


async def test_cancelled_while_settling() -> None:
    """A caller cancelled while settling leaves no connection behind."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    waiting = asyncio.Event()

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        waiting.set()
        await settle(request, response)
        raise AssertionError("settled")

    async with RawServer(reply, hang=True) as server, aiohttp.ClientSession(middlewares=(note,)) as session:
        task = asyncio.ensure_future(session.request("GET", server.url()))
        await waiting.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.connector is not None
        assert not session.connector._acquired


@pytest.mark.parametrize("small", [True, False])
async def test_upload_still_running(small: bool) -> None:
    """An upload still running when the 401 comes is stopped, and the same body can be sent whole at once."""
    body = b"x" * 8_000_000
    sizes: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        if not sizes:
            sizes.append(0)
            return web.Response(
                status=401, body=b"n" * (10 if small else 200_000)
            )  # without reading the request
        sizes.append(len(await request.read()))
        return web.Response()

    async def twice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        first = await handler(request)
        assert first.status == 401
        await settle(request, first)
        return await handler(request)

    async with served(handler) as url, aiohttp.ClientSession(middlewares=(twice,)) as session:
        async with asyncio.timeout(20), session.post(url, data=io.BytesIO(body)) as response:
            assert response.status == 200
    assert sizes == [0, len(body)]
