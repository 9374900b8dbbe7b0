"""The store contract for `RedisStore`, whichever server runs."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from datetime import timedelta

from nauth.stores.redis.store import RedisStore
from nauth.testing.contract.store import StoreContract
from tests.support.redis.servers import Server

__all__ = ["RedisContract"]


class RedisContract(StoreContract):
    """Each handle is a store with connections of its own; time is the server's, so it is waited for."""

    ttl = timedelta(seconds=0.2)
    pushes = True
    server: Server
    prefix: str

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[RedisStore]:
        async with RedisStore(self.server.url, prefix=self.prefix) as store:
            yield store

    async def advance(self, by: timedelta) -> None:
        await asyncio.sleep(by.total_seconds())
