"""The user's face: requests with each kind of credential, what they cost, and what a person's sign-in brings."""

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
    NaoBadRequestError,
    NaoClient,
    NaoCredentials,
    NaoCredentialsRejectedError,
    NaoMalformedResponseError,
    NaoNotSentError,
    NaoOAuth,
    NaoOutcomeUnknownError,
    NaoPermissionDeniedError,
    NaoSession,
    NaoSignInNeededError,
    NaoTokenRefusedError,
    NaoUnavailableError,
    OriginError,
    Secret,
    SessionLogin,
    SessionRequest,
)
from naoauth.sandbox import data
from nauth.errors import NauthError
from nauth.testing import Fault
from tests.fakes.leaks import leaks
from tests.fakes.servers import serve
from tests.naoauth.conftest import Stage, opened

_KEY = data.auth_token("opaque")


# --- bytes on the wire -----------------------------------------------------------------------------------------------


async def test_key_and_jwt_are_sent_raw_and_only_oauth_says_bearer() -> None:
    """The point most likely to be coded wrong, looked at where it arrives."""
    async with opened(oauth_refresh="kept") as stage:
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


async def test_secrets_are_in_no_address_and_no_repr(stage: Stage) -> None:
    """No query ever carries a credential, and no repr of client or token shows one."""
    client = await stage.client()
    await client.check()
    token = await client.token()
    assert all("?" not in exchange.path for exchange in stage.sandbox.log)
    for secret in (token.access_token.reveal(), data.PASSWORD, _KEY):
        assert secret not in f"{client!r} {token!r} {client.api!r} {stage.events!r}"


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


async def test_custom_base_urls_reach_sessions_and_oauth(stage: Stage) -> None:
    """With or without ``/api/v2``; the OAuth addresses follow."""
    client = await stage.client(base_url=f"{stage.sandbox.base_url}/api/v2/")
    await client.check()
    assert [exchange.path for exchange in stage.sandbox.log] == ["/api/v2/sessions", "/api/v2/sites"]
    oauth = await stage.client(stage.sandbox.credentials_of("oauth"))
    assert oauth.authorization_url().startswith(f"{stage.sandbox.base_url}/oauth/authorize?")
    async with NaoClient(
        NaoOAuth(client_id="i", client_secret="s", redirect_uri="r"), base_url="https://nao.example/x/api/v2"
    ) as other:
        assert other.authorization_url().startswith("https://nao.example/x/oauth/authorize?")


# --- 401 -------------------------------------------------------------------------------------------------------------


async def test_a_refused_api_key_costs_one_request(stage: Stage) -> None:
    """Nothing could be renewed: the 401 is final, typed, and names the JWT alternative; plain requests see it."""
    client = await stage.client(NaoApiKey("wrong"))
    with pytest.raises(NaoCredentialsRejectedError, match=r"NaoSession\(auth_token"):
        await client.check()
    assert len(stage.sandbox.log) == 1
    async with client.get("/api/v2/sites") as response:
        assert response.status == 401
    assert len(stage.sandbox.log) == 2


async def test_a_401_gets_one_new_session_and_one_replay(stage: Stage) -> None:
    """Success the second time is success."""
    client = await stage.client()
    await client.check()
    stage.sandbox.kill_sessions()
    await client.check()
    assert stage.calls == (2, 0, 0)
    assert stage.sandbox.unauthorized == 1


async def test_a_second_401_is_final(stage: Stage) -> None:
    """One renewal for any number of calls, and a typed error."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    for _ in range(3):
        with pytest.raises(NaoTokenRefusedError):
            await client.check()
    assert stage.calls == (2, 0, 0)


async def test_many_callers_share_one_session_call(stage: Stage) -> None:
    """A cold herd costs one sign-in."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(100)))
    assert all(token is tokens[0] for token in tokens)
    assert stage.calls == (1, 0, 0)


async def test_an_outage_while_the_jwt_lives_is_not_seen(stage: Stage) -> None:
    """A failed renewal is quiet."""
    client = await stage.client()
    old = await client.token()
    assert old.lifetime is not None
    stage.clock.advance(old.lifetime * 0.997)
    stage.sandbox.faults.add(Fault(status=503), endpoint="sessions", times=9)
    assert (await client.token()) is old
    await stage.renewals(2)
    assert (await client.token()) is old
    await client.check()


@pytest.mark.parametrize(
    "fault, kind",
    [
        (Fault(status=403), NaoPermissionDeniedError),
        (Fault(status=422), NaoBadRequestError),
        (Fault(status=500), NaoUnavailableError),
        (Fault(status=200, body=b"<html>"), NaoMalformedResponseError),
        (Fault(drop="after"), NaoOutcomeUnknownError),
    ],
)
async def test_failures_of_a_check(stage: Stage, fault: Fault, kind: type[NauthError]) -> None:
    """Each typed; none renews."""
    client = await stage.client()
    await client.token()
    stage.sandbox.faults.add(fault, endpoint="sites", times=9)
    with pytest.raises(kind):
        await client.check()
    assert stage.calls == (1, 0, 0)


async def test_a_redirect_of_the_sessions_call_is_not_followed(stage: Stage) -> None:
    """It would carry the password along; the error names the address."""
    stage.sandbox.faults.add(
        Fault(status=302, headers={"Location": "https://evil.example/"}), endpoint="sessions"
    )
    with pytest.raises(NaoMalformedResponseError, match=r"127\.0\.0\.1:\d+/api/v2/sessions"):
        await (await stage.client()).check()
    assert len(stage.sandbox.log) == 1


async def test_no_connection_is_typed() -> None:
    """Nothing listens: nothing was sent."""
    async with NaoClient(NaoSession(auth_token="k"), base_url="http://127.0.0.1:1", clock=None) as client:
        with pytest.raises(NaoNotSentError):
            await client.token()


# --- what else a session answer holds --------------------------------------------------------------------------------


async def test_the_permanent_key_is_handed_out_on_request_only(stage: Stage) -> None:
    """Whoever calls the endpoint gets it; the token that the client keeps does not have it."""
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


async def test_an_odd_answer_is_helped_by_settings() -> None:
    """`jwt_key` and `expires_key` name what no rule could find."""
    async with opened(jwt_key="odd_name", expiry_key="odd_name", jwt_exp="absent", jwt_life=3600) as stage:
        credentials = attrs.evolve(
            stage.sandbox.credentials, jwt_key="nao_pass", expires_key="good_until_then"
        )
        token = await (await stage.client(credentials)).token()
        assert token.lifetime is not None
        assert token.lifetime.total_seconds() == 3600


# --- OAuth -----------------------------------------------------------------------------------------------------------


async def test_a_person_signs_in_through_real_redirects() -> None:
    """The address leads to the authorize page, which sends the person back with code and state."""
    async with opened(oauth_refresh="rotated_old_dies") as stage, ClientSession() as browser:
        client = await stage.client(attrs.evolve(_application(stage), refresh_token=None))
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


def _application(stage: Stage) -> NaoOAuth:
    credentials = stage.sandbox.credentials_of("oauth")
    assert isinstance(credentials, NaoOAuth)
    return credentials


async def test_a_person_who_declines(stage: Stage) -> None:
    """Typed as a matter for the person."""
    client = await stage.client(_application(stage))
    stage.sandbox.deny()
    with pytest.raises(NaoSignInNeededError, match="declined"):
        await client.exchange(stage.sandbox.approve(client.authorization_url()))
    stage.sandbox.deny(None)
    await client.exchange(stage.sandbox.approve(client.authorization_url()))
    await client.check()


async def test_an_expired_code(stage: Stage) -> None:
    """Codes live for ten minutes."""
    client = await stage.client(_application(stage))
    callback = stage.sandbox.approve(client.authorization_url())
    stage.clock.advance(601)
    with pytest.raises(NaoSignInNeededError, match="code was refused"):
        await client.exchange(URL(callback))


async def test_a_wrong_client_secret(stage: Stage) -> None:
    """The application is refused, not the person."""
    client = await stage.client(attrs.evolve(_application(stage), client_secret="CANARY-wrong"))
    with pytest.raises(NaoCredentialsRejectedError, match="client secret") as refused:
        await client.exchange(stage.sandbox.approve(client.authorization_url()))
    assert "CANARY" not in str(refused.value)


async def test_people_are_kept_apart(stage: Stage) -> None:
    """Two sign-ins through one application do not share a token unless they say they are one account."""
    one, other = (attrs.evolve(_application(stage), account=name) for name in ("ada", "bob"))
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


# --- revocation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["404", "200"])
async def test_oauth_tokens_are_revoked_if_that_is_possible(value: str) -> None:
    """Forgotten here in any case; an instance that cannot revoke is no error."""
    async with opened(oauth_revoke=value, oauth_refresh="kept") as stage:
        client = await stage.client(stage.sandbox.credentials_of("oauth"))
        await client.check()
        await client.revoke()
        assert stage.calls[2] == (2 if value == "200" else 1)
        assert stage.sandbox.live_tokens == (value == "404")
        with pytest.raises(NaoSignInNeededError):
            await client.token()


async def test_a_failed_revocation_keeps_the_token() -> None:
    """It can be tried again."""
    async with opened(oauth_revoke="200", oauth_refresh="kept") as stage:
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


async def test_everything_may_come_from_the_environment(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`NaoClient()` without arguments signs in."""
    for name in ("NAO_CLIENT_ID", "NAO_CLIENT_SECRET", "NAO_REDIRECT_URI", "NAO_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NAO_EMAIL", data.EMAIL)
    monkeypatch.setenv("NAO_PASSWORD", f"{data.PASSWORD}\n")
    monkeypatch.setenv("NAO_BASE_URL", stage.sandbox.base_url)
    async with NaoClient(store=stage.store, clock=stage.clock) as client:
        assert len((await client.check()).sites) == 2


# --- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'{"meta": {"n": 1, "other": "CANARY.CANARY", "auth_token": "CANARY"}}',
        b'{"meta": {"jwt": ["CANARY"]}, "data": {"attributes": {"auth_token": "CANARY"}}}',
        b"CANARY",
        b'{"access_token": "CANARY", "token_type": "mac"}',
        b'{"access_token": 7, "refresh_token": "CANARY"}',
        b'{"error": "invalid_grant", "error_description": "CANARY-CANARY-CANARY-CANARY"}',
    ],
)
@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("kind", ["session", "session_by_key", "oauth"])
async def test_no_failure_shows_a_secret(
    kind: Any, status: int, body: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """Neither the request's secrets nor the answer's: not in text, data, log, chain, or locals of our frames."""
    async with opened() as stage:
        client = await stage.client(_planted(stage.sandbox.credentials_of(kind)))
        stage.sandbox.faults.add(Fault(status=status, body=body), endpoint="sessions", times=9)
        stage.sandbox.faults.add(Fault(status=status, body=body), endpoint="token", times=9)
        with pytest.raises(NauthError) as refused:
            await _attempt(stage, client, kind)
        assert leaks(refused.value, ["CANARY"]) == []
        assert "CANARY" not in caplog.text


async def _attempt(stage: Stage, client: NaoClient, kind: str) -> None:
    if kind == "oauth":
        await client.exchange(f"{stage.sandbox.approve(client.authorization_url())}&x=CANARY")
    await client.check()


def _planted(credentials: NaoCredentials) -> NaoCredentials:
    if isinstance(credentials, NaoOAuth):
        return attrs.evolve(credentials, client_secret="CANARY-secret")
    if isinstance(credentials, NaoSession) and credentials.password is not None:
        return attrs.evolve(credentials, password="CANARY-password")
    return NaoSession(auth_token="CANARY-key")


async def test_a_refused_callback_shows_nothing(stage: Stage) -> None:
    """A forged state, or a page instead of an address."""
    client = await stage.client(_application(stage))
    client.authorization_url()
    for callback in ("code=CANARY&state=CANARY", "CANARY" * 9999, f"code=CANARY&{'code=CANARY'}"):
        with pytest.raises(NauthError) as refused:
            await client.exchange(callback)
        assert leaks(refused.value, ["CANARY"]) == []
