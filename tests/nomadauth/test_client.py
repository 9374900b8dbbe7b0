"""The user's face: header bytes, the typed check, ping, logout."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from aiohttp import ClientSession

from nauth.testing import Fault
from nomadauth import (
    ConfigurationError,
    NomadApiKey,
    NomadNotFoundError,
    NomadPermissionDeniedError,
    NomadStaticToken,
    OriginError,
    PingStatus,
)
from nomadauth.sandbox import NomadSandbox
from tests.support.vendors.stages import NomadStage as Stage

# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["password", "sso", "static", "apikey"])
async def test_header_bytes_per_kind(kind: str) -> None:
    """Bearer for tokens of every origin, ApiKey for the key; exactly as the vendor wants it on the wire."""
    async with Stage.opened(static_scheme="both") as stage:
        signed_on = stage.signed_on()
        sandbox = stage.sandbox
        credentials: dict[str, Any] = {
            "password": sandbox.credentials,
            "sso": signed_on,
            "static": sandbox.static_token,
            "apikey": sandbox.api_key,
        }
        client = await stage.client(credentials[kind])
        token = await client.token()
        expected = {
            "password": f"Bearer {token.access_token.reveal()}",
            "sso": f"Bearer {signed_on.token.reveal()}",
            "static": f"Bearer {sandbox.static_token.token.reveal()}",
            "apikey": f"ApiKey {sandbox.api_key.key.reveal()}",
        }[kind]
        async with client.get("/account/user") as response:
            assert response.status == 200
        await client.check()
        for exchange in sandbox.log[-2:]:
            assert exchange.headers.getall("Authorization") == [expected]  # type: ignore[attr-defined]  # a multidict
            assert exchange.headers["Accept"] == "application/json"
            assert exchange.headers["User-Agent"] == "nauth (nomadauth)"
        public = [exchange for exchange in sandbox.log if exchange.endpoint in {"login", "refresh"}]
        assert all("Authorization" not in exchange.headers for exchange in public)


async def test_a_portal_may_see_the_token_too(stage: Stage) -> None:
    """An absolute URL of the portal is allowed where it was named; any other host is not."""
    async with NomadSandbox(clock=stage.clock) as portal:
        client = await stage.client(portal_url=portal.base_url)
        async with client.get(f"{portal.base_url}/api/ping") as response:
            assert await response.json() == "Pong"
        assert "Authorization" in portal.log[0].headers
        with pytest.raises(OriginError):
            client.get("https://example.com/")
        other = await stage.client()
        with pytest.raises(OriginError):
            other.get(f"{portal.base_url}/api/ping")


async def test_a_session_of_ones_own_is_used_and_left_open(stage: Stage) -> None:
    """Requests and typed calls go through the given session; closing leaves it."""
    async with ClientSession(raise_for_status=True) as session:
        client = await stage.client(session=session)
        await client.check()
        stage.sandbox.faults.add(Fault(status=403), endpoint="ping_auth")
        with pytest.raises(NomadPermissionDeniedError):
            await client.check()
        await client.aclose()
        assert not session.closed
    assert stage.calls == (1, 0, 0)


async def test_a_renewal_keeps_what_a_refresh_leaves_out(stage: Stage) -> None:
    """The refresh token and the session's id are those of the login."""
    client = await stage.client()
    first = await client.token()
    second = await client.renew()
    assert not second.same_access(first)
    assert second.refresh_token == first.refresh_token
    assert second.extra == first.extra
    assert list(second.extra) == ["userSessionId"]


async def test_a_check_without_the_ping_asks_for_the_user() -> None:
    """Typed, and it says what answered; a host with neither is an error."""
    async with Stage.opened(auth_ping="absent") as stage:
        client = await stage.client()
        found = await client.check()
        assert (found.endpoint, found.message) == ("user", None)
        assert found.user is not None
        assert found.user.email == "svc@example.com"
        stage.sandbox.faults.add(Fault(status=405), endpoint="unknown")
        assert (await client.check()).endpoint == "user"
        stage.sandbox.faults.add(Fault(status=404), endpoint="user")
        with pytest.raises(NomadNotFoundError):
            await client.check()


@pytest.mark.parametrize("kind", ["sso", "static"])
async def test_without_a_session_there_is_nothing_to_ping(kind: str, stage: Stage) -> None:
    """Nothing is sent."""
    client = await stage.client(stage.signed_on() if kind == "sso" else stage.sandbox.static_token)
    with pytest.raises(ConfigurationError, match="no session"):
        await client.ping()
    assert stage.sandbox.log == []


async def test_a_ping_keeps_the_session_alive(stage: Stage) -> None:
    """With the id of the login, also after a refresh that named none."""
    client = await stage.client()
    await client.renew()
    await client.renew()
    assert (await client.ping()).ping_status is PingStatus.NORMAL


# --- logging out ------------------------------------------------------------------------------------------------------


async def test_a_logout_forgets_and_the_next_call_signs_in(stage: Stage) -> None:
    """The session is over at the vendor and gone here and in the store; the next call logs in, never refreshes."""
    client = await stage.client()
    await client.token()
    await client.logout()
    assert (stage.calls, stage.sandbox.live_tokens) == ((1, 0, 1), 0)
    assert await stage.store.load(client._manager.key) is None
    await client.check()
    assert stage.calls == (2, 0, 1)


async def test_a_cold_client_logs_no_other_out(stage: Stage) -> None:
    """Logging out without a token does not sign in to do so."""
    await (await stage.client()).logout()
    assert stage.sandbox.log == []


@pytest.mark.parametrize("credentials", [NomadStaticToken("t"), NomadApiKey("k")])
async def test_fixed_credentials_cannot_log_out(
    credentials: NomadStaticToken | NomadApiKey, stage: Stage
) -> None:
    """Nothing is sent, whether a token is held or not."""
    client = await stage.client(credentials)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="no session to log out of"):
            await client.logout()
        await client.token()
    assert stage.sandbox.log == []


async def test_a_failed_logout_keeps_the_token(stage: Stage) -> None:
    """While Nomad does not confirm, the token is kept, and logging out can be repeated."""
    client = await stage.client()
    token = await client.token()
    stage.sandbox.faults.add(Fault(status=403), endpoint="logout")
    with pytest.raises(NomadPermissionDeniedError):
        await client.logout()
    assert (await client.token()) is token
    await client.logout()
    assert stage.sandbox.live_tokens == 0


async def test_a_logout_in_the_middle_of_calls_resurrects_nothing(stage: Stage) -> None:
    """Calls in flight end or fail cleanly; the pair that was logged out never comes back."""
    client = await stage.client()
    old = await client.token()
    gate = asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint="ping_auth", times=5)
    flying = [asyncio.create_task(client.check()) for _ in range(5)]
    await stage.sandbox.wait_for("ping_auth", 5)
    await client.logout()
    gate.set()
    assert {found.message for found in await asyncio.gather(*flying)} == {"Pong Auth"}
    assert not (await client.token()).same_access(old)
    assert stage.calls == (2, 0, 1)  # one login for all five, and the dead refresh token was not tried
