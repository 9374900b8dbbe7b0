"""Which servers and clients a `RedisStore` takes, and which it refuses before anything is sent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import timedelta
from typing import Any

import pytest
import redis
from redis.asyncio import Redis

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import made
from tests.support.leaks.errors import leaks
from tests.support.manager import KEY
from tests.support.redis.clients import DRIVER, client, put
from tests.support.redis.servers import Server

CANARY = "canary-password"

GOOD = {
    "redis://localhost": "redis://localhost:6379",
    "redis://": "redis://localhost:6379",
    "redis://127.0.0.1:1/7": "redis://127.0.0.1:1/7",
    f"redis://user:{CANARY}@[::1]:7000": "redis://::1:7000",
    f" rediss://:{CANARY}@cache.example.com/0?ssl_cert_reqs=required&ssl_check_hostname=true ": (
        "rediss://cache.example.com:6379/0"
    ),
    f"unix://user:{CANARY}@/run/redis.sock?db=1": "unix:///run/redis.sock",
}

BAD = {
    f"http://:{CANARY}@localhost": "must look like",
    f"redis://:{CANARY}#more@localhost": "percent-encoded",
    f"redis://:{CANARY}/more@localhost": "percent-encoded",
    f"redis://:{CANARY}?more@localhost": "percent-encoded",
    f"redis://:{CANARY}@localhost:port": "must look like",
    f"redis://:{CANARY}@[::1": "must look like",
    f"redis://:{CANARY}@localhost/zero": "must look like",
    f"unix://:{CANARY}@host/run/redis.sock": "must look like",
    f"unix://:{CANARY}@": "must look like",
    f"redis://localhost/{CANARY}@more": "percent-encoded",
    "": "must look like",
    f"redis://:{CANARY}@cache.example.com": "rediss://",
    f"redis://:{CANARY}@10.0.0.1": "plain redis://",
    f"rediss://:{CANARY}@cache.example.com?ssl_cert_reqs=none": "certificate",
    f"rediss://:{CANARY}@cache.example.com?ssl_cert_reqs=required&ssl_cert_reqs=none": "certificate",
    f"rediss://:{CANARY}@cache.example.com?ssl_check_hostname=False": "certificate",
    f"redis://:{CANARY}@localhost?socket_timeout=1": "timeouts are",
    f"redis://:{CANARY}@localhost?{CANARY}": "option",
    f"redis://:{CANARY}@localhost?protocol={CANARY}": "redis-py does not take",
    f"redis://:{CANARY}@localhost?health_check_interval={CANARY}": "redis-py does not take",
}


@pytest.mark.parametrize("url", GOOD)
def test_good_urls(url: str) -> None:
    """A store shows where it leads, and neither user name nor password."""
    shown = repr(RedisStore(url, prefix="p"))
    assert shown == f"<RedisStore: {GOOD[url]}, prefix 'p', 0 event loops>"
    assert repr(RedisStore(Secret(url), prefix="p")) == shown


@pytest.mark.parametrize("url", BAD)
def test_bad_urls(url: str) -> None:
    """A URL that is unsafe or unreadable is refused, and never quoted."""
    with pytest.raises(ConfigurationError, match=BAD[url]) as caught:
        RedisStore(url)
    assert leaks(caught.value, [CANARY]) == []


def test_plaintext_is_a_decision() -> None:
    """Plain text away from this machine must be asked for."""
    assert "cache.example.com" in repr(RedisStore("redis://cache.example.com", allow_plaintext=True))


@pytest.mark.parametrize("prefix", ["", "a b", "{a}", "a}", "a\n"])
def test_bad_prefixes(prefix: str) -> None:
    """A prefix that would break the keys is refused."""
    with pytest.raises(ConfigurationError, match="prefix"):
        RedisStore("redis://", prefix=prefix)


def test_bad_timeout() -> None:
    """A deadline of nothing is refused."""
    with pytest.raises(ConfigurationError, match="timeout"):
        RedisStore("redis://", timeout=timedelta(0))


def test_without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where redis-py is missing, the text says what to install."""
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigurationError, match=r"pip install nauth\[redis\]"):
        RedisStore("redis://")


def test_stores_do_not_import_redis() -> None:
    """Redis-py is imported when a store is made, not with nauth."""
    code = (
        "import sys, nauth.stores.redis; sys.exit('redis' in sys.modules or 'redis.asyncio' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], check=False)  # noqa: S603 - our own interpreter
    assert ran.returncode == 0


@pytest.mark.parametrize("given", [7, None, b"redis://"])
def test_neither_url_nor_client(given: object) -> None:
    """Anything else is refused with what would do."""
    with pytest.raises(ConfigurationError, match=r"rediss://user.*not (int|NoneType|bytes)"):
        RedisStore(given)


@pytest.fixture
def blocking() -> redis.Redis:
    return redis.Redis()


async def test_blocking_clients(blocking: redis.Redis) -> None:
    """Redis-py's blocking client is refused, from a factory too."""
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio"):
        RedisStore(blocking)
    with pytest.raises(ConfigurationError, match=r"redis\.asyncio"):
        await RedisStore(lambda: blocking).load(KEY)


async def test_a_factory_of_nothing() -> None:
    """A factory must make clients."""
    with pytest.raises(ConfigurationError, match=r"must return a client.*str"):
        await RedisStore(lambda: "redis://").load(KEY)


@pytest.mark.parametrize("decode", [False, True])
@pytest.mark.parametrize("protocol", [2, 3])
async def test_kinds_of_clients(valkey: Server, prefix: str, protocol: int, decode: bool) -> None:
    """Clients of both protocols serve, whether they decode answers or not, subscription included."""
    async with client(valkey.url, protocol=protocol, decode_responses=decode) as given:
        store = RedisStore(given, prefix=prefix)
        assert "a Redis of yours" in repr(store)
        async with store:
            heard: asyncio.Queue[Any] = asyncio.Queue()
            store.subscribe(KEY, heard.put_nowait)
            first = await put(store, made("a", refresh="r"))
            assert (await asyncio.wait_for(heard.get(), 10)).version == first.version
            record = await store.load(KEY)
            assert record is not None
            assert (record.token, record.version) == (made("a", refresh="r"), first.version)
            assert await store.lease(KEY, timedelta(seconds=1))
            assert await store.lease(KEY, timedelta(seconds=1)) is None
            assert await store.discard(KEY, made("a"))
            assert await asyncio.wait_for(heard.get(), 10) is None
        assert await given.ping(), "a client of the user's was closed"


def test_a_client_belongs_to_one_loop(valkey: Server, prefix: str) -> None:
    """A client used from a second event loop is a clear error, and subscribing there none at all."""

    async def first() -> RedisStore:
        async with client(valkey.url) as given:
            store = RedisStore(given, prefix=prefix)
            await put(store, made("a"))
            await store.aclose()
            return store

    async def second(store: RedisStore) -> None:
        store.subscribe(KEY, print)
        with pytest.raises(ConfigurationError, match="another event loop"):
            await store.load(KEY)

    asyncio.run(second(asyncio.run(first())))


def test_a_factory_makes_one_client_for_each_loop(valkey: Server, prefix: str) -> None:
    """A factory's clients are the store's: one for each loop, and closed."""
    clients: list[Any] = []

    def make() -> Any:
        clients.append(Redis.from_url(valkey.url, **DRIVER))
        return clients[-1]

    store = RedisStore(make, prefix=prefix)

    async def use() -> None:
        await put(store, made("a"))
        assert await store.load(KEY) is not None

    for _ in range(2):
        asyncio.run(use())
    assert len(clients) == 2
    assert not any(one.connection_pool._available_connections[0].is_connected for one in clients)
