"""`LoopStates`: what a manager keeps for each running event loop, and the tasks it owns there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from datetime import timedelta

import anyio

from nauth.after_fork import forgets, guard
from nauth.manager.single_flight import Flight
from nauth.owned_tasks import Work, own_task

__all__ = ["DRAIN", "LoopLock", "LoopState", "LoopStates"]

DRAIN = timedelta(seconds=5)
"""How long closing waits for a renewal in flight before it gives up a token that may have rotated."""

_FAREWELL_S = 1.0
"""Seconds a cancelled renewal gets to release its lease: a store that hangs must not hold up closing."""


class LoopLock:
    """Keeps renewal, revocation and deferred commits of one loop apart.

    A coroutine of a closed loop that the garbage collector ends leaves the lock as it is: nothing can be woken there any
    more, and the lock goes with its loop.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        # without the extra turn that anyio gives other tasks: its way out of that fails outside of a running loop
        self._lock = anyio.Lock(fast_acquire=True)

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            self._lock.release()

    def locked(self) -> bool:
        """Tell whether a task has it."""
        return self._lock.locked()


class LoopState:
    """One loop's lock, flight, tasks and the sleeps between their attempts. Touched from its own loop only."""

    __slots__ = ("commit", "flight", "lock", "loop", "recheck", "sleeps", "tasks", "work")

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self.loop: Callable[[], asyncio.AbstractEventLoop | None] = loop
        self.lock: LoopLock = LoopLock()  # apart: renewal, revocation; two loops on one lock would hang
        self.flight: Flight | None = None
        self.work: Work | None = None  # the flight's
        self.recheck: Flight | None = None  # for a sibling's token, while none may be renewed
        self.commit: Work | None = None  # the deferred one, while it is being made
        self.tasks: set[asyncio.Task[None]] = set()
        self.sleeps: set[asyncio.Future[None]] = set()

    @property
    def gone(self) -> bool:
        """Whether its loop can run nothing any more."""
        loop = self.loop()
        return loop is None or loop.is_closed()

    @property
    def joinable(self) -> Flight | None:
        """The flight that a caller may wait for, if there is one.

        Not one that the notice of an ending has cut off before it sent anything: where the usual shutdown recipe cancels
        all tasks and the loop goes on, who calls next would be told of an end that is not theirs.
        """
        return None if self.work is not None and self.work.given_up else self.flight

    def own(
        self,
        work: Coroutine[object, object, None],
        *,
        name: str,
        at_risk: bool = False,
        over: Callable[[Work], object] | None = None,
    ) -> Work:
        """Run `work` as owned work of this loop_state; the options are those of `own_task`."""
        owned = own_task(work, name=name, at_risk=at_risk, over=over)
        self.tasks.add(owned.task)
        owned.task.add_done_callback(self.tasks.discard)
        return owned


def _nothing() -> None:
    return None


_NOWHERE = LoopState(_nothing)
_NO_LOOPS: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopState] = weakref.WeakKeyDictionary()
"""What no loop has used yet. Never written to."""


class LoopStates:
    """One state object for each event loop; dropped when the loop is collected, or closed and another one comes.

    Args:
        lost: told of each loop_state whose loop was closed, once, in the thread of the loop that comes next. A method, and
            held weakly: its object holds these loop_states.
    """

    __slots__ = ("__weakref__", "_guard", "_last", "_lost", "_table")

    def __init__(self, lost: Callable[[LoopState], object] | None = None) -> None:
        self._guard = guard()
        self._lost = _nothing if lost is None else weakref.WeakMethod(lost)
        # its own from the first use on: thousands of managers wait for theirs
        self._table: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopState] = _NO_LOOPS
        self._last: LoopState = _NOWHERE
        forgets(self)

    def here(self) -> LoopState:
        """Return the running loop's loop_state."""
        loop = asyncio.get_running_loop()
        loop_state = self._last  # nearly always the only one; ten thousand waiters look in a row
        return loop_state if loop_state.loop() is loop else self._look_up(loop)

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> LoopState:
        with self._guard:
            loop_state = self._table.get(loop)
            if loop_state is None:
                if self._table is _NO_LOOPS:
                    self._table = weakref.WeakKeyDictionary()
                loop_state = self._table[loop] = LoopState(weakref.ref(loop))
            self._last = loop_state
        self.sweep()
        return loop_state

    def sweep(self) -> None:
        """Forget the loops that were closed, and tell of them."""
        with self._guard:
            closed = [(other, loop_state) for other, loop_state in self._table.items() if other.is_closed()]
            for other, _ in closed:
                del self._table[other]
        self._tell([lost for _, lost in closed])

    def after_fork(self) -> None:
        """Forget the parent's loops: what runs in them does not run in this process."""
        loop_states, self._last = list(self._table.values()), _NOWHERE
        self._table = _NO_LOOPS
        self._tell(loop_states)

    def _tell(self, loop_states: list[LoopState]) -> None:
        lost = self._lost()
        if lost is not None:
            for loop_state in loop_states:
                lost(loop_state)

    def busy(self) -> bool:
        """Tell whether a renewal is under way in any loop that can go on."""
        with self._guard:
            return any(
                loop_state.flight is not None and not loop_state.gone for loop_state in self._table.values()
            )

    async def drain(self) -> None:
        """Cut the running loop's sleeps short and wait for its tasks, at most `DRAIN`; then cancel what is left."""
        loop_state = self.here()
        for sleep in set(loop_state.sleeps):
            sleep.cancel()
        tasks = set(loop_state.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN.total_seconds())
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_FAREWELL_S)
