"""Work that the library owns: it outlives its caller, and is finished or given up when its event loop ends.

`asyncio.run`, `Runner` and the usual shutdown recipe cancel *all* tasks. Owned work may hold the only copy of a rotated
token, so each piece is a pair:

* the *work* is an ordinary task that is taken off asyncio's list, so that a program that cancels all tasks does not see
  it. Deadlines inside it, and our own closing, cancel it and act at once.
* the *keeper* is on that list, and does nothing but wait for the work. Its `cancel()` is a notice: what has not been sent
  is cancelled in that very call; what may have been sent is given `BOUND_S`, and then `FAREWELL_S` to put its things away.

What ends a loop without cancelling (`loop.close()` with tasks pending, a second Ctrl-C) cannot be survived.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import TypeVar

__all__ = ["BOUND_S", "FAREWELL_S", "Keeper", "Work", "current_work", "hidden", "own_task"]

_log = logging.getLogger("nauth")

_T = TypeVar("_T")

BOUND_S = 5.0
"""Seconds that work which may have been sent goes on after the end of its loop began."""

FAREWELL_S = 1.0
"""Seconds that cancelled work gets to release its lease. A store that hangs must not hold up the loop's end."""


class Work:
    """One piece of owned work, and what it has sent so far.

    Attributes:
        task: the hidden task. Cancelling it acts at once.
        keeper: the task that stands for it on asyncio's list.
        ending: the end of the loop has begun; new attempts make no sense.
        given_up: it was cancelled at that moment, because nothing had been sent. The loop may go on: who comes later has
            nothing to expect of it.
        wake: called when the end begins, to cut a pause short.
    """

    __slots__ = (
        "__weakref__",
        "_calling",
        "_connecting",
        "_earlier",
        "_left",
        "_noticed_at",
        "_sent",
        "ending",
        "given_up",
        "keeper",
        "task",
        "wake",
    )

    task: asyncio.Task[None]
    keeper: Keeper

    def __init__(self) -> None:
        self._calling = self._connecting = self._sent = False
        self._left = 1
        self._earlier: Work | None = None
        self._noticed_at = 0.0
        self.ending: bool = False
        self.given_up: bool = False
        self.wake: Callable[[], object] | None = None

    @property
    def at_risk(self) -> bool:
        """Whether something may have been sent whose result is not held and stored yet."""
        return self._sent or (self._calling and not self._connecting)

    def calling(self) -> None:
        """Note that an authenticator is about to be called. Unless a transport says better, it may send at any time."""
        self._calling, self._connecting = True, False

    def connecting(self) -> None:
        """Note that a transport begins an attempt. Nothing of it is sent before `sending`."""
        self._connecting = True

    def sending(self) -> None:
        """Note that something is about to be sent, or that an answer has come. It stays so."""
        self._sent = True

    def notice(self) -> None:
        """Hear that the loop is about to end: give up at once what has not been sent, and the rest at the bound."""
        if not self.ending:
            self._end(self.task.get_loop().time())
            if self.wake is not None:
                self.wake()

    def follow(self, earlier: Work) -> None:
        """Belong to `earlier`, which began this while its loop was ending: the same bound, and its keeper waits for both."""
        self._earlier = earlier
        earlier._left += 1
        self.task.add_done_callback(earlier.one_over)
        self._end(earlier._noticed_at)

    def one_over(self, _: object) -> None:
        """Let the keeper go when this work, and what followed it, are over."""
        self._left -= 1
        if not self._left:
            self.keeper.let_go()

    def _end(self, noticed_at: float) -> None:
        self.ending, self._noticed_at = True, noticed_at
        if self.at_risk:
            self.task.get_loop().call_at(noticed_at + BOUND_S, self._give_up, True)
        else:
            self.given_up = True
            self._give_up(False)

    def _give_up(self, at_the_bound: bool) -> None:
        if self.task.done():
            return
        if at_the_bound:
            _log.warning(
                "%s was given up: its event loop ends, and it has not come to an end within %g s. The vendor may have "
                "acted on it",
                self.task.get_name(),
                BOUND_S,
            )
        self.task.cancel()
        self.task.get_loop().call_later(FAREWELL_S, self._let_go)

    def _let_go(self) -> None:
        """Let the keepers of this work and of what it followed go: another object's private method, but of this class."""
        self.keeper.let_go()
        if self._earlier is not None:
            self._earlier._let_go()  # noqa: SLF001 - see the docstring


class Keeper(asyncio.Task[None]):
    """Stands for hidden work on asyncio's list of tasks, and ends when the work has."""

    def __init__(self, work: Work, *, loop: asyncio.AbstractEventLoop, name: str) -> None:
        self._work = work
        self._over: asyncio.Future[None] = loop.create_future()
        super().__init__(_until(self._over), loop=loop, name=name)

    def cancel(self, msg: object = None) -> bool:
        """Take the cancellation as a notice that the loop ends; later ones change nothing."""
        del msg
        if self.done():
            return False
        self._work.notice()
        return True

    def let_go(self, _: object = None) -> None:
        """End, whether the work has ended or not."""
        if not self._over.done():
            self._over.set_result(None)


async def _until(over: asyncio.Future[None]) -> None:
    await over


keeper_type: type[Keeper] = Keeper
"""What keepers are made of. A simulation puts a class in its place whose order does not depend on addresses."""

_running: dict[asyncio.AbstractEventLoop, set[Work]] = {}
"""Of each loop, its work. The loop holds tasks weakly, and one that nothing else holds vanishes at the next garbage
collection. Work of a closed loop never ends; it is let go when another loop owns its first task."""

_current: ContextVar[Work | None] = ContextVar("nauth_work", default=None)


def current_work() -> Work:
    """Return the owned work that the running task is; for any other task one that stands for nothing."""
    return _current.get() or Work()


def hidden(task: asyncio.Task[_T]) -> asyncio.Task[_T]:
    """Take `task` off asyncio's list of tasks, so that a program that cancels all tasks does not cancel it.

    `_unregister_task` is what asyncio documents for task classes of others' making ("Extending"). Hidden tasks must be
    held by their owner, and have a keeper or a drain of their own that the loop's end waits for.
    """
    if not task.done():  # an eager task may have ended before it was returned
        asyncio._unregister_task(task)  # noqa: SLF001 - see the docstring
    return task


def own_task(
    work: Coroutine[object, object, None],
    *,
    name: str,
    at_risk: bool = False,
    over: Callable[[Work], object] | None = None,
) -> Work:
    """Run `work` as a hidden task that inherits nothing from the caller: no context variables, no cancellation.

    Args:
        work: what to run; it finds its `Work` by `current_work`.
        name: of the task.
        at_risk: whether all of it must be finished where the loop ends meanwhile.
        over: called when the task is done, however it ended, and even if it was cancelled before its first step.
    """
    loop = asyncio.get_running_loop()
    mine = _running.get(loop) or _first_of(loop)
    owned = Work()
    if at_risk:
        owned.sending()
    context = Context()
    context.run(_current.set, owned)
    # not `context=`: task factories from before 3.11 do not take it, but every task copies the current context
    owned.task = context.run(loop.create_task, work, name=name)
    hidden(owned.task)
    mine.add(owned)
    _running[loop] = mine  # work that was eager and done may have taken it away
    owned.keeper = keeper_type(owned, loop=loop, name=f"{name} (keeper)")

    def done(_: object) -> None:
        mine.discard(owned)
        if not mine:
            _running.pop(loop, None)
        if over is not None:
            over(owned)
        owned.one_over(None)

    owned.task.add_done_callback(done)
    earlier = _current.get()
    if earlier is not None and earlier.ending:
        owned.follow(earlier)
    return owned


def _first_of(loop: asyncio.AbstractEventLoop) -> set[Work]:
    for other in list(_running):
        if other.is_closed():
            _running.pop(other, None)
    return _running.setdefault(loop, set())
