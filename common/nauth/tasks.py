"""Tasks that the library owns: referenced until they end, so that the event loop cannot drop them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextvars import Context

__all__ = ["own_task"]


_running: set[asyncio.Task[None]] = set()
"""Strong references: the event loop holds tasks weakly, so a task referenced nowhere else may be collected while it
runs."""


def own_task(work: Coroutine[object, object, None], *, name: str) -> asyncio.Task[None]:
    """Run `work` as a task that inherits nothing from the caller: no context variables, no cancellation."""
    loop = asyncio.get_running_loop()
    # not `context=`: task factories from before 3.11 do not take it, but every task copies the current context
    task: asyncio.Task[None] = Context().run(loop.create_task, work, name=name)
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task
