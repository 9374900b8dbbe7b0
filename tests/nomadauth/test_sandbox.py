"""The double of Nomad Media does what the documents say, whatever the switches."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession
from yarl import URL

from nomadauth import LoginStatus, sso_login_url
from nomadauth.sandbox import NomadSandbox
from nomadauth.sandbox.data import APPLICATION_ID
from tests.support.vendors.callers.nomad import Caller, calling


@pytest.fixture
async def nomad() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"no json", b'{"userName":5,"password":"x"}', b'{"userName":"x"}']
)
async def test_a_body_without_its_fields_is_a_bad_request(raw: bytes, nomad: Caller) -> None:
    """Login and refresh want text where they name it."""
    for path in ("login", "refresh-token"):
        assert (await nomad.call("POST", f"/api/account/{path}", data=raw)).status == 400


async def test_two_factors(nomad: Caller) -> None:
    """Enrolment shows what to scan once; from then on a code is wanted, and only the right one does."""
    given = nomad.sandbox.account(LoginStatus.TWO_FACTOR_SETUP_REQUIRED)
    first = (await nomad.login(given)).body
    assert (first["loginStatus"], first["token"]) == ("TwoFactorSetupRequired", None)
    assert first["twoFactorQRCode"].startswith("otpauth://")

    async def login(code: str) -> Any:
        body = {"userName": given.username, "password": given.password.reveal(), "token": code}
        return (await nomad.call("POST", "/api/account/login", json=body)).body

    assert (await login("000000"))["loginStatus"] == "TwoFactorSetupRequired"
    assert (await login("314159"))["token"]
    assert (await login("000000"))["loginStatus"] == "TwoFactorCodeRequired"
    assert (await login("314159"))["token"]


async def test_a_new_password(nomad: Caller) -> None:
    """Once chosen, it is the only one that works, without asking again; a new sandbox has forgotten it."""
    given = nomad.sandbox.account(LoginStatus.IS_PENDING_NEW_PASSWORD)
    assert (await nomad.login(given)).body["loginStatus"] == "IsPendingNewPassword"
    assert (await nomad.login(given, newPassword="a new one")).body["token"]
    assert (await nomad.login(given)).status == 404
    assert (await nomad.login(given, password="a new one")).body["token"]
    assert NomadSandbox().account(LoginStatus.IS_PENDING_NEW_PASSWORD) == given


async def test_logging_out_needs_a_live_token(nomad: Caller) -> None:
    """And ends that session only."""
    (one, _), (two, _) = await nomad.pair(), await nomad.pair()
    assert (await nomad.call("POST", "/api/account/logout", json={})).status == 401
    assert (await nomad.call("POST", "/api/account/logout", token=one, json={})).status == 200
    assert [await nomad.user(one), await nomad.user(two)] == [401, 200]


async def test_an_application_id_is_wanted_everywhere() -> None:
    """Logout and ping too; a single sign-on knows of none."""
    async with calling(application_id="required") as caller:
        body = (await caller.login(applicationId=APPLICATION_ID)).body
        for path in ("logout", "ping"):
            sent = {"userSessionId": body["userSessionId"]}
            answer = await caller.call("POST", f"/api/account/{path}", token=body["token"], json=sent)
            assert answer.status == 400
        token = caller.sign_on()["azure_token"]
        assert (await caller.call("POST", "/api/account/logout", token=token, json={})).status == 200


async def test_a_ping_wants_a_session(nomad: Caller) -> None:
    """400 without the id of one."""
    token, _ = await nomad.pair()
    assert (await nomad.call("POST", "/api/account/ping", token=token, json={})).status == 400


async def test_the_way_of_a_single_sign_on(nomad: Caller) -> None:
    """From the login address to the callback, and on to where the tokens are; a wrong code is refused."""
    login = await nomad.call("GET", "/api/auth/azure/login")
    back = await nomad.call("GET", login.headers["Location"])
    query = URL(back.headers["Location"]).query
    assert await nomad.user(query["azure_token"]) == 200
    assert (await nomad.call("GET", "/api/auth/azure/callback?code=x&state=y")).status == 400
    assert (await nomad.call("POST", "/api/auth/azure/renew", json={})).status == 400
    assert (await nomad.call("GET", "/api/auth/okta/login")).status == 404


async def test_the_controls(nomad: Caller) -> None:
    """Sessions can be killed, with or without what renews them; everything can be refused; and it is counted."""
    token, refresh = await nomad.pair()
    nomad.sandbox.kill_sessions()
    assert (await nomad.user(token), nomad.sandbox.live_tokens) == (401, 0)
    again = (await nomad.refresh(refresh)).body["token"]
    nomad.sandbox.reject_all = True
    assert await nomad.user(again) == 401
    nomad.sandbox.reject_all = False
    assert await nomad.user(again) == 200
    nomad.sandbox.kill_sessions(kill_refresh=True)
    assert (await nomad.refresh(refresh)).status == 404
    assert (nomad.sandbox.unauthorized, nomad.sandbox.token_calls) == (2, 3)


async def test_a_static_user_has_a_name(nomad: Caller) -> None:
    """A static token has a user too, and the bare ping needs none; an unknown path is a page."""
    token = nomad.sandbox.static_token.token.reveal()
    assert (await nomad.call("GET", "/api/account/user", token=token)).body["email"] == "svc@example.com"
    assert (await nomad.call("GET", "/api/ping")).body == "Pong"
    assert (await nomad.call("GET", "/nowhere")).headers["Content-Type"].startswith("text/html")


async def test_an_echo_says_what_arrived(nomad: Caller) -> None:
    """Length and digest of the body."""
    token, _ = await nomad.pair()
    answer = await nomad.call("POST", "/api/echo", token=token, data=b"x" * 100_000)
    assert answer.body == {"length": 100_000, "sha256": hashlib.sha256(b"x" * 100_000).hexdigest()}


async def test_sessions_of_others_are_left_alone() -> None:
    """Where one account keeps a single session, another account's is not touched."""
    async with calling(user_session="newest_only", replaced_session_signal="401") as caller:
        body = (await caller.login(caller.sandbox.second_credentials)).body
        caller.sandbox.take_over()
        assert await caller.user(body["token"]) == 200


async def test_a_button_and_a_return_address_of_ones_own() -> None:
    """With a consent page a person presses a button; allowed, the browser is sent to the address that was set."""
    there = "http://127.0.0.1:4711/back"
    async with NomadSandbox(sso_return=there, consent_page=True) as sandbox, ClientSession() as browser:
        start = sso_login_url("azure", sandbox.base_url)
        async with browser.get(start) as page:
            assert 'id="allow"' in await page.text()
        async with browser.post(start, data={"decision": "deny"}) as denied:
            assert denied.status == 403
        async with browser.post(start, data={"decision": "allow"}, allow_redirects=False) as allowed:
            callback = allowed.headers["Location"]
        async with browser.get(callback, allow_redirects=False) as back:
            assert back.headers["Location"].startswith(f"{there}?")
        assert sandbox.sign_on().startswith(f"{there}?")
