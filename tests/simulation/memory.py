"""Worlds of one process whose managers share a real `MemoryStore`, watched by the judge like the simulated one."""

from __future__ import annotations

from asyncio.events import _set_running_loop
from collections.abc import Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.stores.memory import MemoryStore
from nauth.token import Token
from tests.simulation.books import current_task
from tests.simulation.clocks import SimClock
from tests.simulation.handle import StoreHandle
from tests.simulation.store import SimLease, StoreServer

if TYPE_CHECKING:
    from tests.simulation.process import Process
    from tests.simulation.world import World

__all__ = ["MemoryHandle", "MemoryServer"]

_T = TypeVar("_T")


class _Wrapped(SimLease):
    """A `MemoryStore`'s own lease, with what the judge wants to know of it."""

    __slots__ = ("inner",)
    inner: Lease

    @property
    def remaining(self) -> timedelta:
        return self.inner.remaining


class MemoryServer(StoreServer):
    """What the judge looks at: the store of the process that lives now."""

    def __init__(self, world: World) -> None:
        self.key: StoreKey | None = None
        super().__init__(world)

    def open(self, clock: SimClock, key: StoreKey) -> None:
        """Begin a process: its memory is empty."""
        self.engine, self.clock, self.key = MemoryStore(clock=clock), clock, key
        self.record = self.lease = None
        self.restarted = self.world.scheduler.now

    def furnish(self, process: Process, token: Token) -> None:
        """Let a person have signed in."""
        assert self.key is not None
        _set_running_loop(process.loops[0])
        try:
            lease = _at_once(self.engine.lease(self.key, timedelta(seconds=1)))
            assert lease is not None
            _at_once(self.engine.commit(lease, token, expected_version=0, age=timedelta(0)))
        finally:
            _set_running_loop(None)

    def valid(self, lease: SimLease) -> bool:
        """Ask the store itself whether it is still this lease that it counts."""
        if self.key is None or not isinstance(lease, _Wrapped):
            return False
        counted = self.engine._leases.get(self.key)
        return counted is lease.inner and not counted.loop.gone and lease.remaining > timedelta(0)

    def look(self) -> None:
        """Bring what the judge reads up to date."""
        assert self.key is not None
        entry = self.engine._entries.get(self.key)
        now = self.world.scheduler.now
        self.record = (
            None
            if entry is None
            else (entry.token, entry.version, now - (self.clock.monotonic() - entry.asked_at))
        )
        self.waiters = [  # only counted
            (entry, waiter)  # type: ignore[misc]
            for entry, waiters in self.engine._waiters.items()
            for waiter in waiters
        ]
        if self.lease is not None and not self.valid(self.lease):
            self.lease = None


class MemoryHandle(StoreHandle):
    """Calls the real store, and tells the judge."""

    async def load(self, key: StoreKey) -> Record | None:
        self.node.step("load")
        return await self._engine().load(key)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        self.node.step("lease")
        await self._breathe()
        inner = await self._engine().lease(key, ttl)
        return None if inner is None else self._wrap(inner, key)

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        self.node.step("extend")
        self._give_up()
        return self._wrap(await self._engine().extend(_inner(lease), ttl), lease.key)

    async def release(self, lease: Lease) -> None:
        self.node.step("release")
        self._give_up()
        await self._engine().release(_inner(lease))

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        self.node.step("commit")
        self._give_up()
        self.world.judge.offered(self.node, token)
        record = await self._engine().commit(_inner(lease), token, expected_version=expected_version, age=age)
        self.world.judge.stored(self.node, token, record.version)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        self.node.step("discard")
        return await self._engine().discard(key, token)

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        self.world.endings.hit(self.node.process, "changed")
        await self._engine().changed(key, timeout=timeout)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        return self._engine().subscribe(key, listener)

    def _engine(self) -> MemoryStore:
        engine = self.node.process.engine
        assert engine is not None
        return engine

    def _wrap(self, inner: Lease, key: StoreKey) -> Lease:
        now = self.world.scheduler.now
        ends = now + inner.remaining.total_seconds()
        lease = _Wrapped(self, key, 0, granted=now, ends=ends, local_end=0.0, asker=current_task())
        lease.inner = inner
        self.server.lease = self.leases[current_task()] = lease
        return lease


def _at_once(work: Coroutine[Any, Any, _T]) -> _T:
    """Return what a coroutine does that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    raise AssertionError


def _inner(lease: Lease) -> Lease:
    assert isinstance(lease, _Wrapped)
    return lease.inner
