"""`records()`, which a store may have: the same description from each, without the token, a lease or a write."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from redis.asyncio import Redis

from nauth.errors import StoreError
from nauth.stores import EncryptedStore
from nauth.stores.base import StoreKey, TokenStore
from nauth.stores.memory import MemoryStore
from nauth.stores.record_info import ListsRecords, RecordInfo
from nauth.stores.redis.store import RedisStore
from nauth.stores.sqlite.store import SQLiteStore
from nauth.testing.clock import FakeClock
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.redis.clients import DRIVER, client
from tests.support.redis.servers import Server

MINUTE = timedelta(minutes=1)
ODD = StoreKey(vendor="v|[*]", base_url='https://ü.example/"x"', identity="{a}")

Open = Callable[[], contextlib.AbstractAsyncContextManager[Any]]


@pytest.fixture(params=["memory", "SQLite", "Redis", "encrypted", "encrypted Redis"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Open one kind of store."""
    kind: str = request.param
    redis = kind.endswith("Redis")
    url = request.getfixturevalue("valkey").url if redis else ""
    prefix = f"{request.getfixturevalue('prefix')}[*?]^-\\" if redis else ""

    def inner() -> TokenStore:
        if redis:
            return RedisStore(url, prefix=prefix)
        return SQLiteStore(tmp_path / "t.db") if kind == "SQLite" else MemoryStore()

    @contextlib.asynccontextmanager
    async def run() -> AsyncIterator[TokenStore]:
        store = inner()
        yield EncryptedStore(store, {"1": EncryptedStore.generate_key()}) if "encrypted" in kind else store
        await store.aclose()

    return run


async def _put(store: TokenStore, key: StoreKey, **token: Any) -> None:
    lease = await store.lease(key, MINUTE)
    assert lease is not None
    await store.commit(lease, made("canary-9f3a", **token), expected_version=0, age=2 * MINUTE)


async def _found(store: ListsRecords) -> dict[str, RecordInfo]:
    return {info.key.identity: info async for info in store.records()}


async def test_descriptions(opened: Open) -> None:
    """Each record is told with its key, age and end; one that is being renewed is told apart; no token is shown."""
    async with opened() as store:
        assert isinstance(cast("object", store), ListsRecords)
        assert await _found(store) == {}
        await _put(store, KEY, refresh="r")
        await _put(store, ODD, lifetime=MINUTE, refresh="r")
        await _put(store, attrs.evolve(KEY, identity="endless"), lifetime=None)
        held = await store.lease(KEY, MINUTE)
        assert held is not None
        found = await _found(store)
        assert {info.key for info in found.values()} == {KEY, ODD, attrs.evolve(KEY, identity="endless")}
        assert {name: info.leased for name, info in found.items()} == {
            "digest": True,
            "{a}": False,
            "endless": False,
        }
        assert {name: info.refresh_token for name, info in found.items()} == {
            "digest": True,
            "{a}": True,
            "endless": False,
        }
        assert 2 * MINUTE <= found["digest"].age < 3 * MINUTE
        left = found["digest"].expires_in
        assert left is not None
        assert HOUR - 3 * MINUTE < left <= HOUR - 2 * MINUTE
        assert (found["{a}"].expires_in or HOUR) < timedelta(0)
        assert found["endless"].expires_in is None
        assert "canary" not in repr(found)
        await store.extend(held, MINUTE)  # the lease that was told of is still the one that was taken


async def test_a_released_lease(opened: Open) -> None:
    """A lease that was given back is none."""
    async with opened() as store:
        await _put(store, KEY)
        lease = await store.lease(KEY, MINUTE)
        assert lease is not None
        await store.release(lease)
        assert not (await _found(store))["digest"].leased


async def test_memory_leases_that_ended() -> None:
    """A lease whose time is over is none, though it was never given back."""
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    await _put(store, KEY)
    assert await store.lease(KEY, MINUTE) is not None
    clock.advance(61)
    assert not (await _found(store))["digest"].leased


class Mute:
    """A store that cannot list its records."""

    persistent = False


async def test_an_inner_store_that_lists_nothing() -> None:
    """An encrypted store over one that cannot list its records says so."""
    mute: Any = Mute()
    store = EncryptedStore(mute, {"1": EncryptedStore.generate_key()})
    with pytest.raises(StoreError, match="Mute, inside EncryptedStore, cannot list"):
        await _found(store)


@pytest.mark.slow
async def test_many_in_redis(valkey: Server, prefix: str) -> None:
    """Many records are found in several steps, and those of another prefix, or of anything else, are not."""
    async with (
        RedisStore(valkey.url, prefix=prefix) as store,
        RedisStore(valkey.url, prefix=f"{prefix}-b") as other,
    ):
        for number in range(1_200):
            await _put(store, attrs.evolve(KEY, identity=str(number)))
        await _put(other, attrs.evolve(KEY, identity="other"))
        async with client(valkey.url) as inside:
            fields = {"ver": "1", "asked_us": "1", "token": "{}"}
            await inside.hset(f"{prefix}:{{nameless}}:token", mapping=fields)
            await inside.set(f"{prefix}:{{0}}:lease", "x")
        assert len(await _found(store)) == 1_200
        assert (await _found(other)).keys() == {"other"}


async def test_a_foreign_record_in_redis(valkey: Server, prefix: str) -> None:
    """A record that is not one of ours is an error, and not quoted."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        fields = {"ver": "1", "asked_us": "1", "token": "canary-9f3a", "name": '["v","b","i"]'}
        async with client(valkey.url) as inside:
            await inside.hset(f"{prefix}:{{x}}:token", mapping=fields)
        with pytest.raises(StoreError) as caught:
            await _found(store)
        assert "canary" not in str(caught.value)


async def test_a_redis_that_is_away() -> None:
    """A server that does not answer is an error of the store, without the address's password."""
    async with RedisStore("redis://:canary-9f3a@127.0.0.1:1/0", timeout=timedelta(seconds=2)) as store:
        with pytest.raises(StoreError) as caught:
            await _found(store)
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_a_scan_that_tells_twice(valkey: Server, prefix: str) -> None:
    """A scan may tell a name twice; the record is told once."""
    async with RedisStore(lambda: _Twice(Redis.from_url(valkey.url, **DRIVER)), prefix=prefix) as store:
        await _put(store, KEY)
        assert [info.key async for info in store.records()] == [KEY]


class _Twice:
    """A client whose scans repeat each name, once as text and once as bytes."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def scan_iter(self, **options: Any) -> AsyncIterator[str | bytes]:
        """Yield each name twice."""
        async for name in self._client.scan_iter(**options):
            yield name
            yield name.decode()
