"""The one key that seals all logins of a user: in the operating system's keyring, or given by a variable."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol, TypeVar

from nauth.daemon_thread import run_in_daemon
from nauth.errors import ConfigurationError, NauthError
from nauth.logins.login_file import KEYRING_VARIABLE, LoginSettings
from nauth.secret import Secret
from nauth.sources.keyring import encrypting_backend, load_backends
from nauth.stores.base import Lease, StoreKey, TokenStore
from nauth.stores.encrypted import EncryptedStore

__all__ = ["KeyringBackend", "lease_when_free", "login_key"]

_T = TypeVar("_T")

_SERVICE, _ITEM = "nauth", "login-key"
_MAKING = StoreKey(vendor="nauth", base_url="", identity="login-key")
_LEASE = timedelta(seconds=60)
_LIMIT_S, _PERSON_S = 5.0, 30.0
_LOOK_AGAIN = timedelta(seconds=0.2)
_WAY_OUT = (
    "Remember logins without a keyring by --store PATH (NAUTH_LOGIN_STORE) and a key of your own in NAUTH_STORE_KEY, 32 bytes "
    "as base64; or do not remember them: --no-store"
)


class KeyringBackend(Protocol):
    """What is needed of a keyring's backend."""

    def get_password(self, service: str, username: str, /) -> str | None:
        """Return an item, or None."""
        ...

    def set_password(self, service: str, username: str, password: str, /) -> None:
        """Set an item."""
        ...


async def login_key(
    store: TokenStore, *, settings: LoginSettings, make: bool, backend: KeyringBackend | None = None
) -> Secret:
    """Return the key.

    Args:
        store: the store that is shared by all programs of the user; who makes the key holds a lease there. Two that made it
            at once would lose all but one login.
        settings: may hold the key, or forbid the keyring.
        make: make the key if there is none.
        backend: the keyring; by default the first one here that encrypts.

    Raises:
        ConfigurationError: there is no key, or no keyring, or it is locked or does not answer.
    """
    if settings.key is not None:
        return settings.key
    if not settings.keyring:
        raise ConfigurationError(f"{KEYRING_VARIABLE} forbids the keyring. {_WAY_OUT}")
    if backend is None:
        await load_backends()
    found = await _asked(lambda: _get(backend))
    if found is not None:
        return found
    if not make:
        raise ConfigurationError(
            "the key of the remembered logins is no longer in the keyring, so none of them can be read: sign in again with "
            "nauth login"
        )
    lease = await lease_when_free(store, _MAKING, _LEASE)
    try:
        # read back: the keyring is the judge of what all others will find
        return await _asked(lambda: _got_or_made(backend))
    finally:
        await store.release(lease)


async def lease_when_free(store: TokenStore, key: StoreKey, ttl: timedelta) -> Lease:
    """Return the lease of `key`; wait while another program of the user has it."""
    while True:
        lease = await store.lease(key, ttl)
        if lease is not None:
            return lease
        await store.changed(key, timeout=_LOOK_AGAIN)


def _get(backend: KeyringBackend | None) -> Secret | None:
    value = (backend or _chosen()).get_password(_SERVICE, _ITEM)
    return None if value is None else Secret(value)


def _got_or_made(backend: KeyringBackend | None) -> Secret:
    found = _get(backend)
    if found is not None:
        return found
    (backend or _chosen()).set_password(_SERVICE, _ITEM, EncryptedStore.generate_key().reveal())
    made = _get(backend)
    if made is None:
        raise ConfigurationError(f"the keyring does not keep what is stored in it. {_WAY_OUT}")
    return made


def _chosen() -> KeyringBackend:
    try:
        chosen: KeyringBackend = encrypting_backend("remembering a login")
        return chosen
    except ConfigurationError as error:
        problem = str(error)
    raise ConfigurationError(f"{problem}. {_WAY_OUT}")


async def _asked(work: Callable[[], _T]) -> _T:
    # a person may have to type a password into a window, if there is one
    person = sys.stdin is not None and sys.stdin.isatty() and bool(os.environ.get("DISPLAY"))
    limit_s = _PERSON_S if person else _LIMIT_S
    try:
        async with asyncio.timeout(limit_s):
            return await run_in_daemon(work, name="nauth keyring")
    except TimeoutError:
        problem = f"did not answer within {limit_s:g} s: it may be locked and waiting for a person"
    except NauthError:
        raise
    except Exception as error:  # noqa: BLE001 - of a backend; its text may hold anything
        problem = f"failed ({type(error).__name__}): it may be locked"
    raise ConfigurationError(f"the keyring {problem}. {_WAY_OUT}")
