"""Base of the store contract's tests: the hooks an engine implements, and the steps that the tests share."""

# ruff: noqa: S101 - assertions are what a contract suite is made of
from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from nauth.errors import LeaseLostError
from nauth.secret import Secret
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.token import Token

__all__ = ["HELD", "MOMENTS", "NOW", "ContractHooks", "sample", "version_of"]

HELD = timedelta(minutes=10)
"""Duration of leases and waits that must not end during a test."""
NOW = timedelta(0)

_LOOK = timedelta(milliseconds=50)
"""Pause between two tries to get a lease."""
_STEP = timedelta(milliseconds=10)

_TURNS = 12
MOMENTS = range(2 * _TURNS)
"""The moments at which calls are cancelled."""
_MOMENT_S = 0.000_3

_T = TypeVar("_T")


def sample(access: str = "access", *, refresh: str | None = None, lifetime: timedelta | None = HELD) -> Token:
    """Return a token whose access token says `access`, with hyphens for spaces: no header holds those."""
    return Token(
        access_token=Secret(access.replace(" ", "-")),
        refresh_token=None if refresh is None else Secret(refresh),
        lifetime=lifetime,
    )


class ContractHooks:
    """The hooks that an engine implements, and the steps that the tests share.

    Attributes:
        ttl: how long those leases hold that are meant to end during a test.
        pushes: whether the engine calls the listeners of `TokenStore.subscribe`.
        patience: how long, in real time, the suite waits for an expected event before it fails.
    """

    ttl: timedelta = timedelta(seconds=40)
    pushes: bool = False
    patience: timedelta = timedelta(seconds=10)

    def open(self) -> AbstractAsyncContextManager[TokenStore]:
        """Return a new handle on the data of this test: two handles stand for two processes."""
        raise NotImplementedError

    async def advance(self, by: timedelta) -> None:
        """Let `by` pass on the engine's clock: move a `FakeClock`, or wait."""
        raise NotImplementedError

    @cached_property
    def _run(self) -> str:
        return uuid.uuid4().hex

    def key(self, name: str = "") -> StoreKey:
        """Return a key that no other test uses, so that an engine need not be emptied between them."""
        return StoreKey(vendor="contract", base_url="https://127.0.0.1", identity=f"{self._run}{name}")

    @contextlib.asynccontextmanager
    async def pair(self) -> AsyncGenerator[tuple[TokenStore, TokenStore]]:
        """Open two handles on the same data."""
        async with self.open() as ours, self.open() as theirs:
            yield ours, theirs

    async def take(self, store: TokenStore, key: StoreKey, ttl: timedelta = HELD) -> Lease:
        """Take a lease that must be free."""
        lease = await store.lease(key, ttl)
        assert lease is not None, "a lease that no client holds was refused"
        return lease

    async def put(self, store: TokenStore, token: Token, key: StoreKey, *, age: timedelta = NOW) -> Record:
        """Store `token` as a renewal does: lease, look, commit."""
        lease = await self.take(store, key)
        record = await store.load(key)
        return await store.commit(lease, token, expected_version=version_of(record), age=age)

    async def get(self, store: TokenStore, key: StoreKey) -> Record:
        """Load a record that must exist."""
        record = await store.load(key)
        assert record is not None, "the record that was committed is not there"
        return record

    async def lost(self, call: Coroutine[Any, Any, object]) -> None:
        """Expect `call` to raise `LeaseLostError`: its lease has ended, or the record's version has changed."""
        try:
            await call
        except LeaseLostError:
            return
        raise AssertionError("a lease that was lost was honoured; LeaseLostError was expected")

    async def freed(self, store: TokenStore, key: StoreKey) -> Lease:
        """Return the lease of `key` once the holder's time has passed."""
        async with self.bounded("the lease of a holder that is gone ended"):
            while (lease := await store.lease(key, HELD)) is None:
                await self.advance(self.ttl)
                await asyncio.sleep(_STEP.total_seconds())
            return lease

    @contextlib.asynccontextmanager
    async def bounded(self, what: str) -> AsyncGenerator[None]:
        """Give the block `patience` to end.

        Raises:
            AssertionError: it did not: "`what`" never happened.
        """
        limit = asyncio.timeout(self.patience.total_seconds())
        try:
            async with limit:
                yield
        except TimeoutError:
            if not limit.expired():
                raise
            raise AssertionError(f"waited {self.patience} in vain until {what}") from None

    async def until(self, what: str, done: Callable[[], bool]) -> None:
        """Wait until `done()`, while the engine's clock goes on."""
        async with self.bounded(what):
            while not done():
                await self._tick()

    async def settle(self) -> None:
        """Let started tasks run until they wait."""
        for _ in range(10):
            await self.advance(NOW)
            await asyncio.sleep(self.patience.total_seconds() / 1000)

    @contextlib.asynccontextmanager
    async def waiting(
        self, stores: Sequence[TokenStore], key: StoreKey, *, number: int = 1
    ) -> AsyncGenerator[None]:
        """Let `number` tasks on each of `stores` wait for a change of `key`, which the block must bring about."""
        async with self.running(
            store.changed(key, timeout=HELD) for store in stores for _ in range(number)
        ) as tasks:
            await self.settle()
            yield
            await self.until("changed() returned", lambda: all(task.done() for task in tasks))

    @contextlib.asynccontextmanager
    async def running(
        self, calls: Iterable[Coroutine[Any, Any, _T]]
    ) -> AsyncGenerator[list[asyncio.Task[_T]]]:
        """Run `calls` beside the block, which must make them end; raise what they raised."""
        tasks = [asyncio.create_task(call) for call in calls]
        try:
            yield tasks
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in tasks:
            task.result()

    async def interrupted(self, call: Coroutine[Any, Any, _T], moment: int) -> _T | None:
        """Cancel `call` after `moment` turns of the loop, or a short wait later if `moment` is large.

        Returns its result if it ended before that.
        """
        task = asyncio.create_task(call)
        for _ in range(min(moment, _TURNS)):
            await asyncio.sleep(0)
        if moment > _TURNS:
            await asyncio.wait([task], timeout=(moment - _TURNS) * _MOMENT_S)
        task.cancel()
        async with self.bounded("a cancelled call ended"):
            await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def increment(self, store: TokenStore, key: StoreKey, times: int) -> None:
        """Add one to the number in the record of `key`, `times` times, each under a new lease."""
        async with self.bounded("every task had the lease once"):
            while times:
                lease = await store.lease(key, HELD)
                if lease is None:
                    await store.changed(key, timeout=_LOOK)
                    await asyncio.sleep(0)  # a store that never waits must not starve the loop
                    continue
                record = await store.load(key)
                count = 0 if record is None else int(record.token.access_token.reveal())
                token = sample(str(count + 1))
                await store.commit(lease, token, expected_version=version_of(record), age=NOW)
                times -= 1

    async def _tick(self) -> None:
        await self.advance(_STEP)
        await asyncio.sleep(_STEP.total_seconds() / 2)


def version_of(record: Record | None) -> int:
    """Return the `expected_version` of a commit after `record`."""
    return 0 if record is None else record.version
