"""`RedisStore`: one token for many machines."""

from nauth.stores.redis.store import RedisLease, RedisStore

__all__ = ["RedisLease", "RedisStore"]
