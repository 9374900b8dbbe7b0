"""What bounds responses lets all others pass: interim responses, and bodies of any kind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf

import aiohttp
import pytest
from aiohttp import ClientResponse, web
from aiohttp.connector import Connection

from nauth.transport.aiohttp_limits import BoundedResponse, TokenRequest, _announced, read_at_most
from tests.support.http.servers import serve


async def _echo(request: web.Request) -> web.Response:
    return web.Response(body=await request.read())


async def test_a_body_waits_for_100_continue() -> None:
    """A request that asks first sends its body once the server has said "100 Continue", and is answered."""
    async with (
        serve(_echo) as url,
        aiohttp.ClientSession(response_class=BoundedResponse) as session,
        session.post(url, data=b"body", expect100=True) as response,
    ):
        assert await response.read() == b"body"


async def _ten(request: web.Request) -> web.StreamResponse:
    """Send ten bytes: with their length, in chunks, or compressed to fewer."""
    kind = request.path.strip("/")
    if kind == "chunked":
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"aaaaa")
        await response.write(b"aaaaa")
        return response
    plain = web.Response(body=b"a" * (4_000 if kind == "gzip" else 10))
    if kind == "gzip":
        plain.enable_compression(web.ContentCoding.gzip)
    return plain


@pytest.fixture
async def response(request: pytest.FixtureRequest) -> AsyncIterator[ClientResponse]:
    """Return a response of the kind that the test names, unread."""
    async with (
        serve(_ten) as url,
        aiohttp.ClientSession() as session,
        session.get(url.with_path(f"/{request.param}")) as got,
    ):
        yield got


@pytest.mark.parametrize("response", ["plain", "chunked"], indirect=True)
@pytest.mark.parametrize("before", [False, True], ids=["unread", "read before"])
@pytest.mark.parametrize("most, read", [(10, b"a" * 10), (9, None)])
async def test_a_body_up_to_a_limit(
    response: ClientResponse, most: int, read: bytes | None, *, before: bool
) -> None:
    """A body of the limit is returned, and none beyond it, whether a middleware has read it before or not."""
    if before:
        await response.read()
    assert await read_at_most(response, most) == read


@pytest.mark.parametrize("response", ["gzip"], indirect=True)
async def test_a_compressed_body_counts_as_what_it_becomes(response: ClientResponse) -> None:
    """The length that is announced is that of fewer bytes."""
    assert int(response.headers["Content-Length"]) < 100
    assert await read_at_most(response, 100) is None


@pytest.mark.parametrize("response", ["plain"], indirect=True)
async def test_a_length_that_is_none(response: ClientResponse) -> None:
    """A length that cannot be read, or is absurd, is not believed; the body is counted."""
    headers = response.headers.copy()
    for text in ("ten", "0" * 20):
        headers["Content-Length"] = text
        assert _announced(headers) == inf
    assert await read_at_most(response, 10) == b"a" * 10


class _CutOff(TokenRequest):
    """A program cancels what it finds of aiohttp's own tasks, in the turn in which a request is sent."""

    async def send(self, conn: Connection) -> ClientResponse:
        response = await super().send(conn)
        for task in asyncio.all_tasks():
            if "ClientRequest" in repr(task.get_coro()):
                task.cancel()
        return response


async def test_a_body_is_written_where_all_tasks_are_cancelled() -> None:
    """The task in which aiohttp writes a body is not among the tasks that a program finds and cancels at its loop's end."""
    async with (
        asyncio.timeout(10),
        serve(_echo) as url,
        aiohttp.ClientSession(request_class=_CutOff) as session,
        session.post(url, data=b"body") as response,
    ):
        assert await response.read() == b"body"
