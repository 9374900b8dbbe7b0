"""`EncryptedStore`: any other store, with its tokens encrypted."""

from __future__ import annotations

import base64
import functools
import logging
import os
import weakref
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from types import MethodType

import attrs

from nauth.errors import ConfigurationError, StoreError
from nauth.secret import Secret
from nauth.stores.base import Lease, Listener, Reconnecting, Record, StoreKey, TokenStore, Unsubscribe
from nauth.stores.record_info import ListsRecords, RecordInfo
from nauth.token import Token

__all__ = ["EncryptedStore"]

_log = logging.getLogger("nauth")


class EncryptedStore:
    """Keep tokens in `inner`, encrypted with AES-256-GCM. Needs ``pip install nauth[crypto]``.

    Take the key from wherever the deployment keeps its secrets, such as an environment variable::

        import os
        from nauth import Secret
        from nauth.stores import EncryptedStore, SQLiteStore

        keys = {"2026-11": Secret(os.environ["TOKENS_KEY"])}
        store = EncryptedStore(SQLiteStore("tokens.db"), keys)

    *Rotation*: the first key encrypts, all of them decrypt. Give the new key to every program as a second one, then
    make it the first everywhere; drop the old one when the last record that it encrypted has been renewed or has
    expired.

    A record that these keys do not decrypt is left as it is, and each `load` and `discard` of it raises `StoreError`:
    a program with a wrong key must not end a session. Listeners do not get such a record; one warning is logged.

    Encrypting or decrypting a token takes some microseconds, so both are done in the event loop's thread.

    Args:
        inner: where the encrypted tokens go. Use it for this store alone: unencrypted records in it are errors. It is
            closed with this one.
        keys: key id to key. An id, 1 to 32 letters, digits, hyphens and underscores, is stored unencrypted beside each
            token that its key has encrypted; the key is 32 bytes as base64. `generate_key` makes one.

    Raises:
        ConfigurationError: a key or id has the wrong form, or `cryptography` is not installed.
    """

    def __init__(self, inner: TokenStore, keys: Mapping[str, Secret]) -> None:
        try:
            from nauth.stores.aes_gcm import Keyring  # noqa: PLC0415 - the extra is needed by those who encrypt only
        except ImportError:
            raise ConfigurationError(
                "EncryptedStore needs the package cryptography: pip install nauth[crypto]"
            ) from None
        self._inner = inner
        self._keyring = Keyring(keys)
        self._relays: dict[object, _Relay] = {}
        self._warned = False

    @staticmethod
    def generate_key() -> Secret:
        """Return a new key: 32 random bytes as base64. `reveal()` it to write it where secrets are kept."""
        return Secret(base64.urlsafe_b64encode(os.urandom(32)).decode("ascii"))

    def __repr__(self) -> str:
        return f"<EncryptedStore, keys {self._keyring.ids}, over {self._inner!r}>"

    @property
    def persistent(self) -> bool:
        """Whether records outlive the process, as `inner` says."""
        return self._inner.persistent

    @property
    def queues(self) -> bool:
        """Whether calls may wait for their turn, as `inner` says."""
        return getattr(self._inner, "queues", False)

    async def load(self, key: StoreKey) -> Record | None:
        """Return the current record, or None.

        Raises:
            StoreError: it cannot be decrypted.
        """
        record = await self._inner.load(key)
        return None if record is None else self._opened(key, record)

    async def records(self) -> AsyncIterator[RecordInfo]:
        """Yield a description of each record, without decrypting it: lifetimes are stored in clear.

        Raises:
            StoreError: `inner` cannot list its records.
        """
        if not isinstance(self._inner, ListsRecords):
            raise StoreError(f"{type(self._inner).__name__}, inside EncryptedStore, cannot list its records")
        async for info in self._inner.records():
            yield info

    async def lease(self, key: StoreKey, ttl: timedelta) -> Lease | None:
        """Take the right to renew `key` for `ttl`, or return None at once if another client holds it."""
        return await self._inner.lease(key, ttl)

    async def extend(self, lease: Lease, ttl: timedelta) -> Lease:
        """Return a lease that holds for `ttl` from now; the old object no longer works.

        Raises:
            LeaseLostError: it has ended, or another client holds it.
        """
        return await self._inner.extend(lease, ttl)

    async def release(self, lease: Lease) -> None:
        """Give the lease back if this client still holds it."""
        await self._inner.release(lease)

    async def commit(self, lease: Lease, token: Token, *, expected_version: int, age: timedelta) -> Record:
        """Encrypt `token` with the first key, write it, release the lease and notify the listeners.

        Raises:
            LeaseLostError: the lease has ended, or the record has changed. Nothing was written.
        """
        sealed = self._keyring.seal(lease.key, token)
        record = await self._inner.commit(lease, sealed, expected_version=expected_version, age=age)
        return attrs.evolve(record, token=token)

    async def discard(self, key: StoreKey, token: Token) -> bool:
        """Delete the record if it still holds `token`'s access token; return whether it did.

        Raises:
            StoreError: the record cannot be decrypted. It is still there.
        """
        seen = 0
        # the same token encrypted again is another text, so load again if the record has changed meanwhile
        while (record := await self._inner.load(key)) is not None and record.version != seen:
            if not self._opened(key, record).token.same_access(token):
                return False
            if await self._inner.discard(key, record.token):
                return True
            seen = record.version
        return False

    async def changed(self, key: StoreKey, *, timeout: timedelta) -> None:  # noqa: ASYNC109 - part of the contract
        """Return when `key` changed or its lease was freed, at the latest after `timeout`."""
        await self._inner.changed(key, timeout=timeout)

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` for each later change of `key` that can be decrypted, if `inner` pushes."""
        return self._relay(self._inner.subscribe, key, listener)

    def on_reconnect(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        """Call `listener` whenever `inner` may have lost data, if it can tell; see `Reconnecting`."""
        if not isinstance(self._inner, Reconnecting):
            return lambda: None
        return self._relay(self._inner.on_reconnect, key, listener)

    def _relay(
        self, subscribe: Callable[[StoreKey, Listener], Unsubscribe], key: StoreKey, listener: Listener
    ) -> Unsubscribe:
        opened = functools.partial(self._pushed, key)
        if not isinstance(listener, MethodType):
            relay = _Relay(opened, lambda: listener)
            return subscribe(key, lambda record: relay.hear(record))  # noqa: PLW0108 - `inner` would hold the bound method weakly
        ticket, relays = object(), self._relays
        # `inner` holds the relay weakly; this table keeps it as long as the listener's object lives. The callback
        # takes no lock, because the garbage collector may run it at any moment.
        weak = weakref.WeakMethod(listener, lambda _: relays.pop(ticket, None))
        relays[ticket] = _Relay(opened, weak)
        stop = subscribe(key, relays[ticket].hear)

        def unsubscribe() -> None:
            stop()
            relays.pop(ticket, None)

        return unsubscribe

    async def aclose(self) -> None:
        """Close `inner`."""
        await self._inner.aclose()

    def _opened(self, key: StoreKey, record: Record) -> Record:
        return attrs.evolve(record, token=self._keyring.open(key, record.token))

    def _pushed(self, key: StoreKey, record: Record) -> Record | None:
        try:
            return self._opened(key, record)
        except StoreError as error:
            if not self._warned:
                self._warned = True
                _log.warning("a pushed token was passed over, as will be others like it: %s", error)
            return None


@attrs.frozen(eq=False)
class _Relay:
    """Decrypts each record that the inner store pushes and passes it to the listener."""

    opened: Callable[[Record], Record | None]
    deref: Callable[[], Listener | None]

    def hear(self, record: Record | None) -> None:
        listener = self.deref()
        opened = None if record is None else self.opened(record)
        # None would mean a discard, so a record that does not decrypt is not passed on
        if listener is not None and (opened is not None or record is None):
            listener(opened)
