"""`SQLiteStore`: one token for the processes of one machine."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import weakref
from collections.abc import AsyncIterator, Callable, Generator
from concurrent.futures import Future
from datetime import timedelta
from functools import partial
from typing import TypeVar

import attrs

from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.errors import NauthError, StoreError
from nauth.loop_ref import LoopRef, this_loop
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.codec import REFRESH_LIFETIME, checked_lifetime
from nauth.stores.listeners import Listeners, Waiters
from nauth.stores.record_info import RecordInfo
from nauth.stores.sqlite.files import checked_path
from nauth.stores.sqlite.tables import Tables
from nauth.stores.sqlite.thread import CLOSE_S, JobThread, unforked
from nauth.token import Token

__all__ = ["SQLiteLease", "SQLiteStore"]

_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.1
"""Between two looks for what another process has done. A renewal takes about as long as the first of them."""

_T = TypeVar("_T")


@attrs.frozen(eq=False)
class SQLiteLease:
    """A lease of a `SQLiteStore`; identity is ownership."""

    key: StoreKey
    ends_at: float
    clock: Clock = attrs.field(repr=False)
    loop: LoopRef = attrs.field(factory=this_loop, repr=False)

    @property
    def remaining(self) -> timedelta:
        """How long it still holds, by the monotonic clock and from before it was asked for."""
        return timedelta(seconds=self.ends_at - self.clock.monotonic())


class SQLiteStore:
    """Share tokens between the processes of one machine, in one file.

    The file and those that SQLite puts beside it (`-wal`, `-shm`) belong to their owner alone, mode 0600, as does the
    folder `-alive`, which holds an empty file for each store in use. Records leave a day
    after they expire, those with a refresh token a day after that one may have expired; a clock that is put forward by
    mistake deletes none. What is committed survives a power cut.
    A token that was replaced or discarded is overwritten, in SQLite's log too, unless another process reads at that moment:
    then the next commit that replaces one does it.

    A lease ends at the death of its process, however that comes, or by time. All of SQLite's work is done in one
    thread of the store, never on an event loop; several loops and threads may use one store. A forked child begins
    anew and leaves the parent's connections alone.

    Nothing is pushed to other processes: they see a new token at their next look. A process that waits for a renewal
    looks every 20 to 100 ms. Network file systems are not supported: their locks cannot be relied on.

    Args:
        path: the database's file, created at the first use. Its folder must exist, belong to this program's user (or to
            root), and be closed to writing by others, unless it is sticky like /tmp. Best a folder of its own with
            mode 700.
        clock: where time comes from; all processes must go by the same one, as those of one machine do.
        refresh_lifetime: how long a refresh token can be used whose vendor does not say so.

    Raises:
        ConfigurationError: `path` names no file, or `refresh_lifetime` is not positive. At the first use: its folder is missing, another user owns or may open
            the file or could put another in its place, or it is another program's database.
    """

    persistent = True
    queues = True
    """See `TokenStore`."""

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Clock | None = None,
        refresh_lifetime: timedelta = REFRESH_LIFETIME,
    ) -> None:
        self._path = checked_path(path)
        self._refresh_lifetime = checked_lifetime(refresh_lifetime, "SQLiteStore")
        self._clock = clock or SYSTEM_CLOCK
        self._waiters = Waiters()
        self._listeners = Listeners()
        self._reconnected = Listeners()
        self._worker: _Worker | None = None
        self._loops: dict[
            int, LoopRef
        ] = {}  # those that leases were taken in; used by the store's thread alone
        self._closed = False

    def __repr__(self) -> str:
        return f"<SQLiteStore: {str(self._path)!r}>"

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        return await self._do(partial(Tables.load, key=key))

    async def records(self) -> AsyncIterator[RecordInfo]:
        """Yield a description of each record, oldest first. Takes no lease, writes nothing, and makes no file."""
        for info in await self._do(Tables.records):
            yield info

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`, or return None if another living process or client holds it."""
        lease = self._leased(key, ttl)
        with self._given_back(lease):
            taken = await self._do(partial(self._taken, lease=lease, ttl=ttl), last=True)
            return lease if taken else None

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Let a lease that is still ours hold for `ttl` from now.

        Raises:
            LeaseLostError: it is over, or another client holds it.
        """
        longer = self._leased(lease.key, ttl)
        with self._given_back(longer, lease):
            await self._do(partial(Tables.extend, lease=lease, longer=longer, ttl=ttl))
        return longer

    async def release(self, lease: Lease) -> None:
        """Give the lease back if it is still ours."""
        worker = self._worker
        # each renewal releases once more after its commit: that costs no visit to the thread
        if worker is not None and worker.here and lease in worker.tables.held:
            await self._do(partial(self._released, lease=lease), keep=True)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, release the lease and tell this process's others; not undone if the caller is cancelled.

        Raises:
            LeaseLostError: the lease is over or the record has changed. Nothing was written.
        """

        def job(tables: Tables) -> Record:
            record = tables.commit(lease, token, expected_version=expected_version, age=age)
            self._tell(lease.key, record)
            return record

        return await self._do(job, keep=True)

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did."""

        def job(tables: Tables) -> bool:
            gone = tables.discard(key, token)
            if gone:
                self._tell(key, None)
            return gone

        return await self._do(job, keep=True)

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` changed or its lease was freed, by its holder's death too; at the latest after `timeout`."""
        look, pause_s = partial(Tables.look, key=key), _FIRST_PAUSE_S
        waiter = self._waiters.enter(key)
        try:
            async with asyncio.timeout(timeout.total_seconds()):
                seen = found = await self._do(look, last=True)
                while found == seen and found[1] is not None:
                    # what this process does ends the pause; jitter keeps the others apart
                    jitter = random.uniform(0.5, 1.0)  # noqa: S311 - guards nothing
                    if (await asyncio.wait([waiter], timeout=pause_s * jitter))[0]:
                        return
                    pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)
                    found = await self._do(look, last=True)
        except TimeoutError:
            pass
        finally:
            self._waiters.leave(key, waiter)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change that is made through this object, in the store's thread."""
        return self._listeners.add(key, listener)

    def on_reconnect(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` in the store's thread when another file is found in the place of the store's: a backup, say.

        It is found at the next call, of whatever key. A file that is overwritten in place is not.
        """
        return self._reconnected.add(key, listener)

    async def aclose(self) -> None:
        """Give held leases back, close the files and end the thread. Using the store afterwards is a `StoreError`.

        Takes two seconds at most, even if another process keeps the file locked. Others treat a lease that could not be
        given back like that of a process that has died: it is free.
        """
        worker, self._worker, self._closed = self._worker, None, True
        if worker is None or not worker.here:
            return
        worker.thread.run(worker.tables.close, keep=True, last=True)
        closed = asyncio.wrap_future(worker.thread.stop())
        # the job ends in time, unless the disk itself does not answer
        await asyncio.wait([closed], timeout=CLOSE_S)
        closed.cancel()

    async def _do(self, job: Callable[[Tables], _T], *, keep: bool = False, last: bool = False) -> _T:
        return await asyncio.wrap_future(self._hand_in(job, keep=keep, last=last))

    def _hand_in(self, job: Callable[[Tables], _T], *, keep: bool, last: bool = False) -> Future[_T]:
        """Hand `job` to the store's thread.

        Args:
            job: what to do with the tables.
            keep: whether it is done even if the caller is cancelled before its turn comes.
            last: whether it waits behind those that go on with something.
        """
        worker = self._worker
        if worker is None or not worker.here:
            with unforked:
                if self._closed:
                    raise StoreError("this SQLiteStore has been closed: make another one for the same path")
                worker = self._worker
                if worker is None or not worker.here:
                    worker = self._worker = _Worker.of(
                        Tables(self._path, self._clock, self._refresh_lifetime)
                    )
                    # at the interpreter's exit the thread closes them
                    weakref.finalize(self, worker.close_abandoned).atexit = False
        return worker.thread.run(partial(self._work, job, worker.tables), keep=keep, last=last)

    def _work(self, job: Callable[[Tables], _T], tables: Tables) -> _T:
        # a method, so that the store cannot be collected, and its connection closed, during its work
        try:
            return job(tables)
        finally:
            if tables.replaced:
                tables.replaced = False
                for key in list(self._reconnected):
                    with contextlib.suppress(NauthError):
                        self._reconnected.tell(key, tables.load(key))

    def _leased(self, key: StoreKey, ttl: timedelta) -> SQLiteLease:
        return SQLiteLease(key, self._clock.monotonic() + ttl.total_seconds(), self._clock)

    @contextlib.contextmanager
    def _given_back(self, *leases: Lease) -> Generator[None]:
        """Release `leases` if the caller is cancelled: the job may have been done, or be skipped."""
        try:
            yield
        except (asyncio.CancelledError, GeneratorExit):
            for lease in leases:
                with contextlib.suppress(StoreError):
                    self._hand_in(partial(self._released, lease=lease), keep=True)
            raise

    def _taken(self, tables: Tables, lease: SQLiteLease, ttl: timedelta) -> bool:
        # a commit that a closed loop has handed in was done before this, for jobs are done in their order. Loops are few,
        # and leases may be thousands: they are looked through only after a loop has ended
        ended = [number for number, loop in self._loops.items() if loop.gone]
        if ended:
            for one in [one for one in tables.held if isinstance(one, SQLiteLease) and one.loop.gone]:
                self._released(tables, one)
            for number in ended:
                del self._loops[number]
        self._loops.setdefault(lease.loop.number, lease.loop)
        return tables.take(lease, ttl)

    def _released(self, tables: Tables, lease: Lease) -> None:
        tables.release(lease)
        self._waiters.wake(lease.key)

    def _tell(self, key: StoreKey, record: Record | None) -> None:
        self._waiters.wake(key)
        self._listeners.tell(key, record)


@attrs.frozen(eq=False)
class _Worker:
    """A thread and what is done in it, of use only to the process that made it."""

    thread: JobThread
    tables: Tables
    pid: int = attrs.field(factory=os.getpid, init=False)

    @classmethod
    def of(cls, tables: Tables) -> _Worker:
        """Return a new thread for `tables`."""
        return cls(JobThread(tables.abandon), tables)

    @property
    def here(self) -> bool:
        """Whether this process made it."""
        return self.pid == os.getpid()

    def close_abandoned(self) -> None:
        """Close the connections of a store that was dropped without `aclose`."""
        if self.here:
            self.tables.abandon()  # no job is under way: a job refers to the store
            if self.thread.running:
                self.thread.stop()
        else:
            _inherited.append(self)


_inherited: list[_Worker] = []
"""Connections inherited through a fork: kept open and never used. Closing a connection that a fork brought along is forbidden, so they are kept, unused.
https://www.sqlite.org/howtocorrupt.html#_carrying_an_open_database_connection_across_a_fork_"""
