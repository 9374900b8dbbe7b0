"""Many clients of one credential in a process, over each store: calls of the vendor, and how long the loop is held."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import inf
from pathlib import Path

import attrs
import pytest

from nauth.errors import CredentialsRejectedError, NotSentError
from nauth.manager.token_manager import TokenManager
from nauth.stores import MemoryStore, SQLiteStore, TokenStore
from nauth.stores.base import StoreKey
from nauth.stores.redis import RedisStore
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY

_POLICY = RenewalPolicy(jitter=timedelta(0), cooldown=timedelta(minutes=5))
_STORES = ["memory", "sqlite", "redis"]


def _store(kind: str, folder: Path, url: str | None) -> TokenStore:
    if kind == "memory":
        return MemoryStore()
    if kind == "sqlite":
        return SQLiteStore(folder / "tokens.db")
    assert url is not None
    return RedisStore(url, prefix=folder.name)


@contextlib.asynccontextmanager
async def _quiet() -> AsyncIterator[None]:
    """Run the loop as users do: its debug mode doubles what a client costs, and remarks on turns of a thousand."""
    loop = asyncio.get_running_loop()
    loop.set_debug(False)
    yield
    loop.set_debug(True)


class _Slow(FakeAuthenticator):
    """Answers after a while, so that all have asked by then."""

    async def issue(self) -> Token:
        await asyncio.sleep(0.3)
        return await super().issue()


@pytest.mark.slow
@pytest.mark.parametrize("at_once", [False, True], ids=["one after another", "at once"])
@pytest.mark.parametrize("store", _STORES)
async def test_a_thousand_clients_of_a_refused_credential(
    store: str, tmp_path: Path, redis_url: str | None, *, at_once: bool
) -> None:
    """They make one call in a cool-down, one after another or all at once, and each hears why."""
    vendor, opened = _Slow(), _store(store, tmp_path, redis_url)
    vendor.error = CredentialsRejectedError("no such client")

    async def asks() -> None:
        manager = TokenManager(vendor, key=KEY, store=opened, policy=_POLICY)
        with pytest.raises(CredentialsRejectedError):
            await manager.token()
        await manager.aclose()

    async with _quiet():
        if at_once:
            await asyncio.gather(*(asks() for _ in range(1_000)))
        else:
            for _ in range(1_000):
                await asks()
    assert vendor.calls == ["issue"]
    await opened.aclose()


@pytest.mark.parametrize("store", _STORES)
async def test_another_way_is_not_paused(store: str, tmp_path: Path, redis_url: str | None) -> None:
    """A client whose proxy is broken has a cool-down of its own: another one, that goes without it, gets a token."""
    broken, whole, opened = FakeAuthenticator(), FakeAuthenticator(), _store(store, tmp_path, redis_url)
    broken.error = NotSentError("the proxy is down")
    through_it = TokenManager(broken, key=KEY, store=opened, policy=_POLICY)
    around_it = TokenManager(whole, key=KEY, store=opened, policy=_POLICY)
    for _ in range(2):
        with pytest.raises(NotSentError):
            await through_it.token()
    assert (await around_it.token()).access_token.reveal() == "t1"
    assert (len(broken.calls), len(whole.calls)) == (1, 1)
    for manager in (through_it, around_it):
        await manager.aclose()
    await opened.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("clients", [1, 2], ids=["one client", "a client for each loop"])
@pytest.mark.parametrize("store", _STORES)
def test_ten_thousand_waiters_in_two_threads(
    store: str, clients: int, tmp_path: Path, redis_url: str | None
) -> None:
    """Five thousand callers in each of two loops in two threads are served by one call."""
    vendor, opened, met = _Slow(), _store(store, tmp_path, redis_url), threading.Barrier(2)
    managers = [TokenManager(vendor, key=KEY, store=opened, policy=_POLICY) for _ in range(clients)]

    async def herd(number: int) -> set[str]:
        asyncio.get_running_loop().slow_callback_duration = 600
        await asyncio.to_thread(met.wait, 30)
        manager = managers[number % clients]
        tokens = await asyncio.gather(*(manager.token() for _ in range(5_000)))
        return {token.access_token.reveal() for token in tokens}

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(asyncio.run, herd(number)) for number in range(2)]
        assert [run.result(timeout=60) for run in runs] == [{"t1"}, {"t1"}]
    assert vendor.calls == ["issue"]


class _Held:
    """How long the loop was held by one turn at the longest, in processor time: other programs do not count.

    Attributes:
        longest_ms: so long.
    """

    def __init__(self) -> None:
        self.longest_ms = 0.0
        self._going = True

    def stop(self) -> None:
        """End the watch."""
        self._going = False

    async def watch(self) -> None:
        """Look at the thread's time at each turn."""
        last = time.thread_time()
        while self._going:
            await asyncio.sleep(0)
            now = time.thread_time()
            self.longest_ms = max(self.longest_ms, (now - last) * 1e3)
            last = now


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Keep Python's own garbage collection out of the figure; it is not the library's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.slow
@pytest.mark.parametrize("closed", [False, True], ids=["dropped", "closed"])
@pytest.mark.parametrize("keys", [1, 20_000], ids=["one credential", "a credential each"])
async def test_a_renewal_after_twenty_thousand_clients(keys: int, *, closed: bool) -> None:
    """However many were made, used and dropped or closed before it, a renewal holds the loop for less than 20 ms."""
    vendor, store = FakeAuthenticator(rotating=True), MemoryStore(max_records=30_000)
    manager = TokenManager(vendor, key=KEY, store=store, policy=_POLICY)
    await manager.token()
    async with _quiet():
        for number in range(20_000):
            key = KEY if keys == 1 else _key(number)
            client = TokenManager(vendor, key=key, store=store, policy=_POLICY)
            await client.token()
            if closed:
                await client.aclose()
            del client
        held = _Held()
        with _no_collection():
            watch = asyncio.create_task(held.watch())
            before = len(vendor.calls)
            await manager.renew()
            held.stop()
            await watch
    assert len(vendor.calls) == before + 1
    assert held.longest_ms < 20
    await manager.aclose()


@pytest.mark.slow
async def test_commits_of_a_full_memory_store() -> None:
    """A commit into a store of 100,000 records takes at most twice as long as one into a store of 1,000."""
    token, span_s = made("t"), dict[int, float]()
    with _no_collection():
        for size in (1_000, 100_000):
            store = MemoryStore(max_records=size)
            for number in range(size):
                await _commit(store, number, token)
            for turn in range(1, 6):  # the shortest of five: what else the machine did is not the store's
                began = time.thread_time()
                for number in range(2_000):
                    await _commit(store, turn * 1_000_000 + number, token)
                span_s[size] = min(span_s.get(size, inf), time.thread_time() - began)
    assert span_s[100_000] < 2 * span_s[1_000]


def _key(number: int) -> StoreKey:
    return attrs.evolve(KEY, identity=str(number))


async def _commit(store: MemoryStore, number: int, token: Token) -> None:
    lease = await store.lease(_key(number), timedelta(seconds=40))
    assert lease is not None
    await store.commit(lease, token, expected_version=0, age=timedelta(0))
