"""Hearing of changes in Redis: by one subscription, which recovers, and by looking while there is none."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from nauth.errors import StoreError
from nauth.stores.base import Record
from nauth.stores.redis.store import RedisStore
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.redis.clients import DRIVER, OTHER, SECOND, TIMEOUT, client, lease, put, told, until, up
from tests.support.redis.servers import Server
from tests.support.tcp_proxy import Proxy


class Polling:
    """A client without `pubsub`, as redis-py's cluster client was before version 8."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._inner.execute_command(*args, **options)

    async def aclose(self) -> None:
        await self._inner.aclose()


def polling(server: Server, prefix: str) -> RedisStore:
    return RedisStore(lambda: Polling(Redis.from_url(server.url, **DRIVER)), prefix=prefix)


async def test_one_subscription(valkey: Server, prefix: str) -> None:
    """However many wait and listen, one connection hears for them all."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        heard: list[Record | None] = []
        for key in (KEY, OTHER):
            store.subscribe(key, heard.append)
        taken = await lease(store)
        waiting = [asyncio.create_task(store.changed(KEY, timeout=HOUR)) for _ in range(3)]
        await until(up(store))
        assert await server.pubsub_numsub(f"{prefix}:changes") == [(f"{prefix}:changes".encode(), 1)]
        await store.release(taken)
        await asyncio.gather(*waiting)
        await put(store, made("a"), OTHER)
        await until(lambda: len(heard) == 1)


async def test_without_a_subscription(valkey: Server, prefix: str) -> None:
    """If the client cannot subscribe, waiters poll often; listeners hear nothing, which is allowed."""
    async with polling(valkey, prefix) as store, RedisStore(valkey.url, prefix=prefix) as other:
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        await put(other, made("a"))
        taken = await lease(other)
        async with asyncio.timeout(10):
            waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
            await asyncio.sleep(0.3)
            assert not waiting.done()
            assert await other.discard(KEY, made("a"))
            await waiting
            waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
            await asyncio.sleep(0.01)
            await other.release(taken)
            await waiting
        assert heard == []


async def test_a_dead_holder(valkey: Server, prefix: str) -> None:
    """A lease that ends because its holder has died wakes the others at once, though Redis sends no message."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        await lease(store, ttl=0.2 * SECOND)
        started = asyncio.get_running_loop().time()
        async with asyncio.timeout(10):
            while await store.lease(KEY, SECOND) is None:
                await store.changed(KEY, timeout=HOUR)
        assert asyncio.get_running_loop().time() - started < 0.45


async def test_the_subscription_recovers(valkey: Server, prefix: str) -> None:
    """After the connection broke, or hung, listeners are told once of what they missed, and of nothing else."""
    async with (
        Proxy(valkey.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as store,
        RedisStore(valkey.url, prefix=prefix) as other,
    ):
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        store.subscribe(OTHER, heard.append)
        for turn in range(2):
            await until(up(store))
            first = await put(other, made(f"{turn}-first"))
            await until(told(heard, first))
            count = len(heard)
            if turn:
                proxy.hang()
            else:
                proxy.refuse()
            await put(other, made(f"{turn}-second"))
            missed = await put(other, made(f"{turn}-third"))
            await until(lambda: not up(store)())
            if turn:
                proxy.flow()
            else:
                await proxy.listen()
            await until(told(heard, missed))
            assert len(heard) == count + 1


async def test_redis_py_reconnects_by_itself(valkey: Server, prefix: str) -> None:
    """If the user's client reconnects silently, listeners still hear of the changes they missed."""
    async with (
        Proxy(valkey.port) as proxy,
        client(proxy.url) as given,
        RedisStore(given, prefix=prefix) as store,
        RedisStore(valkey.url, prefix=prefix) as other,
    ):
        heard: list[Record | None] = []
        store.subscribe(KEY, heard.append)
        await until(up(store))
        proxy.refuse()
        await put(other, made("a"))
        await proxy.listen()
        await until(lambda: heard)


async def test_waiting_during_an_outage(valkey: Server, prefix: str) -> None:
    """A waiter gets an error or its timeout if the server goes away."""
    async with (
        Proxy(valkey.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as store,
    ):
        await lease(store)
        waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        await until(up(store))
        proxy.refuse()
        with pytest.raises(StoreError, match="cannot be reached"):
            await asyncio.wait_for(waiting, 10)
        await proxy.listen()
        proxy.hang()
        await store.changed(KEY, timeout=timedelta(milliseconds=50))
        proxy.flow()


async def test_a_quiet_connection_is_asked(valkey: Server, prefix: str) -> None:
    """A subscription that hears nothing asks whether the server is still there, and goes on if it is."""
    async with (
        Proxy(valkey.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as store,
    ):
        await store.load(KEY)
        store.subscribe(KEY, print)
        store._states.here().subscription.serve()
        await until(lambda: up(store)() and not store._states.here().executor._tasks)
        passed, accepted = proxy.passed, proxy.accepted
        await until(lambda: proxy.passed > passed + 2)
        assert proxy.accepted == accepted
        assert up(store)()


class Deaf:
    """A subscription that loses cancellations, as redis-py's may on Python 3.11, or never answers."""

    def __init__(self, *, hangs: bool) -> None:
        self.hangs = hangs
        self.asked = 0

    def pubsub(self) -> Deaf:
        return self

    def execute_command(self, *args: Any, **options: Any) -> Any:
        raise ConnectionError

    async def subscribe(self, channel: str) -> None:
        if not self.hangs:
            self.asked += 1
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    async def aclose(self) -> None:
        pass

    async def get_message(self, timeout: float) -> None:  # noqa: ASYNC109 - redis-py's
        self.asked += 1
        await asyncio.sleep(3600)


async def test_a_lost_cancellation() -> None:
    """A reader ends even if its cancellation was lost on its way through the client."""
    deaf = Deaf(hangs=False)
    store = RedisStore(deaf, timeout=SECOND)
    store.subscribe(KEY, print)
    await until(lambda: deaf.asked)
    reader = store._states.here().subscription._reader
    assert reader is not None
    await asyncio.wait_for(store.aclose(), 5)
    assert reader.done()


async def test_a_read_that_never_ends() -> None:
    """A read that takes far longer than it was told counts as a broken connection."""
    deaf = Deaf(hangs=True)
    async with RedisStore(deaf, timeout=SECOND / 20) as store:
        store.subscribe(KEY, print)
        await until(lambda: deaf.asked > 2)


async def test_two_messages_at_once(valkey: Server, prefix: str) -> None:
    """A waiter that is woken and has not gone on yet may be woken again."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        taken = await lease(store)
        waiting = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        await until(up(store))
        subscription = store._states.here().subscription
        await until(lambda: subscription._waiters)
        (digest,) = subscription._waiters
        for _ in range(2):
            subscription._wake(digest, changed=False)
        await store.release(taken)
        await asyncio.wait_for(waiting, 10)
