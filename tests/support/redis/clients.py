"""What the tests of `RedisStore` share: clients that look inside, and the contract's steps shortened."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable
from datetime import timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import attrs
import redis
from redis.asyncio import Redis

from nauth.stores.base import Lease, Record, StoreKey
from nauth.stores.redis.store import RedisStore
from nauth.token import Token
from tests.support.manager import KEY

__all__ = ["DRIVER", "NOW", "OTHER", "SECOND", "TIMEOUT", "client", "lease", "put", "told", "until", "up"]

NOW = timedelta(0)
SECOND = timedelta(seconds=1)
TIMEOUT = 0.5 * SECOND
"""Of a store behind a proxy: short enough for a test to wait for."""

OTHER = attrs.evolve(KEY, identity="other")

DRIVER: dict[str, Any] = {}
"""Else redis-py looks its version up on the disk at every connection, and blockbuster minds."""
if find_spec("redis.driver_info") is not None:  # later than the first 7.x
    DRIVER["driver_info"] = import_module("redis.driver_info").DriverInfo(lib_version=redis.__version__)


@contextlib.asynccontextmanager
async def client(url: str, **options: Any) -> AsyncGenerator[Any]:
    """Open a client of redis-py's."""
    async with Redis.from_url(url, **DRIVER, **options) as opened:
        yield opened


async def lease(store: RedisStore, key: StoreKey = KEY, ttl: timedelta = 60 * SECOND) -> Lease:
    """Take a lease that must be there to take."""
    taken = await store.lease(key, ttl)
    assert taken is not None
    return taken


async def put(store: RedisStore, token: Token, key: StoreKey = KEY, *, age: timedelta = NOW) -> Record:
    """Store `token` as a renewal does."""
    taken = await lease(store, key)
    record = await store.load(key)
    version = 0 if record is None else record.version
    return await store.commit(taken, token, expected_version=version, age=age)


async def until(done: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Wait until `done()`; servers and their messages are beyond the event loop's sight."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110 - no event tells when it is done
            await asyncio.sleep(0.005)


def up(store: RedisStore) -> Callable[[], bool]:
    """Return the question whether the store's subscription stands."""
    return lambda: store._states.here().subscription._up


def told(heard: list[Record | None], record: Record) -> Callable[[], bool]:
    """Return the question whether `record` is the last that was heard of."""
    return lambda: bool(heard) and heard[-1] is not None and heard[-1].version == record.version
