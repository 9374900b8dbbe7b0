"""The file of an `SQLiteStore`: where it lies, who may read it, and what becomes of it."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import attrs
import pytest

from nauth.errors import ConfigurationError, LeaseLostError, StoreError
from nauth.stores.base import Record
from nauth.stores.sqlite.store import SQLiteStore
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, NOW, Shelf, crash, held, outside


async def test_nothing_is_opened_before_the_first_use(shelf: Shelf) -> None:
    """A store that is only made, and closed, leaves no file and no thread; a path may be text."""
    store = SQLiteStore(str(shelf.path))
    assert store.persistent
    assert repr(store) == f"<SQLiteStore: {str(shelf.path)!r}>"
    await store.aclose()
    assert not await outside(shelf.path.exists)
    assert store._worker is None


@pytest.mark.parametrize("path", ["", ":memory:", "file:tokens.db?mode=memory", "a\0b"])
def test_paths_that_name_no_file(path: str) -> None:
    """What SQLite would open elsewhere than in a file is refused at once."""
    with pytest.raises(ConfigurationError, match="wants the path of a file"):
        SQLiteStore(path)


def test_a_change_of_folder_does_not_move_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative path means what it meant when the store was made: daemons change to /."""
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("tokens.db")
    monkeypatch.chdir("/")
    asyncio.run(store.load(KEY))
    asyncio.run(store.aclose())
    assert (tmp_path / "tokens.db").exists()


async def test_links_lead_to_the_same_store(shelf: Shelf) -> None:
    """Processes that come by different links see each other's leases, and each other's deaths."""
    link = shelf.path.with_name("link")
    await outside(link.symlink_to, shelf.path)
    other = SQLiteStore(link, clock=shelf.clock)
    await held(other)
    store = shelf.open()
    assert await store.lease(KEY, LONG) is None
    await crash(other)
    await held(store)
    await other.aclose()


async def test_the_folder_must_exist(tmp_path: Path) -> None:
    """A missing folder is named; the store does not guess who may look into it."""
    store = SQLiteStore(tmp_path / "missing" / "tokens.db")
    with pytest.raises(ConfigurationError, match=r"does not exist: .*missing"):
        await store.load(KEY)


@pytest.mark.parametrize("end", ["", "-wal", "-shm"])
async def test_files_open_to_others_are_refused(shelf: Shelf, end: str) -> None:
    """Tokens in a file that others may read have perhaps been read: nothing is narrowed behind the user's back."""
    await shelf.open().load(KEY)
    file = Path(f"{shelf.path}{end}")
    await outside(file.chmod, 0o640)
    store = shelf.open()
    with pytest.raises(ConfigurationError, match=r"mode 0640.*chmod 600"):
        await store.load(KEY)
    await outside(file.chmod, 0o600)
    assert await store.load(KEY) is None


async def test_a_folder_open_to_others_is_refused(shelf: Shelf) -> None:
    """Other users cannot remove the lock files."""
    folder = shelf.path.with_name("tokens.db-alive")
    await outside(folder.mkdir)
    await outside(folder.chmod, 0o777)
    with pytest.raises(ConfigurationError, match="chmod 700"):
        await shelf.open().lease(KEY, LONG)


@pytest.mark.parametrize("end", ["", "-alive"])
async def test_what_is_in_the_way(shelf: Shelf, end: str) -> None:
    """A folder where the file should be, and the other way round, are said to be."""
    path = Path(f"{shelf.path}{end}")
    if end:
        await outside(path.touch, 0o600)
    else:
        await outside(path.mkdir, 0o700)
    with pytest.raises(ConfigurationError, match="is not a"):
        await shelf.open().lease(KEY, LONG)


async def test_another_programs_database(shelf: Shelf) -> None:
    """A database that is not ours is refused as it is."""
    await shelf.run("CREATE TABLE customer (name)")
    await outside(shelf.path.chmod, 0o600)
    with pytest.raises(ConfigurationError, match="another program's database"):
        await shelf.open().load(KEY)
    assert await shelf.run("SELECT name FROM sqlite_master") == [("customer",)]
    assert await shelf.run("PRAGMA journal_mode") == [("delete",)]


async def test_a_newer_database(shelf: Shelf) -> None:
    """Tables of another version are not guessed at."""
    await shelf.open().load(KEY)
    await shelf.run("PRAGMA user_version = 2")
    with pytest.raises(StoreError, match="another version of nauth"):
        await shelf.open().load(KEY)


async def test_not_a_database(shelf: Shelf) -> None:
    """A file of something else is left alone."""
    await outside(shelf.path.touch, 0o600)
    await outside(shelf.path.write_text, "no database" * 100)
    with pytest.raises(StoreError, match=r"SQLITE_NOTADB.*is not an SQLite database"):
        await shelf.open().load(KEY)
    assert await outside(shelf.path.read_text) == "no database" * 100


@pytest.mark.parametrize("again", [False, True])
async def test_a_deleted_file_is_made_anew(shelf: Shelf, again: bool) -> None:
    """A store whose file is deleted or replaced goes on with the new one, and holds no lease in it."""
    store = shelf.open()
    before = await shelf.put(store, made("a"))
    lease = await held(store)
    for end in ("", "-wal", "-shm"):
        await outside(Path(f"{shelf.path}{end}").unlink)
    if again:
        await shelf.open().load(KEY)
    assert await store.load(KEY) is None
    with pytest.raises(LeaseLostError):
        await store.commit(lease, made("b"), expected_version=0, age=NOW)
    await held(shelf.open())
    await store.release(lease)
    assert await store.lease(KEY, LONG) is None
    shelf.clock.advance(1)
    assert (await shelf.put(store, made("c"), attrs.evolve(KEY, identity="c"))).version > before.version


async def test_a_file_that_took_the_place_is_told_of_when_it_can_be_used(shelf: Shelf) -> None:
    """A backup that others may read is refused; once a person has closed it to them, the store tells what is in it."""
    store, told = shelf.open(), list[Record | None]()
    await shelf.put(store, made("a"))
    store.on_reconnect(KEY, told.append)

    def restored() -> None:
        for end in ("", "-wal", "-shm"):
            Path(f"{shelf.path}{end}").unlink()
        shelf.path.touch(0o600)
        shelf.path.chmod(0o644)

    await outside(restored)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="mode 0644"):
            await store.load(KEY)
    assert told == []
    await outside(shelf.path.chmod, 0o600)
    assert await store.load(KEY) is None
    assert told == [None]
    assert await store.load(KEY) is None
    assert told == [None]


async def test_all_files_deleted(shelf: Shelf) -> None:
    """Where the signs of life went with the file, the store puts up a new one: its death is seen again."""
    store = shelf.open()
    await held(store)
    for end in ("", "-wal", "-shm"):
        await outside(Path(f"{shelf.path}{end}").unlink)
    await outside(shutil.rmtree, f"{shelf.path}-alive")
    await held(store)
    await crash(store)
    await held(shelf.open())


async def test_closing_does_not_bring_a_deleted_file_back(shelf: Shelf) -> None:
    """A deleted file is not written again at the program's end."""
    store = shelf.open()
    await held(store)
    await outside(shelf.path.unlink)
    await store.aclose()
    assert not await outside(shelf.path.exists)
