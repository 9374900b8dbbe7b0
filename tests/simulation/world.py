"""A world: processes with their managers, one store, one vendor, callers, and what befalls them. One seed, one run."""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from nauth import event_delivery, owned_tasks
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.token import Token
from tests.simulation.callers import BEHAVIOURS, close, finally_works
from tests.simulation.coverage import Coverage
from tests.simulation.endings import check_idle, check_store, check_timers
from tests.simulation.invariants import Judge
from tests.simulation.lifecycle import Endings
from tests.simulation.loop import SimKeeper, SimLoop, is_over
from tests.simulation.memory import MemoryServer
from tests.simulation.plan import Plan, make_plan
from tests.simulation.process import Node, Process
from tests.simulation.scheduler import Livelock, Scheduler
from tests.simulation.store import StoreServer
from tests.simulation.vendors import Vendor

__all__ = ["LOOPS", "SCHEDULER", "World", "replay", "simulate"]

ENDINGS = True
"""Whether seeds draw loops that end, unless told otherwise."""

_QUIET_S = 200.0
"""Longer than every pause a manager makes."""

SCHEDULER = Scheduler()
LOOPS = [SimLoop(SCHEDULER) for _ in range(8)]  # type: ignore[abstract]  # methods that are never called are left out
"""Made once: a loop costs more than a seed may. Each run begins by resetting them."""


class World:
    """One run of one seed.

    Attributes:
        draw: the only source of chance.
        journal: the timeline, if it is kept.
        judge: what must hold.
        processes: the one alive in each slot, or the dead one.
    """

    def __init__(self, seed: int, coverage: Coverage, *, keep: bool, endings: bool) -> None:
        self.seed, self.coverage = seed, coverage
        chance = random.Random(seed)
        self.draw = chance.random
        random.seed(seed)  # the manager draws its jitter there
        self.journal: list[str] | None = [] if keep else None
        later = random.Random(seed ^ 0x1A7E6)
        ends = random.Random(seed ^ 0x0E4D5).random if endings else None
        self.plan: Plan = make_plan(self.draw, later.random, ends, eager=sys.version_info >= (3, 12))
        self.scheduler = SCHEDULER
        self.endings = Endings(self)
        SCHEDULER.reset(chance, shuffled=self.plan.shuffled)
        owned_tasks._running.clear()  # a killed process ends no task, and a run uses the loops of earlier ones again
        self.judge = Judge(self)
        self.store = MemoryServer(self) if self.plan.memory else StoreServer(self)
        self.vendor = Vendor(self, self.plan.kind)
        self.every_process: list[Process] = []
        self.closed = 0.0  # when the last manager was closed
        self._furnish()
        self.processes = [self._start(slot) for slot in range(len(self.plan.nodes))]
        if isinstance(self.store, MemoryServer) and self.plan.kind.interactive:
            self.store.furnish(self.processes[0], self._sign_in())

    def log(self, who: str, what: str) -> None:
        """Put a line on the timeline."""
        if self.journal is not None:
            self.journal.append(f"{self.scheduler.now:12.6f}  {who:<7} {what}")

    def run(self) -> list[str]:
        """Run to the end and return what was broken."""
        before, owned_tasks.keeper_type = owned_tasks.keeper_type, SimKeeper
        try:
            return self._run()
        finally:
            owned_tasks.keeper_type = before

    def _run(self) -> list[str]:
        judge, plan, scheduler = self.judge, self.plan, self.scheduler
        for when, what, slot, span in plan.events:
            scheduler.at(when, self._happen, what, slot, span)
        for when, slot, index, what, mood in plan.callers:
            scheduler.at(when, self.call, slot, index, what, mood)
        self.endings.begin()
        try:
            scheduler.run()
            check_idle(self, "after the last caller")
            self._heal()
            scheduler.at(scheduler.now + _QUIET_S, _nothing)
            scheduler.run()
            self.log("world", "all is well")
            for node in self.alive():
                self.spawn(node, "final check", finally_works)
            scheduler.run()
            check_store(self)
            self.closed = scheduler.now
            for node in self.alive():
                self.spawn(node, "closing", close)
            scheduler.run()
            check_idle(self, "after closing")
            check_timers(self, self.closed)
            self.endings.finish()
        except Livelock as error:
            judge.violate(str(error))
        if judge.violations:  # whatever was left over would be met by the next run
            for process in self.every_process:
                self._silence(process)
            self.endings.finish(quiet=True)
        owned_tasks._running.clear()
        event_delivery._queues.clear()  # what processes that were killed have left untold
        return judge.violations + [f"complaint: {said}" for said in scheduler.complaints]

    def alive(self) -> list[Node]:
        """Return the managers that can still be used."""
        return [
            node
            for process in self.processes
            if not process.dead
            for node in process.nodes
            if not node.closed
        ]

    def spawn(
        self,
        node: Node,
        name: str,
        work: Callable[..., Coroutine[Any, Any, None]],
        *more: float,
        loop: SimLoop | None = None,
    ) -> None:
        """Run `work` as a task of the node's process, unless that is dead by then or has no loop that goes on."""
        loops = [loop] if loop is not None else [one for one in node.process.loops if one.notice is None]
        if loops:
            place = int(more[0] * 997) % len(loops) if more else 0
            loops[place].call_soon(self._spawn, loops[place], node, name, work, *more)

    def _spawn(
        self,
        loop: SimLoop,
        node: Node,
        name: str,
        work: Callable[..., Coroutine[Any, Any, None]],
        *more: float,
    ) -> None:
        if loop.notice is None:
            loop.create_task(self._guarded(node, name, work, *more), name=name)

    async def _guarded(
        self, node: Node, name: str, work: Callable[..., Coroutine[Any, Any, None]], *more: float
    ) -> None:
        loop = asyncio.get_running_loop()
        try:
            await work(node, *more)
        except NauthError as error:
            node.log(f"{name} got {type(error).__name__}")
        except asyncio.CancelledError:
            if not node.process.dead and not self.judge.ends.may_cancel():
                self.judge.violate(f"{name} on {node.name} was cancelled by no one in the plan")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a violation
            if is_over(loop):  # what a caller's own scopes say at the garbage collection is not ours
                return
            self.judge.violate(f"{name} on {node.name} got {type(error).__name__}: {error}")

    def _furnish(self) -> None:
        plan, store = self.plan, self.store
        store.latency, store.tail, store.flaky = plan.latency, plan.tail, plan.flaky
        store.pushes, store.push_delay, store.push_loss = plan.pushes, plan.push_delay, plan.push_loss
        self.vendor.spacing = plan.spacing
        if plan.kind.interactive and not plan.memory:
            store.version = 1_000_000
            store.record = (self._sign_in(), store.version, 0.0)

    def _sign_in(self) -> Token:
        grant = self.vendor.plant()
        life = self.judge.lifetime(grant)
        refresh = None if grant.refresh is None else Secret(grant.refresh)
        return Token(access_token=Secret(grant.access), refresh_token=refresh, lifetime=life)

    def _start(self, slot: int) -> Process:
        number = len(self.every_process)
        if LOOPS[number].closed or LOOPS[number].gone:  # a loop that was closed never opens again
            LOOPS[number] = SimLoop(SCHEDULER)  # type: ignore[abstract]  # as above
        process = Process(self, LOOPS[number], number, slot)
        self.every_process.append(process)
        return process

    def call(self, slot: int, index: int, what: str, mood: float) -> None:
        """Let a caller come."""
        process = self.processes[slot]
        if not process.dead:
            node = process.nodes[index]
            self.spawn(node, what, BEHAVIOURS[what], mood)

    def _happen(self, what: str, slot: int, span: float) -> None:  # noqa: C901 - a table of events
        process, now, judge = self.processes[slot], self.scheduler.now, self.judge
        self.log("world", f"{what} {process.name} {span:.3f}")
        self.coverage.reach(("event", what))
        judge.hurt(what)
        if what == "outage":
            self.vendor.down_until = now + span
        elif what == "doubt":
            self.vendor.doubting_until = now + span
        elif what == "stall":
            self.store.stall_until = now + min(span, 60.0)
        elif what == "restart":
            self.store.restart()
        elif what == "restored":
            self.store.restore(span)
        elif process.dead:
            return
        elif what in ("refuse", "hang", "lose"):
            self.trouble(process, what, span)
        elif what == "kill":
            self._kill(process, span / 4)
        elif what in ("pause", "suspend"):
            self.stop(process, span, asleep=what == "suspend")
        elif what == "step":
            process.clock.skew += span
        else:
            node = process.nodes[0]
            self.spawn(node, "closing", close)

    def trouble(self, process: Process, what: str, span: float) -> None:
        """Let the network between a process and the store do what it should not, for a while."""
        process.blocked = what
        self.scheduler.at(self.scheduler.now + span, self._join, process)

    def _join(self, process: Process) -> None:
        process.blocked = ""

    def murder(self, process: Process) -> None:
        """Kill a process during what it does, unless it is dead by now."""
        if not process.dead:
            self.log("world", f"murder of {process.name}")
            self.coverage.reach(("event", "murder"))
            self.judge.hurt("kill")
            self._kill(process, 0.0 if self.draw() < 0.3 else 30 * self.draw())

    def _kill(self, process: Process, again_s: float) -> None:
        self._silence(process)
        for node in process.nodes:
            self.judge.died(node)
        if len(self.every_process) < len(LOOPS):
            self.scheduler.at(self.scheduler.now + again_s, self._respawn, process.slot)

    def _silence(self, process: Process) -> None:
        """Let nothing of a process be heard of again."""
        process.dead = True
        for loop in process.loops:
            self.scheduler.kill(loop)

    def _respawn(self, slot: int) -> None:
        self.processes[slot] = self._start(slot)

    def stop(self, process: Process, span: float, asleep: bool = False) -> None:
        """Let a process stand still for `span`; asleep, its monotonic clock does so as well."""
        if process.standing or process.dead:
            return
        self.judge.hurt("pause")
        self.log("world", f"{process.name} stands still for {span:.3f}")
        process.resumed = self.scheduler.now + span
        process.stood_still += span
        if asleep:
            process.woke = process.resumed
            for loop in process.every_loop:
                self.scheduler.put_off(loop, span)
        for loop in process.loops:
            loop.parked = []
        self.scheduler.at(self.scheduler.now + span, self._go_on, process)

    def _go_on(self, process: Process) -> None:
        for loop in process.loops:
            if loop.parked is not None:
                self.scheduler.ready.extend(loop.parked)
                loop.parked = None

    def _heal(self) -> None:
        self.plan.heal()
        self.vendor.down_until = self.vendor.doubting_until = self.store.stall_until = -1.0
        self.endings.stop()
        self.vendor.spacing = self.store.flaky = self.store.tail = self.store.push_loss = 0.0
        for process in self.processes:
            self._join(process)
            self.endings.go_on(process)


def _nothing() -> None:
    return None


def simulate(seed: int, coverage: Coverage, *, endings: bool = ENDINGS) -> list[str]:
    """Run one seed, with or without loops that end, and return what was broken."""
    return World(seed, coverage, keep=False, endings=endings).run()


def replay(seed: int, *, endings: bool = ENDINGS) -> tuple[list[str], list[str]]:
    """Run one seed again and return what was broken and the timeline."""
    world = World(seed, Coverage(), keep=True, endings=endings)
    broken = world.run()
    assert world.journal is not None
    return broken, [world.plan.describe(), *world.journal]
