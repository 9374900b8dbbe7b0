"""The user's face: settings, header bytes, the typed check, ping, logout, and nothing that shows a secret."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import ClientSession, web
from yarl import URL

from nauth.errors import ClosedError
from nauth.stores import MemoryStore
from nauth.testing import FakeClock, Fault
from nomadauth import (
    ConfigurationError,
    LoginStatus,
    NomadApiKey,
    NomadClient,
    NomadCredentialsRejectedError,
    NomadError,
    NomadInteractionRequiredError,
    NomadMalformedResponseError,
    NomadNotFoundError,
    NomadNotSentError,
    NomadPassword,
    NomadPermissionDeniedError,
    NomadSSO,
    NomadStaticToken,
    NomadThrottledError,
    NomadTokenRefusedError,
    NomadUnavailableError,
    OriginError,
    PingStatus,
    RenewalPolicy,
    Token,
)
from nomadauth.client import _settings
from nomadauth.config import INTERACTIVE_POLICY, POLICY
from nomadauth.sandbox import NomadSandbox
from tests.fakes.http import served
from tests.fakes.leaks import leaks
from tests.nomadauth.conftest import Stage, opened

_HOST = "https://admin-app.example.com"
_PASSWORD = NomadPassword("svc@example.com", "CANARY")
_FULL = {
    "NOMAD_MEDIA_USERNAME": "svc@example.com",
    "NOMAD_MEDIA_PASSWORD": "CANARY\n",
    "NOMAD_MEDIA_BASE_URL": _HOST,
}


# --- settings -------------------------------------------------------------------------------------------------------


def test_everything_may_come_from_the_environment() -> None:
    """Credentials and the address; ``/api`` is put behind it."""
    assert _settings(None, environ=_FULL) == (_PASSWORD, URL(f"{_HOST}/api"), None)


def test_an_argument_wins_over_the_environment() -> None:
    """What is given in code is not mixed with what the process says."""
    found = _settings(NomadApiKey("k"), base_url="https://b.example.com/api", environ=_FULL)
    assert found == (NomadApiKey("k"), URL("https://b.example.com/api"), None)
    assert _settings(None, base_url="https://b.example.com", environ=_FULL)[:2] == (
        _PASSWORD,
        URL("https://b.example.com/api"),
    )


def test_every_fault_is_listed_in_one_error() -> None:
    """Credentials, addresses and the environment that does not exist, all at once and without a value."""
    with pytest.raises(ConfigurationError) as refused:
        _settings(
            None,
            environment="live",
            portal_url="http://portal.example.com",
            sso_base_url="https://user:CANARY@sso.example.com",
            environ={"NOMAD_MEDIA_USERNAME": "CANARY", "NOMAD_MEDIA_API_KEY": "CANARY"},
        )
    text = str(refused.value)
    words = ["contradict", "NOMAD_MEDIA_PASSWORD is not set", "no environments", "NOMAD_MEDIA_BASE_URL"]
    words += ["portal_url uses plain http", "sso_base_url must not contain a user name"]
    assert [word for word in words if word not in text] == []
    assert "CANARY" not in text


@pytest.mark.parametrize("credentials", [("id", "secret"), {"password": "CANARY"}, "CANARY"])
def test_credentials_of_another_type_are_refused(credentials: object) -> None:
    """The error shows the form that works and never the value."""
    with pytest.raises(ConfigurationError, match=r"NomadClient\(NomadPassword\(") as refused:
        NomadClient(credentials, base_url=_HOST)  # type: ignore[arg-type]  # that is the point
    assert "CANARY" not in str(refused.value)


class _Disk(MemoryStore):
    """A store that says it outlives the process."""

    persistent = True


async def test_a_store_that_persists_is_refused_unless_asked_for(stage: Stage) -> None:
    """The error quotes the vendor's advice; the word of the user overrides it."""
    store = _Disk(clock=stage.clock)
    with pytest.raises(ConfigurationError, match=r"Do not persist it to disk.*allow_persistence=True"):
        NomadClient(_PASSWORD, base_url=_HOST, store=store)
    client = await stage.client(store=store, allow_persistence=True)
    assert (await client.check()).message == "Pong Auth"


async def test_the_process_environment_is_read(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`NomadClient()` without arguments signs in."""
    given = stage.sandbox.credentials
    for name, value in (
        ("USERNAME", given.username),
        ("PASSWORD", f" {given.password.reveal()}\n"),
        ("BASE_URL", f"{stage.sandbox.base_url}/api/"),
    ):
        monkeypatch.setenv(f"NOMAD_MEDIA_{name}", value)
    async with NomadClient(store=stage.store, clock=stage.clock) as client:
        assert (await client.check()).endpoint == "ping_auth"


async def test_the_constructor_sends_nothing(stage: Stage) -> None:
    """A client that is never used costs no call, and closes without one."""
    async with NomadClient(_PASSWORD, base_url=stage.sandbox.base_url) as client:
        assert stage.sandbox.base_url in repr(client)
    assert stage.sandbox.log == []


async def test_a_person_gets_time_to_answer() -> None:
    """With somebody to ask, the default policy waits five minutes; one's own policy is left alone."""

    async def nobody(_: object) -> None:
        return None

    def policy_of(**options: Any) -> RenewalPolicy:
        return NomadClient(_PASSWORD, base_url=_HOST, **options)._manager._policy

    own = RenewalPolicy()
    assert policy_of() == POLICY
    assert policy_of(on_interaction=nobody) == INTERACTIVE_POLICY
    assert policy_of(on_interaction=nobody, policy=own) is own


# --- requests -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["password", "sso", "static", "apikey"])
async def test_header_bytes_per_kind(kind: str) -> None:
    """Bearer for tokens of every origin, ApiKey for the key; exactly as the vendor wants it on the wire."""
    async with opened(static_scheme="both") as stage:
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
    async with opened(auth_ping="absent") as stage:
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


# --- failures -------------------------------------------------------------------------------------------------------


async def test_a_wrong_password_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the password anywhere."""
    client = await stage.client(NomadPassword("svc@example.com", "CANARY"))
    for _ in range(3):
        with pytest.raises(NomadCredentialsRejectedError, match="NOMAD_MEDIA_PASSWORD") as refused:
            await client.check()
        assert leaks(refused.value, ["CANARY"]) == []
    assert stage.calls == (1, 0, 0)
    stage.clock.advance(10)
    with pytest.raises(NomadCredentialsRejectedError):
        await client.token()
    assert stage.calls == (2, 0, 0)


async def test_a_wrong_base_url_says_so(stage: Stage) -> None:
    """A host that answers pages instead of JSON is named as the likely cause."""
    client = await stage.client(base_url=f"{stage.sandbox.base_url}/wrong")
    with pytest.raises(NomadCredentialsRejectedError, match="check the base URL"):
        await client.check()


async def test_a_401_that_stays_is_raised_and_starts_a_cool_down(stage: Stage) -> None:
    """One renewal, one replay, then the error; further 401s renew nothing."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    for _ in range(4):
        with pytest.raises(NomadTokenRefusedError, match="another login"):
            await client.check()
    assert stage.calls == (1, 1, 0)
    assert stage.sandbox.requests["ping_auth"] == 2 + 3


async def test_a_403_with_a_live_token_renews_nothing(stage: Stage) -> None:
    """Permission denied is not an expired token."""
    client = await stage.client()
    stage.sandbox.faults.add(Fault(status=403), endpoint="ping_auth", times=3)
    for _ in range(3):
        with pytest.raises(NomadPermissionDeniedError):
            await client.check()
    assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("status", [500, 503])
async def test_an_outage_is_not_a_wrong_password(status: int, stage: Stage) -> None:
    """While the old token lives it is served; no login is spent on the doubt."""
    client = await stage.client()
    old = await client.token()
    stage.sandbox.faults.add(Fault(status=status), endpoint="refresh", times=50)
    stage.clock.advance(3000)
    assert (await client.token()) is old
    await stage.renewals(2)
    await client.check()
    assert stage.sandbox.requests["login"] == 1
    stage.clock.advance(3600)
    with pytest.raises(NomadUnavailableError):
        await client.check()
    assert stage.sandbox.requests["login"] == 1


async def test_throttled_is_throttled_with_the_wait(stage: Stage) -> None:
    """A wait that is too long for the deadline is told at once."""
    stage.sandbox.faults.add(Fault(status=429, headers={"Retry-After": "120"}), endpoint="login")
    client = await stage.client()
    with pytest.raises(NomadThrottledError) as refused:
        await client.check()
    assert refused.value.retry_after == timedelta(seconds=120)


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and never a wrong password."""
    async with opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NomadNotSentError):
            await client.check()


async def test_a_static_token_that_is_refused_is_refused_at_once(stage: Stage) -> None:
    """Every call raises; nothing is renewed, nothing replayed."""
    client = await stage.client(NomadStaticToken("withdrawn"))
    for number in range(1, 4):
        with pytest.raises(NomadTokenRefusedError, match="withdrawn, sent with the wrong scheme"):
            await client.check()
        assert stage.sandbox.requests["ping_auth"] == number
    assert stage.sandbox.token_calls == 0


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.logout, client.renew, client.ping):
        with pytest.raises(ClosedError):
            await door()


# --- logging out -----------------------------------------------------------------------------------------------------


async def test_a_logout_forgets_and_the_next_call_signs_in(stage: Stage) -> None:
    """The session is over at the vendor and gone here and in the store; the next call logs in, never refreshes."""
    client = await stage.client()
    await client.token()
    await client.logout()
    assert (stage.calls, stage.sandbox.live_tokens) == ((1, 0, 1), 0)
    assert await stage.store.load(client._manager.key) is None
    await client.check()
    assert stage.calls == (2, 0, 1)


async def test_a_cold_client_logs_nobody_out(stage: Stage) -> None:
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


# --- nothing shows ---------------------------------------------------------------------------------------------------


async def test_no_secret_in_any_repr_or_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """After a full life, neither the objects nor the debug logs of everything show a secret or token."""
    caplog.set_level(logging.DEBUG)
    client, sso = await stage.client(), await stage.client(stage.signed_on())
    tokens: list[Token] = [await client.token(), await client.renew(), await sso.token(), await sso.renew()]
    for each in (client, sso):
        await each.check()
        await each.logout()
        await each.logout()
    hidden = [stage.sandbox.credentials.password.reveal()]
    for token in tokens:
        hidden += [
            token.access_token.reveal(),
            token.refresh_token.reveal() if token.refresh_token else "-" * 9,
        ]
    parts = [
        client,
        client.api,
        client.auth,
        client._manager,
        sso,
        stage.store,
        stage.events,
        tokens,
        stage.sandbox.log,
    ]
    shown = caplog.text + repr(parts) + repr(vars(client)) + repr(vars(sso))
    assert [text for text in hidden if text in shown] == []


@pytest.mark.parametrize("endpoint", ["login", "refresh", "renew", "logout", "ping_auth", "user", "ping"])
@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=302, headers={"Location": "https://example.com/?CANARY"}),
        Fault(body=b"CANARY"),
        Fault(drop="before"),
        Fault(drop="after"),
        Fault(status=418, body=b'{"message":"CANARY-which-is-a-long-token-of-theirs"}'),
    ],
)
async def test_no_secret_in_any_error(endpoint: str, fault: Fault, stage: Stage) -> None:
    """Whatever fails wherever: neither text, data, chain nor any frame's locals hold a secret, token or wire value."""
    client = await stage.client(stage.signed_on() if endpoint == "renew" else None)
    doors: dict[str, Callable[[], Any]] = {
        "login": client.token,
        "refresh": client.renew,
        "renew": client.renew,
        "logout": client.logout,
        "ping_auth": client.check,
        "user": client.api.get_user,
        "ping": client.ping,
    }
    hidden = [stage.sandbox.credentials.password.reveal(), "CANARY"]
    if endpoint != "login":
        token = await client.token()
        assert token.refresh_token is not None
        hidden += [token.access_token.reveal(), token.refresh_token.reveal()]
    stage.sandbox.faults.add(fault, endpoint=endpoint, times=20)
    if endpoint == "logout" and fault.body is not None and fault.status is None:
        await doors[endpoint]()  # a logout's answer has no body to be read
        return
    with pytest.raises(NomadError) as failed:
        await doors[endpoint]()
    assert leaks(failed.value, hidden) == []


async def test_what_a_qr_code_holds_stays_hidden(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the error nor a log shows it; whoever needs it opens it."""
    caplog.set_level(logging.DEBUG)
    async with opened() as stage:
        client = await stage.client(stage.sandbox.account(LoginStatus.TWO_FACTOR_SETUP_REQUIRED))
        with pytest.raises(NomadInteractionRequiredError) as refused:
            await client.token()
    wanted = refused.value.interaction
    assert wanted is not None
    assert wanted.qr_code is not None
    assert wanted.qr_code_image is not None
    canaries = [wanted.qr_code.reveal(), wanted.qr_code_image.reveal()]
    assert leaks(refused.value, canaries) == []
    assert not any(canary in caplog.text for canary in canaries)


async def test_a_web_page_is_not_a_working_token() -> None:
    """A 200 from something that is no API proves nothing."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async with (
        served(page) as url,
        NomadClient(NomadApiKey("k"), base_url=url, store=MemoryStore()) as client,
    ):
        with pytest.raises(NomadMalformedResponseError):
            await client.check()


def test_the_front_doors_signature_is_the_designs() -> None:
    """The options all vendors share come first, in the same order."""
    options = list(inspect.signature(NomadClient).parameters)
    shared = ["credentials", "environment", "base_url", "session", "store", "policy", "clock", "observer"]
    assert options == [*shared, "allow_persistence", "on_interaction", "portal_url", "sso_base_url"]


async def test_two_sign_ons_do_not_mix() -> None:
    """Each sign-on is a session of its own."""
    store, clock = MemoryStore(), FakeClock()
    async with (
        NomadClient(NomadSSO("azure", "one", "r"), base_url=_HOST, store=store, clock=clock) as first,
        NomadClient(NomadSSO("azure", "two", "r"), base_url=_HOST, store=store, clock=clock) as second,
    ):
        assert not (await first.token()).same_access(await second.token())
