"""A sandbox on a loop and thread of its own, for tests that are no coroutines or whose client lives on another loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVar

__all__ = ["ThreadLoop"]

_T = TypeVar("_T")

_PATIENCE_S = 10.0
"""Seconds that starting and stopping may take: they take milliseconds, or never end."""


class ThreadLoop:
    """An event loop in a daemon thread that keeps one thing open, such as a sandbox.

    Args:
        opened: opens it; awaited on the loop.
        closed: closes it; awaited on the loop.
        name: of the thread.
    """

    def __init__(
        self, opened: Callable[[], Awaitable[object]], closed: Callable[[], Awaitable[object]], *, name: str
    ) -> None:
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self._closed = closed
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()
        try:
            self.do(_coroutine(opened))
        except BaseException:
            self._end()
            raise

    def do(self, work: Coroutine[object, None, _T]) -> _T:
        """Run `work` on the loop and return its result; for a caller in another thread.

        Raises:
            TimeoutError: it has not ended within ten seconds.
        """
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(_PATIENCE_S)

    def stop(self) -> None:
        """Close what was opened, and end the thread."""
        try:
            self.do(_coroutine(self._closed))
        finally:
            self._end()

    def _run(self) -> None:
        try:
            self.loop.run_forever()
        finally:
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
            self.loop.close()

    def _end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_PATIENCE_S)


async def _coroutine(work: Callable[[], Awaitable[_T]]) -> _T:
    return await work()
