"""Close something when its event loop ends, while that loop can still run code."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

__all__ = ["closed_by_loop"]


def closed_by_loop(keeper: AsyncGenerator[None]) -> AsyncGenerator[None]:
    """Begin `keeper`, which yields once and closes something behind that, so that the running loop ends it at its own end.

    A loop ends all asynchronous generators that have begun in it before it is closed (`asyncio.run` does, and `Runner`): the
    last moment in which connections can be closed. A keeper whose work is done must be ended by `aclose`; one that is left
    to the garbage collector becomes a task of the loop's.
    """
    # the first step makes it known to the loop; it never waits
    with contextlib.suppress(StopIteration):
        next(keeper.__anext__().__await__())
    return keeper
