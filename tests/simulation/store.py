"""The server of a shared token store: one record and one lease for one key, on the world's true time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from nauth.errors import LeaseLostError
from nauth.stores.base import Listener, Record, StoreKey
from nauth.token import Token
from tests.simulation.clocks import EPOCH
from tests.simulation.loop import is_over

if TYPE_CHECKING:
    from tests.simulation.handle import StoreHandle
    from tests.simulation.process import Process
    from tests.simulation.world import World

__all__ = ["SimLease", "StoreServer", "settle"]


class SimLease:
    """A lease. Its holder counts from before it asked, the server from when it granted: the holder ends first."""

    __slots__ = ("_clock", "_local_end", "asker", "ends", "granted", "handle", "key", "number")

    def __init__(
        self,
        handle: StoreHandle,
        key: StoreKey,
        number: int,
        *,
        granted: float,
        ends: float,
        local_end: float,
        asker: asyncio.Task[Any] | None = None,
    ) -> None:
        self.asker = asker
        self.handle, self.key, self.number, self.granted, self.ends = handle, key, number, granted, ends
        self._clock, self._local_end = handle.node.clock, local_end

    @property
    def remaining(self) -> timedelta:
        return timedelta(seconds=self._local_end - self._clock.monotonic())

    def gone(self, process: Process) -> bool:
        """Tell whether it was asked for by a task of this process whose loop has been closed since."""
        if self.asker is None or self.handle.node.process is not process:
            return False
        return is_over(self.asker.get_loop())


class StoreServer:
    """What the store itself knows and does.

    Attributes:
        record: token, version, and when it was asked for in true time.
        lease: the last one granted and not given back; it may be over.
        restarted: when the store last lost everything.
        slowest: the longest that news of a record has been on its way.
        pushes: whether it tells listeners of changes; with which delay and loss.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.record: tuple[Token, int, float] | None = None
        self.lease: SimLease | None = None
        self.restarted = -1.0
        self.version = self.granted = 0
        self.earlier: list[tuple[Token, int, float]] = []
        self.slowest = 0.0
        self.pushes = False
        self.push_delay, self.push_loss = 0.0, 0.0
        self.latency, self.tail, self.flaky = 0.0, 0.0, 0.0
        self.stall_until = -1.0
        self.listeners: list[tuple[StoreHandle, Callable[[], Listener | None], list[float]]] = []
        self.waiters: list[tuple[StoreHandle, asyncio.Future[Any]]] = []

    def restart(self) -> None:
        """Lose everything, as an engine without a disk does."""
        self.record = self.lease = None
        self.restarted = self.world.scheduler.now

    def restore(self, chance: float) -> bool:
        """Come back with an earlier record, as a restored backup or a lagging replica does. Leases are lost."""
        if not self.earlier:
            return False
        self.record, self.lease = self.earlier[int(chance * len(self.earlier))], None
        self.restarted = self.world.scheduler.now
        self._wake()
        self._push()
        return True

    def look(self) -> None:
        """Bring what the judge reads up to date; here it always is."""

    def valid(self, lease: SimLease) -> bool:
        """Tell whether `lease` still holds by the store's own clock."""
        current = self.lease
        return (
            current is not None and current.number == lease.number and current.ends > self.world.scheduler.now
        )

    def seen(self) -> Record | None:
        """Return the record as a reader gets it."""
        if self.record is None:
            return None
        token, version, asked = self.record
        age_s = max(self.world.scheduler.now - asked, 0.0)
        return Record(token=token, version=version, age=timedelta(seconds=age_s))

    def do_lease(
        self,
        handle: StoreHandle,
        key: StoreKey,
        ttl_s: float,
        local_end: float,
        asker: asyncio.Task[Any] | None,
    ) -> SimLease | None:
        now = self.world.scheduler.now
        if self.lease is not None and self.lease.ends > now:
            return None
        self.granted += 1
        self.lease = SimLease(
            handle, key, self.granted, granted=now, ends=now + ttl_s, local_end=local_end, asker=asker
        )
        return self.lease

    def do_extend(self, lease: SimLease, ttl_s: float, local_end: float) -> SimLease:
        if not self.valid(lease):
            raise LeaseLostError("the lease ended before it could be extended")
        end = self.world.scheduler.now + ttl_s
        self.lease = SimLease(
            lease.handle,
            lease.key,
            lease.number,
            granted=lease.granted,
            ends=end,
            local_end=local_end,
            asker=lease.asker,
        )
        return self.lease

    def do_release(self, lease: SimLease) -> None:
        if self.lease is not None and self.lease.number == lease.number:
            self.lease = None
            self._wake()

    def do_commit(self, lease: SimLease, token: Token, expected: int, age_s: float) -> Record:
        if not self.valid(lease):
            raise LeaseLostError("the lease is over")
        if (0 if self.record is None else self.record[1]) != expected:
            raise LeaseLostError("another client stored a token meanwhile")
        now = self.world.scheduler.now
        self.version = max(self.version + 1, int((now + EPOCH) * 1e6))
        if self.record is not None:
            self.earlier.append(self.record)
        self.record = (token, self.version, now - age_s)
        self.lease = None
        self.world.judge.stored(lease.handle.node, token, self.version)
        self._wake()
        self._push()
        record = self.seen()
        assert record is not None
        return record

    def do_discard(self, token: Token) -> bool:
        if self.record is None or not self.record[0].same_access(token):
            return False
        self.record = None
        self._wake()
        self._push()
        return True

    def _wake(self) -> None:
        waiters, self.waiters = self.waiters, []
        for _, waiter in waiters:
            settle(waiter, None)

    def _push(self) -> None:
        world, record = self.world, self.seen()
        for handle, deref, last in self.listeners:
            if self.push_loss and (world.draw() < self.push_loss or handle.cut_off()):
                continue
            # one connection delivers in order
            delay = self.push_delay * world.draw()
            last[0] = max(last[0] + 1e-6, world.scheduler.now + delay)
            self.slowest = max(self.slowest, last[0] - world.scheduler.now)
            loop = handle.node.loop
            if loop is not None:
                world.scheduler.at(last[0], handle.deliver, deref, record, loop=loop)


def settle(waiter: asyncio.Future[Any], outcome: object) -> None:
    """Give `waiter` its outcome, unless it has left or its loop is closed."""
    if not waiter.done() and not is_over(waiter.get_loop()):
        waiter.set_result(outcome)
