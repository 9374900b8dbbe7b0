"""The `TokenStore` contract: how several clients, threads or processes share one token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeAlias, runtime_checkable

import attrs

from nauth.token import Token

__all__ = ["Lease", "Listener", "Reconnecting", "Record", "StoreKey", "TokenStore", "Unsubscribe"]


@attrs.frozen(kw_only=True)
class StoreKey:
    """Whose token: the vendor, the host it is for, and a digest of the credential. Contains no secret."""

    vendor: str
    base_url: str
    identity: str

    def __str__(self) -> str:
        return f"{self.vendor}|{self.base_url}|{self.identity}"


@attrs.frozen(kw_only=True)
class Record:
    """A stored token.

    Attributes:
        token: what the vendor issued.
        version: grows with every commit and never goes back: not after a discard, and not after an engine has lost its
            data, as far as its clock can tell. Engines outside the process therefore count from their clock: one more
            than the record's, or the microseconds since the epoch, whichever is greater.
        age: how long ago the token was asked for, *by the store's clock*. Readers count the rest of its life from
            here, so that a reader whose wall clock is wrong by an hour still ends it at the right moment.
    """

    token: Token
    version: int
    age: timedelta


class Lease(Protocol):
    """The right to renew one key, until it is committed, released or over."""

    @property
    def key(self) -> StoreKey:
        """What may be renewed."""
        ...

    @property
    def remaining(self) -> timedelta:
        """How long it still holds; zero or less when it is over."""
        ...


Listener: TypeAlias = Callable[[Record | None], None]
"""Told of each new record, or None when the record was discarded. May be called from any thread; must not block."""
Unsubscribe: TypeAlias = Callable[[], None]


@runtime_checkable
class TokenStore(Protocol):
    """Where one token lives for all who share it.

    Every method may raise `StoreError` when the store cannot be reached; "another client holds the lease" is not an
    error but the answer None. No method may block the event loop.

    A call that takes longer than five seconds is given up. A store whose calls wait for their turn, and which gives up
    each exchange with its engine by itself, may have an attribute ``queues`` that is true: a call may then take as long
    as the renewal it belongs to (`RenewalPolicy.deadline`).
    """

    @property
    def persistent(self) -> bool:
        """Whether records outlive the process: some vendors forbid that."""
        ...

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        ...

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key` for `ttl`, or return None at once if another client holds it."""
        ...

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Let a lease that is still ours hold for `ttl` from now; the old object is spent.

        Raises:
            LeaseLostError: it is over, or another client holds it.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease back if it is still ours. Never takes away another client's."""
        ...

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, asked for `age` ago, release the lease and tell the others, all in one step.

        Raises:
            LeaseLostError: the lease is over, or the record's version is not `expected_version` (0: no record).
                Nothing was written.
        """
        ...

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; say whether it did."""
        ...

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract: engines block on it
        """Return when `key` was committed, discarded or its lease freed; at the latest after `timeout`.

        May return early: the caller looks again.
        """
        ...

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change, where the engine can push; else do nothing.

        The store keeps no strong reference to a bound method's object.
        """
        ...

    async def aclose(self) -> None:
        """Close what the store itself opened."""
        ...


@runtime_checkable
class Reconnecting(Protocol):
    """What a `TokenStore` may offer as well, if its engine can lose data that clients still have.

    A failover to a replica that lags behind, an emptied server, a restored file: the store then holds an older token than
    a client in memory, or none, and a new process would present a refresh token that is spent.
    """

    def on_reconnect(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` with the record of `key`, None if there is none, whenever data may have been lost.

        May be called from any thread, also where nothing was lost; must not block. The listener is held as by
        `TokenStore.subscribe`.
        """
        ...
