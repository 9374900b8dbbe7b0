"""A manager that waits for its first use, or has been used once, takes little: a service may hold thousands."""

from __future__ import annotations

from datetime import timedelta

from nauth.authenticator import Authenticator
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.stores.memory import MemoryStore
from nauth.token import Token
from tests.support.memory import COUNT, allowed, taken


class Issuer(Authenticator):
    """Issues tokens and remembers nothing: what it kept would be measured."""

    async def issue(self) -> Token:
        """Return a token of an hour."""
        return Token(access_token=Secret("t"), lifetime=timedelta(hours=1))

    async def refresh(self, token: Token) -> Token:
        """Return another one."""
        raise NotImplementedError

    async def revoke(self, token: Token) -> None:
        """End nothing."""
        raise NotImplementedError


def parts() -> list[tuple[Issuer, StoreKey]]:
    """Return what managers are made of, one more than are measured."""
    return [
        (Issuer(), StoreKey(vendor="fake", base_url="https://h", identity=str(number)))
        for number in range(COUNT + 1)
    ]


async def test_a_manager_that_was_not_used() -> None:
    """Beside its key and authenticator an unused manager takes less than a kibibyte."""
    store, given = MemoryStore(), parts()
    warm = TokenManager(given[0][0], key=given[0][1], store=store)
    with taken() as each:
        managers = [TokenManager(issuer, key=key, store=store) for issuer, key in given[1:]]
        assert each() <= allowed(841, 1_024)
    assert warm not in managers


async def test_a_manager_after_one_renewal() -> None:
    """One renewal adds the token, the store's record and listener, and what is kept for the loop; no lock, no table."""
    store, given = MemoryStore(), parts()
    warm = TokenManager(given[0][0], key=given[0][1], store=store)
    await warm.token()
    with taken() as each:
        managers = [TokenManager(issuer, key=key, store=store) for issuer, key in given[1:]]
        for manager in managers:
            await manager.token()
        assert each() <= allowed(2_554, 3_072)
    for manager in (warm, *managers):
        await manager.aclose()
