"""Use each sign-in once, across workers and restarts: a committed marker in the store they share."""

from __future__ import annotations

import secrets
from datetime import timedelta

import attrs

from nauth.errors import InteractionRequiredError, LeaseLostError
from nauth.secret import Secret
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import Token

__all__ = ["OneTime"]

_LEASE = timedelta(seconds=10)
_ZERO = timedelta(0)


@attrs.frozen
class OneTime:
    """Marks that a sign-in was used. A lease alone would not do: after the taker's end it can be taken again.

    Attributes:
        store: where the marker lies; shared by all workers.
        key: names the sign-in.
        lifetime: how long the marker stays; longer than a sign-in may be pending.
    """

    store: TokenStore
    key: StoreKey
    lifetime: timedelta
    _marker: Secret = attrs.field(init=False, repr=False, factory=lambda: Secret(secrets.token_urlsafe(16)))

    async def take(self) -> None:
        """Use the sign-in.

        Raises:
            InteractionRequiredError: it was used before, or is being used by another worker.
            StoreError: the store cannot be reached.
        """
        lease = await self.store.lease(self.key, _LEASE)
        if lease is None:
            raise _used()
        try:
            if await self.store.load(self.key) is None:
                await self.store.commit(lease, self._token(), expected_version=0, age=_ZERO)
                return
        except LeaseLostError:
            raise _used() from None
        finally:
            await self.store.release(lease)
        raise _used()

    async def give_back(self) -> None:
        """Take the marker away: the server has not seen the code."""
        await self.store.discard(self.key, self._token())

    def _token(self) -> Token:
        return Token(access_token=self._marker, lifetime=self.lifetime)


def _used() -> InteractionRequiredError:
    return InteractionRequiredError(
        "this sign-in was used before: its callback was opened twice, or its session was copied. Nothing was sent. Start "
        "the sign-in again"
    )
