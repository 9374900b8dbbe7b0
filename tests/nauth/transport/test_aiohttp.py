"""The adapter: a whole exchange, its limits, and its stamps."""

from __future__ import annotations

import asyncio
import gzip
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientRequest, ClientResponse, ClientSession, web
from aiohttp.client_middlewares import ClientHandlerType
from aioresponses import aioresponses
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    OutcomeUnknownError,
)
from nauth.testing.clock import FakeClock
from nauth.transport.base import Request
from tests.support.http.aiohttp_transport import CANARY, adapter, echo, post, reply
from tests.support.http.servers import RawServer, serve

MIB = 1 << 20


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
        ports = set[object]()

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
            transport = adapter(
                clock=clock, session=lambda: session, middlewares=lambda _: (waits_for_a_token,)
            )
            answer = await transport.send(post(url))

        assert (answer.sent_mono, answer.sent_wall) == (102.0, 5002.0)


async def test_with_aioresponses() -> None:
    """The transport works under aioresponses, so that users can test with it."""
    transport = adapter()
    with aioresponses() as mock:
        mock.post("https://api.example.com/token", payload={"a": 1}, headers={"X-Request-Id": "r3"})
        answer = await transport.send(Request(method="POST", url=URL("https://api.example.com/token")))
    await transport.aclose()

    assert (answer.status, answer.body, answer.request_id) == (200, b'{"a": 1}', "r3")
