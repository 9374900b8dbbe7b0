"""A `MemoryStore` that fails, stalls and is written to by others when a test says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeAlias

from nauth.stores.base import Lease, Record, StoreKey
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.token import Token

__all__ = ["FakeStore"]

_Deed: TypeAlias = Exception | Callable[[], Awaitable[object]] | None


class FakeStore(MemoryStore):
    """Keeps tokens in memory and does the `deeds` on the way.

    Attributes:
        deeds: for each method, what its next calls meet, in order: an exception is raised, a callable awaited first,
            None lets one pass. A callable stands in the place of waiting in `changed`. Those of "committed" and
            "extended" come after the writing, before the answer.
        calls: the methods called, in order.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock=clock)
        self.deeds: dict[str, deque[_Deed]] = {}
        self.calls: list[str] = []

    def will(self, method: str, *deeds: _Deed) -> None:
        """Let the next calls of `method` meet `deeds`."""
        self.deeds.setdefault(method, deque()).extend(deeds)

    async def plant(
        self, key: StoreKey, token: Token, *, age: timedelta = timedelta(0), push: bool = False
    ) -> Record:
        """Write `token` as a client would that respects no lease."""
        leases, listeners = dict(self._leases), dict(self._listeners)
        self._leases.pop(key, None)
        if not push:
            self._listeners.clear()
        lease = await super().lease(key, timedelta(hours=1))
        record = await super().load(key)
        assert lease is not None
        version = 0 if record is None else record.version
        planted = await super().commit(lease, token, expected_version=version, age=age)
        self._leases.update(leases)
        self._listeners.update(listeners)
        return planted

    async def load(self, key: StoreKey) -> Record | None:
        await self._meet("load")
        return await super().load(key)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        await self._meet("lease")
        return await super().lease(key, ttl)

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        await self._meet("extend")
        longer = await super().extend(lease, ttl)
        await self._meet("extended", counted=False)
        return longer

    async def release(self, lease: Lease) -> None:
        await self._meet("release")
        await super().release(lease)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        await self._meet("commit")
        record = await super().commit(lease, token, expected_version=expected_version, age=age)
        await self._meet("committed", counted=False)
        return record

    async def discard(self, key: StoreKey, token: Token) -> bool:
        await self._meet("discard")
        return await super().discard(key, token)

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        if not await self._meet("changed"):  # returning early is in the contract
            await super().changed(key, timeout=timeout)

    async def _meet(self, method: str, *, counted: bool = True) -> bool:
        if counted:
            self.calls.append(method)
        deeds = self.deeds.get(method)
        deed = deeds.popleft() if deeds else None
        if isinstance(deed, Exception):
            raise deed
        if deed is not None:
            await deed()
        return deed is not None
