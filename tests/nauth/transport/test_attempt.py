"""What each way of failing is called: never sent, outcome unknown, not understood."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, TCPConnector, web
from yarl import URL

from nauth.clock import SystemClock
from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Answer, Request
from tests.support.http.servers import RawServer, serve

SHORT = timedelta(milliseconds=50)


def adapter(**options: Any) -> AiohttpTransport:
    """Make a transport with the machine's clock."""
    return AiohttpTransport(clock=SystemClock(), user_agent="nauth/test", **options)


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """Make one, and close it."""
    made = adapter()
    yield made
    await made.aclose()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """Make a certificate authority that no client trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a server with a certificate for 127.0.0.1."""
    return _server_side(authority, "127.0.0.1")


@pytest.fixture(scope="session")
def tls_of_another(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a server with a certificate for some other host."""
    return _server_side(authority, "other.example")


@pytest.fixture(scope="session")
def trusting(authority: trustme.CA) -> ssl.SSLContext:
    """Make the context of a client that trusts the authority."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def _server_side(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def hello(_: web.Request) -> web.Response:
    """Answer."""
    return web.Response(text="hello")


async def post(transport: AiohttpTransport, url: URL) -> Answer:
    """Send something small."""
    return await transport.send(Request(method="POST", url=url, body=b"{}"))


class TestNotSent:
    async def test_refused(self, transport: AiohttpTransport, unused_tcp_port: int) -> None:
        """A closed port has seen nothing; the text names host, port, reason and class."""
        with pytest.raises(NotSentError) as caught:
            await post(transport, URL(f"http://127.0.0.1:{unused_tcp_port}/"))

        text = str(caught.value)
        assert f"nothing was sent to 127.0.0.1:{unused_tcp_port}" in text
        assert "ECONNREFUSED (ClientConnectorError)" in text
        assert "trying again is safe" in text

    async def test_unknown_host(self, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
        """A name that does not resolve was never reached."""

        async def nobody(*args: Any, **kwargs: Any) -> Any:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", nobody)

        with pytest.raises(NotSentError, match=r"api\.example\.invalid:443: host name not found"):
            await post(transport, URL("https://api.example.invalid/"))

    async def test_silent_handshake(self) -> None:
        """A server that accepts and never completes the handshake runs into the connect deadline."""
        transport = adapter(connect=SHORT)
        async with RawServer(read=False, hang=True) as server:
            with pytest.raises(NotSentError, match=r"no connection within 0\.05 s"):
                await post(transport, server.url(scheme="https"))
            await transport.aclose()

    async def test_total_deadline_while_connecting(self) -> None:
        """The total deadline may end the attempt before anything was sent, and then says so."""
        transport = adapter(total=SHORT)
        async with RawServer(read=False, hang=True) as server:
            with pytest.raises(NotSentError, match="before anything was sent"):
                await post(transport, server.url(scheme="https"))
            await transport.aclose()

    async def test_untrusted_certificate(self, transport: AiohttpTransport, tls: ssl.SSLContext) -> None:
        """A certificate of an unknown authority ends it before a byte of the request is sent."""
        async with serve(hello, tls=tls) as url:
            with pytest.raises(NotSentError, match="TLS certificate not trusted: unable to get local issuer"):
                await post(transport, url)

    async def test_certificate_of_another(
        self, tls_of_another: ssl.SSLContext, trusting: ssl.SSLContext
    ) -> None:
        """A trusted certificate for another name is as bad."""
        async with (
            serve(hello, tls=tls_of_another) as url,
            ClientSession(connector=TCPConnector(ssl=trusting)) as session,
        ):
            with pytest.raises(NotSentError, match=r"TLS certificate not trusted: .*mismatch"):
                await post(adapter(session=lambda: session), url)

    async def test_another_fingerprint(self, tls: ssl.SSLContext) -> None:
        """A pinned certificate that was exchanged is not trusted."""
        async with (
            serve(hello, tls=tls) as url,
            ClientSession(connector=TCPConnector(ssl=aiohttp.Fingerprint(bytes(32)))) as session,
        ):
            with pytest.raises(NotSentError, match="fingerprint"):
                await post(adapter(session=lambda: session), url)

    async def test_no_tls_there(self, transport: AiohttpTransport) -> None:
        """Speaking https to a port that speaks plain http fails in the handshake."""
        async with serve(hello) as url:
            with pytest.raises(NotSentError, match=r"TLS handshake failed: \w+ "):
                await post(transport, url.with_scheme("https").with_port(url.port))

    async def test_hung_up_amid_the_handshake(self, transport: AiohttpTransport) -> None:
        """A server that ends the handshake without a word is not called unreachable."""
        async with RawServer(read=False) as server:
            with pytest.raises(NotSentError, match="closed by the other side during the TLS handshake"):
                await post(transport, server.url(scheme="https"))

    @pytest.mark.parametrize("alert", ["TLSV13_ALERT_CERTIFICATE_REQUIRED", "TLSV1_ALERT_UNKNOWN_CA"])
    async def test_a_client_certificate_is_wanted(
        self, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch, alert: str
    ) -> None:
        """TLS 1.3 says so when the request is on its way, and the server has dropped that unread."""
        refused = ssl.SSLError(1, "alert")
        refused.reason = alert

        async def refuse(*_: object) -> None:
            raise refused

        monkeypatch.setattr(aiohttp.client_proto.ResponseHandler, "read", refuse)
        async with serve(hello) as url:
            with pytest.raises(
                NotSentError, match=rf"refused the TLS handshake: {alert}.*client certificate"
            ):
                await post(transport, url)

    async def test_another_alert(self, transport: AiohttpTransport, monkeypatch: pytest.MonkeyPatch) -> None:
        """Any other alert may come at any time, and leaves the outcome open."""
        broken = ssl.SSLError(1, "alert")
        broken.reason = "TLSV1_ALERT_INTERNAL_ERROR"

        async def breaks(*_: object) -> None:
            raise broken

        monkeypatch.setattr(aiohttp.client_proto.ResponseHandler, "read", breaks)
        async with serve(hello) as url:
            with pytest.raises(OutcomeUnknownError, match="the connection broke"):
                await post(transport, url)

    async def test_proxy_refuses(self) -> None:
        """A proxy that will not connect has passed nothing on."""
        async with (
            RawServer(b"HTTP/1.1 502 No\r\nContent-Length: 0\r\n\r\n") as proxy,
            ClientSession(proxy=proxy.url()) as session,
        ):
            with pytest.raises(NotSentError, match=rf"the proxy 127\.0\.0\.1:{proxy.port} answered 502"):
                await post(adapter(session=lambda: session), URL("https://api.example.com/"))

    async def test_trusted_certificate(self, tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
        """The same server is answered once its authority is trusted: the tests above fail for their reason."""
        async with (
            serve(hello, tls=tls) as url,
            ClientSession(connector=TCPConnector(ssl=trusting)) as session,
        ):
            answer = await post(adapter(session=lambda: session), url)

        assert answer.body == b"hello"


class TestOutcomeUnknown:
    @pytest.mark.parametrize(
        "sent_back, read",
        [(b"", False), (b"", True), (b"HTTP/1.1 200 OK\r\nContent-", True)],
        ids=["at once", "after the request", "inside the headers"],
    )
    async def test_dropped(self, transport: AiohttpTransport, sent_back: bytes, read: bool) -> None:
        """A connection that breaks once the request may be out leaves the outcome open."""
        async with RawServer(sent_back, read=read) as server:
            with pytest.raises(OutcomeUnknownError) as caught:
                await post(transport, server.url())

        text = str(caught.value)
        assert f"the answer of 127.0.0.1:{server.port} was lost: the connection broke" in text
        assert "while waiting for the answer" in text
        assert "may or may not have acted" in text
        assert caught.value.status is None

    @pytest.mark.parametrize(
        "rest",
        [b"Content-Length: 10\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n8\r\nhalf"],
        ids=["length", "chunked"],
    )
    async def test_cut_body(self, transport: AiohttpTransport, rest: bytes) -> None:
        """An answer that ends early is lost, though its status is known."""
        async with RawServer(b"HTTP/1.1 201 OK\r\nX-Request-Id: r9\r\n" + rest) as server:
            with pytest.raises(OutcomeUnknownError, match="while reading the answer") as caught:
                await post(transport, server.url())

        assert (caught.value.status, caught.value.request_id) == (201, "r9")

    @pytest.mark.parametrize(
        "sent_back, phase",
        [(b"", "waiting for"), (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "reading")],
    )
    async def test_too_slow(self, sent_back: bytes, phase: str) -> None:
        """A server that stops talking runs into the total deadline."""
        # long enough to connect and send, even on a busy machine: else nothing was sent, which is another error
        transport = adapter(total=timedelta(seconds=0.5))
        async with RawServer(sent_back, hang=True) as server:
            with pytest.raises(OutcomeUnknownError, match=rf"within 0\.5 s while {phase} the answer"):
                await post(transport, server.url())
            await transport.aclose()

    async def test_too_slow_on_the_clients_session(self) -> None:
        """On the client's session nothing proves that nothing was sent, so the outcome is open."""
        async with RawServer(read=False, hang=True) as server, ClientSession() as session:
            with pytest.raises(OutcomeUnknownError, match="TimeoutError"):
                await post(adapter(session=lambda: session, total=SHORT), server.url(scheme="https"))


class TestValueErrors:
    @pytest.mark.parametrize("sends_first", [False, True], ids=["before sending", "after the response"])
    async def test_a_middlewares_own(self, *, sends_first: bool) -> None:
        """A ValueError of a middleware of the user's passes through as it is: it says nothing of the request's headers."""

        async def faulty(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            if sends_first:
                await handler(request)
            raise ValueError("the user's own")

        async with serve(hello) as url, ClientSession(middlewares=(faulty,)) as session:
            with pytest.raises(ValueError, match="the user's own"):
                await post(adapter(session=lambda: session), url)

    async def test_of_a_second_sending(self) -> None:
        """A header that cannot be written is told of, also where a middleware sends the request again."""

        async def twice(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            response = await handler(request)
            await response.read()
            request.headers["X-Second"] = "a\nb"
            return await handler(request)

        async with serve(hello) as url, ClientSession(middlewares=(twice,)) as session:
            with pytest.raises(ConfigurationError, match="holds a line break"):
                await post(adapter(session=lambda: session), url)


class TestMalformed:
    @pytest.mark.parametrize(
        "sent_back, status",
        [
            (b"220 smtp.example.com ESMTP\r\n\r\n", None),
            (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", 200),
        ],
        ids=["not http", "not gzip"],
    )
    async def test_not_http(self, transport: AiohttpTransport, sent_back: bytes, status: int | None) -> None:
        """Something that answers, but not in HTTP, is reported as such."""
        async with RawServer(sent_back) as server:
            with pytest.raises(MalformedResponseError, match="not well-formed HTTP") as caught:
                await post(transport, server.url())

        assert caught.value.status == status


@pytest.mark.parametrize("error", [NotSentError, OutcomeUnknownError, MalformedResponseError])
def test_kinds(error: type[NauthError]) -> None:
    """None of the kinds is an OSError: aiohttp would take it for its own and send again."""
    assert not issubclass(error, OSError)
