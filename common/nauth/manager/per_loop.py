"""`Rooms`: what a manager keeps for each running event loop, and the tasks it owns there."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Coroutine
from datetime import timedelta

import anyio

from nauth.manager.single_flight import Flight
from nauth.tasks import own_task

__all__ = ["DRAIN", "Room", "Rooms"]

DRAIN = timedelta(seconds=5)
"""How long closing waits for a renewal in flight before it gives up a token that may have rotated."""

_FAREWELL_S = 1.0
"""Seconds a cancelled renewal gets to release its lease: a store that hangs must not hold up closing."""


class Room:
    """One loop's lock, flight, tasks and the pauses they take. Touched from its own loop only."""

    __slots__ = ("flight", "lock", "look", "pauses", "tasks")

    def __init__(self) -> None:
        self.lock: anyio.Lock = anyio.Lock()  # apart: renewal, revocation; two loops on one lock would hang
        self.flight: Flight | None = None
        self.look: Flight | None = None  # for a sibling's token, while none may be renewed
        self.tasks: set[asyncio.Task[None]] = set()
        self.pauses: set[asyncio.Future[None]] = set()

    def own(self, work: Coroutine[object, object, None], *, name: str) -> None:
        """Run `work` as an owned task of this room."""
        task = own_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)


def _no_loop() -> None:
    return None


class Rooms:
    """One state object for each event loop; dropped when the loop is collected."""

    __slots__ = ("_guard", "_last", "_table")

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._table: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Room] = weakref.WeakKeyDictionary()
        self._last: tuple[Callable[[], asyncio.AbstractEventLoop | None], Room] = (_no_loop, Room())

    def here(self) -> Room:
        """Return the running loop's room."""
        loop = asyncio.get_running_loop()
        whose, room = self._last  # nearly always the only one; ten thousand waiters look in a row
        return room if whose() is loop else self._look_up(loop)

    def _look_up(self, loop: asyncio.AbstractEventLoop) -> Room:
        with self._guard:
            room = self._table.get(loop)
            if room is None:
                room = self._table[loop] = Room()
            self._last = (weakref.ref(loop), room)
            return room

    def busy(self) -> bool:
        """Tell whether a renewal is under way in any loop."""
        with self._guard:
            return any(room.flight is not None for room in self._table.values())

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
