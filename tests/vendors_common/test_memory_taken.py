"""A client that waits for its first use takes little: a service that serves thousands of tenants has one for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from naoauth import NaoApiKey, NaoClient
from nauth.stores.memory import MemoryStore
from nomadauth import NomadClient, NomadPassword
from nombaauth import NombaClient, NombaCredentials
from noyoauth import NoyoClient, NoyoCredentials
from tests.support.memory import COUNT, allowed, taken

_CLIENTS: dict[str, tuple[type[Any], Callable[[int], object], int]] = {
    "nomba": (
        NombaClient,
        lambda number: NombaCredentials(client_id=f"c{number}", client_secret="s", account_id=f"a{number}"),
        2_390,
    ),
    "nomad": (NomadClient, lambda number: NomadPassword(username=f"u{number}", password="p"), 2_504),
    "noyo": (NoyoClient, lambda number: NoyoCredentials(client_id=f"c{number}", client_secret="s"), 2_590),
    "nao": (NaoClient, lambda number: NaoApiKey(f"k{number}"), 2_628),
}
"""Of each vendor: the client, credentials by number, and the bytes that were reached."""


@pytest.mark.parametrize("vendor", _CLIENTS)
@pytest.mark.parametrize("given", [True, False], ids=["session given", "no session"])
async def test_a_client_that_was_not_used(vendor: str, *, given: bool) -> None:
    """Beside its credentials an unused client takes less than three and a half kibibytes, its store key included."""
    kind, credentials, reached = _CLIENTS[vendor]
    store, all_credentials = MemoryStore(), [credentials(number) for number in range(COUNT + 1)]
    session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) if given else None

    def made(one: object) -> object:
        return kind(one, base_url="https://h.example.com", session=session, store=store)

    warm = made(all_credentials[0])
    with taken() as each:
        clients = [made(one) for one in all_credentials[1:]]
        assert each() <= allowed(reached, 3_584)
    assert warm not in clients
    if session is not None:
        await session.close()
