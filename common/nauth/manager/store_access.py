"""`KeyedStore`: one key of a store, with a deadline on every wait. What a manager knows of its store."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

import attrs

from nauth.clock import Clock
from nauth.errors import LeaseLostError, NauthError, StoreError, recast, unexpected
from nauth.reporting import telemetry_seam
from nauth.reporting.reporter import SHORT_IDENTITY
from nauth.stores.base import Lease, Record, StoreKey, TokenStore
from nauth.time_formats import instant
from nauth.token import Token

__all__ = ["LEASE_GRACE", "POLL", "STORE_DEADLINE", "KeyedStore"]

_log = logging.getLogger("nauth.store")

LEASE_GRACE = timedelta(seconds=10)
"""How much longer a lease holds than the token call may take: loop_state to store the result."""

STORE_DEADLINE = timedelta(seconds=5)
"""The most that one operation of a store may take. A store that `queues` has such a deadline of its own for each exchange,
and a call may wait for its turn as well: for as long as a renewal may take in all."""

POLL = timedelta(seconds=1)
"""Longest wait between two looks at a store that cannot push; engines that can push wake the waiter at once."""

_T = TypeVar("_T")


@attrs.frozen
class KeyedStore:
    """A store's operations on one key.

    Each raises `StoreError` where the store fails in whatever way, or has not answered within `STORE_DEADLINE`, or within
    `deadline` where it `queues`; and `ConfigurationError` where the store demands a change of its settings or files, which
    may come while it is in use.
    """

    store: TokenStore
    key: StoreKey
    clock: Clock
    deadline: timedelta = STORE_DEADLINE

    async def load(self) -> Record | None:
        """Return the current record, or None."""
        asked = self.clock.monotonic()
        record = await self._bounded("load", self.store.load(self.key))
        waited = timedelta(seconds=self.clock.monotonic() - asked)
        # the store said how old it is at some moment in between: an age too great is on the safe side
        return attrs.evolve(record, age=record.age + waited) if record is not None and waited else record

    async def lease(self, ttl: timedelta) -> Lease | None:
        """Take the right to renew for `ttl`, or return None if another client has it."""
        return await self._bounded("lease", self.store.lease(self.key, ttl))

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Let `lease` hold for `ttl` from now.

        Raises:
            LeaseLostError: it is over.
        """
        return await self._bounded("extend", self.store.extend(lease, ttl))

    async def release(self, lease: Lease) -> None:
        """Give the lease back, if the store is there to take it."""
        # a lease that cannot be given back ends by itself; the outcome of the work under it matters more
        with contextlib.suppress(NauthError):
            await self._bounded("release", self.store.release(lease))

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, asked for `age` ago, and release the lease.

        Raises:
            LeaseLostError: the lease is over or the record has changed. Nothing was written.
        """
        return await self._bounded(
            "commit", self.store.commit(lease, token, expected_version=expected_version, age=age)
        )

    async def discard(self, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did."""
        return await self._bounded("discard", self.store.discard(self.key, token))

    async def changed(self) -> None:
        """Return when the record or its lease has changed, at the latest after `POLL`."""
        # a store that cannot tell is found out by the next operation
        with contextlib.suppress(NauthError):
            await self._bounded("watch", self.store.changed(self.key, timeout=POLL), POLL)

    async def _bounded(self, operation: str, work: Awaitable[_T], more: timedelta = timedelta(0)) -> _T:
        queues = getattr(self.store, "queues", False)
        longest = (max(self.deadline, STORE_DEADLINE) if queues else STORE_DEADLINE) + more
        started = self.clock.monotonic()
        try:
            result = await _bounded(work, longest)
        except NauthError as error:
            self._measure(operation, started, type(error).__name__)
            if isinstance(error, LeaseLostError):
                raise  # another client was faster: no failure of the store
            _log.warning(
                "%s: the token store failed to %s: %s",
                self.key.vendor,
                operation,
                type(error).__name__,
                extra={
                    "nauth.event": "store.failed",
                    "vendor": self.key.vendor,
                    "identity": self.key.identity[:SHORT_IDENTITY],
                    "at": instant(self.clock.wall()).isoformat(timespec="seconds"),
                    "operation": operation,
                    "error": type(error).__name__,
                },
            )
            raise
        self._measure(operation, started, None)
        return result

    def _measure(self, operation: str, started: float, error: str | None) -> None:
        if (
            telemetry_seam.installed is not None and operation != "watch"
        ):  # that one is waiting, and no work of the store's
            took_s = self.clock.monotonic() - started
            telemetry_seam.installed.store_operation(self.store, operation, took_s, error)


async def _bounded(work: Awaitable[_T], longest: timedelta) -> _T:
    limit = asyncio.timeout(longest.total_seconds())
    try:
        async with limit:
            return await work
    except NauthError:
        raise
    except Exception as error:  # noqa: BLE001 - a store's bug must reach the callers as a typed error
        failure = recast(unexpected(error), StoreError)
    if limit.expired():
        failure = StoreError(
            f"the token store has not answered within {longest.total_seconds():.0f} s. A token that is still valid "
            "goes on serving; see RenewalPolicy(on_store_failure=...) for what else can be done"
        )
    raise failure
