"""What aiohttp does not publish and the core must know: fails where a release of aiohttp has moved it."""

from __future__ import annotations

import asyncio
import io
import ssl
from pathlib import Path

import pytest
from aiohttp import (
    ClientHandlerType,
    ClientPayloadError,
    ClientRequest,
    ClientResponse,
    ClientSession,
    StreamReader,
    TCPConnector,
    web,
)
from aiohttp.base_protocol import BaseProtocol
from aiohttp.payload import PAYLOAD_REGISTRY, IOBasePayload
from aiohttp.test_utils import TestServer

from nauth.transport.aiohttp_private import (
    call_timer,
    close_now,
    connector_tls,
    more_of,
    seekable,
    session_loop,
    session_middlewares,
    session_proxy,
)


@pytest.mark.parametrize("tls", [True, False, ssl.create_default_context()])
async def test_the_tls_setting_of_a_connector(tls: bool | ssl.SSLContext) -> None:
    """What `TCPConnector(ssl=...)` was given is read back, and nothing given is True."""
    async with ClientSession(connector=TCPConnector(ssl=tls)) as session:
        assert connector_tls(session) is tls
    async with ClientSession() as session:
        assert connector_tls(session) is True


async def test_more_of_a_body() -> None:
    """What has come stays unread, and a body that broke off is told."""
    content = StreamReader(BaseProtocol(loop := asyncio.get_running_loop()), limit=100, loop=loop)
    content._protocol.transport = asyncio.Transport()
    more = asyncio.ensure_future(more_of(content))
    await asyncio.sleep(0)
    assert not more.done()
    content.feed_data(b"1")
    await more
    assert content.total_bytes == 1
    content.feed_eof()
    assert await content.read() == b"1"
    content.set_exception(ClientPayloadError("lost"))
    with pytest.raises(ClientPayloadError):
        await more_of(content)


async def test_a_session_without_a_connector_has_no_tls_setting() -> None:
    """A closed session has lost its connector: nothing is switched off there."""
    session = ClientSession()
    await session.close()
    assert connector_tls(session) is True


async def test_the_middlewares_of_a_session() -> None:
    """They are read back in their order; a session made without any has none."""

    async def one(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        return await handler(request)

    async def two(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        return await handler(request)

    async with ClientSession(middlewares=(one, two)) as session:
        assert session_middlewares(session) == (one, two)
    async with ClientSession() as session:
        assert session_middlewares(session) == ()


async def test_all_hops_of_a_call_share_a_timer_and_no_other_call_has_it() -> None:
    """The redirect's request carries the first one's timer; two calls under way at once have two."""
    timers: list[object] = []

    async def moved(_: web.Request) -> web.Response:
        raise web.HTTPFound("/end")

    async def end(_: web.Request) -> web.Response:
        return web.Response()

    async def note(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        timers.append(call_timer(request))
        return await handler(request)

    app = web.Application()
    app.router.add_get("/start", moved)
    app.router.add_get("/end", end)
    async with TestServer(app) as server, ClientSession(middlewares=(note,)) as session:  # noqa: SIM117 - the second call runs within the first
        async with session.get(server.make_url("/start")):
            first, second = timers
            assert first is not None
            assert first is second
            async with session.get(server.make_url("/end")):
                assert timers[2] is not None
                assert timers[2] is not first


def payload_of(value: object) -> IOBasePayload:
    """Return aiohttp's own payload for `value`."""
    payload = PAYLOAD_REGISTRY.get(value)
    assert isinstance(payload, IOBasePayload)
    return payload


async def test_whether_a_body_can_be_read_again(tmp_path: Path) -> None:
    """A real file can; one that cannot seek, a closed one and one that is none cannot."""

    class OneWay(io.BytesIO):
        def seekable(self) -> bool:
            return False

    class NoFile(io.BufferedIOBase):
        seekable = None  # type: ignore[assignment]

    assert seekable(payload_of(io.BytesIO(b"body")))
    assert not seekable(payload_of(OneWay(b"body")))
    closed = io.BytesIO(b"body")
    payload = payload_of(closed)
    closed.close()
    assert not seekable(payload)
    del payload._value
    assert not seekable(payload)


async def test_a_connector_is_closed_without_waiting() -> None:
    """`close_now` closes it in the very call."""
    connector = TCPConnector()
    close_now(connector)
    assert connector.closed


async def test_the_proxy_and_the_loop_of_a_session() -> None:
    """What `ClientSession(proxy=...)` was given is read back; the loop is the one that it was made in."""
    async with ClientSession(proxy="http://p:3128") as session:
        assert session_proxy(session) == ("http://p:3128", None)
        assert session_loop(session) is asyncio.get_running_loop()
    async with ClientSession() as session:
        assert session_proxy(session) == (None, None)
