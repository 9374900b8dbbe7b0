"""The database of a `SQLiteStore`: its tables, its settings, and transactions on it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Generator
from pathlib import Path

from nauth.errors import ConfigurationError, StoreError
from nauth.stores.sqlite.files import connect, make_private, refuse_exposed

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

_CLOCK = """CREATE TABLE IF NOT EXISTS clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    steady_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL
)"""
# one row: the clock by which records leave, and the machine's clock at the last commit

_MAKING = (
    _TOKENS,
    "CREATE INDEX token_until ON token (until_us)",
    _LEASES,
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {SCHEMA}",
)

_SETTINGS = (
    _CLOCK,  # not among the first tables: files made before it existed get it here
    "PRAGMA fullfsync = ON",  # macOS, where fsync alone leaves data in the disk's cache
    "PRAGMA secure_delete = ON",  # a replaced token is overwritten
)

_MODE_MS = 100
"""How long a new database waits for the others to let it change to WAL; without it they would all turn each other away."""


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
        db = connect(path, mode="rw")
        undo.callback(db.close)
        if not _fits(db, path):
            with transaction(db):
                # another process may have made the tables meanwhile
                if not _fits(db, path):
                    for statement in _MAKING:
                        db.execute(statement)
        for setting in _SETTINGS:
            db.execute(setting)
        # of several that change the mode at once SQLite turns some away; another has done it for them then
        with contextlib.suppress(sqlite3.OperationalError):
            db.execute(f"PRAGMA busy_timeout = {_MODE_MS}")
            db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA busy_timeout = 0")
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


def _fits(db: sqlite3.Connection, path: Path) -> bool:
    """Tell whether the tables are there; False for an empty file.

    Raises:
        ConfigurationError: it belongs to another program.
        StoreError: another version of nauth has made it.
    """
    # one statement, so that all three are of one moment
    owner, version, tables = db.execute(
        "SELECT (SELECT application_id FROM pragma_application_id), (SELECT user_version FROM pragma_user_version), "
        "(SELECT count(*) FROM sqlite_master)"
    ).fetchone()
    if owner == version == tables == 0:
        return False
    if owner != APPLICATION_ID:
        raise ConfigurationError(f"{path} is another program's database: give SQLiteStore a path of its own")
    if version != SCHEMA:
        raise StoreError(
            f"the token store {path} was made by another version of nauth (tables {version}, not {SCHEMA}). Use the "
            "same version in all programs that share it, or another path"
        )
    return True
