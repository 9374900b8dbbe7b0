"""How long each call takes while some callers call again and again: for the benches of a renewal's window."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["latencies"]


async def latencies(call: Callable[[], Awaitable[Any]], seconds: float, callers: int) -> list[float]:
    """Return the seconds that each call took, with the garbage collector off."""
    took: list[float] = []
    end = time.perf_counter() + seconds

    async def loop() -> None:
        # at least once, however late this task's turn comes
        while True:
            began = time.perf_counter()
            await call()
            took.append(time.perf_counter() - began)
            if time.perf_counter() >= end:
                return
            await asyncio.sleep(0)

    gc.collect()
    gc.disable()
    await asyncio.gather(*(loop() for _ in range(callers)))
    gc.enable()
    return took
