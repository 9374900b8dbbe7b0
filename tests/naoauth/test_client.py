"""The user's face: requests with each kind of credential, and what a person's sign-in brings."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, web
from yarl import URL

from naoauth import (
    ConfigurationError,
    NaoApiKey,
    NaoCredentialsRejectedError,
    NaoSignInNeededError,
    NaoUnavailableError,
    OriginError,
    Secret,
    SessionLogin,
    SessionRequest,
)
from naoauth.sandbox import data
from nauth.testing import Fault
from tests.support.http.servers import serve
from tests.support.vendors.stages import NaoStage as Stage

_KEY = data.auth_token("opaque")


# --- requests ---------------------------------------------------------------------------------------------------------


async def test_key_and_jwt_are_sent_raw_and_only_oauth_says_bearer() -> None:
    """The point most likely to be coded wrong, looked at where it arrives."""
    async with Stage.opened(oauth_refresh="kept") as stage:
        seen = {}
        for kind in ("api_key", "session", "session_by_key", "oauth"):
            client = await stage.client(stage.sandbox.credentials_of(kind))
            await client.check()
            headers = stage.sandbox.log[-1].headers
            seen[kind] = headers["Authorization"]
            assert headers["Accept"] == "application/json"
            access = (await client.token()).access_token.reveal()
            assert seen[kind] == (f"Bearer {access}" if kind == "oauth" else access)
        assert seen["api_key"] == _KEY
        assert seen["session"].count(".") == 2


async def test_the_two_variants_of_a_session(stage: Stage) -> None:
    """A: the key in the header, no body, no content type. B: JSON, and no Authorization."""
    for kind in ("session_by_key", "session"):
        await (await stage.client(stage.sandbox.credentials_of(kind))).token()
    by_key, by_person = (exchange.headers for exchange in stage.sandbox.log)
    assert by_key["Authorization"] == _KEY
    assert "Content-Type" not in by_key
    assert by_key.get("Content-Length", "0") == "0"
    assert "Authorization" not in by_person
    assert by_person["Content-Type"] == "application/json"
    assert (by_key["Accept"], by_person["Accept"]) == ("application/json", "application/json")


async def test_the_jwt_is_never_used_to_renew_itself(stage: Stage) -> None:
    """Each renewal signs in with the credential."""
    client = await stage.client(stage.sandbox.credentials_of("session_by_key"))
    first = await client.token()
    second = await client.renew()
    assert not second.same_access(first)
    assert [exchange.headers["Authorization"] for exchange in stage.sandbox.log] == [_KEY, _KEY]


async def test_another_origin_gets_nothing(stage: Stage) -> None:
    """Neither by an absolute address nor by a redirect, whatever the credential."""

    async def record(request: Any) -> Any:
        seen.append(dict(request.headers))
        return web.json_response({})

    seen: list[dict[str, str]] = []
    client = await stage.client(NaoApiKey(_KEY))
    with pytest.raises(OriginError):
        client.get("https://example.com/")
    async with serve(record) as other:
        stage.sandbox.faults.add(Fault(status=307, headers={"Location": str(other)}), endpoint="sites")
        async with client.get("/api/v2/sites") as response:
            assert response.status == 200
    assert "Authorization" not in seen[0]


async def test_many_callers_share_one_session_call(stage: Stage) -> None:
    """A cold herd costs one sign-in."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(100)))
    assert all(token is tokens[0] for token in tokens)
    assert stage.calls == (1, 0, 0)


# --- what else a session answer holds ---------------------------------------------------------------------------------


async def test_the_permanent_key_is_handed_out_on_request_only(stage: Stage) -> None:
    """The caller of the endpoint gets it; the token that the client keeps does not have it."""
    client = await stage.client()
    login = SessionLogin(email=data.EMAIL, password=Secret(data.PASSWORD))
    session = await client.api.create_session(SessionRequest(session=login))
    assert session.auth_token == Secret(_KEY)
    token = await client.token()
    assert _KEY not in {*token.extra.values(), token.access_token.reveal()}
    assert token.refresh_token is None


@pytest.mark.parametrize("both", [True, False])
async def test_one_way_to_open_a_session(stage: Stage, both: bool) -> None:
    """Both credentials or none are refused before anything is sent."""
    login = SessionRequest(session=SessionLogin(email="a", password=Secret("p")))
    with pytest.raises(ConfigurationError):
        await (await stage.client()).api.create_session(
            login if both else None, auth_token=Secret("k") if both else None
        )
    assert stage.sandbox.log == []


# --- OAuth ------------------------------------------------------------------------------------------------------------


async def test_a_person_signs_in_through_real_redirects() -> None:
    """The address leads to the authorize page, which sends the person back with code and state."""
    async with Stage.opened(oauth_refresh="rotated_old_dies") as stage, ClientSession() as browser:
        client = await stage.client(attrs.evolve(stage.application(), refresh_token=None))
        with pytest.raises(NaoSignInNeededError, match="sign in"):
            await client.check()
        async with browser.get(client.authorization_url(), allow_redirects=False) as answer:
            callback = answer.headers["Location"]
        token = await client.exchange(callback)
        assert (token.scheme, token.extra["scope"]) == ("Bearer", "public")
        await client.check()
        stage.sandbox.kill_sessions()
        await client.check()
        assert stage.calls == (0, 2, 0)
        with pytest.raises(NaoSignInNeededError, match="state"):
            await client.exchange(callback)


async def test_a_person_who_declines(stage: Stage) -> None:
    """Typed as a matter for the person."""
    client = await stage.client(stage.application())
    stage.sandbox.deny()
    with pytest.raises(NaoSignInNeededError, match="declined"):
        await client.exchange(stage.sandbox.approve(client.authorization_url()))
    stage.sandbox.deny(None)
    await client.exchange(stage.sandbox.approve(client.authorization_url()))
    await client.check()


async def test_an_expired_code(stage: Stage) -> None:
    """Codes live for ten minutes."""
    client = await stage.client(stage.application())
    callback = stage.sandbox.approve(client.authorization_url())
    stage.clock.advance(601)
    with pytest.raises(NaoSignInNeededError, match="code was refused"):
        await client.exchange(URL(callback))


async def test_a_wrong_client_secret(stage: Stage) -> None:
    """The application is refused, not the person."""
    client = await stage.client(attrs.evolve(stage.application(), client_secret="CANARY-wrong"))
    with pytest.raises(NaoCredentialsRejectedError, match="client secret") as refused:
        await client.exchange(stage.sandbox.approve(client.authorization_url()))
    assert "CANARY" not in str(refused.value)


async def test_people_are_kept_apart(stage: Stage) -> None:
    """Two sign-ins through one application do not share a token unless they say they are one account."""
    one, other = (attrs.evolve(stage.application(), account=name) for name in ("ada", "bob"))
    ada, bob, again = [await stage.client(credentials) for credentials in (one, other, one)]
    token = await ada.exchange(stage.sandbox.approve(ada.authorization_url()))
    with pytest.raises(NaoSignInNeededError):
        await bob.token()
    assert (await again.token()).same_access(token)


@pytest.mark.parametrize("kind", ["session", "api_key"])
async def test_only_oauth_sends_people_anywhere(stage: Stage, kind: Any) -> None:
    """The other credentials have no sign-in page."""
    client = await stage.client(stage.sandbox.credentials_of(kind))
    with pytest.raises(ConfigurationError, match="NaoOAuth"):
        client.authorization_url()
    with pytest.raises(ConfigurationError, match="NaoOAuth"):
        await client.exchange("code=1")
    assert (await client._authenticator.refresh(await client.token())).scheme == ""


# --- revocation -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["404", "200"])
async def test_oauth_tokens_are_revoked_if_that_is_possible(value: str) -> None:
    """Forgotten here in any case; an instance that cannot revoke is no error."""
    async with Stage.opened(oauth_revoke=value, oauth_refresh="kept") as stage:
        client = await stage.client(stage.sandbox.credentials_of("oauth"))
        await client.check()
        await client.revoke()
        assert stage.calls[2] == (2 if value == "200" else 1)
        assert stage.sandbox.live_tokens == (value == "404")
        with pytest.raises(NaoSignInNeededError):
            await client.token()


async def test_a_failed_revocation_keeps_the_token() -> None:
    """It can be tried again."""
    async with Stage.opened(oauth_revoke="200", oauth_refresh="kept") as stage:
        client = await stage.client(stage.sandbox.credentials_of("oauth"))
        token = await client.token()
        stage.sandbox.faults.add(Fault(status=503), endpoint="revoke", times=3)
        with pytest.raises(NaoUnavailableError):
            await client.revoke()
        assert (await client.token()).same_access(token)


async def test_an_api_key_cannot_be_revoked(stage: Stage) -> None:
    """It says where keys are renewed, and goes on being served."""
    client = await stage.client(NaoApiKey(_KEY))
    token = await client.renew()
    with pytest.raises(ConfigurationError, match="My Profile"):
        await client.revoke()
    assert (await client._authenticator.refresh(token)).same_access(token)
    assert client._manager.current is token
