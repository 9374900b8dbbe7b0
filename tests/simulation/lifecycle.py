"""How loops end in a run, and how processes go on: `end`, `cancel all`, `close`, `fork`, at a moment or at a turn.

* *end* is what `asyncio.run` does: every visible task is told once, in the order in which they were made; simulated time
  goes on until those are done; then the loop is closed.
* *cancel all* is the usual shutdown recipe, a task that cancels all others and gathers them. The loop goes on.
* *close* drops what the loop had ready or waiting, with its tasks pending for ever. A second Ctrl-C is a close during an
  end. The tasks are ended later, as the garbage collection would: in no loop, in a callback, or in another task.
* *fork* is simplified: the child goes on with the managers and the memory itself, because they cannot be copied, and the
  parent is not heard of again. What it had sent still arrives. Its loop looks open and running to the child.

After a close or a fork the process goes on with a new loop, the same managers and the same `MemoryStore`.
"""

from __future__ import annotations

import asyncio
import warnings
from asyncio.events import _set_running_loop
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from tests.simulation.callers import close
from tests.simulation.loop import SimLoop

if TYPE_CHECKING:
    from tests.simulation.plan import End
    from tests.simulation.process import Process
    from tests.simulation.world import World

__all__ = ["Endings", "Trip"]

_AFTER = 4
"""Rounds of turns that a loop still runs when its tasks are done: `asyncio.run` shuts generators and executors down."""


@attrs.define(eq=False)
class Trip:
    """An ending that waits for its turn: for its anchor first, then for so many turns of the process."""

    end: End
    left: int | None = None


@attrs.define(eq=False)
class _Ending:
    """A loop between the notice and its close; `left` tasks are not done yet."""

    process: Process
    loop: SimLoop
    left: int = 0


class Endings:
    """Carries out what a plan says of endings.

    Attributes:
        wrecks: of closed loops, the tasks that the garbage collection has not ended yet.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.wrecks: list[tuple[Process, list[asyncio.Task[Any]]]] = []
        self.over = False

    def begin(self) -> None:
        """Put the plan's endings on the world's time."""
        for end in self.world.plan.endings:
            self.world.scheduler.at(end.when, self._arm, end)

    def stop(self) -> None:
        """Let nothing end any more: all is to be well."""
        self.over = True
        for process in self.world.processes:
            process.trips.clear()

    def _arm(self, end: End) -> None:
        process = self.world.processes[end.slot]
        if process.dead:
            return
        if end.anchor == "time":
            self._do(process, end)
        else:
            process.trips.append(Trip(end))

    def hit(self, process: Process, anchor: str) -> None:
        """Something happened in the process, or for it: the turns of what waits for this begin to count."""
        for trip in process.trips:
            if trip.left is None and trip.end.anchor == anchor:
                trip.left = trip.end.turns

    def turn(self, process: Process) -> None:
        """One turn of the process is over."""
        for trip in list(process.trips):
            if trip.left is None:
                continue
            if trip.left > 0:
                trip.left -= 1
                continue
            process.trips.remove(trip)
            here = asyncio._get_running_loop()
            _set_running_loop(None)
            try:
                self._do(process, trip.end)
            finally:
                _set_running_loop(here)

    def _do(self, process: Process, end: End) -> None:  # noqa: C901 - a table of ways
        world = self.world
        if process.dead or self.over:
            return
        if process.standing:
            world.scheduler.at(process.resumed + 1e-3, self._do, process, end)
            return
        loops = [loop for loop in process.loops if loop.notice is None]
        if not loops:
            return
        loop = loops[int(end.chance * len(loops))]
        world.log("world", f"{end.how} {process.name} {end.trouble}")
        if end.trouble:
            world.judge.hurt(end.trouble)
            world.trouble(process, end.trouble, end.span)
        world.coverage.reach(("ending", end.how, end.anchor, min(end.turns, 3)))
        now = world.scheduler.now
        if end.how == "close":
            self._close(process, loop)
        elif end.how == "fork":
            self._fork(process)
        elif end.how == "client":
            world.judge.hurt("close")
            world.spawn(process.nodes[0], "closing", close, loop=loop)
        elif end.how.startswith("cancel all"):
            loop.call_soon(self._recipe, process, loop)
            if end.how.endswith("twice"):
                world.scheduler.at(now + end.again, self._again, process, loop)
        else:
            self._end(process, loop)
            if end.how.endswith("twice"):
                world.scheduler.at(now + end.again, self._again, process, loop)
            elif end.how.endswith("insisted"):
                world.scheduler.at(now + end.again, self._close, process, loop)

    # --- end -------------------------------------------------------------------------------------------

    def _end(self, process: Process, loop: SimLoop) -> None:
        world, scheduler = self.world, self.world.scheduler
        loop.notice = scheduler.now
        told = scheduler.visible(loop)
        world.judge.ends.notice(process, loop, told)
        for task in told:
            task.cancel()
        left = [task for task in told if not task.done()]
        ending = _Ending(process, loop, len(left))
        for task in left:
            task.add_done_callback(partial(self._one_over, ending))
        if not left:
            scheduler.at(scheduler.now, self._wind_up, ending)

    def _one_over(self, ending: _Ending, task: asyncio.Task[Any]) -> None:
        ending.left -= 1
        if not ending.left:
            self.world.scheduler.at(self.world.scheduler.now, self._wind_up, ending)

    def _wind_up(self, ending: _Ending) -> None:
        process, loop, world = ending.process, ending.loop, self.world
        if process.dead or loop.closed or loop.gone:
            return
        if process.standing:
            world.scheduler.at(process.resumed + 1e-3, self._wind_up, ending)
            return
        loop.some_turns(_AFTER)
        world.judge.ends.over(process, loop, closing=True)
        self._shut(process, loop)

    def _again(self, process: Process, loop: SimLoop) -> None:
        """Tell them all a second time."""
        if process.dead or process.standing or loop.closed or loop.gone:
            return
        told = self.world.scheduler.visible(loop)
        self.world.judge.ends.notice(process, loop, told, again=True)
        for task in told:
            task.cancel()

    # --- cancel all ------------------------------------------------------------------------------------

    def _recipe(self, process: Process, loop: SimLoop) -> None:
        loop.create_task(self._cancel_all(process, loop), name="recipe")

    async def _cancel_all(self, process: Process, loop: SimLoop) -> None:
        judge, me = self.world.judge.ends, asyncio.current_task()
        told = [task for task in self.world.scheduler.visible(loop) if task is not me]
        moment = judge.notice(process, loop, told)
        for task in told:
            task.cancel()
        try:
            if told:
                await asyncio.wait(told)  # as `gather` does, but quiet where this loop is closed meanwhile
        except asyncio.CancelledError:
            return
        judge.over(process, loop, closing=False, since=moment)

    # --- close and fork --------------------------------------------------------------------------------

    def _close(self, process: Process, loop: SimLoop) -> None:
        if process.dead or loop.closed or loop.gone:
            return
        self.world.judge.ends.wrecked(process, loop)
        self._shut(process, loop)

    def _shut(self, process: Process, loop: SimLoop) -> None:
        left = self.world.scheduler.close(loop)
        self._lost(process, loop, left)

    def _lost(self, process: Process, loop: SimLoop, left: list[asyncio.Task[Any]]) -> None:
        world, draw, now = self.world, self.world.draw, self.world.scheduler.now
        process.loops.remove(loop)
        world.judge.ends.forget(process, loop)
        if left:
            self.wrecks.append((process, left))
            if not loop.gone and draw() < 0.7:
                when = now + (0.0, 0.5, 30.0)[int(draw() * 3)] * draw()
                world.scheduler.at(when, self._collect, process, left, int(draw() * 3))
        gap = 0.0 if draw() < 0.5 else 3 * draw()
        world.scheduler.at(now + gap, self.go_on, process)

    def _fork(self, process: Process) -> None:
        for loop in list(process.loops):
            self.world.judge.ends.wrecked(process, loop, how="fork")
            left = self.world.scheduler.close(loop)
            loop.closed, loop.gone = False, True
            self._lost(process, loop, left)
        after_fork(process)

    def go_on(self, process: Process) -> None:
        """Give the process a new loop where it lacks one, and let callers come."""
        world = self.world
        if process.dead:
            return
        if process.standing:
            world.scheduler.at(process.resumed + 1e-3, self.go_on, process)
            return
        if len(process.loops) >= world.plan.loops:
            return
        world.log("world", f"{process.name} goes on with a new loop")
        process.open()
        if not self.over:
            for delay, index, what, mood in world.plan.followers:
                world.scheduler.at(
                    world.scheduler.now + delay,
                    world.call,
                    process.slot,
                    index % world.plan.nodes[process.slot],
                    what,
                    mood,
                )

    # --- the garbage collection ------------------------------------------------------------------------

    def _collect(self, process: Process, left: list[asyncio.Task[Any]], place: int) -> None:
        if (process, left) not in self.wrecks:
            return
        self.wrecks.remove((process, left))
        loops = [loop for loop in process.loops if not process.standing]
        if process.dead or not loops or place == 0:
            self.destroy(left, quiet=process.dead)
        elif place == 1:
            loops[0].call_soon(self.destroy, left)
        else:
            loops[0].call_soon(lambda: loops[0].create_task(self._destroy_in_task(left), name="any"))

    async def _destroy_in_task(self, left: list[asyncio.Task[Any]]) -> None:
        self.destroy(left)

    def destroy(self, left: list[asyncio.Task[Any]], *, quiet: bool = False) -> None:
        """End the coroutines of tasks whose loop is closed, as the garbage collection does."""
        complaints = self.world.scheduler.complaints
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            for task in left:
                work: Any = task.get_coro()
                try:
                    work.close()
                except RuntimeError as error:
                    # what a caller's own task groups say then is not ours
                    if task.get_name().startswith("nauth") and not quiet:
                        complaints.append(f"{task.get_name()} at the garbage collection: {error}")
        if not quiet:
            complaints.extend(f"at the garbage collection: {one.message}" for one in said)

    def finish(self, *, quiet: bool = False) -> None:
        """End whatever is left of closed loops."""
        wrecks, self.wrecks = self.wrecks, []
        for process, left in wrecks:
            self.destroy(
                left, quiet=quiet or process.dead or any(not task.get_loop().is_closed() for task in left)
            )


def after_fork(process: Process) -> None:
    """Do what a child does first: the hooks of this process's own objects, and of no other simulated process's."""
    owners = [process.engine, *(node.manager for node in process.every_node)]
    seen: list[Any] = []
    for owner in owners:
        for subject in (owner, *_parts(owner)):
            if hasattr(subject, "after_fork") and not any(subject is one for one in seen):
                seen.append(subject)
                subject.after_fork()


def _parts(owner: object) -> list[Any]:
    names = [
        name for kind in type(owner).__mro__ for name in getattr(kind, "__slots__", ()) if name[:2] != "__"
    ]
    return [getattr(owner, name) for name in names if hasattr(owner, name)] + list(
        vars(owner).values() if hasattr(owner, "__dict__") else []
    )
