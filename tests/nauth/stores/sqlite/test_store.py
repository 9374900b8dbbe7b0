"""`SQLiteStore`: the contract, its records, and closing. Files, errors and leases have separate test files."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import attrs
import pytest

import nauth.stores
from nauth.errors import StoreError
from nauth.stores.base import Record, TokenStore
from nauth.stores.sqlite import thread
from nauth.stores.sqlite.store import SQLiteStore
from nauth.testing.clock import FakeClock
from nauth.testing.contract.store import StoreContract
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, NOW, Shelf, held, raw


class TestContract(StoreContract):
    """The contract, on a fake clock; two handles are two stores on one file."""

    @pytest.fixture(autouse=True)
    def place(self, tmp_path: Path) -> None:
        """Give each test a file of its own."""
        self.clock = FakeClock()
        self.path = tmp_path / "tokens.db"

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[TokenStore]:
        """Open another store on the test's file."""
        store = SQLiteStore(self.path, clock=self.clock)
        yield store
        await store.aclose()

    async def advance(self, by: timedelta) -> None:
        """Move the fake clock."""
        self.clock.advance(by)


async def test_expired_records_leave(shelf: Shelf) -> None:
    """Records leave with the next commit a day after their end, but for a key under lease."""
    store = shelf.open()
    keys = {name: attrs.evolve(KEY, identity=name) for name in "abcd"}
    await shelf.put(store, made("a"), keys["a"])
    await shelf.put(store, made("b"), keys["b"])
    await shelf.put(store, made("endless", lifetime=None), keys["c"])
    shelf.clock.advance(LONG)
    await shelf.put(store, made("d"), keys["d"])
    await held(store, keys["b"])
    shelf.clock.advance(HOUR)
    await shelf.put(store, made("d"), keys["d"])
    assert [name for name, key in keys.items() if await store.load(key)] == ["b", "c", "d"]


async def test_versions_grow_though_the_clock_goes_back(shelf: Shelf) -> None:
    """Not even a discard and a clock put back together make a version come again."""
    store = shelf.open()
    first = await shelf.put(store, made("a"))
    assert first.version == int(shelf.clock.wall() * 1_000_000)
    assert await store.discard(KEY, made("a"))
    shelf.clock.step_wall(-3600)
    assert (await shelf.put(store, made("b"))).version == first.version + 1
    assert (await shelf.put(shelf.open(), made("c"))).version == first.version + 2


async def test_listeners_of_the_same_store(shelf: Shelf) -> None:
    """Within one store object, listeners hear of its own commits and discards."""
    store, heard = shelf.open(), list[Record | None]()
    stop = store.subscribe(KEY, heard.append)
    record = await shelf.put(store, made("a"))
    await store.discard(KEY, made("a"))
    stop()
    await shelf.put(store, made("b"))
    assert heard == [record, None]


async def test_closing_gives_leases_back(shelf: Shelf) -> None:
    """A closed store holds no lease, leaves no sign, and says so when it is used."""
    store = shelf.open()
    lease = await held(store)
    await store.aclose()
    assert await shelf.signs() == set()
    assert await shelf.run("SELECT * FROM lease") == []
    await store.release(lease)
    for call in (store.load(KEY), store.changed(KEY, timeout=LONG), store.lease(KEY, LONG)):
        with pytest.raises(StoreError, match="has been closed"):
            await call


async def test_closing_a_broken_store(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store closes even if another program locks its file; the others then see that its leases are free."""
    store, other = shelf.open(), shelf.open()
    await held(store)
    await other.load(KEY)
    monkeypatch.setattr(thread, "BUSY_S", 0.01)
    await raw(other, "BEGIN IMMEDIATE")
    await store.aclose()
    await raw(other, "ROLLBACK")
    await held(other)


async def test_a_store_never_closed(shelf: Shelf) -> None:
    """A dropped store closes its files by itself, without a warning, and its lease is free at once."""
    store = SQLiteStore(shelf.path, clock=shelf.clock)
    await held(store)
    del store
    gc.collect()
    await held(shelf.open())


def test_several_loops_in_a_row(tmp_path: Path) -> None:
    """One store serves one `asyncio.run` after the other, and a lease crosses over."""
    store = SQLiteStore(tmp_path / "tokens.db")
    lease = asyncio.run(held(store))
    asyncio.run(store.commit(lease, made("a"), expected_version=0, age=NOW))
    assert asyncio.run(store.load(KEY)) is not None
    asyncio.run(store.aclose())


async def test_a_store_from_before_a_fork(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """In another process the store begins anew and neither uses nor closes what it inherits."""
    store = shelf.open()
    lease = await held(store)
    worker = store._worker
    assert worker is not None
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # the real thing is in test_processes.py
    await store.release(lease)
    assert await store.lease(KEY, LONG) is None
    assert store._worker is not worker
    worker.close_abandoned()
    await store.aclose()
    stranger = SQLiteStore(shelf.path, clock=shelf.clock)
    await stranger.load(KEY)
    monkeypatch.undo()
    await stranger.aclose()
    assert worker.tables._db is not None
    worker.close_abandoned()
    assert worker.tables._db is None


def test_it_is_imported_on_demand() -> None:
    """A program that uses no SQLite does not wait for its import."""
    # not sqlite3 itself: coverage, if it measures, has imported that
    code = "import sys, nombaauth; assert 'nauth.stores.sqlite' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own text
    assert nauth.stores.SQLiteStore is SQLiteStore
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        nauth.stores.Nothing  # type: ignore[attr-defined] # noqa: B018 - that is the test
