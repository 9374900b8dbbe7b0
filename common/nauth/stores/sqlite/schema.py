"""The database of a `SQLiteStore`: its tables, its settings, and transactions on it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path

from nauth.errors import ConfigurationError, StoreError
from nauth.stores.sqlite.files import BUSY_S, connect, make_private, refuse_exposed

__all__ = ["APPLICATION_ID", "SCHEMA", "open_database", "transaction"]

APPLICATION_ID = int.from_bytes(b"naut")
"""What marks a database as ours: writing into another program's would be rude."""

SCHEMA = 1
"""Version of the tables; another one is refused instead of guessed at."""

_TOKENS = """CREATE TABLE token (
    version INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    token TEXT NOT NULL,
    asked_at_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL
)"""
# AUTOINCREMENT: SQLite then remembers the greatest version ever given, deleted records' too

_LEASES = """CREATE TABLE lease (
    key TEXT PRIMARY KEY,
    process TEXT NOT NULL,
    number INTEGER NOT NULL,
    since_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL
)"""

_MAKING = (
    _TOKENS,
    "CREATE INDEX token_until ON token (until_us)",
    _LEASES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA}",
)

_SETTINGS = (
    "PRAGMA fullfsync = ON",  # macOS, where fsync alone leaves data in the disk's cache
    "PRAGMA secure_delete = ON",  # a replaced token is overwritten
)


def open_database(path: Path) -> sqlite3.Connection:
    """Open the store's database; the first to come makes it.

    Raises:
        ConfigurationError: its folder is missing, others may read it, or it belongs to another program.
        StoreError: a newer nauth has made it.
        OSError: it cannot be created.
        sqlite3.Error: it cannot be opened or read.
    """
    make_private(path)
    for file in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        refuse_exposed(file)
    with contextlib.ExitStack() as undo:
        db = connect(path, mode="rw", timeout_s=BUSY_S)
        undo.callback(db.close)
        with transaction(db):
            _fit(db, path)
        for setting in _SETTINGS:
            db.execute(setting)
        # of several that change the mode at once SQLite turns some away; another has done it for them then
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute("PRAGMA journal_mode = WAL")
        undo.pop_all()
    return db


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, *, durable: bool = True) -> Generator[None]:
    """Keep all other writers out, and write all or nothing.

    A committed refresh token may be the only one that works, so it must survive a power cut. A lease need not: its
    holder does not either, and waiting for the disk is what takes the time.
    """
    db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()  # unlike the statement no error where SQLite has done so already
        raise


def _fit(db: sqlite3.Connection, path: Path) -> None:
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if owner == version == tables == 0:
        for statement in _MAKING:
            db.execute(statement)
    elif owner != APPLICATION_ID:
        raise ConfigurationError(f"{path} is another program's database: give SQLiteStore a path of its own")
    elif version != SCHEMA:
        raise StoreError(
            f"the token store {path} was made by another version of nauth (tables {version}, not {SCHEMA}). Use the "
            "same version in all programs that share it, or another path"
        )
