"""A thousand callers cancelled at random moments leave no lease without an owner."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import attrs
import pytest
import pytest_asyncio

from nauth.manager.token_manager import TokenManager
from nauth.stores.base import StoreKey
from nauth.stores.redis.store import RedisStore
from nauth.token import RenewalPolicy
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY
from tests.support.redis.clients import NOW, SECOND, client, lease
from tests.support.redis.servers import Server

TTL = 60 * SECOND
"""Far longer than the tests take: a lease that is left behind is seen."""


@pytest_asyncio.fixture
async def store(valkey: Server, prefix: str) -> AsyncIterator[RedisStore]:
    async with RedisStore(valkey.url, prefix=prefix) as opened:
        await opened.load(KEY)
        yield opened


def _key(number: int) -> StoreKey:
    return attrs.evolve(KEY, identity=str(number))


async def _interrupt(
    task: asyncio.Task[Any], moment: random.Random, *, begun: bool = False, longest_s: float = 0.01
) -> bool:
    """Cancel `task` somewhere on its way, after its first step if it must have `begun`; say whether it was in time."""
    for _ in range(begun + moment.randrange(12)):
        await asyncio.sleep(0)
    if moment.random() < 0.5:
        await asyncio.wait([task], timeout=moment.random() * longest_s)
    task.cancel()
    await asyncio.wait([task])
    return task.cancelled()


async def _leases(server: Server, prefix: str) -> int:
    async with client(server.url) as inside:
        return len(await inside.keys(f"{prefix}:*:lease"))


async def _spread(work: Callable[[int, random.Random], Awaitable[bool]], numbers: range) -> None:
    """Do `work` for each number, ten at a time; part of it must be cancelled, and part come to its end."""

    async def some(start: int) -> int:
        return sum([await work(number, random.Random(number)) for number in numbers[start::10]])

    cancelled = sum(await asyncio.gather(*map(some, range(10))))
    assert len(numbers) / 6 < cancelled < len(numbers)


async def test_leases(valkey: Server, prefix: str, store: RedisStore) -> None:
    """Of 400 requests for a lease cancelled at random, each that was granted unseen is given back."""

    async def work(number: int, moment: random.Random) -> bool:
        asking = asyncio.create_task(store.lease(_key(number), TTL))
        cancelled = await _interrupt(asking, moment, longest_s=0.02)
        if not cancelled and (granted := asking.result()) is not None:
            await store.release(granted)
        return cancelled

    await _spread(work, range(400))
    await store.aclose()
    assert await _leases(valkey, prefix) == 0


async def test_commits_and_releases(valkey: Server, prefix: str, store: RedisStore) -> None:
    """Of 300 commits and extensions cancelled at random, whose holders then let go, none keeps a lease."""

    async def work(number: int, moment: random.Random) -> bool:
        taken = await lease(store, _key(number), TTL)
        if number % 2:
            token = made("a", refresh="r")
            commit = asyncio.create_task(store.commit(taken, token, expected_version=0, age=NOW))
            cancelled = await _interrupt(commit, moment, longest_s=0.02)
        else:
            extending = asyncio.create_task(store.extend(taken, TTL))
            cancelled = await _interrupt(extending, moment, longest_s=0.02)
            if not cancelled:
                taken = extending.result()
        await _interrupt(asyncio.create_task(store.release(taken)), moment, begun=True)
        return cancelled

    await _spread(work, range(300))
    await store.aclose()
    assert await _leases(valkey, prefix) == 0


@pytest.mark.slow
async def test_callers_of_managers(valkey: Server, prefix: str, store: RedisStore) -> None:
    """300 callers of managers, cancelled at random, leave renewals that end, and no lease."""
    policy = RenewalPolicy(deadline=5 * SECOND)

    async def work(number: int, moment: random.Random) -> bool:
        manager = TokenManager(FakeAuthenticator(rotating=True), key=_key(number), store=store, policy=policy)
        cancelled = await _interrupt(asyncio.create_task(manager.token()), moment, longest_s=0.2)
        await manager.aclose()
        return cancelled

    await _spread(work, range(300))
    await store.aclose()
    assert await _leases(valkey, prefix) == 0
