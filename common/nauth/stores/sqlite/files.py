"""The files of a `SQLiteStore`: made for their owner alone, opened, and their errors put into words."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from nauth.errors import ConfigurationError, StoreError

__all__ = [
    "BUSY_S",
    "BusyError",
    "checked_path",
    "connect",
    "explained",
    "exposure",
    "folder_exposure",
    "identity",
    "is_busy",
    "link_exposure",
    "make_private",
    "refuse_exposed",
    "resolved",
]

BUSY_S = 4.0
"""Seconds that an operation waits while another process keeps the file locked. Our own transactions take under a
millisecond. Below `nauth.manager.store_access.STORE_DEADLINE`, so that the caller sees the error that names the reason."""


class BusyError(StoreError):
    """Another process has the file locked at this moment; the same again may succeed. Never leaves the store."""


_ROOT = 0
"""The user who may do everything anyhow."""

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
        ConfigurationError: it belongs to another user, group or others have rights, or it is something else than a
            file (or a folder).
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return  # SQLite's own files come and go
    if problem := exposure(path, found, folder=folder, user=_user()):
        raise ConfigurationError(problem)


def exposure(path: Path, found: os.stat_result, *, folder: bool, user: int | None) -> str:
    """Return why `path` is not this user's alone, or an empty text.

    Args:
        path: of the store's own: the database, a file of SQLite's beside it, or the folder of liveness locks.
        found: what the system says of it.
        folder: whether it is to be a folder.
        user: the id of this process's user; None on systems that keep access lists instead.
    """
    if not (stat.S_ISDIR if folder else stat.S_ISREG)(found.st_mode):
        return f"{path} is not a {'folder' if folder else 'regular file'}: give SQLiteStore a path of its own"
    if user is None:
        return ""
    if found.st_uid != user:
        return (
            f"{path} belongs to another user of this machine (uid {found.st_uid}, this program runs as {user}), who "
            "could read the tokens in it. Give SQLiteStore a path that only this program's user can write, or run all "
            "programs that share the store as the same user"
        )
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return (
            f"{path} may be opened by other users of this machine (mode {stat.S_IMODE(found.st_mode):04o}), and tokens lie in "
            f"the store. Close it to them with `chmod {'700' if folder else '600'}`; if it has been in use, take the "
            "tokens in it for known and revoke them"
        )
    return ""


def resolved(path: Path) -> Path:
    """Return where `path` leads: SQLite puts its own files beside the real one, whatever links lead there.

    Raises:
        ConfigurationError: another user could make it lead elsewhere, through a link or the folder.
        OSError: it leads nowhere.
    """
    real, user = Path(os.path.realpath(path)), _user()
    if user is None:
        return real
    for link in _links(path):
        problem = link_exposure(link, link.lstat(), user=user) or _folder_problem(link.parent, user)
        if problem:
            raise ConfigurationError(problem)
    if problem := _folder_problem(real.parent, user):
        raise ConfigurationError(problem)
    return real


def link_exposure(link: Path, found: os.stat_result, *, user: int) -> str:
    """Return why the symbolic link cannot be followed, or an empty text."""
    if found.st_uid in {user, _ROOT}:
        return ""
    return (
        f"{link} is a symbolic link of another user of this machine (uid {found.st_uid}), who decides where the tokens "
        "go. Give SQLiteStore the path that is meant"
    )


def folder_exposure(folder: Path, found: os.stat_result, *, user: int, private_group: bool) -> str:
    """Return why another user could put files of their own into `folder`, or an empty text.

    A sticky folder, like /tmp, is open to all, but keeps them from each other's files; the store's are checked.

    Args:
        folder: where the database, or a link on the way to it, lies.
        found: what the system says of it.
        user: the id of this process's user.
        private_group: whether the folder's group has no other member.
    """
    if found.st_uid not in {user, _ROOT}:
        return (
            f"the folder of the token store, {folder}, belongs to another user of this machine (uid {found.st_uid}, this "
            f"program runs as {user}), who can put other files in the place of the store's. Give SQLiteStore a path in "
            "a folder of this program's user"
        )
    open_to = stat.S_IWOTH if private_group else stat.S_IWOTH | stat.S_IWGRP
    if found.st_mode & open_to and not found.st_mode & stat.S_ISVTX:
        return (
            f"other users of this machine may write to the folder of the token store, {folder} (mode "
            f"{stat.S_IMODE(found.st_mode):04o}), and so put other files in the place of the store's. Close it with `chmod "
            "go-w`, or give SQLiteStore a path in a folder of its own, made with mode 700"
        )
    return ""


def _folder_problem(folder: Path, user: int) -> str:
    try:
        found = folder.stat()
    except FileNotFoundError:
        return ""  # said when the file is to be made
    return folder_exposure(folder, found, user=user, private_group=_private_group(found.st_gid, user))


def _private_group(group: int, user: int) -> bool:
    """Tell whether `group` is the user's own: many systems give each user one, and make folders writable by it."""
    import grp  # noqa: PLC0415 - not on every system
    import pwd  # noqa: PLC0415

    try:
        found, owner = grp.getgrgid(group), pwd.getpwuid(user)
    except KeyError:
        return False  # an id without a name, as containers often have
    return owner.pw_gid == group and found.gr_name == owner.pw_name and set(found.gr_mem) <= {owner.pw_name}


def _links(path: Path) -> Iterator[Path]:
    """Yield each symbolic link on the way to where `path` leads. Called when the system has found it to lead somewhere."""
    place, names = Path(path.anchor), deque(path.parts[1:])
    while names:
        name = names.popleft()
        if name == os.pardir:
            place = place.parent  # right, because links before it are resolved
            continue
        entry = place / name
        if not entry.is_symlink():
            place = entry
            continue
        yield entry
        target = entry.readlink()
        if target.is_absolute():
            place = Path(target.anchor)
            names.extendleft(reversed(target.parts[1:]))
        else:
            names.extendleft(reversed(target.parts))


def _user() -> int | None:
    return os.geteuid() if os.name == "posix" else None


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
