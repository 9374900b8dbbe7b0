"""A store with a record in it, and what may be done to both."""

from __future__ import annotations

import asyncio
import uuid
from datetime import timedelta

import attrs

from nauth.stores.base import Lease, TokenStore
from nauth.token import Token
from tests.cancellation.kit import turn
from tests.support.authenticator import made
from tests.support.cancel_everywhere import Report
from tests.support.manager import KEY

__all__ = ["METHODS", "Kept"]

METHODS = ("load", "lease", "extend", "release", "commit", "discard", "changed", "aclose")

_LEASE = timedelta(seconds=30)
_FIRST, _SECOND = made("a1", refresh="r1"), made("a2", refresh="r2")
_NO_AGE = timedelta(0)


class Kept:
    """A store with a first record in it, and what is done to it."""

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self.key = attrs.evolve(KEY, identity=uuid.uuid4().hex)
        self.lease: Lease | None = None
        self.waker: asyncio.Task[None] | None = None

    async def prepare(self, name: str) -> None:
        await self.put(_FIRST)
        if name in {"extend", "release", "commit", "changed"}:
            self.lease = await self.store.lease(self.key, _LEASE)
            assert self.lease is not None

    async def put(self, token: Token) -> None:
        lease = await self.store.lease(self.key, _LEASE)
        assert lease is not None
        record = await self.store.load(self.key)
        version = 0 if record is None else record.version
        await self.store.commit(lease, token, expected_version=version, age=_NO_AGE)

    async def call(self, name: str) -> object:
        store, lease = self.store, self.lease
        match name:
            case "load":
                return await store.load(self.key)
            case "lease":
                self.lease = await store.lease(self.key, _LEASE)
                return self.lease
            case "discard":
                return await store.discard(self.key, _FIRST)
            case "aclose":
                await store.aclose()
                return None
            case _:
                pass
        assert lease is not None
        match name:
            case "extend":
                self.lease = await store.extend(lease, _LEASE)
            case "release":
                await store.release(lease)
            case "commit":
                record = await store.load(self.key)
                assert record is not None
                return await store.commit(lease, _SECOND, expected_version=record.version, age=_NO_AGE)
            case _:
                self.waker = asyncio.get_running_loop().create_task(self._wake(lease))
                await store.changed(self.key, timeout=_LEASE)
        return None

    async def _wake(self, lease: Lease) -> None:
        for _ in range(5):
            await turn()
        await self.store.release(lease)

    async def check(self, name: str, report: Report) -> None:
        """Look at what is stored, and renew as the next client would."""
        if self.waker is not None:
            await self.waker
        if name == "aclose":
            return
        assert report.ended in {"cancelled", "returned"}, report.error
        if name in {"extend", "release", "commit"} or (name == "lease" and report.ended == "returned"):
            assert self.lease is not None
            await self.store.release(self.lease)
        record = await self.store.load(self.key)
        if name == "discard":
            assert record is None or record.token == _FIRST
        else:
            assert record is not None
            assert record.token in ((_FIRST, _SECOND) if name == "commit" else (_FIRST,))
        # a lease that a cancelled caller was about to get is given back in the background
        async with asyncio.timeout(5):
            while (lease := await self.store.lease(self.key, _LEASE)) is None:  # noqa: ASYNC110 - the store is what is looked at
                await asyncio.sleep(0.001)
        await self.store.release(lease)
        await self.put(_SECOND)
        record = await self.store.load(self.key)
        assert record is not None
        assert record.token == _SECOND
