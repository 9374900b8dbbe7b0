"""`StoreContract`: the tests that every store must pass."""

from nauth.testing.contract.store import StoreContract

__all__ = ["StoreContract"]
