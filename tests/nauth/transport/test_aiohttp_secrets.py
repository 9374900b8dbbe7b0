"""What leaves the adapter when a call fails: no header, query or body in any text, chain or frame."""

from __future__ import annotations

import asyncio
import pickle
import traceback

import pytest
from aiohttp import ClientRequest, ClientResponse, ClientSession
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Request
from tests.support.http.aiohttp_transport import CANARY, adapter, post
from tests.support.http.servers import RawServer


def shown(error: BaseException) -> str:
    """Return everything an error tracker could print: text, data, chain, and the locals of each frame."""
    report = traceback.TracebackException.from_exception(error, limit=1000, capture_locals=True)
    return "".join([*report.format(), repr(error), repr(error.args), repr(vars(error))])


class TestSecrets:
    @pytest.mark.parametrize(
        "template, kind",
        [
            ("", OutcomeUnknownError),
            ("{}\r\n\r\n", MalformedResponseError),
            ("HTTP/1.1 200 OK\r\n{}\x00: 1\r\n\r\n", MalformedResponseError),
            ("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{}", OutcomeUnknownError),
            ("HTTP/1.1 200 {0}\r\nX-{0}: ", OutcomeUnknownError),
            ("HTTP/1.1 200 OK\r\n\r\n{:x<2000000}", MalformedResponseError),
        ],
        ids=["nothing", "not http", "bad header", "cut body", "cut header", "large"],
    )
    @pytest.mark.parametrize("given", [False, True], ids=["own", "given"])
    async def test_failures_show_nothing(self, template: str, kind: type[NauthError], given: bool) -> None:
        """Neither text, data, chain nor any frame's locals hold a header, a query or a body."""
        async with RawServer(template.format(CANARY).encode()) as server, ClientSession() as session:
            transport = adapter(session=(lambda: session) if given else None)
            with pytest.raises(kind) as caught:
                await transport.send(post(server.url(), body=CANARY.encode()))
            await transport.aclose()

        assert (caught.value.__context__, caught.value.__cause__) == (None, None)
        assert CANARY not in shown(caught.value)
        assert CANARY.encode() not in pickle.dumps(caught.value)

    async def test_never_sent_shows_nothing(self, unused_tcp_port: int) -> None:
        """A refused connection shows host and port, and no more."""
        transport = adapter()
        with pytest.raises(NotSentError, match=f"127.0.0.1:{unused_tcp_port}") as caught:
            await transport.send(post(URL(f"http://127.0.0.1:{unused_tcp_port}/"), body=CANARY.encode()))
        await transport.aclose()

        assert caught.value.__context__ is None
        assert CANARY not in shown(caught.value)

    @pytest.mark.parametrize("tail", ["\r\nX-Evil: 1", "\n", "\x00"])
    @pytest.mark.parametrize("given", [False, True], ids=["own", "given"])
    async def test_unwritable_header(self, tail: str, given: bool) -> None:
        """A credential with a line end or a null is refused, not sent, and not shown."""
        async with RawServer() as server, ClientSession() as session:
            transport = adapter(session=(lambda: session) if given else None)
            request = Request(method="GET", url=server.url(), headers={"X-Key": CANARY + tail})
            with pytest.raises(ConfigurationError, match="stray line end") as caught:
                await transport.send(request)
            await transport.aclose()

        assert CANARY not in shown(caught.value)
        assert server.received == []

    async def test_middlewares_frames(self) -> None:
        """A nauth error that crossed aiohttp leaves aiohttp's frames, and their locals, behind."""

        async def no_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            raise CredentialsRejectedError("no token to be had")

        async with ClientSession() as session:
            transport = adapter(session=lambda: session, middlewares=lambda _: (no_token,))
            with pytest.raises(CredentialsRejectedError) as caught:
                await transport.send(post(URL("http://127.0.0.1/"), body=CANARY.encode()))

        assert CANARY not in shown(caught.value)

    async def test_callers_timeout(self) -> None:
        """A caller's deadline passes through as cancellation, and its chain shows nothing either."""
        transport = adapter()
        async with RawServer(hang=True) as server:
            with pytest.raises(TimeoutError) as caught:
                await _send_until(server.got_one, transport, post(server.url(), body=CANARY.encode()))
            await transport.aclose()

        assert CANARY not in shown(caught.value)

    async def test_cancelled(self) -> None:
        """Cancelling the caller cancels the request, and closes its connection."""
        transport = adapter()
        async with RawServer(hang=True) as server:
            task = asyncio.create_task(transport.send(post(server.url())))
            await server.got_one.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await transport.aclose()

        assert task.cancelled()


async def _send_until(end: asyncio.Event, transport: AiohttpTransport, request: Request) -> None:
    async def expire() -> None:
        await end.wait()
        deadline.reschedule(0)

    async with asyncio.timeout(None) as deadline:
        watcher = asyncio.create_task(expire())
        try:
            await transport.send(request)
        finally:
            await watcher
