"""What an `SQLiteStore` calls the errors of the engine and of the file system."""

from __future__ import annotations

import threading
import traceback

import pytest

from nauth.errors import StoreError
from nauth.stores.sqlite import thread
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.sqlite.files import NOW, Shelf, held, outside, raw


async def test_locked_too_long(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program that keeps the file locked is a `StoreError`, and the lease is there to release afterwards."""
    monkeypatch.setattr(thread, "BUSY_S", 0.01)
    store, other = shelf.open(), shelf.open()
    await held(store)
    await other.load(KEY)
    await raw(other, "BEGIN IMMEDIATE")
    lease = next(iter(await store._do(lambda tables: list(tables.held))))
    with pytest.raises(StoreError, match=r"SQLITE_BUSY.*stayed locked"):
        await store.release(lease)
    await raw(other, "ROLLBACK")
    await store.release(lease)
    await held(other)


async def test_a_full_disk(shelf: Shelf) -> None:
    """A token for which there is no room is not stored, appears in no error, and the store recovers."""
    store = shelf.open()
    record = await shelf.put(store, made("a"))
    lease = await held(store)
    await raw(store, "PRAGMA max_page_count = 1")
    big = made("planted-secret" * 10_000)
    with pytest.raises(StoreError, match="disk is full") as caught:
        await store.commit(lease, big, expected_version=record.version, age=NOW)
    shown = traceback.TracebackException.from_exception(caught.value, limit=1000, capture_locals=True)
    assert "planted-secret" not in "".join(shown.format())
    assert await store.load(KEY) == record
    await store.commit(lease, big, expected_version=record.version, age=NOW)


async def test_an_error_of_the_file_system(shelf: Shelf) -> None:
    """Errors below SQLite are `StoreError` as well."""
    await outside(shelf.path.symlink_to, shelf.path)
    with pytest.raises(StoreError, match="cannot be used: Too many levels of symbolic links"):
        await shelf.open().load(KEY)


async def test_an_unforeseen_error(shelf: Shelf) -> None:
    """Whatever else SQLite reports has a name to look up."""
    store = shelf.open()
    await store.load(KEY)
    await shelf.run("DROP TABLE token")
    with pytest.raises(StoreError, match="SQLITE_ERROR"):
        await store.load(KEY)


@pytest.mark.parametrize("damage", ["token = 'planted-secret'", "token = x'ff'", "token = 7"])
async def test_an_unreadable_record(shelf: Shelf, damage: str) -> None:
    """A record that another program has written is an error that shows nothing of it."""
    store = shelf.open()
    await shelf.put(store, made("planted-secret"))
    await shelf.run(f"UPDATE token SET {damage}")  # noqa: S608 - our own text
    for call in (store.load(KEY), store.discard(KEY, made("a"))):
        with pytest.raises(StoreError, match="cannot be read") as caught:
            await call
        shown = traceback.TracebackException.from_exception(caught.value, limit=1000, capture_locals=True)
        assert "planted-secret" not in "".join(shown.format()).replace(damage, "")


async def test_no_thread_to_work_in(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that gives no thread is a `StoreError` too."""

    def refused(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    with pytest.raises(StoreError, match="as many threads as it may have"):
        await shelf.open().load(KEY)
    monkeypatch.undo()
    assert await shelf.stores[0].load(KEY) is None
