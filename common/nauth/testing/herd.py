"""`herd`: many callers at the same moment, for a test that asks what they cost the vendor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

__all__ = ["herd"]

_T = TypeVar("_T")


async def herd(work: Callable[[], Awaitable[_T]], *, callers: int = 1_000) -> list[_T]:
    """Run `work` in so many tasks that all begin in the same turn of the loop, and return what each brought.

    ::

        async def test_one_sign_in(nomba_sandbox):
            sandbox = nomba_sandbox
            client = NombaClient(sandbox.credentials, base_url=sandbox.base_url)
            async with client as nomba:
                await herd(nomba.token)
            sandbox.assert_token_calls(1)

    Args:
        work: called without arguments; a coroutine function, or whatever returns an awaitable.
        callers: how many tasks.

    Raises:
        ExceptionGroup: some callers failed; the others are cancelled.
    """

    async def one() -> _T:
        return await work()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(callers)]
    return [task.result() for task in tasks]
