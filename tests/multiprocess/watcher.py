"""Read the fleet's record all the time, as another program would: it must always be readable."""

from __future__ import annotations

import asyncio
import time

import attrs

from nauth.errors import StoreError
from nauth.stores.base import Record, StoreKey
from tests.multiprocess.orders import AnyStore

__all__ = ["Stored", "Watcher"]

_PAUSE_S = 0.01


@attrs.frozen
class Stored:
    """A token seen in the store for the first time: when, in monotonic seconds, and in which version."""

    at: float
    version: int


class Watcher:
    """Look at one key of a store until stopped.

    Attributes:
        stored: each token seen, in order.
        loads: how many looks there were.
        unreadable: what went wrong with looks, by class of error.
        backwards: how many times a version was lower than the one before.
    """

    def __init__(self, store: AnyStore, key: StoreKey) -> None:
        self.stored: list[Stored] = []
        self.loads = 0
        self.unreadable: dict[str, int] = {}
        self.backwards = 0
        self._store = store
        self._key = key
        self._last: Record | None = None
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Stop, and close the store."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._store.aclose()

    async def finish(self) -> None:
        """Stop after one last look."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._look()

    async def wait_for(self, count: int) -> None:
        """Wait until so many tokens have been seen."""
        async with self._news:
            await self._news.wait_for(lambda: len(self.stored) >= count)

    async def _run(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(_PAUSE_S)

    async def _look(self) -> None:
        self.loads += 1
        try:
            record = await self._store.load(self._key)
        except StoreError as error:
            name = type(error).__name__
            self.unreadable[name] = self.unreadable.get(name, 0) + 1
            return
        last = self._last
        if record is None or (last is not None and record.version == last.version):
            return
        self._last = record
        self.backwards += last is not None and record.version < last.version
        if last is None or not record.token.same_access(last.token):
            self.stored.append(Stored(time.monotonic(), record.version))
            async with self._news:
                self._news.notify_all()
