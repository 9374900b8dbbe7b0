"""A client opens what it needs, closes what it opened, and says so when it was forgotten."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings

import aiohttp
import pytest
from aiohttp import ClientSession
from yarl import URL

from nauth.client import VendorClient
from nauth.errors import ClosedError, StoreError
from tests.support.http.vendor import Issuer, Vendor, client_of, served
from tests.support.transport import FakeTransport

_BASE = URL("https://api.example.com")


async def test_aclose_closes_what_was_opened() -> None:
    """Closing closes the transport and the client's own session; closing twice does nothing more."""
    vendor, transport = Vendor("t1"), FakeTransport()
    async with served(vendor) as url:
        client = client_of(Issuer(), url, transport=transport)
        (await client.get("/x")).release()
        session = client._http()
        await client.aclose()
        assert session.closed
        assert transport.closed == 1
        await client.aclose()
        assert len(client._sessions) == 0


async def test_nothing_is_opened_before_it_is_needed() -> None:
    """A client that sends nothing opens nothing."""
    async with client_of(issuer := Issuer(), _BASE) as client:
        assert len(client._sessions) == 0
    assert issuer.calls == 0


async def test_use_after_close() -> None:
    """A closed client refuses requests and tokens at once, and opens no session, which would never be closed."""
    vendor = Vendor("t1", "mine")
    async with served(vendor) as url:
        client = client_of(Issuer(), url)
        await client.aclose()
        with pytest.raises(ClosedError, match="was closed"):
            client.get("/x")
        with pytest.raises(ClosedError, match="was closed"):
            client.get("/x", headers={"Authorization": "Bearer mine"})
        with pytest.raises(ClosedError, match="was closed"):
            await client.token()
        assert len(client._sessions) == 0
        async with aiohttp.ClientSession(middlewares=(client.auth,)) as session:
            with pytest.raises(ClosedError):
                await session.get(url)
    assert vendor.seen == []


async def test_cancelled_aclose_still_closes() -> None:
    """Being cancelled in aclose() does not stop the closing: a renewal in flight ends first."""
    gate, closed = asyncio.Event(), asyncio.Event()

    class Telling(FakeTransport):
        async def aclose(self) -> None:
            closed.set()

    issuer, transport = Issuer(gate=gate), Telling()
    client = client_of(issuer, _BASE, transport=transport)
    session = client._http()
    waiting = asyncio.ensure_future(client.token())
    await issuer.started.wait()
    closing = asyncio.ensure_future(client.aclose())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert not closed.is_set()
    gate.set()
    assert (await waiting).authorization == "Bearer t1"
    async with asyncio.timeout(5):
        await closed.wait()
    await client.aclose()
    assert session.closed


async def test_a_part_that_fails_to_close() -> None:
    """If the transport cannot be closed, the session is still closed, and the error is raised."""

    class Broken(FakeTransport):
        async def aclose(self) -> None:
            raise StoreError("broken")

    client = client_of(Issuer(), _BASE, transport=Broken())
    session = client._http()
    with pytest.raises(StoreError, match="broken"):
        await client.aclose()
    assert session.closed


async def test_left_open() -> None:
    """A client forgotten with an open session warns once, by its own name, and aiohttp adds nothing."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with served(Vendor("t1")) as url:
        client = client_of(Issuer(), url)
        async with client.get("/x") as response:
            await response.read()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client, response
            gc.collect()
    assert [(warning.category, str(warning.message)) for warning in caught] == [
        (ResourceWarning, "VendorClient was not closed: use `async with` or call aclose()")
    ]
    assert complaints == []


async def test_left_open_with_a_session_of_the_users() -> None:
    """A used client that is forgotten warns also where the session is the user's, which is left alone."""
    async with ClientSession() as session:
        client = client_of(Issuer(), _BASE, session=session)
        await client.token()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del client
            gc.collect()
        assert [str(warning.message) for warning in caught] == [
            "VendorClient was not closed: use `async with` or call aclose()"
        ]
        assert not session.closed


@pytest.mark.parametrize("used", [True, False])
async def test_no_warning(used: bool) -> None:
    """A client that was closed, or never used, or never made, goes quietly."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        client = client_of(Issuer(), _BASE)
        if used:
            client._http()
            await client.aclose()
        del client
        VendorClient.__new__(VendorClient).__del__()
        gc.collect()
    assert caught == []


async def test_users_session_is_not_our_concern() -> None:
    """With a session of the user's the client opens none, and has nothing to warn about."""
    async with aiohttp.ClientSession() as session:
        client = client_of(Issuer(), _BASE, session=session)
        assert client._http() is session
        assert len(client._sessions) == 0
        await client.aclose()
        assert not session.closed


def test_two_loops_in_two_threads() -> None:
    """One client serves two running loops, each with a session of its own and one token for both."""
    vendor, issuer = Vendor("t1"), Issuer()
    barrier = threading.Barrier(2)
    failures: list[BaseException] = []
    sessions: set[int] = set()

    async def use(client: VendorClient) -> None:
        for _ in range(10):
            async with client.get("/x") as response:
                assert response.status == 200
        sessions.add(id(client._http()))
        await asyncio.to_thread(barrier.wait, 10)
        await client.aclose()

    def run(client: VendorClient) -> None:
        try:
            asyncio.run(use(client))
        except BaseException as error:
            failures.append(error)
            raise

    async def serve() -> None:
        async with served(vendor) as url:
            client = client_of(issuer, url)
            await asyncio.gather(*(asyncio.to_thread(run, client) for _ in range(2)))

    asyncio.run(serve())
    assert failures == []
    assert len(sessions) == 2
    assert vendor.tokens == ["Bearer t1"] * 20
    assert issuer.calls == 1


async def test_parts_are_made_once() -> None:
    """Two threads that come to make a client's parts get the same ones."""
    client = client_of(Issuer(), _BASE)
    auth = client.auth
    client._make_sessions()
    sessions = client._sessions
    client._make_sessions()
    assert client._sessions is sessions
    assert client._own_targets() is client._own_targets()
    assert client.auth is auth
    await client.aclose()
