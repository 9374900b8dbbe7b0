"""What a user's editor infers. Checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal
from typing import assert_type

from aiohttp import ClientResponse, ClientSession, ClientTimeout

from nauth import Event, RenewalPolicy, Secret, SystemClock, Token, TokenManager, VendorUnavailableError
from nauth.stores import MemoryStore, StoreKey
from nombaauth import (
    Balance,
    Envelope,
    NombaAuthenticator,
    NombaClient,
    NombaCredentials,
    NombaError,
    NombaThrottledError,
    RateLimit,
)


def observe(event: Event) -> None:
    """Take any event."""
    assert_type(event, Event)


async def client() -> None:
    """Use the client as a service would."""
    credentials = NombaCredentials(client_id="id", client_secret="secret", account_id="account")
    assert_type(credentials.client_secret, Secret)
    async with NombaClient(
        credentials,
        environment="sandbox",
        store=MemoryStore(),
        policy=RenewalPolicy(margin=timedelta(minutes=5)),
        clock=SystemClock(),
        observer=observe,
    ) as nomba:
        assert_type(nomba, NombaClient)
        assert_type(await nomba.token(), Token)
        assert_type(await nomba.renew(), Token)
        task = asyncio.create_task(nomba.token())
        assert_type(await task, Token)
        balance = await nomba.check()
        assert_type(balance, Balance)
        assert_type(balance.amount, Decimal)
        assert_type(balance.time_created, datetime)
        envelope = await nomba.api.get_balance(account_id="other")
        assert_type(envelope, Envelope[Balance])
        assert_type(envelope.meta.rate_limit, RateLimit | None)
        async with nomba.get("/v1/transfers/banks", params={"page": 1}) as response:
            assert_type(response, ClientResponse)
        assert_type(await nomba.post("/v1/x", json={"a": 1}, timeout=ClientTimeout(total=5)), ClientResponse)
        async with ClientSession(middlewares=(nomba.auth,)) as session:
            await session.get("https://sandbox.nomba.com/v1/accounts/balance")
        await nomba.revoke()


async def wrong(nomba: NombaClient) -> None:
    """Make mistakes that a checker must see."""
    nomba.get("/v1/x", ssl=False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    nomba.get("/v1/x", tiemout=ClientTimeout(total=5))  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    NombaClient(environment="live")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RenewalPolicy(margin=300)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def errors(nomba: NombaClient) -> timedelta | None:
    """Catch by vendor or by kind."""
    try:
        await nomba.check()
    except NombaThrottledError as error:
        assert_type(error.retry_after, timedelta | None)
    except VendorUnavailableError as error:
        return error.retry_after
    except NombaError as error:
        assert_type(error.status, int | None)
        assert_type(error.code, str | None)
    return None


async def manager(authenticator: NombaAuthenticator) -> None:
    """Use the core by itself."""
    key = StoreKey(vendor="nomba", base_url="https://api.nomba.com", identity="digest")
    tokens = TokenManager(authenticator, key=key)
    token = await tokens.token()
    assert_type(token.authorization, str)
    assert_type(token.expires_at, datetime | None)
    assert_type(await tokens.renew(rejected=token), Token)
    assert_type(tokens.current, Token | None)
    await tokens.aclose()
