"""Token stores: the `TokenStore` contract and its implementations."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from nauth.credential_digest import identity_digest
from nauth.stores.base import Lease, Listener, Reconnecting, Record, StoreKey, TokenStore
from nauth.stores.memory import MemoryStore
from nauth.stores.record_info import ListsRecords, RecordInfo

if TYPE_CHECKING:
    from nauth.stores.address import open_store, store_from_env
    from nauth.stores.encrypted import EncryptedStore
    from nauth.stores.redis.store import RedisStore
    from nauth.stores.sqlite.store import SQLiteStore

__all__ = [
    "EncryptedStore",
    "Lease",
    "Listener",
    "ListsRecords",
    "MemoryStore",
    "Reconnecting",
    "Record",
    "RecordInfo",
    "RedisStore",
    "SQLiteStore",
    "StoreKey",
    "TokenStore",
    "identity_digest",
    "open_store",
    "store_from_env",
]

_ON_DEMAND = {
    "EncryptedStore": "nauth.stores.encrypted",
    "RedisStore": "nauth.stores.redis",
    "SQLiteStore": "nauth.stores.sqlite",
    "open_store": "nauth.stores.address",
    "store_from_env": "nauth.stores.address",
}
"""Imported at first use: most programs need the memory store only, and the others take time to import."""


def __dir__() -> list[str]:
    return __all__


if not TYPE_CHECKING:  # else a type checker would take any name for one of ours

    def __getattr__(name: str) -> object:
        if name not in _ON_DEMAND:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(import_module(_ON_DEMAND[name]), name)
