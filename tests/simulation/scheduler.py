"""Runs the callbacks of event loops on virtual time, in a seeded random order.

Each simulated process has a `SimLoop` of its own; one `Scheduler` runs them all and owns the time. What is shuffled:
any callback that is ready may run next, whichever loop it belongs to. That is more than asyncio itself would do, which
runs callbacks first in, first out, so every order that some timing of the outside world can bring about is among those
tried. Two things are kept, because programs may rely on them: timers fire in the order of their times, and a callback
never runs inside the call that scheduled it. What shuffling must not change is what asyncio and anyio promise without
naming an order: locks, timeouts, task groups and scopes work as ever. A seed may also ask for asyncio's own order
(`shuffled=False`).

Nothing here waits: when no callback is ready, the time jumps to the next timer.
"""

from __future__ import annotations

import asyncio
import heapq
import random
import weakref
from asyncio.events import _set_running_loop
from collections.abc import Callable
from typing import Any

from tests.simulation.loop import SimLoop, SimTask, Turn

__all__ = ["Livelock", "Scheduler"]


class Livelock(Exception):  # noqa: N818 - a verdict, not an error of the program's
    """So many callbacks ran that the program must be going round in circles."""


class Scheduler:
    """Runs the callbacks of all loops, and the outside world's, on one virtual time.

    Attributes:
        now: seconds of virtual time.
        ready: what may run next.
        timers: a heap of (time, number, turn).
        last_timer: when a timer of any process last fired.
        steps: callbacks run so far.
        made: the tasks made so far, held weakly, as asyncio does.
        complaints: what was said to any loop's exception handler.
    """

    def __init__(self) -> None:
        self.reset(random.Random(0), shuffled=True)

    def reset(self, draw: random.Random, *, shuffled: bool) -> None:
        """Begin a new run at time zero."""
        self._random = draw.random
        self.shuffled = shuffled
        self.now = 0.0
        self.ready: list[Turn] = []
        self.timers: list[tuple[float, int, Turn]] = []
        self.last_timer = 0.0
        self.steps = 0
        self.made: list[weakref.ref[SimTask]] = []
        self.keepers: list[weakref.ref[asyncio.Task[None]]] = []
        self._numbers = self._serials = 0
        self.complaints: list[str] = []

    def next_serial(self) -> int:
        """Return the number of the next task."""
        self._serials += 1
        return self._serials

    def at(
        self, when: float, callback: Callable[..., object], *args: Any, loop: SimLoop | None = None
    ) -> Turn:
        """Run `callback` at the virtual time `when`; without a `loop` it is the outside world's."""
        turn = Turn(loop, callback, args, None)
        self.push(when, turn)
        return turn

    def push(self, when: float, turn: Turn) -> None:
        """Put a timer on the heap."""
        self._numbers += 1
        heapq.heappush(self.timers, (when, self._numbers, turn))

    def run(self, budget: int = 30_000) -> None:  # noqa: C901, PLR0912 - in one piece: a call a step would double its cost
        """Run until nothing is ready and no timer is left.

        Raises:
            Livelock: more than `budget` callbacks ran.
        """
        ready, draw, current, last = self.ready, self._random, None, self.steps + budget
        shuffled = self.shuffled
        try:
            while ready or self._jump():
                if not shuffled:
                    turn = ready.pop(0)
                elif (count := len(ready)) == 1:
                    turn = ready.pop()
                else:
                    place = int(draw() * count)
                    turn = ready[place]
                    ready[place] = ready[-1]
                    ready.pop()
                callback, loop = turn.callback, turn.loop
                if callback is None:
                    continue
                self.steps += 1
                if self.steps > last:
                    ready.append(turn)  # or the task it belongs to would never end
                    raise Livelock(f"{budget} callbacks without an end")
                if loop is not current:
                    _set_running_loop(loop)
                    current = loop
                if loop is None:
                    callback(*turn.args)
                    continue
                if loop.parked is not None:
                    loop.parked.append(turn)
                    continue
                if loop.closed or loop.gone:
                    continue  # the outside world's news for it come too late
                context = turn.context
                try:
                    if context is None:
                        callback(*turn.args)
                    else:
                        context.run(callback, *turn.args)
                except Exception as error:  # noqa: BLE001 - asyncio, too, reports and goes on
                    self.complaints.append(f"{type(error).__name__} in a callback: {error}")
                for watch in loop.watches:
                    watch()
        finally:
            _set_running_loop(None)

    def _jump(self) -> bool:
        """Move on to the next timer that was not cancelled, and make all due ones ready."""
        timers, ready = self.timers, self.ready
        while timers:
            when, _, turn = heapq.heappop(timers)
            if turn.callback is not None:
                self.now = max(self.now, when)
                ready.append(turn)
                if turn.loop is not None:
                    self.last_timer = self.now
                while timers and timers[0][0] <= when:
                    ready.append(heapq.heappop(timers)[2])
                return True
        return False

    def of(self, loop: SimLoop) -> list[SimTask]:
        """Return the unfinished tasks of `loop`, oldest first."""
        # not `asyncio.all_tasks`, which would wade through what earlier runs left to the garbage collection
        found = [task for task in (ref() for ref in self.made) if task is not None]
        return [task for task in found if task.get_loop() is loop and not task.done()]

    def visible(self, loop: SimLoop) -> list[asyncio.Task[Any]]:
        """Return the unfinished tasks that a program finds when it asks for all of `loop`, oldest first."""
        # a run uses the loops of earlier ones again, and one that was cut off may have left a task in them
        ours: set[asyncio.Task[Any] | None] = {ref() for ref in self.made}
        ours.update(ref() for ref in self.keepers)
        return sorted((task for task in asyncio.all_tasks(loop) if task in ours), key=hash)

    def close(self, loop: SimLoop) -> list[asyncio.Task[Any]]:
        """Close a loop: what it has ready or waiting for its time is dropped. Returns its tasks, pending for ever."""
        left: list[asyncio.Task[Any]] = [*self.of(loop)]  # first of all: a turn may be all that holds a task
        left += [task for task in self.visible(loop) if task not in left]
        for task in left:
            setattr(task, "_log_destroy_pending", False)  # noqa: B010 - an honest remark of Python's, and no fault
        self.take(loop)
        loop.parked, loop.closed = None, True
        return left

    def take(self, loop: SimLoop) -> list[Turn]:
        """Take everything that `loop` has ready or waiting for its time away, and return it in order."""
        mine = [turn for turn in self.ready if turn.loop is loop] + (loop.parked or [])
        self.ready[:] = [turn for turn in self.ready if turn.loop is not loop]
        late = sorted(entry for entry in self.timers if entry[2].loop is loop)
        self.timers[:] = [entry for entry in self.timers if entry[2].loop is not loop]
        heapq.heapify(self.timers)
        return mine + [turn for _, _, turn in late]

    def put_off(self, loop: SimLoop, span: float) -> None:
        """Let `loop`'s own time stand still for `span`: its timers fire that much later."""
        loop.lag += span
        late = [
            (when + span if turn.loop is loop else when, order, turn) for when, order, turn in self.timers
        ]
        heapq.heapify(late)
        self.timers = late

    def kill(self, loop: SimLoop) -> None:
        """End a process: its tasks are cancelled and run to their ends apart from the others, in no time.

        The caller has made sure that what they do on their way reaches no other process.
        """
        loop.parked, loop.ready = None, self.take(loop)
        loop.ending = True
        for _ in range(50):
            left = self.of(loop)
            for task in left:
                task.cancel()
            if not left:
                break
            loop.drain()
        for pending in [*self.of(loop), *self.visible(loop)]:
            # not a test's business: a killed process ends no task
            setattr(pending, "_log_destroy_pending", False)  # noqa: B010 - unknown to the type checkers
        loop.ready = self.ready
