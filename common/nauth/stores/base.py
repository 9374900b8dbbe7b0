"""The `TokenStore` contract: how several clients, threads or processes share one token."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeAlias, runtime_checkable

import attrs

from nauth.errors import ConfigurationError
from nauth.token import Token

__all__ = [
    "Lease",
    "Listener",
    "Reconnecting",
    "Record",
    "StoreKey",
    "TokenStore",
    "Unsubscribe",
    "check_store",
]


def check_store(store: object) -> None:
    """Refuse what is no token store, before a client is made with it.

    Raises:
        ConfigurationError: `store` is neither None nor a store. Its value is not shown: an address may hold a password.
    """
    if store is not None and not hasattr(store, "commit"):
        raise ConfigurationError(
            f"store must be a token store such as SQLiteStore(path), not {type(store).__name__}. Of a text such as "
            "'sqlite:/var/lib/app/tokens.db' nauth.stores.open_store(text) makes one"
        )


@attrs.frozen(kw_only=True)
class StoreKey:
    """Name of one shared token. Contains no secret.

    Attributes:
        vendor: the vendor's name, such as ``nomba``.
        base_url: the URL that the token is for.
        identity: digest of the credential; see `nauth.stores.identity_digest`.
    """

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
        version: grows with every commit and never goes back, not even after a discard or after an engine has lost its
            data. Engines outside the process therefore use their clock: the version is one more than the last
            record's, or the microseconds since the epoch, whichever is greater.
        age: how long ago the token was requested, *by the store's clock*. Readers count its remaining lifetime from
            here, so a reader whose wall clock is an hour wrong still sees it expire at the right moment.
    """

    token: Token
    version: int
    age: timedelta


class Lease(Protocol):
    """The right to renew one key's token, until it is used by a commit, is released, or has ended."""

    @property
    def key(self) -> StoreKey:
        """The key whose token may be renewed."""
        ...

    @property
    def remaining(self) -> timedelta:
        """How long it still holds; zero or less if it has ended."""
        ...


Listener: TypeAlias = Callable[[Record | None], None]
"""Called with each new record, or with None after a discard. May be called from any thread; must not block."""
Unsubscribe: TypeAlias = Callable[[], None]
"""Ends a subscription. A second call does nothing."""


@runtime_checkable
class TokenStore(Protocol):
    """A place through which several clients share a token.

    Every method may raise `StoreError` if the store cannot be reached. A lease that another client holds is not an
    error: `lease` returns None. No method may block the event loop.

    A call that takes longer than five seconds is given up. A store whose calls wait for their turn, and which gives up
    each exchange with its engine by itself, may have an attribute ``queues`` that is true: a call may then take as long
    as the renewal it belongs to (`RenewalPolicy.deadline`).
    """

    @property
    def persistent(self) -> bool:
        """Whether records outlive the process, which some vendors forbid."""
        ...

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        ...

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key` for `ttl`, or return None at once if another client holds it."""
        ...

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Return a lease that holds for `ttl` from now; the old object no longer works.

        Raises:
            LeaseLostError: it has ended, or another client holds it.
        """
        ...

    async def release(self, lease: Lease) -> None:
        """Give the lease back if this client still holds it. Another client's lease of the key stays."""
        ...

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Write `token`, requested `age` ago, release the lease and notify the listeners, all in one step.

        Raises:
            LeaseLostError: the lease has ended, or the record's version is not `expected_version` (0: no record).
                Nothing was written.
        """
        ...

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; return whether it did."""
        ...

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract: engines block on it
        """Return when `key` was committed, discarded or its lease freed; at the latest after `timeout`.

        May return early: the caller then loads the record again.
        """
        ...

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change if the engine can push; otherwise do nothing.

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
