"""`SQLiteStore`: the contract, and what is its own: files, errors, dead holders, cancelled callers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import traceback
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

import attrs
import pytest

import nauth.stores
from nauth.errors import ConfigurationError, LeaseLostError, StoreError
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.stores.sqlite import SQLiteStore
from nauth.stores.sqlite_tables import Tables
from nauth.stores.sqlite_thread import Worker
from nauth.testing.clock import FakeClock
from nauth.testing.contract import StoreContract
from nauth.token import Token
from tests.fakes.authenticator import HOUR, made
from tests.fakes.manager import KEY

NOW = timedelta(0)
LONG = timedelta(days=1)


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


@pytest.fixture
async def shelf(tmp_path: Path) -> AsyncGenerator[Shelf]:
    """Give each test a file of its own, and close what it opened."""
    shelf = Shelf(tmp_path)
    yield shelf
    for store in shelf.stores:
        await store.aclose()


outside = asyncio.to_thread
"""The tests' own dealings with files, which must not block the loop either."""


async def held(store: SQLiteStore, key: StoreKey = KEY) -> Lease:
    """Take a lease that must be there to take."""
    lease = await store.lease(key, LONG)
    assert lease is not None
    return lease


async def crash(store: SQLiteStore) -> None:
    """Let go of all that the kernel takes back when a process dies, and of nothing else."""
    await store._do(lambda tables: tables._alive.end())


async def raw(store: SQLiteStore, statement: str) -> None:
    """Run a statement on the store's own connection."""

    def run(tables: Tables) -> None:
        assert tables._db is not None
        tables._db.execute(statement)

    await store._do(run)


# --- files -------------------------------------------------------------------------------------------


async def test_nothing_is_opened_before_the_first_use(shelf: Shelf) -> None:
    """A store that is only made, and closed, leaves no file and no thread; a path may be text."""
    store = SQLiteStore(str(shelf.path))
    assert store.persistent
    assert repr(store) == f"<SQLiteStore: {str(shelf.path)!r}>"
    await store.aclose()
    assert not await outside(shelf.path.exists)
    assert store._office is None


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
    """Nobody else may remove the signs of life."""
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
    """Whoever deletes the file does not find it again at the program's end."""
    store = shelf.open()
    await held(store)
    await outside(shelf.path.unlink)
    await store.aclose()
    assert not await outside(shelf.path.exists)


# --- errors ------------------------------------------------------------------------------------------


async def test_locked_too_long(shelf: Shelf) -> None:
    """Another program that keeps the file locked is a `StoreError`, and the lease is there to release afterwards."""
    store, other = shelf.open(), shelf.open()
    await held(store)
    await other.load(KEY)
    await raw(store, "PRAGMA busy_timeout = 0")
    await raw(other, "BEGIN IMMEDIATE")
    lease = next(iter(await store._do(lambda tables: list(tables.held))))
    with pytest.raises(StoreError, match=r"SQLITE_BUSY.*stayed locked"):
        await store.release(lease)
    await raw(other, "ROLLBACK")
    await store.release(lease)
    await held(other)


async def test_a_full_disk(shelf: Shelf) -> None:
    """A token for which there is no room is not stored, shown to nobody, and the store recovers."""
    store = shelf.open()
    record = await shelf.put(store, made("a"))
    lease = await held(store)
    await raw(store, "PRAGMA max_page_count = 1")
    big = made("planted-secret" * 10_000)
    with pytest.raises(StoreError, match="disk is full") as caught:
        await store.commit(lease, big, expected_version=record.version, age=NOW)
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "planted-secret" not in "".join(shown.format())
    assert await store.load(KEY) == record
    await store.commit(lease, big, expected_version=record.version, age=NOW)


async def test_an_error_of_the_file_system(shelf: Shelf) -> None:
    """Errors below SQLite are `StoreError` as well."""
    await outside(shelf.path.symlink_to, shelf.path)
    with pytest.raises(StoreError, match="cannot be used: Too many levels of symbolic links"):
        await shelf.open().load(KEY)


async def test_an_error_that_nobody_foresaw(shelf: Shelf) -> None:
    """Whatever else SQLite reports has a name to look up."""
    store = shelf.open()
    await store.load(KEY)
    await shelf.run("DROP TABLE token")
    with pytest.raises(StoreError, match="SQLITE_ERROR"):
        await store.load(KEY)


@pytest.mark.parametrize("damage", ["token = 'planted-secret'", "token = x'ff'", "token = 7"])
async def test_an_unreadable_record(shelf: Shelf, damage: str) -> None:
    """A record that somebody else has written is an error that shows nothing of it."""
    store = shelf.open()
    await shelf.put(store, made("planted-secret"))
    await shelf.run(f"UPDATE token SET {damage}")  # noqa: S608 - our own text
    for call in (store.load(KEY), store.discard(KEY, made("a"))):
        with pytest.raises(StoreError, match="cannot be read") as caught:
            await call
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert "planted-secret" not in "".join(shown.format()).replace(damage, "")


async def test_no_thread_to_work_in(shelf: Shelf) -> None:
    """At the program's end no thread can be had; that is a `StoreError` too."""
    worker = Worker()
    worker.stop()
    with pytest.raises(StoreError, match="shutting down"):
        worker.run(gc.collect)


# --- records -----------------------------------------------------------------------------------------


async def test_expired_records_leave(shelf: Shelf) -> None:
    """Records leave with the next commit after their end, but for a key under lease."""
    store = shelf.open()
    keys = {name: attrs.evolve(KEY, identity=name) for name in "abcd"}
    await shelf.put(store, made("a"), keys["a"])
    await shelf.put(store, made("b"), keys["b"])
    await shelf.put(store, made("endless", lifetime=None), keys["c"])
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


# --- leases ------------------------------------------------------------------------------------------


async def test_a_dead_holders_lease_is_free_at_once(shelf: Shelf) -> None:
    """No time passes on the store's clock; whoever waits hears of the death."""
    dead, store = shelf.open(), shelf.open()
    await held(dead)
    assert await store.lease(KEY, LONG) is None
    waiter = asyncio.create_task(store.changed(KEY, timeout=LONG))
    await crash(dead)
    await asyncio.wait_for(waiter, 20)
    await store.changed(KEY, timeout=LONG)
    await held(store)


async def test_one_of_many_inherits(shelf: Shelf) -> None:
    """Of many that find the holder dead, one takes its place."""
    dead, heirs = shelf.open(), [shelf.open() for _ in range(4)]
    await held(dead)
    await crash(dead)
    leases = await asyncio.gather(*(store.lease(KEY, LONG) for store in heirs))
    assert sum(lease is not None for lease in leases) == 1


async def test_the_dead_are_buried(shelf: Shelf) -> None:
    """A new process removes the signs and leases of those who died, and leaves those of the living."""
    living, dead = shelf.open(), shelf.open()
    await held(living)
    await held(dead, attrs.evolve(KEY, identity="other"))
    await crash(dead)
    before, mine = await shelf.signs(), await living._do(lambda tables: tables._alive.name)
    assert len(before) == 2
    await held(shelf.open(), attrs.evolve(KEY, identity="third"))
    after = await shelf.signs()
    assert len(after) == 2
    assert before & after == {mine}
    assert len(await shelf.run("SELECT * FROM lease")) == 2


async def test_a_removed_sign_is_no_death(shelf: Shelf) -> None:
    """Where somebody tidied the sign away its owner may live: the lease ends by time."""
    tidied, store = shelf.open(), shelf.open()
    lease = await held(tidied)
    for sign in await shelf.signs():
        await outside(os.unlink, f"{shelf.path}-alive/{sign}")
    assert await store.lease(KEY, LONG) is None
    shelf.clock.advance(LONG)
    await held(store)
    with pytest.raises(LeaseLostError):
        await tidied.commit(lease, made("late"), expected_version=0, age=NOW)


async def test_a_clock_put_back(shelf: Shelf) -> None:
    """A lease from before the clock was put back does not last until that time comes again."""
    living, store = shelf.open(), shelf.open()
    lease = await held(living)
    shelf.clock.step_wall(-LONG / 2)
    assert await store.lease(KEY, LONG) is None
    shelf.clock.step_wall(-LONG)
    await held(store)
    with pytest.raises(LeaseLostError):
        await living.extend(lease, LONG)


async def test_a_clock_put_forward_loses_no_token(shelf: Shelf) -> None:
    """A token is stored though the clock ran ahead, as long as nobody else took the lease."""
    store = shelf.open()
    lease = await held(store)
    shelf.clock.step_wall(2 * LONG)
    await store.commit(lease, made("a"), expected_version=0, age=NOW)
    assert await store.load(KEY) is not None


async def test_abandoned_leases_are_forgotten(shelf: Shelf) -> None:
    """A lease that nobody gave back leaves memory when the next one is taken."""
    store = shelf.open()
    await held(store)
    shelf.clock.advance(LONG)
    lease = await held(store, attrs.evolve(KEY, identity="other"))
    assert await store._do(lambda tables: list(tables.held)) == [lease]


class Gate:
    """Keeps a store's thread busy until it is opened."""

    def __init__(self, store: SQLiteStore) -> None:
        self._open = threading.Event()
        self._work = asyncio.ensure_future(store._do(lambda _: self._open.wait()))

    async def open(self) -> None:
        """Let the thread go on."""
        self._open.set()
        await self._work


async def _extend(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.extend, await held(store), LONG)


async def _lease(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.lease, KEY, LONG)


async def _release(store: SQLiteStore) -> Callable[[], Awaitable[object]]:
    return partial(store.release, await held(store))


@pytest.mark.parametrize("prepare", [_lease, _extend, _release])
async def test_a_cancelled_caller_leaves_no_lease(
    shelf: Shelf, prepare: Callable[[SQLiteStore], Awaitable[Callable[[], Awaitable[object]]]]
) -> None:
    """Whatever was asked for when the caller was cancelled, the lease is free as soon as the thread is."""
    store = shelf.open()
    call = await prepare(store)
    await asyncio.sleep(0)
    gate = Gate(store)
    task = asyncio.ensure_future(call())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    await gate.open()
    await held(store)


async def test_a_caller_cancelled_as_the_store_closes(shelf: Shelf) -> None:
    """Closing gives the lease back that nobody waits for any more."""
    store = shelf.open()
    gate = Gate(store)
    await asyncio.sleep(0)
    task = asyncio.ensure_future(store.lease(KEY, LONG))
    closing = asyncio.ensure_future(store.aclose())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await gate.open()
    await closing
    await held(shelf.open())


async def test_a_cancelled_commit_is_done(shelf: Shelf) -> None:
    """A commit that was handed in goes through: the token in it may be the only one that works."""
    store = shelf.open()
    lease = await held(store)
    gate = Gate(store)
    task = asyncio.ensure_future(store.commit(lease, made("a"), expected_version=0, age=NOW))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await gate.open()
    record = await store.load(KEY)
    assert record is not None
    assert record.token == made("a")


# --- the end -----------------------------------------------------------------------------------------


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


async def test_closing_a_broken_store(shelf: Shelf) -> None:
    """A store whose file is locked by somebody closes all the same; its leases are then known to be nobody's."""
    store, other = shelf.open(), shelf.open()
    await held(store)
    await other.load(KEY)
    await raw(store, "PRAGMA busy_timeout = 0")
    await raw(other, "BEGIN IMMEDIATE")
    await store.aclose()
    await raw(other, "ROLLBACK")
    await held(other)


async def test_a_store_that_nobody_closes(shelf: Shelf) -> None:
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
    office = store._office
    assert office is not None
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)  # the real thing is in test_sqlite_processes.py
    await store.release(lease)
    assert await store.lease(KEY, LONG) is None
    assert store._office is not office
    office.leave()
    await store.aclose()
    stranger = SQLiteStore(shelf.path, clock=shelf.clock)
    await stranger.load(KEY)
    monkeypatch.undo()
    await stranger.aclose()
    assert office.tables._db is not None
    office.leave()
    assert office.tables._db is None


def test_it_is_imported_on_demand() -> None:
    """A program that uses no SQLite does not wait for its import."""
    # not sqlite3 itself: coverage, if it measures, has imported that
    code = "import sys, nombaauth; assert 'nauth.stores.sqlite' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own text
    assert nauth.stores.SQLiteStore is SQLiteStore
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        nauth.stores.Nothing  # noqa: B018 - that is the test
