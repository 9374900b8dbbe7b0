"""`RedisStore`: the contract, against the machine's Redis, 7.0 perhaps: nothing newer must be needed."""

from __future__ import annotations

import pytest

from tests.support.redis.contract import RedisContract
from tests.support.redis.servers import Server


class TestRedis(RedisContract):
    """The contract, against Redis."""

    @pytest.fixture(autouse=True)
    def _server(self, redis_server: Server, prefix: str) -> None:
        self.server, self.prefix = redis_server, prefix
