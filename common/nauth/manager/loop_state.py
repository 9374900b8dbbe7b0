"""`LoopStates`: what a manager keeps for each running event loop, and the tasks it owns there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Generic, TypeVar

import anyio

from nauth.after_fork import forgets
from nauth.manager.one_guard import GUARD
from nauth.manager.single_flight import Flight
from nauth.owned_tasks import Work, own_task

__all__ = ["DRAIN", "LoopLock", "LoopState", "LoopStates"]

_Owner = TypeVar("_Owner")

DRAIN = timedelta(seconds=5)
"""How long closing waits for a renewal in flight before it gives up a token that may have rotated."""

_FAREWELL_S = 1.0
"""Seconds a cancelled renewal gets to release its lease: a store that hangs must not hold up closing."""


class LoopLock:
    """Keeps renewal, revocation and deferred commits of one loop apart.

    The lock inside is made when it is taken and dropped when it is free again: an idle one takes 800 bytes.

    A coroutine of a closed loop that the garbage collector ends leaves the lock as it is: nothing can be woken there any
    more, and the lock goes with its loop.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock: anyio.Lock | None = None

    async def __aenter__(self) -> None:
        if self._lock is None:
            # without the extra turn that anyio gives other tasks: its way out of that fails outside of a running loop
            self._lock = anyio.Lock(fast_acquire=True)
        await self._lock.acquire()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            assert self._lock is not None  # noqa: S101 - it is dropped by its holder alone
            self._lock.release()
            if not self._lock.locked():  # else a task that waited has it now
                self._lock = None

    def locked(self) -> bool:
        """Tell whether a task has it."""
        return self._lock is not None and self._lock.locked()


class LoopState:
    """One loop's lock, flight, tasks and the sleeps between their attempts. Touched from its own loop only."""

    __slots__ = ("flight", "lock", "loop", "recheck", "sleeps", "tasks", "work")

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self.loop: Callable[[], asyncio.AbstractEventLoop | None] = loop
        self.lock: LoopLock = LoopLock()  # apart: renewal, revocation; two loops on one lock would hang
        self.flight: Flight | None = None
        self.work: Work | None = None  # the flight's
        self.recheck: Flight | None = None  # for a sibling's token, while none may be renewed
        # tuples: there are few at a time, and an empty set takes 216 bytes
        self.tasks: tuple[asyncio.Task[None], ...] = ()
        self.sleeps: tuple[asyncio.Future[None], ...] = ()

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
        self.tasks = (*self.tasks, owned.task)
        owned.task.add_done_callback(self._over)
        return owned

    def _over(self, done: asyncio.Task[None]) -> None:
        self.tasks = tuple(task for task in self.tasks if task is not done)


def _nothing() -> None:
    return None


_NOWHERE = LoopState(_nothing)
"""What no loop has used yet. Never written to."""


class LoopStates(Generic[_Owner]):
    """One state object for each event loop; dropped when its loop was closed or collected and another one comes.

    Args:
        owner: whose states these are. Held weakly, for it holds them.
        lost: a method of the owner's class, told of each state whose loop is gone, once, in the thread of the loop that
            comes next; and in a forked child of all that the parent had.
    """

    __slots__ = ("__weakref__", "_all", "_last", "_lost", "_owner")

    def __init__(self, owner: _Owner, lost: Callable[[_Owner, LoopState], object]) -> None:
        self._owner = weakref.ref(owner)
        self._lost = lost
        # replaced as a whole: other threads read it without the guard
        self._all: tuple[LoopState, ...] = ()
        self._last: LoopState = _NOWHERE

    def here(self) -> LoopState:
        """Return the running loop's loop_state."""
        loop = asyncio.get_running_loop()
        loop_state = self._last  # nearly always the only one; ten thousand waiters look in a row
        return loop_state if loop_state.loop() is loop else self._look_up(loop)

    def of(self, loop: asyncio.AbstractEventLoop) -> LoopState | None:
        """Return the loop_state of `loop`, or None if it has not used this yet."""
        return next((loop_state for loop_state in self._all if loop_state.loop() is loop), None)

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> LoopState:
        with GUARD:
            loop_state = self.of(loop)
            if loop_state is None:
                if not self._all:
                    forgets(self)  # not when it is made: thousands of managers wait for their first use
                loop_state = LoopState(weakref.ref(loop))
                self._all = (*self._all, loop_state)
            self._last = loop_state
        self.sweep()
        return loop_state

    def sweep(self) -> None:
        """Forget the loops that are gone, and tell of them."""
        with GUARD:
            gone = [loop_state for loop_state in self._all if loop_state.gone]
            if gone:
                self._all = tuple(loop_state for loop_state in self._all if loop_state not in gone)
        self._tell(gone)

    def after_fork(self) -> None:
        """Forget the parent's loops: what runs in them does not run in this process."""
        loop_states, self._all, self._last = self._all, (), _NOWHERE
        self._tell(loop_states)

    def _tell(self, loop_states: Iterable[LoopState]) -> None:
        owner = self._owner()
        if owner is not None:
            for loop_state in loop_states:
                self._lost(owner, loop_state)

    def busy(self) -> bool:
        """Tell whether a renewal is under way in any loop that can go on."""
        return any(loop_state.flight is not None and not loop_state.gone for loop_state in self._all)

    async def drain(self) -> None:
        """Cut the running loop's sleeps short and wait for its tasks, at most `DRAIN`; then cancel what is left."""
        loop_state = self.here()
        for sleep in loop_state.sleeps:
            sleep.cancel()
        if loop_state.tasks:
            _, late = await asyncio.wait(loop_state.tasks, timeout=DRAIN.total_seconds())
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_FAREWELL_S)
