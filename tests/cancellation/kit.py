"""Every public coroutine, cancelled at every await point in turn: nothing leaks, no token is lost, no caller hangs.

    uv run pytest tests/cancellation

What is counted are the suspensions of the cancelled caller itself, plus, for managers and `nauth.oauth2`, every turn of
the event loop while the renewal that it started goes on without it. Each is stopped natively, by an anyio scope and by
`asyncio.timeout`; and, on Python 3.12 and later, all of it again with eager tasks.

Here is what the sweeps share; the machinery is in `tests/support/cancel_everywhere.py`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TypeAlias

import pytest

from tests.support.cancel_everywhere import WAYS, Act

__all__ = ["StageMaker", "every_task", "every_way", "turn"]

StageMaker: TypeAlias = Callable[[], AbstractAsyncContextManager[Act]]

every_way = pytest.mark.parametrize("way", WAYS)
every_task = pytest.mark.parametrize(
    "eager",
    [
        pytest.param(False, id="plain"),
        pytest.param(
            True,
            id="eager",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12"),
        ),
    ],
)


async def turn() -> None:
    """Let all other tasks run once."""
    await asyncio.sleep(0)
