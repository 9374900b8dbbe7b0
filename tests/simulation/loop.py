"""An event loop without a selector, for one simulated process; its callbacks are run by a `Scheduler`."""

from __future__ import annotations

import asyncio
import contextvars
import weakref
from asyncio.events import _set_running_loop
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from nauth import owned_tasks

if TYPE_CHECKING:
    from tests.simulation.scheduler import Scheduler

__all__ = ["SimKeeper", "SimLoop", "SimTask", "Turn", "is_over"]


def is_over(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether a loop runs nothing any more: it was closed, or lost in a fork."""
    return loop.is_closed() or (isinstance(loop, SimLoop) and loop.gone)


class Turn:
    """One callback to run; stands in for asyncio's handles, which cost three times as much."""

    __slots__ = ("args", "callback", "context", "loop", "moment")

    def __init__(
        self,
        loop: SimLoop | None,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        context: contextvars.Context | None,
    ) -> None:
        self.loop = loop
        self.callback: Callable[..., object] | None = callback
        self.args = args
        self.context = context
        self.moment = 0.0

    def cancel(self) -> None:
        """Never run it."""
        self.callback = None
        self.args = ()

    def cancelled(self) -> bool:
        """Tell whether it was cancelled or has run."""
        return self.callback is None

    def when(self) -> float:
        """Return when a timer is due, in its loop's time."""
        return self.moment


class SimTask(asyncio.Task[Any]):
    """A task whose place in a set does not depend on its address: a seed must replay exactly."""

    def __init__(
        self, work: Coroutine[Any, Any, Any], *, loop: SimLoop, name: str | None, **more: Any
    ) -> None:
        self.serial: int = loop.scheduler.next_serial()
        super().__init__(work, loop=loop, name=name or "nameless", **more)
        loop.scheduler.made.append(weakref.ref(self))

    def __hash__(self) -> int:
        return self.serial


class SimKeeper(owned_tasks.Keeper):
    """A keeper with a place of its own in the order of tasks, as a `SimTask` has.

    Attributes:
        stands_for: the hidden task.
    """

    def __init__(self, work: owned_tasks.Work, *, loop: asyncio.AbstractEventLoop, name: str) -> None:
        assert isinstance(loop, SimLoop)
        self.stands_for = work.task
        self.serial: int = loop.scheduler.next_serial()
        loop.scheduler.keepers.append(weakref.ref(self))
        super().__init__(work, loop=loop, name=name)

    def __hash__(self) -> int:
        return self.serial


class SimLoop(asyncio.AbstractEventLoop):
    """The event loop of one simulated process.

    Attributes:
        lag: seconds this process was suspended, which its own time does not count.
        parked: where its callbacks wait while the process stands still; None while it runs.
        closed: whether it was closed: what was scheduled is gone, and nothing can be scheduled any more.
        notice: when its end began: every visible task was cancelled, and it is closed once they are done.
        gone: whether its thread was lost in a fork: it still looks as if it ran, and runs nothing.
        watches: called after each of its callbacks.
    """

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self.reset()

    def reset(self) -> None:
        """Begin a new run. Nothing of the last one may be left."""
        self.ready = self.scheduler.ready
        self.lag = 0.0
        self.parked: list[Turn] | None = None
        self.ending = False
        self.closed = self.gone = False
        self.notice: float | None = None
        self.watches: list[Callable[[], object]] = []
        self.eager = False

    def time(self) -> float:
        return self.scheduler.now - self.lag

    def call_soon(  # type: ignore[override]  # a Turn looks like a Handle to all code that uses one
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> Turn:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        turn = Turn(self, callback, args, context or contextvars.copy_context())
        if not self.gone:
            self.ready.append(turn)
        return turn

    call_soon_threadsafe = call_soon  # type: ignore[assignment]  # one thread runs them all

    def call_at(  # type: ignore[override]  # as above
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Turn:
        if self.closed:
            raise RuntimeError("Event loop is closed")
        turn = Turn(self, callback, args, context or contextvars.copy_context())
        turn.moment = when
        if self.gone:
            return turn
        if self.ending:
            self.ready.append(turn)
        else:
            # a little late, as real timers are: `time()` must not fall short of `when` by a rounding error
            self.scheduler.push(when + self.lag + 1e-9, turn)
        return turn

    def call_later(  # type: ignore[override]  # as above
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> Turn:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(
        self,
        coro: Any,
        *,
        name: str | None = None,
        context: contextvars.Context | None = None,
        **more: Any,
    ) -> SimTask:
        if self.eager:
            more.setdefault("eager_start", True)
        return SimTask(coro, loop=self, name=name, context=context, **more)

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        error = context.get("exception")
        told = f"{context.get('message')}" + (f" ({type(error).__name__}: {error})" if error else "")
        self.scheduler.complaints.append(told)

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return not self.closed

    def is_closed(self) -> bool:
        return self.closed

    def some_turns(self, rounds: int) -> None:
        """Run what is ready of this loop, in order, and what that makes ready, `rounds` times in all."""
        _set_running_loop(self)
        try:
            for _ in range(rounds):
                mine = [turn for turn in self.ready if turn.loop is self]
                self.ready[:] = [turn for turn in self.ready if turn.loop is not self]
                for turn in mine:
                    if turn.callback is not None and turn.context is not None:
                        turn.context.run(turn.callback, *turn.args)
                        for watch in self.watches:
                            watch()
        finally:
            _set_running_loop(None)

    def drain(self) -> None:
        """Run what is ready here and nowhere else, first in, first out."""
        _set_running_loop(self)
        try:
            for _ in range(10_000):
                if not self.ready:
                    return
                turn = self.ready.pop(0)
                if turn.callback is not None and turn.context is not None:
                    turn.context.run(turn.callback, *turn.args)
        finally:
            _set_running_loop(None)
