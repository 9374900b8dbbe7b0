"""The adapter: its sessions, its limits, and what leaves it."""

from __future__ import annotations

import asyncio
import copy
import gc
import gzip
import json
import pickle
import traceback
import warnings
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientRequest, ClientResponse, ClientSession, web
from aiohttp.client_middlewares import ClientHandlerType
from aioresponses import aioresponses
from yarl import URL

from nauth.aiohttp_transport import AiohttpTransport
from nauth.clock import SystemClock
from nauth.errors import (
    ClosedError,
    ConfigurationError,
    CredentialsRejectedError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.testing.clock import FakeClock
from nauth.transport import Request
from tests.fakes.servers import RawServer, serve

CANARY = "canary-9b27"
MIB = 1 << 20


def adapter(**options: Any) -> AiohttpTransport:
    """Make a transport with the machine's clock."""
    options.setdefault("clock", SystemClock())
    return AiohttpTransport(user_agent="nauth/test", **options)


def post(url: URL, *, body: bytes | None = b"{}", **headers: str) -> Request:
    """Make a request whose header and query are secrets."""
    return Request(
        method="POST", url=url.with_query(q=CANARY), headers={"Authorization": CANARY} | headers, body=body
    )


async def echo(request: web.Request) -> web.Response:
    """Answer with what came in."""
    return web.json_response(
        {
            "method": request.method,
            "headers": dict(request.headers),
            "body": (await request.read()).decode(),
        },
        headers={"X-Request-Id": "r1", "Set-Cookie": "session=1"},
    )


async def reply(transport: AiohttpTransport, request: Request) -> dict[str, Any]:
    """Send and decode what `echo` answered."""
    answer = await transport.send(request)
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded


class TestOwnSession:
    async def test_whole_exchange(self) -> None:
        """Method, headers and body arrive as given; status, headers and body come back."""
        transport = adapter()
        async with serve(echo) as url:
            request = Request(method="PUT", url=url, headers={"X-Account": "1"}, body=b"abc")
            answer = await transport.send(request)
            seen = await reply(transport, request)
        await transport.aclose()

        assert (answer.status, answer.request_id, answer.content_type) == (200, "r1", "application/json")
        assert (seen["method"], seen["body"], seen["headers"]["X-Account"]) == ("PUT", "abc", "1")
        assert seen["headers"]["User-Agent"] == "nauth/test"
        assert "Content-Type" not in seen["headers"]

    async def test_keeps_nothing_between_calls(self) -> None:
        """A cookie is not sent back, and a connection is not used twice."""
        transport = adapter()
        ports = set()

        async def handler(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            ports.add(request.transport.get_extra_info("peername"))
            return await echo(request)

        async with serve(handler) as url:
            await transport.send(post(url.with_host("localhost")))
            seen = await reply(transport, post(url.with_host("localhost")))
        await transport.aclose()

        assert "Cookie" not in seen["headers"]
        assert seen["headers"]["Connection"] == "close"
        assert len(ports) == 2

    async def test_own_user_agent(self) -> None:
        """A request that names its own user agent keeps it, in whatever case."""
        transport = adapter()
        async with serve(echo) as url:
            request = Request(method="GET", url=url, headers={"user-agent": "mine"})
            seen = await reply(transport, request)
        await transport.aclose()

        assert {k.lower(): v for k, v in seen["headers"].items()}["user-agent"] == "mine"

    @pytest.mark.parametrize("status", [201, 301, 400, 401, 403, 429, 500, 503])
    async def test_any_status_is_an_answer(self, status: int) -> None:
        """No status is an error here: what it means is the vendor's."""

        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=status, text="why")

        transport = adapter()
        async with serve(handler) as url:
            answer = await transport.send(post(url))
        await transport.aclose()

        assert (answer.status, answer.body) == (status, b"why")

    async def test_redirect_is_not_followed(self) -> None:
        """A 307 comes back as it is; its target never sees the body with the secret."""
        reached: list[bytes] = []

        async def elsewhere(request: web.Request) -> web.Response:
            reached.append(await request.read())
            return web.Response()

        async with serve(elsewhere) as target:

            async def redirect(_: web.Request) -> web.Response:
                return web.Response(status=307, headers={"Location": str(target)})

            transport = adapter()
            async with serve(redirect) as url:
                answer = await transport.send(post(url, body=CANARY.encode()))
            await transport.aclose()

        assert (answer.status, reached) == (307, [])

    async def test_plain_http_to_elsewhere(self) -> None:
        """A credential is not carried over the network in the clear: nothing is even looked up."""
        transport = adapter()

        with pytest.raises(ConfigurationError, match=r"http to api\.example\.com:80"):
            await transport.send(post(URL("http://api.example.com/")))

        assert repr(transport) == "AiohttpTransport(sessions=0)"

    async def test_a_lost_get_is_not_repeated_behind_our_back(self) -> None:
        """The second try that aiohttp makes of a GET does not happen: whether to repeat is decided above."""
        transport = adapter()
        async with RawServer() as server:
            with pytest.raises(OutcomeUnknownError):
                await transport.send(Request(method="GET", url=server.url()))
            await transport.aclose()

        assert len(server.received) == 1


class TestLimits:
    @pytest.mark.parametrize("packed", [False, True])
    async def test_body_of_just_the_limit(self, packed: bool) -> None:
        """An answer of exactly the limit is read, compressed or not."""

        async def handler(_: web.Request) -> web.Response:
            response = web.Response(body=b"a" * MIB)
            if packed:
                response.enable_compression()
            return response

        transport = adapter()
        async with serve(handler) as url:
            answer = await transport.send(post(url))
        await transport.aclose()

        assert len(answer.body) == MIB
        assert ("Content-Encoding" in answer.headers) is packed

    @pytest.mark.parametrize(
        "body, headers",
        [
            (CANARY.encode() * (MIB // len(CANARY) + 1), {}),
            (gzip.compress(b"a" * (64 * MIB)), {"Content-Encoding": "gzip"}),
        ],
        ids=["plain", "bomb"],
    )
    async def test_larger_body(self, body: bytes, headers: dict[str, str]) -> None:
        """An answer beyond the limit is refused, however small it was on the wire."""

        async def handler(_: web.Request) -> web.Response:
            return web.Response(body=body, headers=headers | {"X-Request-Id": "r2"}, status=201)

        transport = adapter()
        async with serve(handler) as url:
            with pytest.raises(MalformedResponseError, match="larger than 1048576 bytes") as caught:
                await transport.send(post(url))
        await transport.aclose()

        assert (caught.value.status, caught.value.request_id) == (201, "r2")

    @pytest.mark.parametrize("option", ["connect", "total", "max_body"])
    def test_useless_limits(self, option: str) -> None:
        """A limit of nothing is a mistake, told when it is made, and nothing is left to close."""
        zero = 0 if option == "max_body" else timedelta(0)

        with pytest.raises(ConfigurationError, match=option):
            adapter(**{option: zero})


class TestStamps:
    async def test_after_connecting_before_sending(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The stamps are of the moment of sending: connecting lies before, the vendor's work after."""
        clock = FakeClock(mono=100.0, wall=5000.0)
        loop = asyncio.get_running_loop()
        look_up, looks = loop.getaddrinfo, 0

        async def slow_look_up(*args: Any, **kwargs: Any) -> Any:
            nonlocal looks
            looks += 1  # uvloop looks an address up once more to connect to it
            clock.advance(3)
            return await look_up(*args, **kwargs)

        async def slow_handler(request: web.Request) -> web.Response:
            clock.advance(7)
            return await echo(request)

        monkeypatch.setattr(loop, "getaddrinfo", slow_look_up)
        transport = adapter(clock=clock)
        async with serve(slow_handler) as url:
            answer = await transport.send(post(url.with_host("localhost")))
        await transport.aclose()

        assert looks
        assert (answer.sent_mono, answer.sent_wall) == (100.0 + 3 * looks, 5000.0 + 3 * looks)

    async def test_on_the_clients_session(self) -> None:
        """On the client's session time spent in middlewares lies before the stamps."""
        clock = FakeClock(mono=100.0, wall=5000.0)

        async def waits_for_a_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            clock.advance(2)
            return await handler(request)

        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(clock=clock, session=lambda: session, middlewares=(waits_for_a_token,))
            answer = await transport.send(post(url))

        assert (answer.sent_mono, answer.sent_wall) == (102.0, 5002.0)


class TestClientsSession:
    async def test_used_as_it_is_and_left_open(self) -> None:
        """The client's session keeps its user agent, its connection and its life."""
        ports = set()

        async def handler(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            ports.add(request.transport.get_extra_info("peername"))
            return await echo(request)

        async with serve(handler) as url, ClientSession(headers={"User-Agent": "theirs"}) as session:
            transport = adapter(session=lambda: session)
            await transport.send(post(url))
            seen = await reply(transport, post(url))
            await transport.aclose()

            assert not session.closed
        assert seen["headers"]["User-Agent"] == "theirs"
        assert len(ports) == 1

    async def test_user_agent(self) -> None:
        """Ours is sent where the session names none."""
        async with serve(echo) as url, ClientSession() as session:
            seen = await reply(adapter(session=lambda: session), post(url))

        assert seen["headers"]["User-Agent"] == "nauth/test"

    async def test_raise_for_status_is_overruled(self) -> None:
        """A session told to raise for statuses still lets the vendor see the answer."""

        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=401)

        async with serve(handler) as url, ClientSession(raise_for_status=True) as session:
            answer = await adapter(session=lambda: session).send(post(url))

        assert answer.status == 401

    async def test_middlewares_replace_the_sessions(self) -> None:
        """The given middlewares run, the session's own do not."""
        ran: list[str] = []

        def middleware(name: str) -> Callable[[ClientRequest, ClientHandlerType], Awaitable[ClientResponse]]:
            async def run(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
                ran.append(name)
                return await handler(request)

            return run

        async with serve(echo) as url, ClientSession(middlewares=(middleware("session"),)) as session:
            transport = adapter(session=lambda: session, middlewares=(middleware("given"),))
            await transport.send(post(url))

        assert ran == ["given"]

    async def test_nauth_errors_pass_through(self) -> None:
        """An error a middleware raises arrives as the same object."""
        raised = CredentialsRejectedError("no token to be had")

        async def no_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            raise raised

        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(session=lambda: session, middlewares=(no_token,))
            with pytest.raises(CredentialsRejectedError) as caught:
                await transport.send(post(url))

        assert caught.value is raised

    async def test_stale_connection_is_replaced(self) -> None:
        """There aiohttp may repeat a GET once: its connection may have been closed while idle."""
        async with RawServer() as server, ClientSession() as session:
            with pytest.raises(OutcomeUnknownError):
                await adapter(session=lambda: session).send(Request(method="GET", url=server.url()))

        assert len(server.received) == 2

    async def test_closed(self) -> None:
        """A closed session is told as such."""
        session = ClientSession()
        await session.close()

        with pytest.raises(ClosedError, match="the session is closed"):
            await adapter(session=lambda: session).send(post(URL("http://127.0.0.1/")))


class TestLife:
    def test_two_loops_one_after_the_other(self) -> None:
        """One transport serves several `asyncio.run` calls; what dead loops left is dropped in silence."""
        transport = adapter()

        async def once(*, close: bool) -> int:
            async with serve(echo) as url:
                answer = await transport.send(post(url))
            if close:
                await transport.aclose()
            return answer.status

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert [asyncio.run(once(close=False)) for _ in range(2)] == [200, 200]
            assert repr(transport) == "AiohttpTransport(sessions=1)"
            assert asyncio.run(once(close=True)) == 200
            assert repr(transport) == "AiohttpTransport(sessions=0)"
            gc.collect()

        assert caught == []

    def test_closing_in_another_loop(self) -> None:
        """Closing forgets the sessions of dead loops, also where the running loop has none."""
        transport = adapter()

        async def once() -> None:
            async with serve(echo) as url:
                await transport.send(post(url))

        asyncio.run(once())
        asyncio.run(transport.aclose())

        assert repr(transport) == "AiohttpTransport(sessions=0)"

    def test_forgotten_in_a_dead_loop(self) -> None:
        """A transport whose loop is gone has nothing left to warn about."""

        async def once(transport: AiohttpTransport) -> None:
            async with serve(echo) as url:
                await transport.send(post(url))

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            transport = adapter()
            asyncio.run(once(transport))
            del transport
            gc.collect()

        assert caught == []

    def test_an_object_that_was_never_made(self) -> None:
        """One that copying or unpickling has left without its members is dropped without a word."""
        transport = adapter()
        with pytest.raises(TypeError):
            copy.deepcopy(transport)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            half = AiohttpTransport.__new__(AiohttpTransport)
            half.__del__()
            del half
            gc.collect()

        assert caught == []

    async def test_left_open(self) -> None:
        """A transport dropped with an open session says so, once, and names the remedy."""

        async def forget() -> None:
            async with serve(echo) as url:
                await adapter().send(post(url))
            gc.collect()

        with pytest.warns(ResourceWarning, match=r"await its aclose\(\)") as caught:
            await forget()

        assert len(caught) == 1

    async def test_closing_twice_and_using_again(self) -> None:
        """Closing twice is harmless, and a later call opens a new session."""
        transport = adapter()
        async with serve(echo) as url:
            await transport.send(post(url))
            await transport.aclose()
            await transport.aclose()
            answer = await transport.send(post(url))
        await transport.aclose()

        assert answer.status == 200


def shown(error: BaseException) -> str:
    """Return everything an error tracker could print: text, data, chain, and the locals of each frame."""
    report = traceback.TracebackException.from_exception(error, capture_locals=True)
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
            transport = adapter(session=lambda: session, middlewares=(no_token,))
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


async def test_with_aioresponses() -> None:
    """The transport works under aioresponses, so that users can test with it."""
    transport = adapter()
    with aioresponses() as mock:
        mock.post("https://api.example.com/token", payload={"a": 1}, headers={"X-Request-Id": "r3"})
        answer = await transport.send(Request(method="POST", url=URL("https://api.example.com/token")))
    await transport.aclose()

    assert (answer.status, answer.body, answer.request_id) == (200, b'{"a": 1}', "r3")
