"""The double of Nomad Media does what the documents say, and each switch changes what it is named for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, TypeAlias

import aiohttp
import attrs
import pytest

from nauth import jwt
from nauth.errors import ConfigurationError
from nauth.testing import FakeClock
from nomadauth import LoginStatus, NomadPassword, Secret
from nomadauth.sandbox import SWITCHES, NomadSandbox, SwitchOptions
from nomadauth.sandbox.data import APPLICATION_ID
from nomadauth.sandbox.switches import Switches, parse


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    raw: bytes
    headers: Mapping[str, str]
    names: tuple[str, ...]
    """The headers' names as they stood on the wire."""

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NomadSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, token: str | None = None, scheme: str = "Bearer", **options: Any
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"{scheme} {token}"}
        url = path if path.startswith("http") else f"{self.sandbox.base_url}{path}"
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as answer:
            names = tuple(name.decode() for name, _ in answer.raw_headers)
            return Answer(answer.status, await answer.read(), answer.headers, names)

    async def login(
        self, credentials: NomadPassword | None = None, *, token: str | None = None, **more: Any
    ) -> Answer:
        given = credentials or self.sandbox.credentials
        body = {"userName": given.username, "password": given.password.reveal()} | more
        body = {name: value for name, value in body.items() if value is not None}
        return await self.call("POST", "/api/account/login", token=token, json=body)

    async def pair(self) -> tuple[str, str]:
        body = (await self.login()).body
        return body["token"], body["refreshToken"]

    async def refresh(self, refresh_token: str, *, token: str | None = None) -> Answer:
        body = {"refreshToken": refresh_token}
        return await self.call("POST", "/api/account/refresh-token", token=token, json=body)

    async def renew(self, refresh_token: str, *, token: str | None = None) -> Answer:
        return await self.call(
            "POST", "/api/auth/azure/renew", token=token, json={"refreshToken": refresh_token}
        )

    async def user(self, token: str | None, scheme: str = "Bearer") -> int:
        return (await self.call("GET", "/api/account/user", token=token, scheme=scheme)).status

    def sign_on(self) -> dict[str, str]:
        query = self.sandbox.sign_on().partition("?")[2]
        return dict(pair.split("=", 1) for pair in query.split("&"))


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NomadSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)


@pytest.fixture
async def nomad() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


# --- one probe a switch: what it changes, as a value that can be compared -------------------------------------------

Probe: TypeAlias = Callable[[Caller], Awaitable[object]]


async def _login_ids(caller: Caller) -> object:
    given = caller.sandbox.credentials
    bodies = [
        {name: given.username, "password": given.password.reveal()}
        for name in ("userName", "username", "email")
    ]
    return [(await caller.call("POST", "/api/account/login", json=body)).status for body in bodies]


async def _names(caller: Caller) -> object:
    return {name for name in (await caller.login()).body if "oken" in name or name.lower() == "id"}


async def _expiry(caller: Caller) -> object:
    body = (await caller.login()).body
    return {name: body[name] for name in ("expirationSeconds", "expiresIn") if name in body}


async def _life(caller: Caller) -> object:
    token, _ = await caller.pair()
    lives = [await caller.user(token)]
    for step in (2699, 2, 898, 2):
        caller.clock.advance(step)
        lives.append(await caller.user(token))
    return lives


async def _claims(caller: Caller) -> object:
    return {"iat", "exp"} & set(jwt.claims(Secret((await caller.pair())[0])))


async def _rotation(caller: Caller) -> object:
    token, refresh = await caller.pair()
    new = (await caller.refresh(refresh)).body.get("refreshToken")
    kind = None if new is None else new == refresh
    return (
        kind,
        (await caller.refresh(refresh)).status,
        await caller.user(token),
        caller.sandbox.refresh_reuses,
    )


async def _refresh_life(caller: Caller) -> object:
    _, refresh = await caller.pair()
    caller.clock.advance(61)
    return (await caller.refresh(refresh)).status


async def _refused(caller: Caller) -> object:
    answer = await caller.refresh("nobody's")
    return answer.status


async def _bad_login(caller: Caller) -> object:
    answer = await caller.login(password="wrong")
    return answer.status, answer.headers["Content-Type"].partition(";")[0]


async def _blocked(caller: Caller) -> object:
    answer = await caller.login(caller.sandbox.account(LoginStatus.IS_DISABLED))
    return answer.status, answer.body.get("loginStatus")


async def _dead_token(caller: Caller) -> object:
    return await caller.user("nobody's")


async def _body(caller: Caller) -> object:
    raw = (await caller.login(password="wrong")).raw
    return raw.decode() if not raw.startswith(b"{") else sorted(json.loads(raw))


async def _public(caller: Caller) -> object:
    token, refresh = await caller.pair()
    return (await caller.login(token=token)).status, (await caller.refresh(refresh, token=token)).status


async def _application(caller: Caller) -> object:
    return (await caller.login()).status, (await caller.login(applicationId=APPLICATION_ID)).status


async def _second_login(caller: Caller) -> object:
    body = (await caller.login()).body
    caller.sandbox.take_over()
    ping = {"userSessionId": body["userSessionId"]}
    answer = await caller.call("POST", "/api/account/ping", token=body["token"], json=ping)
    return answer.body["pingStatus"] if answer.status == 200 else answer.status


async def _logout(caller: Caller) -> object:
    body = (await caller.login()).body
    without = (await caller.call("POST", "/api/account/logout", token=body["token"], json={})).status
    named = {"userSessionId": body["userSessionId"]}
    again = (await caller.call("POST", "/api/account/logout", token=body["token"], json=named)).status
    return without, again, caller.sandbox.live_tokens, (await caller.refresh(body["refreshToken"])).status


async def _auth_ping(caller: Caller) -> object:
    token, _ = await caller.pair()
    paths = [("GET", "/api/ping/auth"), ("POST", "/api/account/ping/auth")]
    return [(await caller.call(method, path, token=token)).status for method, path in paths]


async def _mount(caller: Caller) -> object:
    sso = caller.sandbox.sso_base_url or f"{caller.sandbox.base_url}/api"
    found = (await caller.call("GET", f"{sso}/auth/azure/login")).status
    return (
        caller.sandbox.base_url.removeprefix("http://127.0.0.1:").lstrip("0123456789"),
        found,
        sso[-4:] == "/api",
    )


async def _sso_names(caller: Caller) -> object:
    return sorted(caller.sign_on())


async def _sso_expires(caller: Caller) -> object:
    return caller.sign_on().get("expires")


async def _sso_encoding(caller: Caller) -> object:
    return "%2B" in caller.sign_on()["azure_refresh_token"], "+" in caller.sign_on()["azure_refresh_token"]


async def _sso_header(caller: Caller) -> object:
    query = {"code": "sso-code-1", "state": "sso-state-1"}
    answer = await caller.call("GET", "/api/auth/azure/callback", params=query)
    return answer.status, [name for name in answer.names if name.lower() == "location"]


async def _renew(caller: Caller) -> object:
    query = caller.sign_on()
    plain = (await caller.renew(query["azure_refresh_token"])).status
    return plain, (await caller.renew(query["azure_refresh_token"], token=query["azure_token"])).status


async def _renew_refused(caller: Caller) -> object:
    _, refresh = await caller.pair()
    return (await caller.renew(refresh)).status  # a login's refresh token is none of a sign-on's


async def _renew_rotation(caller: Caller) -> object:
    refresh = caller.sign_on()["azure_refresh_token"]
    new = (await caller.renew(refresh)).body.get("refreshToken")
    return None if new is None else new == refresh, (await caller.renew(refresh)).status


async def _static(caller: Caller) -> object:
    token, key = caller.sandbox.static_token.token.reveal(), caller.sandbox.api_key.key.reveal()
    return [await caller.user(token), await caller.user(key, "ApiKey"), await caller.user("x", "ApiKey")]


async def _throttled(caller: Caller) -> object:
    first = await caller.login()
    caller.clock.advance(0.25)
    second = await caller.login()
    caller.clock.advance(1.75)
    return first.status, "Retry-After" in first.headers, second.status, (await caller.login()).status


_PROBES: dict[str, tuple[Probe, list[object], dict[str, Any]]] = {
    "login_id_match": (_login_ids, [[200, 400, 400], [200, 200, 400], [200, 400, 200]], {}),
    "json_case": (_names, [{"id", "token", "refreshToken"}, {"Id", "Token", "RefreshToken"}], {}),
    "token_field": (
        _names,
        [{"id", name, "refreshToken"} for name in ("token", "authorizationToken", "accessToken")],
        {},
    ),
    "expiry_value": (
        _expiry,
        [{"expirationSeconds": value} for value in (3600.0, 2700.0, 2.0, "3600")]
        + [{}]
        + [{"expirationSeconds": value} for value in (None, 0, -3600.0, 1e300)],
        {},
    ),
    "expiry_field": (_expiry, [{"expirationSeconds": 3600.0}, {"expiresIn": 3600.0}], {}),
    "token_life": (_life, [[200, 200, 200, 200, 401], [200, 200, 401, 401, 401]], {}),
    "token_kind": (_claims, [{"iat", "exp"}, {"exp"}, set()], {}),
    "refresh_rotation": (
        _rotation,
        [(None, 200, 200, 0), (True, 200, 200, 0), (False, 200, 200, 0), (False, 404, 200, 1)],
        {},
    ),
    "refresh_kills_old_token": (_rotation, [(None, 200, 200, 0), (None, 200, 401, 0)], {}),
    "refresh_life": (_refresh_life, [200, 404], {}),
    "refresh_refused_status": (_refused, [404, 400, 401, 403], {}),
    "bad_login_status": (
        _bad_login,
        [(404, "application/json"), (404, "text/html"), (400, "application/json"), (401, "application/json")],
        {},
    ),
    "blocked_account": (_blocked, [(403, "IsDisabled"), (200, "IsDisabled")], {}),
    "status_wire": (_blocked, [(403, "IsDisabled"), (403, 3), (403, "IsSomethingNew"), (403, 97)], {}),
    "expired_token_status": (_dead_token, [401, 403], {}),
    "error_body": (
        _body,
        [
            ["detail", "instance", "status", "title", "type"],
            '"Invalid user name or password"',
            ["errors", "message"],
            ["errors"],
            ["errors"],
            "Invalid user name or password",
            "<!DOCTYPE html><h1>404</h1>",
            "",
        ],
        {},
    ),
    "public_calls": (_public, [(400, 400), (200, 200)], {}),
    "application_id": (_application, [(200, 200), (400, 200)], {}),
    "user_session": (_second_login, ["Normal", "SessionDeactivated"], {}),
    "replaced_session_signal": (_second_login, ["SessionDeactivated", 401], {"user_session": "newest_only"}),
    "logout_session_id": (_logout, [(200, 401, 0, 404), (400, 200, 0, 404)], {}),
    "auth_ping": (_auth_ping, [[200, 404], [404, 200], [404, 404]], {}),
    "mount": (_mount, [("", 302, True), ("/prefix", 302, True)], {}),
    "sso_mount": (_mount, [("", 302, True), ("", 302, False)], {}),
    "sso_prefix": (
        _sso_names,
        [
            ["authCallback", f"{name}_refresh_token", f"{name}_token"]
            for name in ("azure", "azurePortal", "okta")
        ],
        {},
    ),
    "sso_expires": (
        _sso_expires,
        [None, "3600.0", "1782954000", "1782954000000", "2026-07-02T01:00:00Z", "soon"],
        {},
    ),
    "sso_auth_callback": (
        _sso_names,
        [["authCallback", "azure_refresh_token", "azure_token"], ["azure_refresh_token", "azure_token"]],
        {},
    ),
    "sso_token_encoding": (_sso_encoding, [(False, True), (True, False)], {}),
    "sso_location_header": (_sso_header, [(302, ["Location"]), (302, ["location"])], {}),
    "sso_renew_auth": (_renew, [(200, 200), (401, 200), (200, 400)], {}),
    "sso_renew_refused_status": (_renew_refused, [401, 400, 403, 404], {}),
    "sso_renew_returns_refresh": (_renew_rotation, [(True, 200), (False, 401), (None, 200)], {}),
    "static_scheme": (_static, [[200, 401, 401], [401, 200, 401], [200, 200, 401]], {}),
    "throttle": (
        _throttled,
        [
            (200, False, 200, 200),
            (429, True, 429, 200),
            (429, True, 429, 200),
            (429, False, 200, 200),
            (503, True, 503, 200),
        ],
        {},
    ),
}


def test_every_switch_is_probed() -> None:
    """No switch without a test of what it changes, and no option that is none."""
    assert set(_PROBES) == set(SWITCHES) == set(SwitchOptions.__annotations__)
    assert {field.name for field in attrs.fields(Switches)} == set(SWITCHES)


@pytest.mark.parametrize(
    "switch, value, expected",
    [
        pytest.param(switch, value, expected, id=f"{switch}-{value}")
        for switch, (_, expectations, _) in _PROBES.items()
        for value, expected in zip(SWITCHES[switch], expectations, strict=True)
    ],
)
async def test_a_switch_does_what_it_is_named_for(switch: str, value: str, expected: object) -> None:
    """Each value has its own effect; the first is the default."""
    probe, _, beside = _PROBES[switch]
    async with calling(**beside, **{switch: value}) as caller:
        assert await probe(caller) == expected
    if value == SWITCHES[switch][0]:
        async with calling(**beside) as caller:
            assert await probe(caller) == expected


# --- what no switch changes -------------------------------------------------------------------------------------------


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
    query = dict(pair.split("=", 1) for pair in back.headers["Location"].partition("?")[2].split("&"))
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


async def test_a_static_user_is_somebody(nomad: Caller) -> None:
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


# --- switches that are set wrong --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options, words",
    [
        ({"token_live": "2700"}, "no switch 'token_live'"),
        ({"token_life": "1"}, "It takes: as_stated, 2700"),
        ({"expiry_value": "soon"}, "positive timedelta"),
        ({"expiry_value": 0}, "positive timedelta"),
        ({"expiry_value": True}, "positive timedelta"),
        ({"expiry_value": float("inf")}, "positive timedelta"),
        ({"refresh_life": "seconds:x"}, "positive timedelta"),
        ({"refresh_life": None}, "positive timedelta"),
    ],
)
def test_a_wrong_switch_is_refused(options: dict[str, Any], words: str) -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigurationError, match=words):
        NomadSandbox(**options)


@pytest.mark.parametrize("value", [5, 5.0, timedelta(seconds=5)])
async def test_lifetimes_may_be_spans(value: float | timedelta) -> None:
    """Seconds or a timedelta, stated and true."""
    assert parse({"refresh_life": value}).refresh_life == timedelta(seconds=5)
    assert parse({"refresh_life": "seconds:7"}).refresh_life == timedelta(seconds=7)
    async with calling(expiry_value=value) as caller:
        body = (await caller.login()).body
        assert body["expirationSeconds"] == 5.0
        caller.clock.advance(5)
        assert await caller.user(body["token"]) == 401
