"""What the tests of `SQLiteStore` share: one file, the stores on it, and a look at it past all stores."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from datetime import timedelta
from pathlib import Path

from nauth.stores.base import Lease, Record, StoreKey
from nauth.stores.sqlite.store import SQLiteStore
from nauth.stores.sqlite.tables import Tables
from nauth.testing.clock import FakeClock
from nauth.token import Token
from tests.support.manager import KEY

__all__ = ["LONG", "NOW", "Shelf", "crash", "held", "outside", "raw"]

NOW = timedelta(0)
LONG = timedelta(days=1)


class Shelf:
    """One file, the stores on it, and a look at it past all stores."""

    def __init__(self, folder: Path) -> None:
        self.clock = FakeClock()
        self.path = folder / "tokens.db"
        self.stores: list[SQLiteStore] = []

    def open(self) -> SQLiteStore:
        """Return another store on the file."""
        self.stores.append(SQLiteStore(self.path, clock=self.clock))
        return self.stores[-1]

    async def put(self, store: SQLiteStore, token: Token, key: StoreKey = KEY) -> Record:
        """Store `token` as a renewal does."""
        lease = await held(store, key)
        record = await store.load(key)
        version = 0 if record is None else record.version
        return await store.commit(lease, token, expected_version=version, age=NOW)

    async def run(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        """Do to the file what another program might."""

        def run() -> list[tuple[object, ...]]:
            with contextlib.closing(sqlite3.connect(self.path)) as db, db:
                return db.execute(statement, values).fetchall()

        return await asyncio.to_thread(run)

    async def signs(self) -> set[str]:
        """Return the names of the signs of life that lie beside the file."""
        return set(await outside(os.listdir, f"{self.path}-alive"))


outside = asyncio.to_thread
"""The tests' own dealings with files, which must not block the loop either."""


async def held(store: SQLiteStore, key: StoreKey = KEY) -> Lease:
    """Take a lease that must be there to take."""
    lease = await store.lease(key, LONG)
    assert lease is not None
    return lease


async def crash(store: SQLiteStore) -> None:
    """Let go of all that the kernel takes back when a process dies, and of nothing else."""
    await store._do(lambda tables: tables._liveness.release())


async def raw(store: SQLiteStore, statement: str) -> None:
    """Run a statement on the store's own connection."""

    def run(tables: Tables) -> None:
        assert tables._db is not None
        tables._db.execute(statement)

    await store._do(run)
