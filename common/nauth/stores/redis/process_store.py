"""`SharedRedisStore`: the process's own store, which no client closes."""

from __future__ import annotations

import warnings

from nauth.stores.redis.store import RedisStore

__all__ = ["SharedRedisStore"]


class SharedRedisStore(RedisStore):
    """A `RedisStore` that lasts as long as the process, so that leaving it open is no mistake to warn of."""

    def __del__(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            super().__del__()
