"""The event loops that the suite runs on: asyncio's own or uvloop's, with ordinary or eager tasks; and a look inside."""

from __future__ import annotations

import asyncio
import sys
import weakref
from collections.abc import Callable
from contextvars import Context
from typing import Any, TypeVarTuple

__all__ = ["LOOPS", "Loops", "all_blocked", "lacks_eager_tasks", "timers"]

LOOPS = ("asyncio", "uvloop")

_Args = TypeVarTuple("_Args")


class Loops:
    """Makes the loops of a test run, in debug mode.

    Args:
        kind: one of `LOOPS`.
        eager: whether a task begins to run where it is made; Python 3.12 and later.
    """

    def __init__(self, kind: str = "asyncio", *, eager: bool = False) -> None:
        if eager and sys.version_info < (3, 12):
            raise ValueError("eager tasks came with Python 3.12")
        self.kind = kind
        self.eager = eager
        self._make: Callable[[], asyncio.AbstractEventLoop] = (
            asyncio.new_event_loop if kind == "asyncio" else _uvloop()
        )

    def __str__(self) -> str:
        return f"{self.kind}, {'eager' if self.eager else 'ordinary'} tasks"

    def __call__(self) -> asyncio.AbstractEventLoop:
        loop = self._make()
        loop.set_debug(True)
        if self.eager:
            loop.set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - 3.12 has it
        return loop


def _uvloop() -> Callable[[], asyncio.AbstractEventLoop]:
    import uvloop  # noqa: PLC0415 - Windows has none

    class SeenLoop(uvloop.Loop):
        """uvloop's loop shows neither its queue nor its timers: this one keeps count of what is put into them."""

        def __init__(self) -> None:
            super().__init__()
            self.queued = 0
            self.timers: weakref.WeakSet[asyncio.TimerHandle] = weakref.WeakSet()

        def call_soon(
            self, callback: Callable[[*_Args], object], *args: *_Args, context: Context | None = None
        ) -> asyncio.Handle:
            self.queued += 1
            return super().call_soon(callback, *args, context=context)

        def call_later(
            self,
            delay: float,
            callback: Callable[[*_Args], object],
            *args: *_Args,
            context: Context | None = None,
        ) -> asyncio.TimerHandle:
            timer = super().call_later(delay, callback, *args, context=context)
            if hasattr(timer, "when"):  # without a delay it is a handle of the queue
                self.timers.add(timer)
            return timer

    return SeenLoop


def lacks_eager_tasks(loop: asyncio.AbstractEventLoop) -> bool:
    """Tell whether `loop` cannot run a coroutine once its tasks are eager: uvloop's, from Python 3.13 on."""
    return sys.version_info >= (3, 13) and not isinstance(loop, asyncio.BaseEventLoop)


def timers() -> list[asyncio.TimerHandle]:
    """Return the timers of this loop that have neither run nor been cancelled."""
    loop: Any = asyncio.get_running_loop()
    if hasattr(loop, "_scheduled"):
        return [timer for timer in loop._scheduled if not timer.cancelled()]
    # uvloop counts in milliseconds, and rounds the two instants to seconds in different ways: one may be a hair later
    soonest = loop.time() + 0.0005
    return [timer for timer in loop.timers if not timer.cancelled() and timer.when() > soonest]


async def all_blocked() -> None:
    """Return when every other task of this loop waits for something. Deterministic: no time passes."""
    loop: Any = asyncio.get_running_loop()
    if hasattr(loop, "_ready"):
        while loop._ready:  # noqa: ASYNC110 - the loop itself is what is looked at
            await asyncio.sleep(0)
        return
    alone = False
    while not alone:
        queued = loop.queued
        await asyncio.sleep(0)
        # in that turn all ran that stood before us, and only we ourselves stood in line again
        alone = loop.queued == queued + 1
