"""`RedisStore`: the contract, against Valkey."""

from __future__ import annotations

import pytest

from tests.support.redis.contract import RedisContract
from tests.support.redis.servers import Server


class TestValkey(RedisContract):
    """The contract, against Valkey."""

    @pytest.fixture(autouse=True)
    def _server(self, valkey: Server, prefix: str) -> None:
        self.server, self.prefix = valkey, prefix
