"""Clients without a session of their own share one connector in each loop, and nothing else."""

from __future__ import annotations

import asyncio
import gc
import os
import ssl
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp import BaseConnector, ClientSession, TCPConnector, web
from yarl import URL

from nauth.client import VendorClient
from nauth.errors import ClosedError, ConfigurationError
from nauth.transport.connectors import CONNECTORS, Connectors, Use
from nauth.transport.network import Network
from tests.support.http.aiohttp_transport import adapter, echo, post
from tests.support.http.servers import serve
from tests.support.http.vendor import Issuer, Vendor, client_of, served


async def test_descriptors_follow_the_concurrency() -> None:
    """Two hundred clients used once, ten at a time, leave ten connections, and none when the last is closed."""
    vendor, limit, most = Vendor("t1"), asyncio.Semaphore(10), 0
    async with served(vendor) as url:
        clients = [client_of(Issuer(), url) for _ in range(200)]

        async def use(client: VendorClient) -> None:
            nonlocal most
            async with limit:
                async with client.get("/x") as response:
                    await response.read()
                connector = client._http().connector
                assert isinstance(connector, TCPConnector)
                most = max(most, sum(map(len, connector._conns.values())))

        await asyncio.gather(*map(use, clients))
        connectors = {id(client._http().connector) for client in clients}
        assert len(connectors) == 1
        assert most <= 10
        shared = clients[0]._http().connector
        assert shared is not None
        for client in clients[1:]:
            await client.aclose()
            assert not shared.closed
        async with clients[0].get("/x") as response:
            assert response.status == 200
        await clients[0].aclose()
        assert shared.closed
    assert len(CONNECTORS) == 0


async def test_cookies_stay_their_owners() -> None:
    """On a host name, where a jar would keep them, neither another client's nor a client's own cookies come back."""

    async def sets(request: web.Request) -> web.Response:
        return web.Response(headers={"Set-Cookie": "tenant=canary; Path=/"})

    vendor = Vendor("t1", answer=sets)
    async with served(vendor) as address:
        url = address.with_host("localhost")
        async with client_of(Issuer(), url) as one, client_of(Issuer(), url) as other:
            for client in (one, other, one):
                async with client.get("/x") as response:
                    assert "canary" in response.headers["Set-Cookie"]
    assert [seen.headers.get("Cookie") for seen in vendor.seen] == [None] * 3


async def test_one_for_each_setting(client_tls: ssl.SSLContext) -> None:
    """Use, trust and proxy each have a connector of their own; equal ones share."""
    pool = Connectors()
    ways = [Network(), Network(ssl_context=client_tls), Network(proxy="http://p:3128")]
    leases = [pool.take(use, way) for use in Use for way in ways for _ in range(2)]
    assert len(pool) == len({id(lease.connector) for lease in leases}) == 6
    for lease in leases:
        await lease.aclose()
    assert len(pool) == 0
    assert all(lease.connector.closed for lease in leases)


async def test_limits() -> None:
    """Both kinds of connector are bounded, and only that of token calls keeps no connection."""
    pool = Connectors()
    requests, calls = pool.take(Use.REQUESTS, Network()), pool.take(Use.TOKEN_CALLS, Network())
    assert (requests.connector.limit, calls.connector.limit) == (400, 100)
    assert (requests.connector.force_close, calls.connector.force_close) == (False, True)
    await requests.aclose()
    await calls.aclose()


async def test_closed_behind_our_back() -> None:
    """A shared connector that was closed from outside is replaced for the next client, and the old share does no harm."""
    pool = Connectors()
    first = pool.take(Use.REQUESTS, Network())
    await first.connector.close()
    second = pool.take(Use.REQUESTS, Network())
    assert not second.connector.closed
    await first.aclose()
    assert not second.connector.closed
    await second.aclose()
    assert len(pool) == 0


def test_a_loop_that_ended() -> None:
    """The connector of a closed loop is forgotten when the next loop asks for one."""
    pool = Connectors()

    async def take() -> Any:
        return pool.take(Use.REQUESTS, Network())

    old = asyncio.run(take())
    new = asyncio.run(take())
    assert len(pool) == 1
    assert old.connector.closed
    old.abandon()
    new.abandon()
    assert len(pool) == 0


def test_abandoned_from_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last client, dropped in another thread, closes the connector in the connector's own loop."""
    pool = Connectors()

    async def main() -> None:
        lease = pool.take(Use.REQUESTS, Network())
        closed_in: list[int] = []
        close: Callable[[], Any] = lease.connector._close

        def told() -> Any:
            closed_in.append(threading.get_ident())
            return close()

        monkeypatch.setattr(lease.connector, "_close", told)
        await asyncio.to_thread(lease.abandon)
        assert len(pool) == 0
        await asyncio.sleep(0)
        assert closed_in == [threading.get_ident()]

    asyncio.run(main())


async def test_dropped_unclosed() -> None:
    """One of two clients, dropped unclosed, warns and leaves the other's connections alone."""
    async with served(Vendor("t1")) as url, client_of(Issuer(), url) as client:
        other = client_of(Issuer(), url)
        (await client.get("/x")).release()
        (await other.get("/x")).release()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del other
            gc.collect()
        assert [str(warning.message).split(" ")[0] for warning in caught] == ["VendorClient"]
        async with client.get("/x") as response:
            assert response.status == 200


@pytest.mark.parametrize("how", ["ends", "closed before", "dropped before", "goes on after"])
def test_a_client_that_outlives_its_loop(how: str) -> None:
    """What a client of several `asyncio.run` has open ends with each loop, and leaves nothing to complain of."""
    kept: list[VendorClient] = []

    async def main() -> BaseConnector:
        async with served(Vendor("t1")) as url:
            client = client_of(Issuer(), url)
            async with client.get("/x") as response:
                await response.read()
            connector = client._http().connector
            assert connector is not None
            if how == "closed before":
                await client.aclose()
            elif how == "dropped before":
                client._sessions.abandon()
            elif how == "goes on after":
                await asyncio.get_running_loop().shutdown_asyncgens()
                assert connector.closed
                again = client._http().connector
                assert again is not None
                assert not again.closed
                await client.aclose()
            kept.append(client)
            return connector

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert asyncio.run(main()).closed
        asyncio.run(kept.pop().aclose())
        gc.collect()
    told = [str(warning.message) for warning in caught]
    # the loop tells that it ends no generator any more; the client was closed, so nothing is left to the collector
    assert [text for text in told if "was scheduled after loop.shutdown_asyncgens()" not in text] == []
    assert (told == []) == (how != "goes on after")
    assert len(CONNECTORS) == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_forked() -> None:
    """A child starts with no connectors, and never closes its parent's connections."""

    async def main() -> None:
        async with serve(echo) as url, client_of(Issuer(), url) as client:
            async with client.get("/x") as response:
                await response.read()
            child = os.fork()
            if child == 0:
                os._exit(0 if _in_the_child(client) else 1)
            _, status = await asyncio.to_thread(os.waitpid, child, 0)
            assert os.waitstatus_to_exitcode(status) == 0
            async with client.get("/x") as response:
                assert response.status == 200

    asyncio.run(main())


def _in_the_child(client: VendorClient) -> bool:
    (known,) = client._sessions._table.values()
    fresh = len(CONNECTORS) == 0
    known.lease.abandon()
    return fresh and not known.lease.connector.closed


async def test_a_connector_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be made leaves no share behind."""
    monkeypatch.setenv("HTTPS_PROXY", "socks5://p")
    client = client_of(Issuer(), URL("https://api.example.com"))
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        client.get("/x")
    assert len(CONNECTORS) == 0
    transport = adapter()
    with pytest.raises(ConfigurationError, match="HTTPS_PROXY"):
        await transport.send(post(URL("https://api.example.com")))
    await transport.aclose()
    await client.aclose()


async def test_a_client_closed_twice_gives_back_once() -> None:
    """Closing twice takes no share from the others."""
    async with served(Vendor("t1")) as url, client_of(Issuer(), url) as client:
        async with client.get("/x") as response:
            await response.read()
        other = client_of(Issuer(), url)
        other._http()
        await other.aclose()
        await other.aclose()
        async with client.get("/x") as response:
            assert response.status == 200


async def test_trust_of_the_environment_is_read_late(
    server_tls: ssl.SSLContext, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`SSL_CERT_FILE` set long after aiohttp's import counts for connectors made from then on."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    async with serve(hello, tls=server_tls) as url:
        transport = adapter()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
        assert (await transport.send(post(url))).body == b"hello"
        await transport.aclose()


async def test_after_a_fork() -> None:
    """What was open is kept and never closed; a share of it that is given back changes nothing."""
    pool = Connectors()
    inherited = pool.take(Use.REQUESTS, Network())
    pool.after_fork()
    assert len(pool) == 0
    await inherited.aclose()
    assert not inherited.connector.closed
    await inherited.connector.close()


async def test_a_session_closed_before_the_token_call() -> None:
    """A token call on a session that is closed sends nothing and says so."""
    session = ClientSession()
    transport = adapter(network=Network(session=session))
    await session.close()
    with pytest.raises(ClosedError, match="the session is closed"):
        await transport.send(post(URL("https://api.example.com/")))
