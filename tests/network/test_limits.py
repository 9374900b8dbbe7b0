"""Long headers are read, endless ones and endless interim responses are not, and waiting in line is no failure."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from nauth.errors import MalformedResponseError, NotSentError, OutcomeUnknownError
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.network import Network
from tests.support.http.aiohttp_transport import adapter, post
from tests.support.http.forward_proxy import ForwardProxy
from tests.support.http.servers import RawServer, serve
from tests.support.http.vendor import Issuer, Vendor, client_of, served

_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """Make one, and close it."""
    made = adapter()
    yield made
    await made.aclose()


@pytest.mark.parametrize("size, fits", [(20_000, True), (65_000, True), (66_000, False), (300_000, False)])
async def test_header_size(transport: AiohttpTransport, size: int, fits: bool) -> None:
    """Headers of 64 KiB are read, and a longer one is called what it is, without its text."""
    async with RawServer(_OK + b"Set-Cookie: canary" + b"a" * (size - 6) + b"\r\n\r\n") as server:
        if fits:
            assert (await transport.send(post(server.url()))).status == 200
        else:
            with pytest.raises(
                MalformedResponseError, match="a header, or a status line, of more than 65536"
            ) as caught:
                await transport.send(post(server.url()))
            assert "canary" not in str(caught.value)


async def test_header_size_of_requests() -> None:
    """A client's own requests take them as well."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(headers={"X-Long": "a" * 60_000})

    async with (
        served(Vendor("t1", answer=answer)) as url,
        client_of(Issuer(), url) as client,
        client.get("/x") as response,
    ):
        assert len(response.headers["X-Long"]) == 60_000


@pytest.mark.parametrize("count, fits", [(1_000, True), (1_001, False), (200_000, False)])
async def test_interim_responses(transport: AiohttpTransport, count: int, fits: bool) -> None:
    """A thousand interim responses are read, not more."""
    early = b"HTTP/1.1 103 Early Hints\r\n\r\n"
    async with RawServer(early * count + _OK + b"\r\n") as server:
        if fits:
            assert (await transport.send(post(server.url()))).status == 200
        else:
            with pytest.raises(MalformedResponseError, match="only interim responses did, over 1000"):
                await transport.send(post(server.url()))


async def test_interim_responses_to_requests() -> None:
    """The same holds for a client's own requests, whose connection serves on afterwards."""
    async with (
        RawServer(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2_000) as server,
        client_of(Issuer(), server.url()) as client,
    ):
        with pytest.raises(aiohttp.ClientResponseError, match="interim"):
            await client.get("/x")
    async with served(vendor := Vendor("t1")) as url, client_of(Issuer(), url) as client:
        for _ in range(2):
            async with client.get("/x") as response:
                assert response.status == 200
    assert len(vendor.seen) == 2


async def test_waiting_in_line_is_no_failure() -> None:
    """With one connection for all, calls wait for each other longer than each may take to connect and be answered."""

    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(0.1)
        return web.Response()

    async with (
        serve(slow) as url,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        transport = adapter(
            network=Network(session=session), connect=timedelta(seconds=0.3), total=timedelta(seconds=0.4)
        )
        answers = await asyncio.gather(*(transport.send(post(url)) for _ in range(8)))
        await transport.aclose()
    assert [answer.status for answer in answers] == [200] * 8


async def test_no_end_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that does not move is left after a while, and nothing was sent."""
    monkeypatch.setattr("nauth.transport.attempt.QUEUE_S", 0.05)
    async with (
        RawServer(hang=True) as server,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
    ):
        transport = adapter(network=Network(session=session))
        holding = asyncio.ensure_future(session.get(server.url()))
        await server.got_one.wait()
        with pytest.raises(NotSentError, match=r"no connection was free within 0\.05 s"):
            await transport.send(post(server.url()))
        holding.cancel()
        await transport.aclose()


async def test_nothing_sent_while_the_token_is_awaited() -> None:
    """A typed call whose time runs out before its token is there has sent nothing, and says so."""

    async def waits(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        await asyncio.sleep(60)
        return await handler(request)

    async with aiohttp.ClientSession() as session:
        transport = adapter(
            session=lambda: session, middlewares=lambda _: (waits,), total=timedelta(seconds=0.05)
        )
        with pytest.raises(NotSentError, match="before anything was sent"):
            await transport.send(post(URL("https://api.example.com/")))


class TestProxyErrors:
    async def test_unreachable(self, unused_tcp_port: int) -> None:
        """The text names the proxy, and not the vendor, as what cannot be reached."""
        transport = adapter(network=Network(proxy=f"http://me:canary@127.0.0.1:{unused_tcp_port}"))
        with pytest.raises(
            NotSentError, match=rf"no connection to the proxy 127\.0\.0\.1:{unused_tcp_port}: ECONNREFUSED"
        ) as caught:
            await transport.send(post(URL("https://api.example.com/")))
        await transport.aclose()
        assert "canary" not in str(caught.value)

    async def test_not_http(self) -> None:
        """A proxy that answers in another language is told apart from the vendor."""
        async with RawServer(b"220 smtp\r\n\r\n") as server:
            transport = adapter(network=Network(proxy=str(server.url())))
            with pytest.raises(
                NotSentError, match=rf"the proxy 127\.0\.0\.1:{server.port} did not answer in HTTP"
            ):
                await transport.send(post(URL("https://api.example.com/")))
            await transport.aclose()

    async def test_cut_in_the_tunnel(self, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
        """Once the request went through the tunnel, a lost answer is an outcome unknown as ever."""
        ended = asyncio.Event()

        async def cut(request: web.Request) -> web.Response:
            assert request.transport is not None
            request.transport.abort()
            ended.set()
            return web.Response()

        async with ForwardProxy() as proxy, serve(cut, tls=server_tls) as url:
            transport = adapter(network=Network(proxy=proxy.url, ssl_context=client_tls))
            with pytest.raises(OutcomeUnknownError):
                await transport.send(post(url))
            await transport.aclose()
        assert ended.is_set()

    async def test_a_name_that_only_the_proxy_knows(
        self, server_tls: ssl.SSLContext, client_tls: ssl.SSLContext
    ) -> None:
        """With a proxy no name is looked up here; the certificate is checked for the name."""

        async def hello(_: web.Request) -> web.Response:
            return web.Response(text="hello")

        async with serve(hello, tls=server_tls) as url:
            assert url.port is not None
            async with ForwardProxy(
                hosts={"api.example.com": url.port, "other.example.com": url.port}
            ) as proxy:
                transport = adapter(network=Network(proxy=proxy.url, ssl_context=client_tls))
                answer = await transport.send(post(URL("https://api.example.com/")))
                assert answer.body == b"hello"
                with pytest.raises(NotSentError, match="certificate not trusted"):
                    await transport.send(post(URL("https://other.example.com/")))
                await transport.aclose()


async def test_a_typed_call_that_cannot_connect() -> None:
    """On the client's own session too, a handshake that never ends is a connection that was not made."""
    async with RawServer(read=False, hang=True) as server, aiohttp.ClientSession() as session:
        transport = adapter(session=lambda: session, connect=timedelta(seconds=0.05))
        with pytest.raises(NotSentError, match=r"no connection within 0\.05 s \(ConnectionTimeoutError\)"):
            await transport.send(post(server.url(scheme="https")))
