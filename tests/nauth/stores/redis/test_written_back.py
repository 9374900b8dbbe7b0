"""A store that has lost what a live process holds: the process writes it back, and a new one finds the newest token."""

from __future__ import annotations

import asyncio
import base64
import shutil
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.base import Reconnecting, Record, TokenStore
from nauth.stores.encrypted import EncryptedStore
from nauth.stores.memory import MemoryStore
from nauth.stores.redis.store import RedisStore
from nauth.stores.sqlite.store import SQLiteStore
from nauth.token import RenewalPolicy
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY
from tests.support.redis.clients import NOW, OTHER, SECOND, TIMEOUT, client, put, until, up
from tests.support.redis.servers import Server
from tests.support.tcp_proxy import Proxy

POLICY = RenewalPolicy(backoff=NOW, cooldown=NOW)


def sealed(inner: TokenStore) -> EncryptedStore:
    return EncryptedStore(inner, {"k": Secret(base64.b64encode(bytes(32)).decode())})


async def stored(store: TokenStore, manager: TokenManager) -> None:
    """Wait until the store has what the manager holds."""
    async with asyncio.timeout(20):
        while True:
            record = await store.load(KEY)
            if record is not None and record.token == manager.current:
                return
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("wrap", [lambda store: store, sealed])
async def test_a_server_that_lost_its_data(
    valkey: Server, prefix: str, wrap: Callable[[TokenStore], TokenStore]
) -> None:
    """After a failover to an empty replica the first process that reconnects brings its token along."""
    async with Proxy(valkey.port) as proxy, RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as inner:
        store, authenticator = wrap(inner), FakeAuthenticator(rotating=True)
        manager = TokenManager(authenticator, key=KEY, store=store, policy=POLICY)
        await manager.token()
        await until(up(inner))
        async with client(valkey.url) as server:
            await server.delete(*await server.keys(f"{prefix}:*"))
        proxy.cut()
        await stored(store, manager)
        assert authenticator.calls == ["issue"]
        await manager.aclose()


async def test_a_replica_that_lagged(valkey: Server, prefix: str) -> None:
    """An older record is replaced by the newer one that a live process holds; others that hold the older adopt it."""
    async with (
        Proxy(valkey.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as store,
        client(valkey.url) as server,
    ):
        manager = TokenManager(FakeAuthenticator(rotating=True), key=KEY, store=store, policy=POLICY)
        first = await manager.token()
        (name,) = await server.keys(f"{prefix}:*:token")
        old = await server.dump(name)
        second = await manager.renew()
        assert second != first
        await until(up(store))
        await server.restore(name, 0, old, replace=True)
        proxy.cut()
        await stored(store, manager)
        assert manager.current == second
        await manager.aclose()


async def test_an_emptied_server(valkey: Server, prefix: str) -> None:
    """FLUSHALL breaks no connection; it is noticed while the subscription is quiet."""
    async with (
        RedisStore(valkey.url, prefix=prefix, timeout=0.3 * SECOND) as store,
        client(valkey.url) as server,
    ):
        manager = TokenManager(FakeAuthenticator(rotating=True), key=KEY, store=store, policy=POLICY)
        await manager.token()
        topics = store._states.subscribers._topics
        await until(lambda: all(topic.heard is not None for topic in topics.values()))
        await server.delete(*await server.keys(f"{prefix}:*"))
        await stored(store, manager)
        await manager.aclose()


async def test_one_record_that_expired(valkey: Server, prefix: str) -> None:
    """Where some records are gone and others are not, those are told of that are gone, once."""
    async with (
        RedisStore(valkey.url, prefix=prefix, timeout=0.3 * SECOND) as store,
        client(valkey.url) as server,
    ):
        gone: list[Record | None] = []
        there: list[Record | None] = []
        store.on_reconnect(KEY, gone.append)
        stop = store.on_reconnect(OTHER, there.append)
        await until(up(store))
        await put(store, made("a"))
        (name,) = await server.keys(f"{prefix}:*:token")
        await put(store, made("b"), OTHER)
        topics = store._states.subscribers._topics
        await until(lambda: all(topic.heard is not None for topic in topics.values()))
        await server.delete(name)
        await until(lambda: gone)
        assert gone == [None]
        assert there == []
        stop()
        assert len(store._states.subscribers.digests()) == 1
        store._states.subscribers.tell_found("unknown", None)


async def test_a_restored_file(tmp_path: Path) -> None:
    """A backup put in the place of the file gets the token of the process that has the store open."""
    path = tmp_path / "tokens.db"
    store = SQLiteStore(path)
    manager = TokenManager(FakeAuthenticator(rotating=True), key=KEY, store=sealed(store), policy=POLICY)
    await manager.token()

    def back_up() -> None:
        shutil.copy(path, tmp_path / "backup")
        for end in ("-wal", "-shm"):
            shutil.copy(f"{path}{end}", tmp_path / f"backup{end}")

    await asyncio.to_thread(back_up)
    second = await manager.renew()

    def restore() -> None:
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"backup{end}").replace(f"{path}{end}")

    await asyncio.to_thread(restore)
    await store.load(attrs.evolve(KEY, identity="any"))  # whatever call finds the other file
    await stored(sealed(store), manager)
    assert manager.current == second
    await manager.aclose()
    await store.aclose()


async def test_what_is_not_written_back(tmp_path: Path) -> None:
    """A token that was refused, is being written back, or was replaced meanwhile, is not written back; nor by a closed client."""
    store = SQLiteStore(tmp_path / "tokens.db")
    manager = TokenManager(FakeAuthenticator(rotating=True), key=KEY, store=store, policy=POLICY)
    manager._on_reconnect(None)
    token = await manager.token()
    record = await store.load(KEY)
    assert record is not None
    loop_state = manager._loops.here()
    manager._on_reconnect(record)
    held = manager.cache.held
    manager._write_back(attrs.evolve(held))
    assert not len(loop_state.tasks)
    manager._write_back(held)
    manager._write_back(held)
    assert len(loop_state.tasks) == 1
    await asyncio.gather(*loop_state.tasks)
    assert manager._writing_back is None
    again = await store.load(KEY)
    assert again is not None
    assert again.version == record.version, "it was there"
    manager.reject(token)
    manager._on_reconnect(None)
    await asyncio.sleep(0)
    assert manager._writing_back is None
    await manager.aclose()
    manager._write_back(held)
    await store.aclose()


async def test_a_loop_that_has_ended(tmp_path: Path) -> None:
    """A store that finds its loss after the client's loop has ended does no harm."""
    store = SQLiteStore(tmp_path / "tokens.db")
    manager = TokenManager(FakeAuthenticator(rotating=True), key=KEY, store=store, policy=POLICY)
    await asyncio.to_thread(asyncio.run, manager.token())
    manager._on_reconnect(None)
    await asyncio.sleep(0)
    assert manager._writing_back is None
    await manager.aclose()
    await store.aclose()


def test_which_stores_can_tell() -> None:
    """Memory loses nothing; the others say when they may have."""
    assert not isinstance(MemoryStore(), Reconnecting)
    assert isinstance(SQLiteStore("tokens.db"), Reconnecting)
    assert isinstance(RedisStore("redis://"), Reconnecting)
    assert sealed(MemoryStore()).on_reconnect(KEY, print)() is None
