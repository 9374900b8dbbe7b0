"""What a `SQLiteStore` does in its thread: one connection, two tables, and the transactions on them."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sqlite3
from collections.abc import Generator
from datetime import timedelta
from pathlib import Path
from typing import TypeAlias

from nauth.clock import Clock
from nauth.errors import LeaseLostError, StoreError
from nauth.stores.base import Lease, Record, StoreKey
from nauth.stores.codec import decode_token, encode_token, lifetime_kept
from nauth.stores.record_info import RecordInfo
from nauth.stores.sqlite.files import explained, identity, is_busy, refuse_exposed, resolved
from nauth.stores.sqlite.liveness import LivenessLock
from nauth.stores.sqlite.schema import open_database, transaction
from nauth.token import Token

__all__ = ["LONGEST_STEP", "Holder", "Tables"]

Holder: TypeAlias = tuple[str, int]
"""The holder of a lease: the name of its liveness lock, and a number that is given once under that name."""

LONGEST_STEP = timedelta(days=1)
"""The most that one commit moves the clock by which records leave. Whatever the machine's clock does between two commits,
a record that is of use is not deleted by the second."""

_FREE = "DELETE FROM lease WHERE key = ? AND process = ? AND number = ?"
_LISTED = (
    "SELECT token.key, lease.until_us FROM token LEFT JOIN lease "
    "ON lease.key = token.key AND lease.since_us <= ? AND lease.until_us > ? ORDER BY version"
)
_MICROSECOND = timedelta(microseconds=1)
_FEW_LEASES = 64


class Tables:
    """The store's data, used by one thread.

    Instants are microseconds since the epoch by the store's clock; only a record's `until_us` goes by the table `clock`.

    Args:
        path: the database's file.
        clock: the store's clock.
        refresh_lifetime: how long a refresh token can be used whose vendor does not say so.

    Attributes:
        held: the leases of this store that are not known to be over, with their numbers. Other threads may look.
        replaced: set when another file was found in the place of the one that was used.
    """

    def __init__(self, path: Path, clock: Clock, refresh_lifetime: timedelta) -> None:
        self._path = path
        self._clock = clock
        self._refresh_lifetime = refresh_lifetime
        self._db: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        self._liveness = LivenessLock(path)
        self._numbers = itertools.count(1)
        self.held: dict[Lease, int] = {}
        self._many_held = _FEW_LEASES
        self.replaced: bool = False
        self._missed = False

    def load(self, key: StoreKey) -> Record | None:
        """Return the record of `key`, or None."""
        with self._connection() as db:
            return _load(db, key, self._now_us())

    def records(self) -> list[RecordInfo]:
        """Return a description of every record, oldest first. Writes nothing."""
        now_us, found = self._now_us(), list[RecordInfo]()
        if identity(self._path) is None:
            return found  # opening it would make the file
        with self._connection() as db:
            for text, until_us in db.execute(_LISTED, (now_us, now_us)).fetchall():
                vendor, base_url, digest = json.loads(text)
                key = StoreKey(vendor=vendor, base_url=base_url, identity=digest)
                record = _load(db, key, now_us)
                if (
                    record is not None
                ):  # pragma: no branch - else a sibling has discarded it between the two queries
                    found.append(RecordInfo.of(key, record, leased=until_us is not None))
        return found

    def look(self, key: StoreKey) -> tuple[int, Holder | None]:
        """Return the record's version, 0 if there is none, and the lease's holder unless that process has died."""
        with self._connection() as db:
            holder = self._holder(db, key)
            if holder is not None and self._liveness.dead(holder[0]):
                holder = None
            return _version(db, key), holder

    def take(self, lease: Lease, ttl: timedelta) -> bool:
        """Make `lease` the holder of its key unless a living process holds it; return whether it is."""
        with self._connection() as db:
            self._forget_ended()
            holder = self._holder(db, lease.key)
            # before the transaction, which keeps all other processes out: a holder that is dead now stays dead
            if holder is not None and not self._liveness.dead(holder[0]):
                return False
            process = self._liveness.name or self._begin(db)
            number = next(self._numbers)
            with transaction(db, durable=False):
                since_us, now_us, until_us = self._span(ttl)
                row, over = (_text(lease.key), process, number, since_us, until_us), (now_us, now_us)
                taken = db.execute(
                    "INSERT INTO lease (key, process, number, since_us, until_us) VALUES (?, ?, ?, ?, ?) "
                    "ON CONFLICT (key) DO UPDATE SET process = excluded.process, number = excluded.number, "
                    "since_us = excluded.since_us, until_us = excluded.until_us "
                    "WHERE since_us > ? OR until_us <= ? OR (process, number) = (?, ?)",
                    (*row, *over, *(holder or ("", 0))),
                ).rowcount
            if taken:
                self.held[lease] = number
            return bool(taken)

    def extend(self, lease: Lease, longer: Lease, ttl: timedelta) -> None:
        """Put `longer` in the place of `lease`, if that is still ours.

        Raises:
            LeaseLostError: it is over, or another client holds it.
        """
        with self._connection() as db:
            number, kept = next(self._numbers), 0
            with transaction(db, durable=False):
                since_us, _, until_us = self._span(ttl)
                if self._ours(lease):
                    kept = db.execute(
                        "UPDATE lease SET number = ?, since_us = ?, until_us = ? "
                        "WHERE key = ? AND process = ? AND number = ?",
                        (number, since_us, until_us, *self._row(lease)),
                    ).rowcount
            self.held.pop(lease, None)
            if not kept:
                raise LeaseLostError("the lease ended before it could be extended")
            self.held[longer] = number

    def release(self, lease: Lease) -> None:
        """Delete the lease's row if it is still ours."""
        if lease in self.held:
            with self._connection() as db, transaction(db, durable=False):
                db.execute(_FREE, self._row(lease))
            del self.held[lease]

    def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, delete the lease and what has expired, in one transaction that survives a power cut.

        Raises:
            LeaseLostError: the lease is over, or the version is another. Nothing was written.
        """
        age = max(age, timedelta(0))
        with self._connection() as db:
            with transaction(db):
                if not self._ours(lease) or not db.execute(_FREE, self._row(lease)).rowcount:
                    raise LeaseLostError("the lease ended before the new token was stored")
                if _version(db, lease.key) != expected_version:
                    raise LeaseLostError("another client stored a token meanwhile")
                now_us, key = self._now_us(), _text(lease.key)
                steady_us = _steady_us(db, now_us)
                # a leased key's record must stay: its version is what the holder's commit compares
                gone = db.execute(
                    "DELETE FROM token WHERE key = ? "
                    "OR (until_us <= ? AND key NOT IN (SELECT key FROM lease WHERE until_us > ?))",
                    (key, steady_us, now_us),
                ).rowcount
                # the greatest version ever given, of whichever key, be its record still there or not
                (last,) = db.execute("SELECT max(seq) FROM sqlite_sequence WHERE name = 'token'").fetchone()
                version, asked_at_us = max((last or 0) + 1, now_us), now_us - age // _MICROSECOND
                kept = lifetime_kept(token, self._refresh_lifetime) - age + LONGEST_STEP
                until_us = steady_us + kept // _MICROSECOND
                db.execute(
                    "INSERT INTO token (version, key, token, asked_at_us, until_us) VALUES (?, ?, ?, ?, ?)",
                    (version, key, encode_token(token), asked_at_us, until_us),
                )
            if gone:
                _overwrite(db)
            del self.held[lease]
            return Record(token=token, version=version, age=age)

    def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record of `key` if it holds `token`'s access token; say whether it did."""
        with self._connection() as db:
            with transaction(db):
                record = _load(db, key, self._now_us())
                if record is None or not record.token.same_access(token):
                    return False
                db.execute("DELETE FROM token WHERE key = ?", (_text(key),))
            _overwrite(db)
            return True

    def close(self) -> None:
        """Give all leases back and close everything. Opens nothing.

        Raises:
            StoreError: the leases could not be given back, and everything is still open.
        """
        name = self._liveness.name
        if name is not None and identity(self._path) == self._identity:
            with self._connection() as db, transaction(db, durable=False):
                db.execute("DELETE FROM lease WHERE process = ?", (name,))
                self._liveness.release()
                self._liveness.remove(name)
        self.abandon()

    def abandon(self) -> None:
        """Close without deleting lease rows; other processes see from the released lock that the owner is gone."""
        self.held.clear()
        self._liveness.release()
        self._disconnect()
        self._identity = None

    @contextlib.contextmanager
    def _connection(self) -> Generator[sqlite3.Connection]:
        try:
            yield self._open()
        except sqlite3.Error as error:
            if not is_busy(error):
                self._disconnect()  # the next use begins afresh, and finds what was repaired meanwhile
            raise explained(error, self._path) from None
        except OSError as error:
            raise StoreError(
                f"the token store {self._path} cannot be used: {os.strerror(error.errno or 0)}"
            ) from None

    def _open(self) -> sqlite3.Connection:
        found = identity(self._path)
        if self._db is not None and found == self._identity:
            return self._db
        if self._identity not in {None, found}:
            self.abandon()  # deleted or replaced: our leases went with it
            self._missed = True
        self._disconnect()
        path = resolved(self._path)
        locks = Path(f"{path}-alive")
        refuse_exposed(locks, folder=True)
        self._db = open_database(path)
        self._identity = identity(path)
        # only now: the file that takes the place may be one that cannot be used before a person has put it right
        self.replaced, self._missed = self.replaced or self._missed, False
        if self._liveness.name is None:
            self._liveness = LivenessLock(locks)
        return self._db

    def _disconnect(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def _begin(self, db: sqlite3.Connection) -> str:
        # within a transaction, so that no other process finds the lock file before it is locked, and its owner dead
        with transaction(db, durable=False):
            self._liveness.prepare()
            for name in self._liveness.dead_owners():
                db.execute("DELETE FROM lease WHERE process = ?", (name,))
                self._liveness.remove(name)
            return self._liveness.acquire()

    def _holder(self, db: sqlite3.Connection, key: StoreKey) -> Holder | None:
        select = "SELECT process, number FROM lease WHERE key = ? AND since_us <= ? AND until_us > ?"
        now_us = self._now_us()
        found = db.execute(select, (_text(key), now_us, now_us)).fetchone()
        return None if found is None else (found[0], found[1])

    def _ours(self, lease: Lease) -> bool:
        return lease in self.held and lease.remaining > timedelta(0)

    def _forget_ended(self) -> None:
        """Forget leases that have ended, when there are twice as many as were left the last time: a look at each costs."""
        if len(self.held) >= self._many_held:
            for ended in [one for one in self.held if one.remaining <= timedelta(0)]:
                del self.held[ended]
            self._many_held = max(_FEW_LEASES, 2 * len(self.held))

    def _row(self, lease: Lease) -> tuple[str, str | None, int]:
        return _text(lease.key), self._liveness.name, self.held[lease]

    def _span(self, ttl: timedelta) -> tuple[int, int, int]:
        """Return since when, now and until when a lease of `ttl` holds.

        One from the far future is from before the clock was put back, and would last until that future comes. A step
        of less than the lease's length only makes it longer by that much.
        """
        now_us, ttl_us = self._now_us(), ttl // _MICROSECOND
        return now_us - ttl_us, now_us, now_us + ttl_us

    def _now_us(self) -> int:
        return int(self._clock.wall() * 1_000_000)


def _overwrite(db: sqlite3.Connection) -> None:
    """Empty the write-ahead log, which still holds deleted tokens in clear; in the database itself they are overwritten.

    Another process that reads at this moment prevents it, and the next call does it.
    """
    # the token is stored, whatever comes of this
    with contextlib.suppress(sqlite3.Error):
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _steady_us(db: sqlite3.Connection, now_us: int) -> int:
    """Move the clock by which records leave, and return it.

    It follows the machine's, but stands still where that one goes back, and moves by `LONGEST_STEP` at most.
    """
    steady_us, seen_us = db.execute("SELECT steady_us, seen_us FROM clock").fetchone() or (now_us, now_us)
    steady_us += min(max(now_us - seen_us, 0), LONGEST_STEP // _MICROSECOND)
    db.execute("INSERT OR REPLACE INTO clock (id, steady_us, seen_us) VALUES (1, ?, ?)", (steady_us, now_us))
    return int(steady_us)


def _text(key: StoreKey) -> str:
    # JSON: parts that hold the separator must not make two keys one
    return json.dumps([key.vendor, key.base_url, key.identity])


def _load(db: sqlite3.Connection, key: StoreKey, now_us: int) -> Record | None:
    select = "SELECT version, CAST(asked_at_us AS INTEGER), CAST(token AS BLOB) FROM token WHERE key = ?"
    found = list(db.execute(select, (_text(key),)).fetchone() or ())
    if not found:
        return None
    token = decode_token(found.pop())  # popped, so that no local holds the text if it cannot be read
    version, asked_at_us = found
    return Record(token=token, version=version, age=max(now_us - asked_at_us, 0) * _MICROSECOND)


def _version(db: sqlite3.Connection, key: StoreKey) -> int:
    found = db.execute("SELECT version FROM token WHERE key = ?", (_text(key),)).fetchone()
    return 0 if found is None else int(found[0])
