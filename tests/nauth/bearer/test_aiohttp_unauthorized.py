"""A 401 costs one renewal, however many callers meet it, and never one for each request."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, web

from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.unauthorized import Answered
from nauth.errors import NotSentError, TokenRefusedError, VendorUnavailableError
from nauth.events import Event, RequestReplayed
from nauth.testing import FakeClock
from nauth.token import RenewalPolicy
from tests.support.http.servers import RawServer
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_LARGE = 2_000_000


async def _large(_: web.Request) -> web.Response:
    return web.Response(status=401, body=b"n" * _LARGE)


async def _generate() -> AsyncIterator[bytes]:
    yield b"once"


async def test_replay_is_told() -> None:
    """The observer hears of the second attempt and what it brought."""
    events: list[Event] = []
    vendor, manager = Vendor("t2"), manager_of(Issuer())
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], observer=events.append)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            async with session.post(url, json={}) as response:
                assert response.status == 200
    assert events == [RequestReplayed(method="POST", status=200)]
    await manager.aclose()


@pytest.mark.parametrize("sent", ["Basic b3RoZXI=", None])
async def test_another_authorization_in_the_tokens_place(sent: str | None) -> None:
    """A 401 to what a middleware inside ours put on, or took off, renews nothing; nor does a success speak for the token."""
    refuses = [True]

    async def replaces(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        del request.headers["Authorization"]
        if sent is not None:
            request.headers["Authorization"] = sent
        return await handler(request)

    async def vendor(_: web.Request) -> web.Response:
        return web.Response(status=401 if refuses[0] else 200)

    issuer = Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        middlewares = (BearerAuth(manager, [url]), replaces)
        async with aiohttp.ClientSession(middlewares=middlewares) as session:
            async with session.get(url) as response:
                assert response.status == 401
            refuses[0] = False
            async with session.get(url) as response:
                assert response.status == 200
    assert issuer.calls == 1
    assert manager.cache.settled is None
    await manager.aclose()


async def test_large_401() -> None:
    """A 401 with a body of two megabytes is replayed like any other."""
    vendor, issuer = Vendor("t2", refusal=_large), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(url) as response:
                assert response.status == 200
    assert issuer.calls == 2
    await manager.aclose()


async def test_endless_401(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 whose body never ends does not hold the renewal up for longer than the deadline."""
    monkeypatch.setattr("nauth.bearer.aiohttp_replay._SETTLE_S", 0.05)
    issuer = Issuer()
    manager = manager_of(issuer)
    reply = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"
    async with RawServer(reply, hang=True) as server:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [server.url()]),)) as session:
            async with asyncio.timeout(5), session.get(server.url()) as response:
                assert response.status == 401
        assert len(server.received) == 2
    assert issuer.calls == 2
    await manager.aclose()


async def test_failed_renewal_is_raised_once() -> None:
    """A renewal that fails reaches a GET's caller as its typed error, and aiohttp runs nothing twice."""
    runs = 0

    async def count(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        nonlocal runs
        runs += 1
        return await handler(request)

    vendor, issuer = Vendor(), Issuer(error=NotSentError("down"), after=1)
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(count, BearerAuth(manager, [url]))) as session:
            with pytest.raises(NotSentError, match="down"):
                await session.get(url)
            assert session.connector is not None
            assert not session.connector._acquired
    assert (runs, issuer.calls, len(vendor.seen)) == (1, 2, 1)
    await manager.aclose()


async def test_failed_sign_in_is_raised_once() -> None:
    """So does a sign-in that fails: nothing reaches the vendor, and a GET runs once."""
    vendor, issuer = Vendor(), Issuer(error=VendorUnavailableError("down"))
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            with pytest.raises(VendorUnavailableError):
                await session.get(url)
    assert (issuer.calls, len(vendor.seen)) == (1, 0)
    await manager.aclose()


async def test_always_401() -> None:
    """A vendor that refuses everything sees two token calls for a thousand requests; each caller gets the 401."""
    vendor, issuer = Vendor(), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:

            async def call() -> tuple[int, object]:
                async with session.get(url) as response:
                    return response.status, await response.json()

            for _ in range(10):
                answers = await asyncio.gather(*(call() for _ in range(100)))
                assert answers == [(401, {"no": 1})] * 100
    assert issuer.calls == 2
    await manager.aclose()


async def test_always_401_streams() -> None:
    """So does one that refuses bodies that cannot be replayed; after the cool-down it gets one more."""
    clock, vendor, issuer = FakeClock(), Vendor(), Issuer()
    manager = manager_of(issuer, clock=clock, policy=RenewalPolicy(cooldown=timedelta(seconds=10)))
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:

            async def call() -> None:
                async with session.post(url, data=_generate()) as response:
                    assert response.status == 401

            for _ in range(100):
                await call()
            assert issuer.calls == 2
            clock.advance(11)
            for _ in range(100):
                await call()
            assert issuer.calls == 3
    await manager.aclose()


async def test_streams_after_a_success() -> None:
    """A token that worked may be renewed again when it dies: an earlier 401 is not held against it."""
    vendor, issuer = Vendor("t2"), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            for good, status in (("t2", 401), ("t2", 200), ("t3", 401), ("t3", 200)):
                vendor.good = {f"Bearer {good}"}
                async with session.post(url, data=_generate()) as response:
                    assert response.status == status
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2", "Bearer t3"]
    assert issuer.calls == 3
    await manager.aclose()


async def test_failure_proves_nothing() -> None:
    """A 500 does not prove that a renewed token works: refused after that, it starts the cool-down."""

    async def fail(_: web.Request) -> web.Response:
        return web.Response(status=500)

    vendor, issuer = Vendor("t2", answer=fail), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            for good in ("t2", "t2", "none", "none"):
                vendor.good = {f"Bearer {good}"}
                (await session.post(url, data=_generate())).release()
    assert issuer.calls == 2
    await manager.aclose()


async def test_late_success_of_the_refused_token() -> None:
    """Nor does an answer that the refused token still got."""
    arrived, gate = asyncio.Event(), asyncio.Event()

    async def slow(_: web.Request) -> web.Response:
        arrived.set()
        await gate.wait()
        return web.Response()

    vendor, issuer = Vendor("t1", answer=slow), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            late = asyncio.ensure_future(session.request("GET", url))
            await arrived.wait()
            vendor.good = set()
            (await session.post(url, data=_generate())).release()
            gate.set()
            assert (await late).status == 200
            for _ in range(3):
                (await session.post(url, data=_generate())).release()
    assert vendor.tokens == ["Bearer t1"] * 2 + ["Bearer t2"] * 3
    assert issuer.calls == 2
    await manager.aclose()


async def test_vendor_that_repeats_its_token() -> None:
    """Where a renewal brings the refused token back, nothing is replayed and the 401 is the caller's, readable."""
    vendor, issuer = Vendor(), Issuer(same=True)
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with session.get(url) as response:
                assert response.status == 401
                assert await response.json() == {"no": 1}
    assert vendor.tokens == ["Bearer t1"]
    await manager.aclose()


@pytest.mark.parametrize("size", [10, _LARGE])
async def test_401_during_the_cool_down_is_readable(size: int) -> None:
    """While renewals are paused the 401 comes back at once, and what was kept of its body can be read."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, body=b"n" * size)

    vendor, issuer = Vendor(refusal=refuse), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            (await session.get(url)).release()
            async with session.get(url) as response:
                assert response.status == 401
                assert await response.read() == b"n" * min(size, 65_536)
            with pytest.raises(TokenRefusedError):
                await manager.renew(rejected=await manager.token())
    assert len(vendor.seen) == 3
    await manager.aclose()


async def test_raise_for_status() -> None:
    """raise_for_status=True does not hide the 401 from the middleware; a 401 handed back is raised."""
    vendor, issuer = Vendor("t2"), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth,), raise_for_status=True) as session:
            async with session.get(url) as response:
                assert response.status == 200
            vendor.good = set()
            with pytest.raises(aiohttp.ClientResponseError) as caught:
                await session.get(url)
            assert caught.value.status == 401
            assert "t2" not in str(caught.value)
    await manager.aclose()


async def test_callers_timeout_does_not_stop_the_renewal() -> None:
    """A caller whose time is up gets TimeoutError; the renewal goes on, and its token serves the next."""
    gate = asyncio.Event()
    vendor, issuer = Vendor("t1"), Issuer(gate=gate)
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.1))
            assert vendor.seen == []
            gate.set()
            async with session.get(url) as response:
                assert response.status == 200
    assert issuer.calls == 1
    await manager.aclose()


async def test_callers_timeout_during_the_replays_renewal() -> None:
    """The same when the time runs out between a 401 and the new token."""
    gate = asyncio.Event()
    gate.set()
    vendor, issuer = Vendor("t2"), Issuer(gate=gate)
    manager = manager_of(issuer)
    await manager.token()
    gate.clear()
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            with pytest.raises(TimeoutError):
                await session.get(url, timeout=aiohttp.ClientTimeout(total=0.2))
            gate.set()
            async with session.get(url) as response:
                assert response.status == 200
    assert issuer.calls == 2
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    await manager.aclose()


# --- refusals that look like a success ------------------------------------------------------------


async def _says_no(response: Answered) -> bool:
    return response.status == 202 and b"no" in await response.read()


async def _refuse_with_202(_: web.Request) -> web.Response:
    return web.json_response({"no": 1}, status=202)


async def test_hidden_401() -> None:
    """A refusal that comes with a status of success is renewed and replayed like a 401."""
    vendor, issuer = Vendor("t2", refusal=_refuse_with_202), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], hidden_401=_says_no)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            async with session.get(url) as response:
                assert response.status == 200
            async with session.get(url) as response:
                assert response.status == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2"]
    assert issuer.calls == 2
    await manager.aclose()


async def test_always_hidden_401() -> None:
    """Refusing everything in disguise costs no more than two token calls either, and the answer stays readable."""
    vendor, issuer = Vendor(refusal=_refuse_with_202), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], hidden_401=_says_no)
        async with aiohttp.ClientSession(middlewares=(auth,)) as session:
            for _ in range(20):
                async with session.get(url) as response:
                    assert (response.status, await response.json()) == (202, {"no": 1})
    assert issuer.calls == 2
    await manager.aclose()


async def test_no_token_twice() -> None:
    """The second attempt carries one Authorization header, the new one."""
    vendor, issuer = Vendor("t2"), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            (await session.get(url)).release()
    assert [seen.headers.getall("Authorization") for seen in vendor.seen] == [["Bearer t1"], ["Bearer t2"]]
    await manager.aclose()
