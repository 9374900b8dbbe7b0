"""`LoginStore`: the sealed store of remembered logins, opened at its first use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from nauth.logins.login_file import LoginFile, LoginSettings
from nauth.logins.login_key import KeyringBackend, login_key
from nauth.stores.base import Lease, Listener, Record, StoreKey, TokenStore, Unsubscribe
from nauth.stores.encrypted import EncryptedStore
from nauth.stores.sqlite.store import SQLiteStore
from nauth.token import Token

__all__ = ["LoginStore"]

_REFRESH_LIFETIME = timedelta(days=400)
"""A login stays until it is refused or forgotten, not until a vendor's unstated limit."""


class LoginStore:
    """A `TokenStore` of one user's logins. Neither the file nor the keyring is touched before the first call.

    Args:
        settings: where it lies, and where its key is.
        make: make file and key if there are none.
        backend: the keyring; by default the first one here that encrypts.
    """

    persistent = True
    queues = True

    def __init__(
        self,
        settings: LoginSettings,
        *,
        make: bool = False,
        backend: KeyringBackend | None = None,
    ) -> None:
        self.file: LoginFile = settings.file
        self._settings = settings
        self._make = make
        self._backend = backend
        self._inner = SQLiteStore(self.file.path, refresh_lifetime=_REFRESH_LIFETIME)
        self._sealed: EncryptedStore | None = None

    def __repr__(self) -> str:
        return f"<LoginStore: {str(self.file.path)!r}>"

    async def opened(self) -> EncryptedStore:
        """Return the store, with its key at hand.

        Raises:
            ConfigurationError: there is no key, or no keyring that answers.
            StoreError: the file cannot be used.
        """
        if self._sealed is None:
            if self._make:
                await asyncio.to_thread(self.file.make_folder)
            key = await login_key(
                self._inner, settings=self._settings, make=self._make, backend=self._backend
            )
            self._sealed = EncryptedStore(self._inner, {"k1": key})
        return self._sealed

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None."""
        return await (await self.opened()).load(key)

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key`."""
        return await (await self.opened()).lease(key, ttl)

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Return a lease that holds for `ttl` from now."""
        return await (await self.opened()).extend(lease, ttl)

    async def release(self, lease: Lease) -> None:
        """Give the lease back."""
        await (await self.opened()).release(lease)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Seal `token` and write it."""
        return await (await self.opened()).commit(lease, token, expected_version=expected_version, age=age)

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; return whether it did."""
        return await (await self.opened()).discard(key, token)

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` was changed; at the latest after `timeout`."""
        await self._inner.changed(key, timeout=timeout)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:  # noqa: ARG002 - the contract's shape
        """Do nothing: programs of one user look when they need a token."""
        return _nothing

    async def aclose(self) -> None:
        """Close the file."""
        await self._inner.aclose()


def _nothing() -> None:
    return None


_contract: Callable[[LoginStore], TokenStore] = lambda store: store  # noqa: E731 - mypy checks the shape here
