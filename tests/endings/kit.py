"""What the sweeps over endings share: a vendor that rotates on arrival, ways to end a loop, stores, and what must hold."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import uvloop

from nauth.errors import CredentialsRejectedError
from nauth.manager.token_manager import TokenManager
from nauth.stores import MemoryStore, SQLiteStore, TokenStore
from nauth.stores.redis import RedisStore
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY

__all__ = [
    "ENDS",
    "LOOPS",
    "POLICY",
    "TURNS",
    "End",
    "Vendor",
    "cancel_all",
    "kept",
    "manager_on",
    "mute",
    "runner",
    "started",
    "store_of",
    "turns",
]

TURNS = range(24)
"""After so many turns of the loop the end begins: before the first step of the renewal, and beyond its last."""

POLICY = RenewalPolicy(margin=timedelta(seconds=60), jitter=timedelta(0), deadline=timedelta(seconds=10))

Job: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
End: TypeAlias = Callable[[Job, "Vendor"], Coroutine[Any, Any, None]]


class Vendor:
    """Rotates when the request arrives, a turn after it was called, and holds its answer until the end has begun.

    Attributes:
        rotated: how often.
        revoked: tokens that it has revoked.
        held_back: whether answers are held back at all.
    """

    def __init__(self) -> None:
        self.rotated = 0
        self.calls = 0
        self.revoked: list[str] = []
        self.gate: asyncio.Event | None = None
        self.watch: asyncio.Task[None] | None = None
        self._live: str | None = None

    async def issue(self) -> Token:
        return await self._answer()

    async def refresh(self, token: Token) -> Token:
        assert token.refresh_token is not None
        if token.refresh_token.reveal() != self._live:
            raise CredentialsRejectedError("a spent refresh token: a person must sign in")
        return await self._answer()

    async def revoke(self, token: Token) -> None:
        await asyncio.sleep(0)
        self.revoked.append(token.access_token.reveal())
        await self._way_back()

    async def _answer(self) -> Token:
        self.calls += 1
        await asyncio.sleep(0)
        self.rotated += 1
        self._live = f"r{self.rotated}"
        token = made(f"t{self.rotated}", refresh=self._live, lifetime=HOUR)
        await self._way_back()
        return token

    async def _way_back(self) -> None:
        if self.gate is not None:
            await self.gate.wait()
        await asyncio.sleep(0)


def mute(loop: asyncio.AbstractEventLoop) -> None:
    """Keep asyncio from saying that tasks of `loop`, which is about to be closed, are destroyed: it is honest, and known."""
    for task in [one for one in gc.get_objects() if isinstance(one, asyncio.Task) and one.get_loop() is loop]:
        task._log_destroy_pending = False  # type: ignore[attr-defined]  # a private switch of asyncio's


async def turns(count: int) -> None:
    """Let everything else take `count` turns."""
    for _ in range(count):
        await asyncio.sleep(0)


def started(turn: int, *works: Callable[[], Coroutine[Any, Any, Any]]) -> Job:
    """Return a job that starts `works` and returns after `turn` turns, with them under way."""

    async def job() -> None:
        for work in works:
            caller = asyncio.create_task(work())
            # whatever it came to, it was heard of
            caller.add_done_callback(lambda task: task.cancelled() or task.exception())
        await turns(turn)

    return job


async def _opens_at_the_end(gate: asyncio.Event) -> None:
    """Let the vendor's answers go a little after the end of the loop has begun."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:  # not `finally`: the garbage collector ends it where no loop runs
        asyncio.get_running_loop().call_later(0.005, gate.set)
        raise


@contextlib.asynccontextmanager
async def _held_back(vendor: Vendor) -> AsyncIterator[None]:
    vendor.gate = asyncio.Event()
    # held by the vendor: a task that waits for what it alone knows may be collected at any time
    vendor.watch = asyncio.create_task(_opens_at_the_end(vendor.gate))
    await asyncio.sleep(0)
    yield


async def by_its_end(job: Job, vendor: Vendor) -> None:
    """Return during the work, as a job under `asyncio.run` does; the runner cancels all tasks."""
    async with _held_back(vendor):
        await job()


async def by_its_end_answered(job: Job, vendor: Vendor) -> None:
    """Return during the work, with a vendor that answers without delay: the end comes during the commit, too."""
    del vendor
    await job()


async def cancel_all() -> list[asyncio.Task[Any]]:
    """Cancel all other tasks, and return them."""
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    return others


async def by_the_recipe(job: Job, vendor: Vendor) -> None:
    """Cancel all other tasks and wait for them, as many shutdown handlers do."""
    async with _held_back(vendor):
        await job()
        await asyncio.gather(*await cancel_all(), return_exceptions=True)


async def by_the_recipe_twice(job: Job, vendor: Vendor) -> None:
    """Do that, and again before the first has come to an end."""
    async with _held_back(vendor):
        await job()
        others = await cancel_all()
        await asyncio.sleep(0)
        await asyncio.gather(*others, *await cancel_all(), return_exceptions=True)


ENDS: dict[str, End] = {
    "end": by_its_end,
    "end, answered": by_its_end_answered,
    "recipe": by_the_recipe,
    "recipe twice": by_the_recipe_twice,
}

LOOPS = [
    "asyncio",
    "uvloop",
    pytest.param(
        "eager",
        marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12"),
    ),
]


@contextlib.contextmanager
def runner(kind: str) -> Iterator[asyncio.Runner]:
    """Open what `asyncio.run` is made of, on the loop that is asked for."""

    def factory() -> asyncio.AbstractEventLoop:
        if kind == "uvloop":
            return uvloop.new_event_loop()
        loop = asyncio.SelectorEventLoop()
        if kind == "eager":
            loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # since 3.12
        return loop

    with asyncio.Runner(loop_factory=factory) as opened:
        yield opened


@contextlib.contextmanager
def store_of(kind: str, folder: Path, url: str | None) -> Iterator[Callable[[], TokenStore]]:
    """Yield a function that returns the store."""
    store: TokenStore
    if kind == "memory":
        store = MemoryStore()
    elif kind == "sqlite":
        store = SQLiteStore(folder / "tokens.db")
    else:
        assert url is not None
        store = RedisStore(url, prefix=f"{folder.parent.name}-{folder.name}")
    yield lambda: store


def manager_on(store: TokenStore, vendor: Vendor, policy: RenewalPolicy = POLICY) -> TokenManager:
    """Return a manager that signs in at `vendor`."""
    return TokenManager(vendor, key=KEY, store=store, policy=policy)


async def kept(manager: TokenManager, store: TokenStore) -> tuple[str | None, str | None]:
    """Return the refresh tokens that the manager holds and that the store has."""
    held = manager.current
    record = await store.load(KEY)
    stored = None if record is None else record.token
    return _refresh(held), _refresh(stored)


def _refresh(token: Token | None) -> str | None:
    return None if token is None or token.refresh_token is None else token.refresh_token.reveal()
