"""`RememberedLogin`: one login of a person, by name; saved by ``nauth login``, found by clients, forgotten by ``nauth logout``."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import re
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias, cast

import attrs

from nauth.errors import ConfigurationError, InteractionRequiredError, StoreError
from nauth.logins.login_file import LoginFile, LoginSettings
from nauth.logins.login_key import KeyringBackend, lease_when_free
from nauth.secret import Secret
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import Token

if TYPE_CHECKING:
    from nauth.logins.login_store import LoginStore

__all__ = ["Application", "KnownLogin", "RememberedLogin", "known_logins"]

Application: TypeAlias = Mapping[str, str | Secret]
"""What is remembered beside a token to renew it, by name."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]{0,63}")
_LOGIN, _APPLICATION = "login:", "login-application:"
_LEASE = timedelta(seconds=30)
_ZERO = timedelta(0)


def _name(_: object, __: object, value: object) -> None:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise ConfigurationError("the name of a login has up to 64 letters, digits and . _ @ -")


def _read(environ: Mapping[str, str] | None) -> LoginSettings | None:
    # not the mapping itself, which may hold other secrets as text
    return None if environ is None else LoginSettings.of(environ)


@attrs.frozen
class RememberedLogin:
    """A login that ``nauth login`` has remembered. Give it to a client in the place of credentials.

    Args:
        name: which one; several people or instances have several names.
        environ: the variables that say where logins lie; the process environment if None.
        backend: the keyring; by default the first one here that encrypts.

    Raises:
        ConfigurationError: `name` has the wrong form.
    """

    name: str = attrs.field(default="default", validator=_name)
    _settings: LoginSettings | None = attrs.field(
        default=None, kw_only=True, repr=False, eq=False, alias="environ", converter=_read
    )
    backend: KeyringBackend | None = attrs.field(default=None, kw_only=True, repr=False, eq=False)

    def key(self, vendor: str, base_url: str) -> StoreKey:
        """Return the store's key: neither port nor secret nor token is in it, so that the login is found again."""
        return StoreKey(vendor=vendor, base_url=base_url, identity=self.identity())

    def identity(self) -> str:
        """Return the part of the store's key that names the login."""
        return f"{_LOGIN}{self.name}"

    def open_store(self, *, make: bool = False) -> LoginStore:
        """Return the store of this user's logins, which opens itself at the first use.

        Args:
            make: make the file and the key if there are none.
        """
        from nauth.logins.login_store import LoginStore  # noqa: PLC0415 - brings SQLite, which most programs do without

        return LoginStore(self._where(), make=make, backend=self.backend)

    async def prepare(self) -> None:
        """Make the file and the key, if there are none.

        Raises:
            ConfigurationError: there is no keyring that encrypts; see the text for what to do.
        """
        async with self._opened(make=True):
            pass

    async def save(self, vendor: str, base_url: str, token: Token, application: Application) -> None:
        """Remember `token`, and what is needed to renew it.

        Args:
            vendor: the vendor's name.
            base_url: the URL that the token is for.
            token: what the sign-in has brought.
            application: by name; sealed like the token.

        Raises:
            ConfigurationError: there is no keyring that encrypts; see the text for what to do.
            StoreError: the file cannot be written.
        """
        key = self.key(vendor, base_url)
        parts = {
            "plain": {name: value for name, value in application.items() if isinstance(value, str)},
            "secret": {
                name: value.reveal() for name, value in application.items() if isinstance(value, Secret)
            },
        }
        # in a form that a token may have: a store refuses what could stand in no header
        sealed = base64.urlsafe_b64encode(json.dumps(parts).encode()).decode("ascii")
        async with self._opened(make=True) as store:
            await _put(store, _beside(key), Token(access_token=Secret(sealed)))
            await _put(store, key, token)
            await asyncio.to_thread(store.file.mark, key)

    async def load(self, vendor: str, base_url: str) -> Token | None:
        """Return the remembered token, None if there is none."""
        async with self._opened() as store:
            record = await store.load(self.key(vendor, base_url))
            return None if record is None else record.token

    async def forget(self, vendor: str, base_url: str) -> bool:
        """Forget the login; return whether there was one."""
        key, found = self.key(vendor, base_url), False
        async with self._opened() as store:
            for one in (key, _beside(key)):
                record = await store.load(one)
                if record is not None:
                    found = await store.discard(one, record.token) or found
            await asyncio.to_thread(store.file.unmark, key)
        return found

    def exists(self, vendor: str, base_url: str) -> bool:
        """Tell whether there is such a login, from a mark on the disk alone."""
        return self._where().file.has(self.key(vendor, base_url))

    async def application(self, vendor: str, base_url: str, store: TokenStore) -> Application:
        """Return what is needed to renew the login's token.

        Raises:
            InteractionRequiredError: there is no such login.
        """
        record = await store.load(_beside(self.key(vendor, base_url)))
        if record is None:
            raise InteractionRequiredError(f"no login {self.name!r} is remembered: sign in with nauth login")
        parts = cast(
            "dict[str, dict[str, str]]",
            json.loads(base64.urlsafe_b64decode(record.token.access_token.reveal())),
        )
        return {**parts["plain"], **{name: Secret(value) for name, value in parts["secret"].items()}}

    @asynccontextmanager
    async def _opened(self, *, make: bool = False) -> AsyncGenerator[LoginStore]:
        store = self.open_store(make=make)
        try:
            await store.opened()
            yield store
        finally:
            await store.aclose()

    def _where(self) -> LoginSettings:
        return self._settings or LoginSettings.of(os.environ)


@attrs.frozen
class KnownLogin:
    """One remembered login, without its token.

    Attributes:
        vendor: the vendor's name.
        base_url: the URL that it is for.
        name: its name.
        expires_in: how long its token still lives; it may be renewed after that.
        renewable: whether it has a refresh token.
    """

    vendor: str
    base_url: str
    name: str
    expires_in: timedelta | None
    renewable: bool


async def known_logins(environ: Mapping[str, str] | None = None) -> list[KnownLogin]:
    """Return all logins of this user. Asks no keyring: none of it is sealed."""
    file = LoginFile.of(os.environ if environ is None else environ)
    if not await asyncio.to_thread(file.path.exists):
        return []
    from nauth.stores.sqlite.store import SQLiteStore  # noqa: PLC0415 - imported where it is used

    store = SQLiteStore(file.path)
    try:
        return [
            KnownLogin(
                info.key.vendor,
                info.key.base_url,
                info.key.identity.removeprefix(_LOGIN),
                info.expires_in,
                info.refresh_token,
            )
            async for info in store.records()
            if info.key.identity.startswith(_LOGIN)
        ]
    finally:
        await store.aclose()


def _beside(key: StoreKey) -> StoreKey:
    return attrs.evolve(key, identity=key.identity.replace(_LOGIN, _APPLICATION, 1))


async def _put(store: TokenStore, key: StoreKey, token: Token) -> None:
    # a program may be renewing the login that is about to be replaced
    lease = await lease_when_free(store, key, _LEASE)
    try:
        record = await store.load(key)
        version = 0 if record is None else record.version
        await store.commit(lease, token, expected_version=version, age=_ZERO)
    except StoreError:
        await store.release(lease)
        raise
