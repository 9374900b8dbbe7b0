"""`LivenessLock`: a lock file that shows whether a lease's process is alive; the kernel releases it when the process dies, so that no lease outlives its holder."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from pathlib import Path

from nauth.stores.sqlite.files import connect, make_private, refuse_exposed

__all__ = ["LivenessLock"]


class LivenessLock:
    """One empty file for each store object in use, locked as long as its process lives.

    The lock is an open exclusive transaction of SQLite: the one kind of lock that the standard library offers alike on
    every system. The kernel frees it at any death, SIGKILL's too; forked children do not inherit it. A name is
    random and never used again, so an owner that was found dead stays dead.

    Args:
        folder: where the files lie; made with the first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock: sqlite3.Connection | None = None
        self.name: str | None = None

    def prepare(self) -> None:
        """Make the folder, or check that only this user may open it.

        Raises:
            ConfigurationError: others may write to it, or it is no folder.
            OSError: the file system is full or read-only.
        """
        with contextlib.suppress(FileExistsError):
            self._folder.mkdir(mode=0o700)
            self._folder.chmod(0o700)  # a strict umask would lock the owner out
        refuse_exposed(self._folder, folder=True)

    def acquire(self) -> str:
        """Make and lock a file, and return its name. Call it, like `dead_owners`, only within a transaction of the store.

        Raises:
            OSError: the file system is full or read-only.
            sqlite3.Error: the same.
        """
        name = secrets.token_hex(8)
        path = self._folder / name
        make_private(path)
        with contextlib.ExitStack() as undo:
            lock = connect(path, mode="rw")
            undo.callback(lock.close)
            lock.execute("PRAGMA journal_mode = MEMORY")  # else a journal file lies beside it
            lock.execute("BEGIN EXCLUSIVE")
            undo.pop_all()
        self._lock, self.name = lock, name
        return name

    def dead(self, name: str) -> bool:
        """Tell whether the owner of the lock `name` has surely died. If the file was removed, the owner may still live."""
        try:
            with contextlib.closing(connect(self._folder / name, mode="ro")) as probe:
                probe.execute("SELECT 1 FROM sqlite_master").fetchone()
        except sqlite3.Error:
            return False
        return True

    def dead_owners(self) -> list[str]:
        """Return the names of the locks whose owners have died without closing their store."""
        return [path.name for path in self._folder.iterdir() if self.dead(path.name)]

    def remove(self, name: str) -> None:
        """Remove the file of an owner that has died, when no lease names it any more."""
        with contextlib.suppress(
            OSError
        ):  # another process has it open, and the system does not delete open files
            (self._folder / name).unlink()

    def release(self) -> None:
        """Unlock, but leave the file: other processes then see that the leases that name it have no owner."""
        if self._lock is not None:
            self._lock.close()
        self._lock = None
        self.name = None
