"""What listeners to a `RedisStore` are told: what is new, once, by one loop, and what was missed."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from nauth.stores.base import Record
from nauth.stores.redis.scripts import LOAD, Loaded
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.redis.clients import NOW, OTHER, TIMEOUT, client, lease, put, until, up
from tests.support.redis.servers import Server
from tests.support.tcp_proxy import Proxy


async def test_lost_data_are_no_news(valkey: Server, prefix: str) -> None:
    """Listeners are not told that a record is gone because Redis has lost it: the token is as good as before."""
    async with (
        Proxy(valkey.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as store,
        client(valkey.url) as server,
    ):
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        await put(store, made("a"))
        await until(lambda: heard)
        await server.delete(*await server.keys(f"{prefix}:*"))
        connections = proxy.accepted
        proxy.cut()
        await until(lambda: proxy.accepted > connections and up(store)())
        await put(store, made("b"))
        await until(lambda: len(heard) == 2)
        assert None not in heard


async def test_old_records_are_no_news(valkey: Server, prefix: str) -> None:
    """A new listener is not told of what was stored before it, but of what was stored while its subscription began."""
    async with RedisStore(valkey.url, prefix=prefix) as store, RedisStore(valkey.url, prefix=prefix) as other:
        await put(other, made("old"))
        await asyncio.sleep(0.01)
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        store.subscribe(OTHER, heard.append)
        record = await put(other, made("new"), OTHER)
        await until(up(store))
        await until(lambda: heard)
        assert [None if one is None else one.version for one in heard] == [record.version]


async def test_a_record_that_was_gone_before_it_was_read(valkey: Server, prefix: str) -> None:
    """A commit whose record is discarded before a listener could read it is heard as a discard."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        await until(up(store))
        digest = next(iter(store._states.subscribers._topics))
        for message in ("committed", "discarded", "nonsense"):
            await server.publish(f"{prefix}:changes", f"{message} {digest}")
        await until(lambda: heard)
        assert heard == [None]


async def test_a_commit_while_a_discard_is_looked_into(
    valkey: Server, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A discard that was overtaken by this store's own commit is not told: it would take the new token away."""
    async with RedisStore(valkey.url, prefix=prefix) as store, RedisStore(valkey.url, prefix=prefix) as other:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        await put(store, made("a"))
        await until(lambda: heard)
        executor = store._states.here().executor
        ask_all, commits = executor.ask_all, [made("b")]

        async def overtaken(script: Any, digests: list[str], *, read: Any) -> Any:
            found = await ask_all(script, digests, read=read)
            if None in found and commits:
                taken = await lease(store)
                await store.commit(taken, commits.pop(), expected_version=0, age=NOW)
            return found

        monkeypatch.setattr(executor, "ask_all", overtaken)
        assert await other.discard(KEY, made("a"))
        await until(lambda: len(heard) == 2)
        assert heard[-1] is not None
        assert heard[-1].token == made("b")


async def test_a_listener_that_fails(valkey: Server, prefix: str, caplog: pytest.LogCaptureFixture) -> None:
    """A listener's bug is logged without its text, and the others go on hearing."""

    def broken(record: Record | None) -> None:
        raise RuntimeError("canary")

    async with RedisStore(valkey.url, prefix=prefix) as store:
        heard: list[Record | None] = []
        store.subscribe(KEY, broken)
        store.subscribe(OTHER, heard.append)
        await put(store, made("a"))
        await put(store, made("a"), OTHER)
        await until(lambda: heard)
        assert [
            record.message
            for record in caplog.records
            if record.levelno >= logging.WARNING and record.name == "nauth"
        ] == ["a listener to the token store failed: RuntimeError"]


async def test_the_last_listener_leaves(valkey: Server, prefix: str) -> None:
    """A key whose listeners have gone is forgotten; one that comes back later hears only what is new."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        heard: list[Record | None] = []
        stop = store.subscribe(KEY, heard.append)
        await until(up(store))
        stop()
        await put(store, made("a"))
        subscribers = store._states.subscribers
        assert not subscribers
        assert subscribers.digests() == []
        found = await store._states.here().executor.ask(LOAD, "0" * 64, read=lambda answer, _: answer)
        assert found is None
        store.subscribe(KEY, heard.append)
        record = await put(store, made("b"))
        await until(lambda: heard)
        assert [None if one is None else one.version for one in heard] == [record.version]


def test_subscribing_outside_of_a_loop(valkey: Server, prefix: str) -> None:
    """A subscription made without a loop begins with the first loop that uses the store, and moves on to the next."""
    store = RedisStore(valkey.url, prefix=prefix)
    heard: list[Record | None] = []
    store.subscribe(KEY, heard.append)

    async def use(count: int) -> None:
        assert await store.load(OTHER) is None
        await until(up(store))
        await put(store, made(str(count)))
        await until(lambda: len(heard) == count)

    for count in (1, 2):
        asyncio.run(use(count))
    assert "0 event loops" not in repr(store)


def test_one_loop_tells(valkey: Server, prefix: str) -> None:
    """With several loops at work each listener is called once, by one of them; the next takes over where it ends."""
    store = RedisStore(valkey.url, prefix=prefix)
    heard: list[Record | None] = []
    loop: Any = None
    started_up: Any = None
    ended: Any = None

    async def inner() -> None:
        taken = await lease(store)
        waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        await until(up(store))
        await store.release(taken)
        await waiting
        await put(store, made("a"))

    async def outer() -> None:
        nonlocal loop, started_up, ended
        loop = asyncio.get_running_loop()
        started_up, ended = loop.create_future(), asyncio.Event()
        store.subscribe(KEY, heard.append)
        await until(up(store))
        await asyncio.to_thread(asyncio.run, inner())
        await until(lambda: heard)
        assert len(heard) == 1
        other = asyncio.create_task(asyncio.to_thread(asyncio.run, stays()))
        await started_up
        await store.aclose()
        ended.set()
        await other

    async def stays() -> None:
        taken = await lease(store)
        waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        await until(up(store))
        loop.call_soon_threadsafe(started_up.set_result, None)
        await until(ended.is_set)
        await store.release(taken)
        await waiting
        await put(store, made("b"))
        await until(lambda: len(heard) == 2)

    asyncio.run(outer())


async def test_news_without_listener(valkey: Server, prefix: str) -> None:
    """A record found after its last listener has gone is dropped."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        record = await put(store, made("a"))
        store._states.subscribers.found("unknown", Loaded(record, NOW))
        store._states.subscribers.tell("unknown", record)
