"""`RememberedAuthenticator`: renew the token of a remembered login; nothing but a person can issue another."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from nauth.authenticator import Authenticator
from nauth.errors import InteractionRequiredError
from nauth.logins.remembered import Application, RememberedLogin
from nauth.stores.base import StoreKey
from nauth.token import Token

if TYPE_CHECKING:
    from nauth.logins.login_store import LoginStore

__all__ = ["RememberedAuthenticator"]


class RememberedAuthenticator:
    """An `Authenticator` for a login that ``nauth login`` has remembered.

    Args:
        login: which one.
        key: of its token.
        store: where it lies.
        make: turns what was remembered beside the token into the vendor's own authenticator.
        needed: the vendor's error for a person who has to sign in.
        command: what the vendor is called on the command line.
    """

    def __init__(
        self,
        login: RememberedLogin,
        *,
        key: StoreKey,
        store: LoginStore,
        make: Callable[[Application], Authenticator],
        needed: type[InteractionRequiredError],
        command: str,
    ) -> None:
        self._command = command
        self._login = login
        self._key = key
        self._store = store
        self._make = make
        self._needed = needed
        self._made: Authenticator | None = None

    async def issue(self) -> Token:
        """Refuse: a person has to sign in.

        Raises:
            ConfigurationError: the keyring does not answer, or no longer has the key.
            InteractionRequiredError: there is no such login, or it is over.
        """
        await self._store.opened()  # its error says more than that there is no login
        raise self._needed(
            f"the login {self._login.name!r} at {self._key.base_url} is over or was forgotten: sign in again with "
            f"nauth login {self._command}, or set the variables of a credential"
        )

    async def refresh(self, token: Token) -> Token:
        """Renew it as the vendor's own authenticator does."""
        return await (await self._own()).refresh(token)

    async def revoke(self, token: Token) -> None:
        """Revoke it as the vendor's own authenticator does."""
        await (await self._own()).revoke(token)

    async def _own(self) -> Authenticator:
        if self._made is None:
            found = await self._login.application(self._key.vendor, self._key.base_url, self._store)
            self._made = self._make(found)
        return self._made
