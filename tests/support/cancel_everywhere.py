"""Stopping a coroutine at every one of its suspensions in turn, in three ways, and looking at what is left behind."""

from __future__ import annotations

import asyncio
import gc
import itertools
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, TypeAlias

import anyio
import attrs
import pytest

from tests.support.loops import lacks_eager_tasks, timers

__all__ = [
    "MOMENTS",
    "WAYS",
    "Act",
    "Moment",
    "Report",
    "Way",
    "in_loop",
    "leftovers",
    "settled",
    "strike",
    "sweep",
]

Way: TypeAlias = Literal["task.cancel", "anyio scope", "asyncio.timeout"]
WAYS: tuple[Way, ...] = ("task.cancel", "anyio scope", "asyncio.timeout")

Moment: TypeAlias = Literal["waiting", "answered", "turn"]
"""When the blow falls: "waiting", as the coroutine suspends for the n-th time; "answered", when what it waited for then
is there, but not yet handed to it; "turn", n turns of the event loop after the start, wherever it stands."""
MOMENTS: tuple[Moment, ...] = ("waiting", "answered", "turn")

_MOST = 500
"""Suspensions of one coroutine; more of them are a loop that never ends."""
_LONGEST_S = 10.0
"""How long a coroutine may take to end once it was stopped: it hangs otherwise."""
_MOST_TURNS = 2000
_AFTERMATH = 3
"""Turns in which callbacks of what has just ended may still run."""

_Blow: TypeAlias = Callable[[], object]


@attrs.define
class Report:
    """What became of one run.

    Attributes:
        suspensions: how often the coroutine waited.
        struck: whether the blow fell before it was over.
        struck_at: how often it had waited by then.
        ended: how the coroutine ended.
        error: what it raised, if anything else than its cancellation.
        told: whether its caller learnt of the cancellation, in the way's own manner.
    """

    suspensions: int = 0
    struck: bool = False
    struck_at: int = 0
    ended: Literal["running", "returned", "raised", "cancelled"] = "running"
    error: BaseException | None = None
    told: bool = False

    def check(self, way: Way) -> None:
        """Fail if the cancellation was swallowed, turned into something else, or came without a stop."""
        if not self.struck:
            assert self.ended in {"returned", "raised"}, self
            assert not self.told, self
        elif self.ended == "cancelled":
            assert self.told, self
        else:
            # a scope's or timeout's cancellation comes a turn later: the coroutine may have been over by then
            assert way != "task.cancel", self
            assert self.suspensions <= self.struck_at + 1, self


class _Stepped:
    """Await a coroutine and say so each time it suspends."""

    def __init__(
        self, work: Coroutine[Any, Any, object], on_suspend: Callable[[Any], None], report: Report
    ) -> None:
        self._work = work
        self._on_suspend = on_suspend
        self._report = report

    def __await__(self) -> Generator[Any, Any, object]:
        error: BaseException | None = None
        while True:
            try:
                waited_for = self._work.send(None) if error is None else self._work.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                error = None
            self._report.suspensions += 1
            self._on_suspend(waited_for)
            try:
                yield waited_for
            except BaseException as thrown:  # noqa: BLE001 - handed on
                error = thrown


class _Victim:
    """One run of one coroutine, which ends in a blow of the `way` given."""

    def __init__(self, work: Coroutine[Any, Any, object], way: Way, at: int, moment: Moment) -> None:
        self.report = Report()
        self._work = work
        self._way = way
        self._at = at
        self._moment = moment
        self._blow: _Blow | None = None

    def strike(self) -> None:
        """Stop the coroutine, if it is not over."""
        if self.report.ended == "running" and not self.report.struck:
            assert self._blow is not None
            self.report.struck = True
            self.report.struck_at = self.report.suspensions
            self._blow()

    async def run(self) -> None:
        match self._way:
            case "task.cancel":
                task = asyncio.current_task()
                assert task is not None
                self._blow = task.cancel
                try:
                    await self._step()
                except asyncio.CancelledError:
                    self.report.told = True
                    task.uncancel()
            case "anyio scope":
                with anyio.CancelScope() as scope:
                    self._blow = scope.cancel
                    await self._step()
                self.report.told = scope.cancelled_caught
            case "asyncio.timeout":
                loop = asyncio.get_running_loop()
                try:
                    async with asyncio.timeout(None) as limit:
                        self._blow = lambda: limit.reschedule(loop.time())
                        await self._step()
                except TimeoutError:
                    self.report.told = True

    async def _step(self) -> None:
        report = self.report
        try:
            await _Stepped(self._work, self._suspended, report)
        except asyncio.CancelledError:
            report.ended = "cancelled"
            raise
        except Exception as error:  # noqa: BLE001 - reported
            report.ended, report.error = "raised", error
        else:
            report.ended = "returned"

    def _suspended(self, waited_for: Any) -> None:
        if self.report.suspensions != self._at:
            return
        if self._moment == "waiting":
            self.strike()
        elif self._moment == "answered":
            # registered before the task's own wake-up, so it is called before it
            if waited_for is None:
                asyncio.get_running_loop().call_soon(self.strike)
            else:
                waited_for.add_done_callback(lambda _: self.strike())


async def strike(work: Coroutine[Any, Any, object], way: Way, at: int, moment: Moment) -> Report:
    """Run `work` in a task of its own and stop it at the `at`-th occasion."""
    victim = _Victim(work, way, at, moment)
    task = asyncio.get_running_loop().create_task(victim.run(), name="victim")
    if moment == "turn":
        for _ in range(at):
            await asyncio.sleep(0)
        if not task.done():
            victim.strike()
    _, hanging = await asyncio.wait({task}, timeout=_LONGEST_S)
    assert not hanging, f"it hangs, stopped by {way} at {moment} {at}: {task.get_stack()}"
    await task
    victim.report.check(way)
    return victim.report


@attrs.frozen(kw_only=True)
class Act:
    """One thing to stop.

    Attributes:
        work: makes the coroutine.
        after: looks at what is left, once all is quiet.
    """

    work: Callable[[], Coroutine[Any, Any, object]]
    after: Callable[[Report], Awaitable[None]]


async def sweep(stage: Callable[[], AbstractAsyncContextManager[Act]], way: Way, moment: Moment) -> int:
    """Stop the coroutine of a new `stage` at the first occasion, the second, and so on until it ends before the blow.

    Returns:
        How many occasions there were.
    """
    for at in itertools.count(1):
        assert at < _MOST, "it never ends"
        async with stage() as act:
            report = await strike(act.work(), way, at, moment)
            try:
                await act.after(report)
            except AssertionError as error:
                error.add_note(f"stopped by {way} at {moment} {at}: {report}")
                raise
        assert not leftovers(), f"stopped by {way} at {moment} {at}: {leftovers()}"
        if not report.struck:
            return at - 1
    raise AssertionError


def _tasks() -> list[asyncio.Task[Any]]:
    return [
        task
        for task in asyncio.all_tasks()
        if task is not asyncio.current_task()
        # a sandbox keeps a task for each connection until it has seen that the client is gone
        and getattr(task.get_coro(), "__qualname__", "") != "RequestHandler.start"
    ]


async def settled(
    done: Callable[[], bool] = lambda: True, *, nudge: Callable[[], object] | None = None
) -> None:
    """Return once no other task is left and `done` says so; `nudge` moves whatever waits for time to pass."""
    quiet = 0
    for turn in range(_MOST_TURNS):
        quiet = quiet + 1 if not _tasks() and done() else 0
        if quiet > _AFTERMATH:
            return
        if nudge is not None and turn % 50 == 49:  # long after everything that needs no time
            nudge()
        # real turns: sockets and threads need them
        await asyncio.sleep(0 if turn < _MOST_TURNS // 2 else 0.001)
    raise AssertionError(f"never quiet: {_tasks()}, {done()}")


def leftovers() -> list[str]:
    """Name the tasks and timers of this loop that should not be there."""
    # those of aiohttp's server and client look after idle connections, and end with the stage
    ticking = [timer for timer in timers() if "aiohttp" not in repr(timer)]
    return [repr(thing) for thing in (*_tasks(), *ticking)]


def in_loop(work: Callable[[], Coroutine[Any, Any, int]], *, eager: bool) -> int:
    """Run `work` in a loop of its own; fail on whatever the loop's exception handler hears, then or at collection."""
    heard: list[str] = []

    async def run() -> int:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: heard.append(str(context)))
        if eager:
            loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - 3.12 has it
        count = await work()
        gc.collect()
        await asyncio.sleep(0)
        return count

    with asyncio.Runner(debug=True) as runner:
        if eager and lacks_eager_tasks(runner.get_loop()):
            pytest.skip(
                "uvloop has no eager tasks on Python 3.13: it hands task factories an argument they refuse"
            )
        count = runner.run(run())
    gc.collect()
    assert not heard, heard
    return count
