"""Run a blocking call in a daemon thread: one that hangs holds neither its caller nor the end of the program."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

__all__ = ["run_in_daemon"]

_T = TypeVar("_T")


async def run_in_daemon(work: Callable[[], _T], *, name: str) -> _T:
    """Return what `work` returns, or raise what it raises. `asyncio.to_thread` would be waited for at the program's end.

    Args:
        work: blocks. If the caller is cancelled it goes on, and its result is dropped.
        name: of the thread.
    """
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[_T] = loop.create_future()

    def run() -> None:
        try:
            found = work()
        except Exception as error:  # noqa: BLE001 - handed over as it is
            _hand_over(loop, answer, error=error)
        else:
            _hand_over(loop, answer, found)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await answer


def _hand_over(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[_T],
    found: _T | None = None,
    error: Exception | None = None,
) -> None:
    def deliver() -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(found)  # type: ignore[arg-type]  # without an error it is the result
        else:
            answer.set_exception(error)

    try:
        loop.call_soon_threadsafe(deliver)
    except RuntimeError:
        return  # the loop has ended meanwhile
