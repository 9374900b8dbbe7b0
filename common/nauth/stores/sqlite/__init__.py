"""`SQLiteStore`: one token for the processes of a machine."""

from nauth.stores.sqlite.store import SQLiteLease, SQLiteStore

__all__ = ["SQLiteLease", "SQLiteStore"]
