"""`RecordInfo`: what can be said of a stored token without showing it. An optional ability of a store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Protocol, runtime_checkable

import attrs

from nauth.stores.base import Record, StoreKey

__all__ = ["ListsRecords", "RecordInfo"]


@attrs.frozen(kw_only=True)
class RecordInfo:
    """One record of a store, without its token.

    Attributes:
        key: whose token.
        age: how long ago it was requested, by the store's clock.
        expires_in: how long it still lives; zero or less if it has expired; None if that is not known.
        refresh_token: whether the record has a refresh token.
        leased: whether a client has the right to renew it at this moment.
    """

    key: StoreKey
    age: timedelta
    expires_in: timedelta | None
    refresh_token: bool
    leased: bool

    @classmethod
    def of(cls, key: StoreKey, record: Record, *, leased: bool) -> RecordInfo:
        """Describe `record`."""
        token = record.token
        return cls(
            key=key,
            age=record.age,
            expires_in=None if token.lifetime is None else token.lifetime - record.age,
            refresh_token=token.refresh_token is not None,
            leased=leased,
        )


@runtime_checkable
class ListsRecords(Protocol):
    """A store that can list its records. `TokenStore` does not demand it."""

    def records(self) -> AsyncIterator[RecordInfo]:
        """Yield each record's description. Takes no lease and writes nothing.

        Raises:
            StoreError: the store cannot be read.
        """
        ...
