"""The files of a `SQLiteStore`: made for their owner alone, opened, and their errors put into words."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
from pathlib import Path

from nauth.errors import ConfigurationError, StoreError

__all__ = [
    "BUSY_S",
    "BusyError",
    "checked_path",
    "connect",
    "explained",
    "identity",
    "is_busy",
    "make_private",
    "refuse_exposed",
]

BUSY_S = 4.0
"""Seconds that an operation waits while another process keeps the file locked. Our own transactions take under a
millisecond. Below `nauth.manager.store_access.STORE_DEADLINE`, so that the caller sees the error that names the reason."""


class BusyError(StoreError):
    """Another process has the file locked at this moment; the same again may succeed. Never leaves the store."""


_FOR_OTHERS = stat.S_IRWXG | stat.S_IRWXO if os.name == "posix" else 0
"""What group and others may do. Windows keeps access lists instead and shows these bits on every file."""

_making = threading.Lock()

_EXPLAINED = {
    sqlite3.SQLITE_BUSY: f"stayed locked for {BUSY_S:.0f} s: another process hangs in a transaction, or a tool has "
    "the file open for writing. Close the tool, or look for the process that hangs",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full, or over its quota. Make room; nothing was written",
    sqlite3.SQLITE_READONLY: "cannot be written: the file, its folder or its file system is read-only. Put the store "
    "where this program may write",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: the folder has gone, or this program may not write there",
    sqlite3.SQLITE_CORRUPT: "is damaged. Stop the programs that use it and move the file away, with its -wal and -shm; "
    "the next renewal begins a new one",
    sqlite3.SQLITE_NOTADB: "is not an SQLite database. Choose another path; the store begins its file itself",
    sqlite3.SQLITE_IOERR: "could not be read or written: the disk reported an error. Look at the system's log; "
    "network file systems are not supported",
}


_ADDRESS = re.compile(r"(?!file:)[a-z][a-z0-9+.-]+:/", re.ASCII | re.IGNORECASE)
"""How one begins, of at least two letters: one is a drive. `pathlib` makes one slash of two."""


def checked_path(path: str | os.PathLike[str]) -> Path:
    """Return `path` made absolute, so that it means the same after a change of folder.

    Raises:
        ConfigurationError: it cannot name a file that processes share.
    """
    text = os.fsdecode(path)
    if _ADDRESS.match(text):
        # paths are shown in errors, and an address may hold a password
        raise ConfigurationError(
            "SQLiteStore(path) wants the path of a file, and this looks like the address of a server. For redis:// "
            "and rediss:// there is RedisStore"
        )
    if text in {"", ":memory:"} or text.startswith("file:") or "\0" in text:
        raise ConfigurationError(
            "SQLiteStore(path) wants the path of a file: databases in memory and file: addresses cannot be shared "
            "between processes. Within one process MemoryStore is the store to use"
        )
    return Path(text).absolute()


def make_private(path: Path) -> None:
    """Create `path` empty, for its owner alone, unless it is there.

    Raises:
        ConfigurationError: its folder does not exist.
        OSError: it cannot be created.
    """
    # Closing a file drops every POSIX lock that this process holds on it. Another thread's connection must therefore
    # not find the file before the descriptor that made it is closed.
    with _making:
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
        except FileExistsError:
            return
        except FileNotFoundError:
            raise ConfigurationError(
                f"the folder of the token store does not exist: {path.parent}. Create it, for this program's user alone"
            ) from None
        try:
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # a strict umask would lock the owner out
        finally:
            os.close(handle)


def refuse_exposed(path: Path, *, folder: bool = False) -> None:
    """Refuse a file that others may open: what it holds may have been read, and narrowing it would hide that.

    Raises:
        ConfigurationError: group or others have rights, or it is something else than a file (or a folder).
    """
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return  # SQLite's own files come and go
    if not (stat.S_ISDIR(mode) if folder else stat.S_ISREG(mode)):
        kind = "folder" if folder else "regular file"
        raise ConfigurationError(f"{path} is not a {kind}: give SQLiteStore a path of its own")
    if mode & _FOR_OTHERS:
        raise ConfigurationError(
            f"{path} may be opened by other users of this machine (mode {stat.S_IMODE(mode):04o}), and tokens lie in "
            f"the store. Close it to them with `chmod {'700' if folder else '600'}`; if it has been in use, take the "
            "tokens in it for known and revoke them"
        )


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells the file at `path` from another that takes its place; None if there is none."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def connect(path: Path, *, mode: str) -> sqlite3.Connection:
    """Open an existing file; never creates one, since SQLite would do so with the umask's permissions.

    No statement waits for another process's lock: the store's thread waits, outside SQLite, and tries again.

    Args:
        path: the file, absolute.
        mode: "ro" or "rw".
    """
    return sqlite3.connect(
        f"{path.as_uri()}?mode={mode}",
        uri=True,
        timeout=0,
        isolation_level=None,  # transactions are begun and ended in plain sight
        check_same_thread=False,  # closed by whichever thread drops the store
    )


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection was in the way, and the same again may succeed."""
    return _code(error) == sqlite3.SQLITE_BUSY


def explained(error: sqlite3.Error, path: Path) -> StoreError:
    """Return what `error` means for the store at `path`. SQLite's own text is left out: it may quote data."""
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    text = _EXPLAINED.get(
        _code(error), "failed in a way that nauth does not know; SQLite calls it by the name above"
    )
    kind = BusyError if is_busy(error) else StoreError
    return kind(f"the token store {path} ({name}) {text}")


def _code(error: sqlite3.Error) -> int:
    # the lowest byte is the kind, the rest says more
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF
