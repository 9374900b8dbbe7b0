"""A simulated process: its loop, its clock and its managers, each with what the judge remembers of it."""

from __future__ import annotations

import asyncio
from functools import partial
from math import inf
from typing import TYPE_CHECKING

from nauth.events import Event, RenewalFailed, RenewalJoined, RenewalSucceeded, TokenAdopted
from nauth.manager.held_token import HeldToken
from nauth.manager.single_flight import Flight
from nauth.manager.token_manager import TokenManager
from nauth.stores.base import StoreKey
from nauth.stores.memory import MemoryStore
from tests.simulation.books import Notes, current_task
from tests.simulation.clocks import SimClock
from tests.simulation.handle import StoreHandle
from tests.simulation.loop import SimLoop
from tests.simulation.memory import MemoryHandle, MemoryServer
from tests.simulation.vendors import SimAuthenticator

if TYPE_CHECKING:
    from tests.simulation.lifecycle import Trip
    from tests.simulation.world import World

__all__ = ["KEY", "Node", "Process"]

KEY = StoreKey(vendor="sim", base_url="https://api.example.com", identity="digest")


class Process:
    """One operating system process: loops, a clock, managers. Dead once killed.

    Attributes:
        loops: those that are open, oldest first. A plan with endings has one or two, and now and then none.
        every_loop: those and the closed ones, the first of which keeps the clock.
        trips: endings that wait for their turn.
        wrecked: when its last loop was closed with tasks pending, until a caller has been served since; or -1.
    """

    def __init__(self, world: World, loop: SimLoop, number: int, slot: int) -> None:
        draw, plan = world.draw, world.plan
        self.world, self.name, self.slot = world, f"p{number}", slot
        loop.reset()
        loop.eager = plan.eager
        self.loops, self.every_loop = [loop], [loop]
        self.trips: list[Trip] = []
        self.wrecked = -1.0
        skew = (draw() - 0.5) * 14_400 if plan.skewed else 0.0
        self.clock = SimClock(loop, mono=draw() * 1e6, skew=skew)
        self.engine: MemoryStore | None = None  # a store in its own memory, in some worlds
        if isinstance(world.store, MemoryServer):
            world.store.open(self.clock, KEY)
            self.engine = world.store.engine
        self.dead = False
        self.resumed = -1.0  # when it last ceased to stand still
        self.woke = -1.0  # the same, where its monotonic clock stood still as well
        self.stood_still = 0.0
        self.handle: StoreHandle | None = None  # the one of all its managers, in some worlds
        self.notes = Notes()
        self.nodes: list[Node] = []
        self.every_node: list[Node] = []  # those that have parted, too
        self.blocked = ""  # how the network to the store treats it now: "", "refuse", "hang" or "lose"
        for _ in range(plan.nodes[slot]):
            self.join()
        self._watch(loop)
        for _ in range(1, plan.loops):
            self.open()

    @property
    def standing(self) -> bool:
        """Whether it stands still now."""
        return self.world.scheduler.now < self.resumed

    def join(self) -> Node:
        """Open one more client."""
        node = Node(self, len(self.every_node))
        self.nodes.append(node)
        self.every_node.append(node)
        return node

    def part(self, guest: Node) -> None:
        """Forget a client."""
        if guest in self.nodes:
            self.nodes.remove(guest)

    def open(self) -> SimLoop:
        """Go on with a new loop: the same managers, the same memory."""
        loop = SimLoop(self.world.scheduler)  # type: ignore[abstract]  # what is not called is not written
        loop.eager, loop.lag = self.world.plan.eager, self.every_loop[0].lag
        self.loops.append(loop)
        self.every_loop.append(loop)
        self._watch(loop)
        return loop

    def watch(self) -> None:
        """Look at what is held after each step of this process."""
        for node in self.nodes:
            node.watch()

    def _watch(self, loop: SimLoop) -> None:
        loop.watches.append(self.watch)
        if self.world.plan.endings:
            loop.watches.append(partial(self.world.endings.turn, self))


class Node:
    """One manager with its handle and authenticator, and what the judge remembers of it."""

    def __init__(self, process: Process, index: int) -> None:
        self.process, self.world = process, process.world
        self.name = f"{process.name}.{chr(ord('a') + index % 26)}"
        self.clock = process.clock
        handle = process.handle if self.world.plan.shared else None
        if handle is None:
            handle = (MemoryHandle if self.world.plan.memory else StoreHandle)(self, self.world.store)
            process.handle = handle
        self.handle: StoreHandle = handle
        self.closed, self.closes_at = False, inf
        self.path: list[str] = []
        self.last: HeldToken | None = None
        self.notes = process.notes if self.world.plan.shared else Notes()
        self.manager = TokenManager(
            SimAuthenticator(self),
            key=KEY,
            store=self.handle,
            policy=self.world.plan.policy,
            clock=self.clock,
            observer=self.observe if self.world.plan.observed else None,
        )

    @property
    def loop(self) -> SimLoop | None:
        """The process's oldest open loop, if there is one."""
        return self.process.loops[0] if self.process.loops else None

    def watch(self) -> None:
        """Look at what is held after each step of this process."""
        held = self.manager._cache.held
        if held is not self.last:
            self.last = held
            self.world.judge.holds(self, held)

    @property
    def cause(self) -> str:
        """Why a renewal is under way, if one is."""
        causes = (self.cause_in(loop) for loop in self.process.loops)
        return next((cause for cause in causes if cause != "-"), "-")

    def cause_in(self, loop: asyncio.AbstractEventLoop | None) -> str:
        """Say why a renewal is under way in `loop`, if one is."""
        flight = self._flight_in(loop)
        return "-" if flight is None else flight.cause.value

    def waiters_in(self, loop: asyncio.AbstractEventLoop | None) -> int:
        """Return how many callers wait for the renewal in `loop`."""
        flight = self._flight_in(loop)
        return 0 if flight is None else len(flight)

    def _flight_in(self, loop: asyncio.AbstractEventLoop | None) -> Flight | None:
        loop_state = None if loop is None else self.manager._loops.of(loop)
        return None if loop_state is None else loop_state.flight

    def step(self, what: str) -> None:
        """Note one operation on the way through a renewal."""
        task = current_task()
        if task is not None and task.get_name() == "nauth renewal":
            self.path.append(what)
        if self.world.journal is not None:
            self.log(what)

    def observe(self, event: Event) -> None:
        """Hear what the manager says."""
        if self.world.journal is not None and not isinstance(event, RenewalJoined):
            self.log(str(event))
        if isinstance(event, RenewalSucceeded):
            self._exit(event.cause.value, "refreshed" if event.refreshed else "issued")
        elif isinstance(event, RenewalFailed):
            self._exit(event.cause.value, f"{event.error}{' quietly' if event.quiet else ''}")
        elif isinstance(event, TokenAdopted) and not event.pushed:
            self._exit("any", "adopted")

    def _exit(self, cause: str, how: str) -> None:
        cover = self.world.coverage.reach
        cover(("exit", cause, how))
        cover(("way", how, *_without_rounds(self.path)))
        self.path.clear()

    def log(self, what: str) -> None:
        """Put a line on the timeline."""
        if self.world.journal is not None:
            self.world.log(self.name, what)


def _without_rounds(path: list[str]) -> list[str]:
    """Leave out the rounds of waiting for a lease: how many there were does not matter."""
    short: list[str] = []
    for what in path:
        short.append(what)
        if len(short) >= 4 and short[-2:] == short[-4:-2]:
            del short[-2:]
    return short[:14]
