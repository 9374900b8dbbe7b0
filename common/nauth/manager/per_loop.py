"""`Rooms`: what a manager keeps for each running event loop, and the tasks it owns there."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine
from datetime import timedelta

import anyio

from nauth.forks import forgets, guard
from nauth.manager.single_flight import Flight
from nauth.tasks import Work, own_task

__all__ = ["DRAIN", "Room", "RoomLock", "Rooms"]

DRAIN = timedelta(seconds=5)
"""How long closing waits for a renewal in flight before it gives up a token that may have rotated."""

_FAREWELL_S = 1.0
"""Seconds a cancelled renewal gets to release its lease: a store that hangs must not hold up closing."""


class RoomLock:
    """Keeps renewal, revocation and deferred commits of one loop apart.

    A coroutine of a closed loop that the garbage collector ends leaves the lock as it is: nothing can be woken there any
    more, and the lock goes with its loop.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = anyio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not GeneratorExit:
            self._lock.release()

    def locked(self) -> bool:
        """Tell whether a task has it."""
        return self._lock.locked()


class Room:
    """One loop's lock, flight, tasks and the pauses they take. Touched from its own loop only."""

    __slots__ = ("commit", "flight", "lock", "look", "loop", "pauses", "tasks", "work")

    def __init__(self, loop: Callable[[], asyncio.AbstractEventLoop | None]) -> None:
        self.loop = loop
        self.lock: RoomLock = RoomLock()  # apart: renewal, revocation; two loops on one lock would hang
        self.flight: Flight | None = None
        self.work: Work | None = None  # the flight's
        self.look: Flight | None = None  # for a sibling's token, while none may be renewed
        self.commit: Work | None = None  # the deferred one, while it is being made
        self.tasks: set[asyncio.Task[None]] = set()
        self.pauses: set[asyncio.Future[None]] = set()

    @property
    def gone(self) -> bool:
        """Whether its loop can run nothing any more."""
        loop = self.loop()
        return loop is None or loop.is_closed()

    def own(
        self,
        work: Coroutine[object, object, None],
        *,
        name: str,
        at_risk: bool = False,
        over: Callable[[Work], object] | None = None,
    ) -> Work:
        """Run `work` as owned work of this room; the options are those of `own_task`."""
        owned = own_task(work, name=name, at_risk=at_risk, over=over)
        self.tasks.add(owned.task)
        owned.task.add_done_callback(self.tasks.discard)
        return owned


def _nothing() -> None:
    return None


class Rooms:
    """One state object for each event loop; dropped when the loop is collected, or closed and another one comes.

    Args:
        lost: told of each room whose loop was closed, once, in the thread of the loop that comes next. A method, and
            held weakly: its object holds these rooms.
    """

    __slots__ = ("__weakref__", "_guard", "_last", "_lost", "_table")

    def __init__(self, lost: Callable[[Room], object] | None = None) -> None:
        self._guard = guard()
        self._lost = _nothing if lost is None else weakref.WeakMethod(lost)
        self._table: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Room] = weakref.WeakKeyDictionary()
        self._last: Room = Room(_nothing)
        forgets(self)

    def here(self) -> Room:
        """Return the running loop's room."""
        loop = asyncio.get_running_loop()
        room = self._last  # nearly always the only one; ten thousand waiters look in a row
        return room if room.loop() is loop else self._look_up(loop)

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> Room:
        with self._guard:
            room = self._table.get(loop)
            if room is None:
                room = self._table[loop] = Room(weakref.ref(loop))
            self._last = room
            closed = [(other, room) for other, room in self._table.items() if other.is_closed()]
            for other, _ in closed:
                del self._table[other]
        self._tell([lost for _, lost in closed])
        return room

    def after_fork(self) -> None:
        """Forget the parent's loops: what runs in them does not run in this process."""
        rooms, self._last = list(self._table.values()), Room(_nothing)
        self._table.clear()
        self._tell(rooms)

    def _tell(self, rooms: list[Room]) -> None:
        lost = self._lost()
        if lost is not None:
            for room in rooms:
                lost(room)

    def busy(self) -> bool:
        """Tell whether a renewal is under way in any loop that can go on."""
        with self._guard:
            return any(room.flight is not None and not room.gone for room in self._table.values())

    async def drain(self) -> None:
        """Cut the running loop's pauses short and wait for its tasks, at most `DRAIN`; then cancel what is left."""
        room = self.here()
        for pause in set(room.pauses):
            pause.cancel()
        tasks = set(room.tasks)
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=DRAIN.total_seconds())
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=_FAREWELL_S)
