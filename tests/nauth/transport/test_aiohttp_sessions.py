"""The adapter's sessions: the client's, which it leaves as it is, and its own, which it opens and closes."""

from __future__ import annotations

import asyncio
import copy
import gc
import warnings
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import ClientRequest, ClientResponse, ClientSession, web
from aiohttp.client_middlewares import ClientHandlerType
from yarl import URL

from nauth.errors import (
    ClosedError,
    ConfigurationError,
    CredentialsRejectedError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Request
from tests.support.http.aiohttp_transport import adapter, echo, post, reply
from tests.support.http.servers import RawServer, serve


class TestClientsSession:
    async def test_used_as_it_is_and_left_open(self) -> None:
        """The client's session keeps its user agent, its connection and its life."""
        ports = set[object]()

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

    async def test_one_requests_deadline_is_not_the_next_ones(self) -> None:
        """A request's own deadline holds for itself; the transport's own comes back after it."""
        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(session=lambda: session)
            for timeout in (None, timedelta(microseconds=1), None):
                request = Request(method="GET", url=url, timeout=timeout)
                if timeout is None:
                    assert (await transport.send(request)).ok
                else:
                    with pytest.raises((OutcomeUnknownError, NotSentError)):
                        await transport.send(request)

    async def test_an_unsafe_address_is_refused_each_time(self) -> None:
        """Having been looked at once is no leave to be sent to."""
        unsafe = Request(method="GET", url=URL("http://api.example.com/"))
        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(session=lambda: session)
            for _ in range(2):
                with pytest.raises(ConfigurationError, match="unencrypted"):
                    await transport.send(unsafe)
            assert (await transport.send(post(url))).ok
            with pytest.raises(ConfigurationError, match="unencrypted"):
                await transport.send(unsafe)

    @pytest.mark.parametrize("bare", [True, False])
    @pytest.mark.parametrize("signs", [True, False])
    async def test_whose_authorization_it_was(self, *, bare: bool, signs: bool) -> None:
        """What the request or its address brings is foreign, unless the client's own middleware replaces it."""

        async def sign(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            if signs:
                request.headers["Authorization"] = "Bearer ours"
            return await handler(request)

        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(session=lambda: session, middlewares=lambda _: (sign,), bare=bare)
            plain = await transport.send(Request(method="GET", url=url))
            with_header = await transport.send(post(url))
            with_user = await transport.send(Request(method="GET", url=url.with_user("u").with_password("p")))

        assert not plain.foreign
        assert with_header.foreign == with_user.foreign == (not signs)

    async def test_raise_for_status_is_overruled(self) -> None:
        """A session told to raise for statuses still lets the vendor see the answer."""

        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=401)

        async with serve(handler) as url, ClientSession(raise_for_status=True) as session:
            answer = await adapter(session=lambda: session).send(post(url))

        assert answer.status == 401

    async def test_middlewares_replace_the_sessions(self) -> None:
        """Those that are chosen for the session run; without a choice it is the session's own."""
        ran: list[str] = []

        def middleware(name: str) -> Callable[[ClientRequest, ClientHandlerType], Awaitable[ClientResponse]]:
            async def run(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
                ran.append(name)
                return await handler(request)

            return run

        async with serve(echo) as url, ClientSession(middlewares=(middleware("session"),)) as session:
            transport = adapter(session=lambda: session, middlewares=lambda _: (middleware("given"),))
            await transport.send(post(url))
            await adapter(session=lambda: session).send(post(url))

        assert ran == ["given", "session"]

    async def test_nauth_errors_pass_through(self) -> None:
        """An error a middleware raises arrives as the same object."""
        raised = CredentialsRejectedError("no token to be had")

        async def no_token(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
            raise raised

        async with serve(echo) as url, ClientSession() as session:
            transport = adapter(session=lambda: session, middlewares=lambda _: (no_token,))
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
