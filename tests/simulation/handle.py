"""The way of one client to the shared store, over a network that fails in every way a real one can.

What happens to an operation is drawn anew for each: it may be slow, never arrive, be carried out although no process
learns of it, or arrive after its sender has given up.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable
from datetime import timedelta
from math import inf
from types import MethodType
from typing import TYPE_CHECKING, Any

from nauth.errors import NauthError, StoreError
from nauth.stores.base import Lease, Listener, Record, StoreKey, Unsubscribe
from nauth.token import Token
from tests.simulation.books import current_task
from tests.simulation.store import SimLease, StoreServer, settle

if TYPE_CHECKING:
    from tests.simulation.process import Node

__all__ = ["PATIENCE_S", "StoreHandle"]

PATIENCE_S = 5.0
"""How long a handle waits for an answer before it reports the store as down."""


class StoreHandle:
    """One client's connection to the store.

    Attributes:
        leases: what each task believes to hold.
        failures: operations that did not end well.
        broken: those of them that failed by themselves, and were not cancelled.
    """

    persistent = False

    def __init__(self, node: Node, server: StoreServer) -> None:
        self.node, self.server, self.world = node, server, node.world
        self.leases: dict[asyncio.Task[Any] | None, SimLease] = {}
        self.failures: int = 0
        self.broken: int = 0
        self._last_step = self._in_step = 0

    @property
    def blocked(self) -> str:
        """How the network treats its process now."""
        return self.node.process.blocked

    def cut_off(self) -> bool:
        """Tell whether nothing gets through now."""
        return self.blocked != ""

    def deliver(self, deref: Callable[[], Listener | None], record: Record | None) -> None:
        """Tell the listener, unless it has left."""
        listener = deref()
        if listener is not None and not self.node.process.dead:
            if self.world.journal is not None:
                self.node.log(f"push v{record.version % 10**9 if record else 'gone'} {_name(record)}")
            listener(record)

    async def load(self, key: StoreKey) -> Record | None:
        record: Record | None = await self._do("load", self.server.seen)
        return record

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        ttl_s = ttl.total_seconds()
        end = self.node.clock.monotonic() + ttl_s
        gone = self.server.lease
        if gone is not None and gone.gone(
            self.node.process
        ):  # as every store does that knows whom it asks for
            await self._do("release", self.server.do_release, gone)
        asker = current_task()
        lease: SimLease | None = await self._do("lease", self.server.do_lease, self, key, ttl_s, end, asker)
        if lease is not None:
            self.leases[current_task()] = lease
        return lease

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        ttl_s = ttl.total_seconds()
        end = self.node.clock.monotonic() + ttl_s
        self._give_up()
        longer: SimLease = await self._do("extend", self.server.do_extend, lease, ttl_s, end)
        self.leases[current_task()] = longer
        return longer

    async def release(self, lease: Lease) -> None:
        self._give_up()
        await self._do("release", self.server.do_release, lease)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        self._give_up()
        self.world.judge.offered(self.node, token)
        args = (lease, token, expected_version, age.total_seconds())
        record: Record = await self._do("commit", self.server.do_commit, *args)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        done: bool = await self._do("discard", self.server.do_discard, token)
        return done

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        loop, span = asyncio.get_running_loop(), timeout.total_seconds()
        if self.blocked == "refuse":
            raise self._down("changed")
        waiter: asyncio.Future[Any] = loop.create_future()
        entry = (self, waiter)
        if self.server.pushes:
            self.server.waiters.append(entry)
        self.world.endings.hit(self.node.process, "changed")
        timer = loop.call_later(span * (1.0 if self.world.draw() < 0.9 else 0.1), settle, waiter, None)
        try:
            await waiter
        finally:
            timer.cancel()
            if entry in self.server.waiters:
                self.server.waiters.remove(entry)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        if not self.server.pushes:
            return _nothing
        deref = weakref.WeakMethod(listener) if isinstance(listener, MethodType) else lambda: listener
        entry = (self, deref, [0.0])
        self.server.listeners.append(entry)

        def unsubscribe() -> None:
            self.server.listeners[:] = [one for one in self.server.listeners if one is not entry]

        return unsubscribe

    async def aclose(self) -> None:
        return None

    async def _breathe(self) -> None:
        """Let the scheduler see a task that goes round in circles without ever waiting."""
        steps = self.world.scheduler.steps
        self._in_step = self._in_step + 1 if steps - self._last_step <= 2 else 0
        self._last_step = steps
        if self._in_step > 50:
            await asyncio.sleep(0)

    def _give_up(self) -> None:
        self.leases.pop(current_task(), None)

    def _down(self, name: str) -> StoreError:
        self.failures += 1
        self.world.judge.store_failed(self.node)
        self.node.step(f"{name}!")
        return StoreError("the simulated store cannot be reached")

    async def _do(self, name: str, act: Callable[..., Any], *args: Any) -> Any:  # noqa: C901 - the fates side by side
        """Carry `act` out at the server, or not, and say so, or not."""
        world, server, draw = self.world, self.server, self.world.draw
        if self.node.process.dead:
            raise StoreError("this process is dead")
        fate = self.blocked or (
            ("refuse", "hang", "lose")[int(draw() * 3)] if server.flaky and draw() < server.flaky else ""
        )
        if fate == "refuse":
            self.broken += 1
            raise self._down(name)
        world.endings.hit(self.node.process, name)
        up = server.latency * draw() if server.latency else 0.0
        if server.tail and draw() < server.tail:
            up += 12.0 * draw()
        up = max(up, server.stall_until - world.scheduler.now)
        if up <= 0.0 and not fate:
            self.node.step(name)
            await self._breathe()
            return self._at_once(name, act, args)
        down = server.latency * draw()
        server.slowest = max(server.slowest, down)
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        now = world.scheduler.now
        if world.plan.hiccup and draw() < world.plan.hiccup:
            world.scheduler.at(now + up * draw(), world.stop, self.node.process, 30 * draw())
        if fate != "hang":
            if name in {"commit", "load"}:  # the token ages on the way, or is taken to have done so
                server.slowest = max(server.slowest, up)
            answer = waiter if not fate and up + down <= PATIENCE_S else None
            world.scheduler.at(now + up, self._arrive, act, args, answer, down)
        late = fate or up + down > PATIENCE_S
        if late:
            world.scheduler.at(now + PATIENCE_S, settle, waiter, None)
        call = world.judge.ends.operation(self.node, name)
        call.answers = inf if late else now + up + down
        try:
            outcome = await waiter
        except asyncio.CancelledError:
            world.judge.ends.operation_cut(call)
            self._down(f"{name}~")
            raise
        finally:
            world.judge.ends.operation_over(call)
        if outcome is None:
            self.broken += 1
            raise self._down(name)
        result, error = outcome
        self.node.step(name if error is None else f"{name}-")
        if error is not None:
            world.judge.ends.superseded(self.node, name)
            raise error
        return result

    def _at_once(self, name: str, act: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        try:
            return act(*args)
        except NauthError:
            self.world.judge.ends.superseded(self.node, name)
            raise

    def _arrive(
        self, act: Callable[..., Any], args: tuple[Any, ...], answer: asyncio.Future[Any] | None, down: float
    ) -> None:
        result: object = None
        error: NauthError | None = None
        try:
            result = act(*args)
        except NauthError as refused:
            error = refused.with_traceback(None)
        if answer is not None:
            self.world.scheduler.at(self.world.scheduler.now + down, settle, answer, (result, error))


def _nothing() -> None:
    return None


def _name(record: Record | None) -> str:
    return "" if record is None else record.token.access_token.reveal()
