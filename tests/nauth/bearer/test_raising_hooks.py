"""A hook or middleware that raises at a 401 gets its error to the caller, and the token counts as refused all the same."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, web

from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.unauthorized import Answered
from nauth.errors import TokenRefusedError
from nauth.manager.token_manager import TokenManager
from tests.support.http.httpx_kits import auth_of
from tests.support.http.httpx_kits import client_of as httpx_client
from tests.support.http.servers import RawServer
from tests.support.http.vendor import Issuer, Vendor, served

Middleware = Callable[[ClientRequest, ClientHandlerType], Awaitable[ClientResponse]]


class Broken(Exception):  # noqa: N818 - a user's own
    """What a user's middleware raises."""


async def raises_for_status(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Do as many a tracing or retry wrapper does."""
    response = await handler(request)
    response.raise_for_status()
    return response


async def raises_its_own(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Read the body and raise something of its own."""
    response = await handler(request)
    if not response.ok or b"401" in await response.read():
        await response.read()
        raise Broken(response.status)
    return response


@pytest.mark.parametrize(
    "inner, error", [(raises_for_status, aiohttp.ClientResponseError), (raises_its_own, Broken)]
)
async def test_aiohttp(
    manager: TokenManager, issuer: Issuer, inner: Middleware, error: type[Exception]
) -> None:
    """The first call ends with the middleware's error, the second has a new token."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]), inner)) as session,
    ):
        with pytest.raises(error):
            await session.get(url)
        async with session.get(url) as response:
            assert response.status == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2


async def test_a_refusal_with_another_status(manager: TokenManager) -> None:
    """A body that says 401 is looked at too, where it has arrived."""

    async def ok_but_401(_: web.Request) -> web.Response:
        return web.Response(body=b"401")

    async def hidden(response: Answered) -> bool:
        return await response.read() == b"401"

    vendor = Vendor("t2", refusal=ok_but_401)
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], hidden_401=hidden)
        async with aiohttp.ClientSession(middlewares=(auth, raises_its_own)) as session:
            with pytest.raises(Broken):
                await session.get(url)
            async with session.get(url) as response:
                assert response.status == 200


async def test_a_look_that_fails(manager: TokenManager, issuer: Issuer) -> None:
    """Where the body cannot be looked at any more, the caller's error is what counts."""

    async def hidden(_: Answered) -> bool:
        raise aiohttp.ClientPayloadError

    vendor = Vendor("t1", answer=_says_401)
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], hidden_401=hidden)
        async with aiohttp.ClientSession(middlewares=(auth, raises_its_own)) as session:
            with pytest.raises(Broken):
                await session.get(url)
    assert issuer.calls == 1


async def _says_401(_: web.Request) -> web.Response:
    return web.Response(body=b"401")


async def test_what_is_no_refusal(manager: TokenManager, issuer: Issuer) -> None:
    """Other errors cost no renewal: another status, no response, or an Authorization that the inner one put there."""

    async def signs_itself(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        request.headers["Authorization"] = "Bearer other"
        return await raises_for_status(request, handler)

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    async def never(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        raise Broken

    for inner, vendor in (
        (raises_for_status, Vendor("t1", answer=broken)),
        (signs_itself, Vendor("t1")),
        (never, Vendor("t1")),
    ):
        async with served(vendor) as url:
            auth = BearerAuth(manager, [url])
            async with aiohttp.ClientSession(middlewares=(auth, inner)) as session:
                with pytest.raises((Broken, aiohttp.ClientResponseError)):
                    await session.get(url)
    async with RawServer() as server:
        auth = BearerAuth(manager, [server.url()])
        async with aiohttp.ClientSession(middlewares=(auth, raises_for_status)) as session:
            with pytest.raises(aiohttp.ServerDisconnectedError):
                await session.post(server.url())
    assert (await manager.token()).authorization == "Bearer t1"
    assert issuer.calls == 1


async def test_aiohttp_after_the_replay(manager: TokenManager, issuer: Issuer) -> None:
    """An error at the replay's own 401 starts the pause, as the 401 would."""
    calls = 0

    async def raises_the_second_time(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        nonlocal calls
        calls += 1
        response = await handler(request)
        if calls == 2:
            raise Broken
        return response

    async with served(Vendor()) as url:
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth, raises_the_second_time)) as session:
            with pytest.raises(Broken):
                await session.get(url)
    with pytest.raises(TokenRefusedError):
        await manager.renew(rejected=await manager.token())
    assert issuer.calls == 2


async def test_an_error_at_the_replay_that_is_no_refusal(manager: TokenManager) -> None:
    """An error at the replay that has nothing to do with the token starts no pause."""
    calls = 0

    async def breaks_the_second_time(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        nonlocal calls
        calls += 1
        if calls == 2:
            request.response = None
            raise Broken
        return await handler(request)

    async with served(Vendor()) as url:
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth, breaks_the_second_time)) as session:
            with pytest.raises(Broken):
                await session.get(url)
    token = await manager.renew(rejected=await manager.token())
    assert token.authorization == "Bearer t3"


async def test_cancelled_behind_the_401(manager: TokenManager, issuer: Issuer) -> None:
    """A caller that is cancelled while an inner middleware looks at the 401 leaves the knowledge behind."""
    looking = asyncio.Event()

    async def looks_long(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        response = await handler(request)
        looking.set()
        await asyncio.sleep(60)
        return response

    async with served(Vendor("t2")) as url:
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth, looks_long)) as session:
            task = asyncio.ensure_future(session.get(url))
            await looking.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
    assert (await manager.token()).authorization == "Bearer t2"
    assert issuer.calls == 2


async def _raise_for_status(response: Any) -> None:
    response.raise_for_status()


async def test_httpx(kit: str, manager: TokenManager, issuer: Issuer) -> None:
    """An event hook's error reaches the caller, and the next call has a new token."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        httpx_client(kit, auth_of(manager, url), event_hooks={"response": [_raise_for_status]}) as client,
    ):
        with pytest.raises(Exception, match="401") as caught:
            await client.get(str(url))
        assert type(caught.value).__name__ == "HTTPStatusError"
        assert (await client.get(str(url))).status_code == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2
    gc.collect()


async def test_httpx_after_the_replay(kit: str, manager: TokenManager, issuer: Issuer) -> None:
    """A hook that raises at the replay's 401 starts the pause."""
    calls = 0

    async def raises_the_second_time(response: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2:
            response.raise_for_status()

    async with (
        served(Vendor()) as url,
        httpx_client(
            kit, auth_of(manager, url), event_hooks={"response": [raises_the_second_time]}
        ) as client,
    ):
        with pytest.raises(Exception, match="401"):
            await client.get(str(url))
    with pytest.raises(TokenRefusedError):
        await manager.renew(rejected=await manager.token())
    assert issuer.calls == 2


@pytest.mark.parametrize("second", [False, True])
async def test_httpx_errors_that_are_no_refusal(
    kit: str, manager: TokenManager, issuer: Issuer, second: bool
) -> None:
    """A hook that raises at another status, or at the 401 of a foreign host, costs no renewal."""

    async def broken(_: web.Request) -> web.Response:
        return web.Response(status=500)

    calls = 0

    async def hook(response: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == 2 or not second:
            response.raise_for_status()

    vendor = Vendor("t2" if second else "t1", answer=broken)
    async with (
        served(vendor) as url,
        httpx_client(kit, auth_of(manager, url), event_hooks={"response": [hook]}) as client,
    ):
        with pytest.raises(Exception, match="500"):
            await client.get(str(url))
    assert issuer.calls == 1 + second
    await manager.renew(rejected=await manager.token())  # no pause was started


async def test_httpx_401_of_another_host(kit: str, manager: TokenManager, issuer: Issuer) -> None:
    """A redirect to a stranger takes no token along, so the stranger's 401 says nothing of it."""
    async with served(Vendor()) as stranger:

        async def moved(_: web.Request) -> web.Response:
            return web.Response(status=307, headers={"Location": str(stranger)})

        async def hook(response: Any) -> None:
            if response.status_code == 401:
                response.raise_for_status()

        async with (
            served(Vendor("t1", answer=moved)) as url,
            httpx_client(
                kit, auth_of(manager, url), event_hooks={"response": [hook]}, follow_redirects=True
            ) as client,
        ):
            with pytest.raises(Exception, match="401"):
                await client.get(str(url))
    assert issuer.calls == 1
