"""Ways to stop a caller while the vendor's answer is on its way: each waits for the moment, and sees that it stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias, TypeVar

import pytest

from nauth.client import VendorClient

__all__ = ["Killer", "aborted", "cancelled", "timed_out"]

_Client = TypeVar("_Client", bound=VendorClient)
Killer: TypeAlias = Callable[[_Client, asyncio.Event], Coroutine[Any, Any, None]]
"""Asks the client for a token, and stops asking once the event is set."""


async def cancelled(client: VendorClient, under_way: asyncio.Event) -> None:
    """Cancel the task."""
    task = asyncio.create_task(client.token())
    await under_way.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def timed_out(client: VendorClient, under_way: asyncio.Event) -> None:
    """Let `asyncio.wait_for` give up."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.token(), 0.05)
    await under_way.wait()


async def aborted(client: VendorClient, under_way: asyncio.Event) -> None:
    """Let a sibling in a task group fail."""

    async def fail() -> None:
        await under_way.wait()
        raise RuntimeError("a sibling in the group fails")

    async def run() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(client.token())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await run()
