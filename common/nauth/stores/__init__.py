"""Where tokens are shared: the contract and its stores."""

from nauth.stores.base import Lease, Listener, Record, StoreKey, TokenStore, identity_digest
from nauth.stores.memory import MemoryStore

__all__ = ["Lease", "Listener", "MemoryStore", "Record", "StoreKey", "TokenStore", "identity_digest"]
