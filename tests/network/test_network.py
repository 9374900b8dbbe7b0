"""What a client's three settings may be, and that no setting switches a check off."""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from yarl import URL

from nauth.bearer import BearerAuth
from nauth.errors import ConfigurationError, NauthError, TokenRefusedError
from nauth.events import RequestReplayed, TokenRefused
from nauth.oauth2 import TokenEndpoint
from nauth.transport.aiohttp_private import session_middlewares
from nauth.transport.base import Answer, Request
from nauth.transport.network import Network
from nauth.transport.token_calls import reading
from tests.support.http.aiohttp_transport import adapter, post
from tests.support.http.servers import serve
from tests.support.http.vendor import Issuer, Vendor, client_of, manager_of, served
from tests.support.transport import FakeTransport
from tests.support.vendors.table import CASES, VENDORS


@pytest.fixture(scope="module")
def unchecking() -> ssl.SSLContext:
    """A context that accepts any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


@pytest.fixture(scope="module")
def nameless() -> ssl.SSLContext:
    """A context that accepts a trusted certificate of any host."""
    context = ssl.create_default_context()
    context.check_hostname = False
    return context


@pytest.mark.parametrize("value", [False, True, "ca.pem", ssl.CERT_NONE])
def test_no_context(value: Any) -> None:
    """What is no context is refused, False above all."""
    with pytest.raises(ConfigurationError, match="Certificates are always checked"):
        Network(ssl_context=value)


def test_contexts_that_do_not_check(unchecking: ssl.SSLContext, nameless: ssl.SSLContext) -> None:
    """Nor is there a context that switches checks off."""
    for context in (unchecking, nameless):
        with pytest.raises(ConfigurationError, match="does not check certificates or host names"):
            Network(ssl_context=context)


async def test_a_context_changed_later(client_tls: ssl.SSLContext) -> None:
    """One that stops checking after it was given is noticed before the next token call."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    transport = adapter(network=Network(ssl_context=context))
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with pytest.raises(ConfigurationError, match="does not check"):
        await transport.send(post(URL("https://api.example.com/")))


async def test_a_session_that_compares_no_host_name(nameless: ssl.SSLContext) -> None:
    """A session's connector is held to the same checks as `ssl_context`."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=nameless)) as session:
        with pytest.raises(ConfigurationError, match="verification switched off"):
            Network(session=session)


async def test_a_session_that_does_not_check() -> None:
    """A session whose connector checks nothing carries no token call, also where it was given one later."""
    connector = aiohttp.TCPConnector()
    async with aiohttp.ClientSession(connector=connector) as session:
        transport = adapter(network=Network(session=session))
        connector._ssl = False
        with pytest.raises(ConfigurationError, match="verification switched off"):
            await transport.send(post(URL("https://api.example.com/")))
        with pytest.raises(ConfigurationError, match="verification switched off"):
            Network(session=session)


async def test_one_way_at_a_time(client_tls: ssl.SSLContext) -> None:
    """A session beside another setting is a contradiction, and so is a transport."""
    async with aiohttp.ClientSession() as session:
        for others in ({"proxy": "http://p:3128"}, {"ssl_context": client_tls}):
            with pytest.raises(ConfigurationError, match="session brings a connector and a proxy of its own"):
                Network(session=session, **others)
        for options in ({"session": session}, {"proxy": "http://p:3128"}, {"ssl_context": client_tls}):
            with pytest.raises(ConfigurationError, match="transport carries the calls its own way"):
                TokenEndpoint("https://h/token", client_id="id", transport=FakeTransport(), **options)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
def test_every_client_refuses(vendor: Any, unchecking: ssl.SSLContext) -> None:
    """The settings are looked at when a client is made."""
    case = next(case for case in CASES if case.vendor is vendor)
    sandbox = vendor.sandbox()
    for options in ({"ssl_context": unchecking}, {"proxy": "socks5://p"}, {"session": object()}):
        with pytest.raises(ConfigurationError, match=r"ssl_context|proxy|session must be"):
            vendor.client(case.credentials(sandbox), base_url="https://h.example.com", **options)


def test_equal_ways(client_tls: ssl.SSLContext) -> None:
    """Networks compare by the way they take, and tell no secret."""
    one = Network(proxy="http://me:canary@p:3128", ssl_context=client_tls)
    assert one == Network(proxy=URL("http://me:canary@p:3128"), ssl_context=client_tls)
    assert hash(one) == hash(Network(proxy=one.proxy, ssl_context=client_tls))
    assert one != Network(ssl_context=client_tls)
    assert "canary" not in repr(one)


async def test_a_session_brings_neither_cookies_nor_headers_nor_middlewares() -> None:
    """A token call on a session's connector carries nothing else of the session, and keeps none of its connections."""
    seen: list[aiohttp.web.Request] = []

    async def handler(request: aiohttp.web.Request) -> aiohttp.web.Response:
        seen.append(request)
        return aiohttp.web.Response(headers={"Set-Cookie": "vendor=1"})

    async def never(request: Any, handler: Any) -> Any:
        pytest.fail("a session's middleware ran around a token call")

    async with (
        serve(handler) as url,
        aiohttp.ClientSession(
            headers={"X-Api-Key": "canary", "Authorization": "canary"},
            cookies={"session": "canary"},
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        ) as session,
    ):
        jar = session.cookie_jar
        async with session.get(url) as response:
            await response.read()
        jar.update_cookies({"own": "canary"}, url)
        session._middlewares = (never,)
        transport = adapter(network=Network(session=session))
        await transport.send(post(url))
        await transport.send(post(url))
        await transport.aclose()
        assert not session.closed
        session._middlewares = ()
        async with session.get(url) as response:
            await response.read()
    asked, first, second, again = seen
    peers = [request._protocol.peername for request in seen]
    assert peers[0] == peers[3]
    assert len({*peers}) == 3
    for request in (first, second):
        assert "Cookie" not in request.headers
        assert "X-Api-Key" not in request.headers
        assert request.headers["Connection"] == "close"
    assert {asked.headers["Cookie"], "session=canary"} == {"session=canary"}
    assert "vendor=1" in again.headers["Cookie"]  # of the session's own first request


async def test_a_session_of_another_loop() -> None:
    """A session cannot be used from another loop, and the text says what to do."""
    async with aiohttp.ClientSession() as session:

        async def elsewhere() -> None:
            transport = adapter(network=Network(session=session))
            with pytest.raises(ConfigurationError, match="made in another event loop"):
                await transport.send(post(URL("https://api.example.com/")))

        await asyncio.to_thread(asyncio.run, elsewhere())


async def test_an_authorization_of_the_sessions_own() -> None:
    """Where the session's own header is refused, the text says that no token of ours was there."""
    for vendor in VENDORS:
        case = next(case for case in CASES if case.vendor is vendor)
        async with (
            vendor.sandbox(**case.switches) as sandbox,
            aiohttp.ClientSession(headers={"Authorization": "Bearer own"}) as session,
            vendor.client(case.credentials(sandbox), base_url=sandbox.base_url, session=session) as client,
        ):
            with pytest.raises(NauthError, match="no token of this client was on the request") as caught:
                await client.check()  # type: ignore[attr-defined]  # all four have it
            assert caught.value.status == 401, vendor.name
            assert caught.value.__cause__ is None


@pytest.mark.parametrize("brought", [None, "Bearer own"])
@pytest.mark.parametrize("sent", ["Basic b3RoZXI=", None])
async def test_a_middleware_of_the_sessions_inside_ours(brought: str | None, sent: str | None) -> None:
    """Where it puts another Authorization in the token's place, or takes it off, the text says the same and nothing is renewed."""

    async def replaces(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers.popall("Authorization", None)
        if sent is not None:
            request.headers["Authorization"] = sent
        return await handler(request)

    headers = {} if brought is None else {"Authorization": brought}
    for vendor in VENDORS:
        case = next(case for case in CASES if case.vendor is vendor)
        events: list[object] = []
        async with (
            vendor.sandbox(**case.switches) as sandbox,
            aiohttp.ClientSession(headers=headers, middlewares=(replaces,)) as session,
            vendor.client(
                case.credentials(sandbox),
                base_url=sandbox.base_url,
                session=session,
                observer=events.append,
            ) as client,
        ):
            with pytest.raises(NauthError, match="no token of this client was on the request") as caught:
                await client.check()  # type: ignore[attr-defined]  # all four have it
            assert caught.value.status == 401, vendor.name
            assert not any(isinstance(event, RequestReplayed | TokenRefused) for event in events), vendor.name


async def test_a_middleware_that_leaves_the_token() -> None:
    """One that changes other headers only is no cause of a 401."""

    async def traces(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers["X-Trace"] = "1"
        return await handler(request)

    vendor = Vendor()
    async with served(vendor) as url, aiohttp.ClientSession(middlewares=(traces,)) as session:
        auth = BearerAuth(manager := manager_of(Issuer()), [url])
        transport = adapter(
            session=lambda: session, middlewares=lambda given: (auth, *session_middlewares(given))
        )
        answer = await transport.send(Request(method="GET", url=url))
        await manager.aclose()
    assert (answer.status, answer.foreign) == (401, False)


def test_our_own_token_is_blamed_as_before() -> None:
    """Where our token was there, the vendor's text stays."""
    answer = Answer(status=401, sent_wall=0.0, sent_mono=0.0)
    with pytest.raises(TokenRefusedError, match="as it was"), reading(answer):
        raise TokenRefusedError("as it was")


async def test_a_token_of_ours_on_a_session_with_another_header() -> None:
    """A session's own Authorization for its other requests does not reach the sign-in."""
    vendor = Vendor("t1")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession() as session,
        client_of(Issuer(), url, session=session) as client,
        client.get("/x") as response,
    ):
        assert response.status == 200
