"""The double itself: what it refuses, what each switch puts on the wire, what dies when."""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientResponse, ClientSession
from yarl import URL

from naoauth import ConfigurationError, NaoApiKey, NaoOAuth, NaoSession
from naoauth.expiry import ABSOLUTE_NAMES, RELATIVE_NAMES
from naoauth.sandbox import SWITCHES, NaoSandbox, SwitchOptions, data
from naoauth.session_answer import JWT_NAMES
from nauth import jwt
from nauth.secret import Secret
from nauth.testing import FakeClock

_JSON = {"Accept": "application/json"}
_KEY = data.auth_token("opaque")
_LOGIN = {"session": {"email": data.EMAIL, "password": data.PASSWORD}}
_APP = {"client_id": data.CLIENT_ID, "client_secret": data.CLIENT_SECRET.reveal()}


def _basic(secret: str) -> str:
    return f"Basic {base64.b64encode(f'{data.CLIENT_ID}:{secret}'.encode()).decode()}"


class _Caller:
    """A bare client: what a user's own code would send, right or wrong."""

    def __init__(self, session: ClientSession, sandbox: NaoSandbox) -> None:
        self.session, self.sandbox = session, sandbox

    async def __call__(self, method: str, path: str, **options: Any) -> tuple[int, Any]:
        response = await self.raw(method, path, **options)
        text = await response.text()
        try:
            return response.status, json.loads(text)
        except ValueError:
            return response.status, text

    async def raw(self, method: str, path: str, **options: Any) -> ClientResponse:
        headers = _JSON | options.pop("headers", {})
        return await self.session.request(
            method, f"{self.sandbox.base_url}{path}", headers=headers, allow_redirects=False, **options
        )

    async def jwt(self) -> str:
        _, body = await self("POST", "/api/v2/sessions", json=_LOGIN)
        return str(body["meta"]["jwt"])

    async def grant(self, **fields: str) -> tuple[int, Any]:
        return await self("POST", self.sandbox.token_path, data=_APP | fields)

    async def code(self, **more: str) -> dict[str, str]:
        query = {
            "client_id": data.CLIENT_ID,
            "redirect_uri": data.REDIRECT_URI,
            "response_type": "code",
            "state": "s",
        } | more
        response = await self.raw("GET", "/oauth/authorize", params=query)
        assert response.status == 302
        return dict(parse_qsl(URL(response.headers["Location"]).raw_query_string))

    async def tokens(self, **more: str) -> dict[str, Any]:
        code = (await self.code())["code"]
        _, body = await self.grant(
            grant_type="authorization_code", code=code, redirect_uri=data.REDIRECT_URI, **more
        )
        return dict(body)

    async def site(self, authorization: str) -> int:
        return (await self("GET", "/api/v2/sites", headers={"Authorization": authorization}))[0]


class _Open:
    """A sandbox with switches, and a caller."""

    def __init__(self, **switches: Any) -> None:
        self.clock = FakeClock()
        self.sandbox = NaoSandbox(clock=self.clock, **switches)

    async def __aenter__(self) -> _Caller:
        await self.sandbox.start()
        self.session = ClientSession()
        return _Caller(self.session, self.sandbox)

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        await self.sandbox.aclose()


# --- switches --------------------------------------------------------------------------------------------------------


def test_the_switches_are_one_list() -> None:
    """Typed options and table agree, the first value is the default, and every documented name is there."""
    assert set(SWITCHES) == set(SwitchOptions.__annotations__)
    assert {*JWT_NAMES, "jwtToken", "odd_name"} == set(SWITCHES["jwt_key"])
    assert {*ABSOLUTE_NAMES, *RELATIVE_NAMES, "odd_name", "absent"} == set(SWITCHES["expiry_key"])
    plain, spelled = NaoSandbox(), NaoSandbox(**{name: values[0] for name, values in SWITCHES.items()})  # type: ignore[arg-type]
    assert plain.switches == spelled.switches


@pytest.mark.parametrize(
    "options",
    [
        {"no_such": 1},
        {"jwt_key": "x"},
        {"jwt_life": 0},
        {"jwt_life": True},
        {"oauth_life": "x"},
        {"oauth_life": float("nan")},
    ],
)
def test_an_unknown_switch_or_value_is_refused(options: dict[str, Any]) -> None:
    """The error lists what there is."""
    with pytest.raises(ConfigurationError, match=r"It has|It takes"):
        NaoSandbox(**options)


def test_lifetimes_may_be_numbers_or_timedeltas() -> None:
    """Beside the listed values."""
    assert NaoSandbox(jwt_life=7).switches.jwt_life == timedelta(seconds=7)
    assert NaoSandbox(oauth_life=timedelta(minutes=1)).switches.oauth_life == timedelta(minutes=1)
    assert NaoSandbox(jwt_life="short").switches.jwt_life == timedelta(seconds=2)
    assert NaoSandbox(oauth_life="absent").switches.oauth_life is None


def test_credentials_of_each_kind() -> None:
    """The account in four guises; a consent of its own each time."""
    sandbox = NaoSandbox(oauth_refresh="kept", oauth_client_auth="basic", oauth_token_path="other")
    assert sandbox.credentials_of("api_key") == NaoApiKey(_KEY)
    assert sandbox.credentials_of("session") == sandbox.credentials
    assert sandbox.credentials_of("session_by_key") == NaoSession(auth_token=_KEY)
    one, other = sandbox.credentials_of("oauth"), sandbox.credentials_of("oauth")
    assert isinstance(one, NaoOAuth)
    assert (one.client_auth, one.token_path) == ("basic", sandbox.token_path)
    assert one != other
    with pytest.raises(LookupError):
        sandbox.approve("https://x.example/?client_id=other")


# --- key and JWT -----------------------------------------------------------------------------------------------------


async def test_json_must_be_accepted() -> None:
    """406 otherwise, on every endpoint that answers JSON."""
    async with _Open() as call:
        assert (await call("POST", "/api/v2/sessions", json=_LOGIN, headers={"Accept": "*/*"}))[0] == 406
        assert (await call("GET", "/api/v2/sites", headers={"Accept": "text/html"}))[0] == 406
        assert (await call("GET", "/api/v2/sites", headers={"Accept": "application/vnd.api+json"}))[0] == 401
        assert (await call("GET", "/nowhere"))[0] == 404


async def test_raw_credentials_open_and_schemes_do_not() -> None:
    """Unless `bearer_jwt` says that they do."""
    async with _Open() as call:
        jwt_ = await call.jwt()
        found = [
            await call.site(value) for value in (_KEY, jwt_, f"Bearer {_KEY}", f"Bearer {jwt_}", "", "x")
        ]
        assert found == [200, 200, 401, 401, 401, 401]
        assert call.sandbox.unauthorized == 4
    async with _Open(bearer_jwt="accepted") as call:
        assert [await call.site(f"{scheme} {await call.jwt()}") for scheme in ("Bearer", "Basic")] == [
            200,
            401,
        ]


@pytest.mark.parametrize(
    "options, status",
    [
        ({"json": _LOGIN}, 201),
        ({"headers": {"Authorization": _KEY}}, 201),
        ({"headers": {"Authorization": f"Bearer {_KEY}"}}, 401),
        ({"headers": {"Authorization": _KEY}, "json": _LOGIN}, 400),
        ({"json": {"session": {"email": data.EMAIL, "password": "wrong"}}}, 401),
        ({"json": {"session": {"email": data.EMAIL}}}, 401),
        ({"json": {"session": 7}}, 401),
        ({"json": []}, 401),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 401),
        ({"data": json.dumps(_LOGIN), "headers": {"Content-Type": "text/plain"}}, 401),
        ({}, 401),
    ],
)
async def test_who_gets_a_session(options: dict[str, Any], status: int) -> None:
    """Either variant, exactly; never two credentials at once."""
    async with _Open() as call:
        assert (await call("POST", "/api/v2/sessions", **options))[0] == status


@pytest.mark.parametrize("value, status", [("no", 401), ("yes", 201)])
async def test_a_jwt_may_renew_itself(value: str, status: int) -> None:
    """By switch only."""
    async with _Open(jwt_renews_itself=value) as call:
        headers = {"Authorization": await call.jwt()}
        assert (await call("POST", "/api/v2/sessions", headers=headers))[0] == status


async def test_a_jwt_dies_in_its_time() -> None:
    """By the wall clock, at once when killed, and when its session is deleted."""
    opened = _Open(jwt_life="short")
    async with opened as call:
        first = await call.jwt()
        assert call.sandbox.live_tokens == 1
        opened.clock.advance(2)
        assert await call.site(first) == 401
        second = await call.jwt()
        call.sandbox.kill_sessions()
        assert await call.site(second) == 401
        third = await call.jwt()
        assert (await call("DELETE", "/api/v2/sessions", headers={"Authorization": third}))[0] == 404
        assert (await call.site(third), call.sandbox.live_tokens) == (401, 0)


@pytest.mark.parametrize(
    "value, shift_s", [("present", 0), ("earlier_than_meta", -600), ("later_than_meta", 600)]
)
async def test_what_the_jwt_says_of_its_end(value: str, shift_s: int) -> None:
    """`exp` against the date in meta."""
    async with _Open(jwt_exp=value) as call:
        assert jwt.lifetime(Secret(await call.jwt())) == timedelta(seconds=86400 + shift_s)


@pytest.mark.parametrize("place", SWITCHES["auth_token_place"])
@pytest.mark.parametrize("shape", SWITCHES["auth_token_shape"])
async def test_where_the_permanent_key_sits(place: str, shape: str) -> None:
    """In one place, or none, in either shape."""
    async with _Open(auth_token_place=place, auth_token_shape=shape) as call:
        _, body = await call("POST", "/api/v2/sessions", json=_LOGIN)
        assert json.dumps(body).count(data.auth_token(shape)) == (place != "absent")
        assert (jwt.claims(Secret(data.auth_token(shape))) != {}) == (shape == "jwt_like")


# --- OAuth -----------------------------------------------------------------------------------------------------------


async def test_authorize_sends_the_person_back() -> None:
    """With code and state, or with an error; an unknown application sends nobody anywhere."""
    async with _Open() as call:
        assert set(await call.code()) == {"code", "state"}
        assert (await call.code(response_type="token"))["error"] == "unsupported_response_type"
        call.sandbox.deny()
        assert await call.code() == {"error": "access_denied", "error_description": "refused", "state": "s"}
        assert (await call("GET", "/oauth/authorize", params={"client_id": "x"}))[0] == 401
        call.sandbox.deny(None)
        assert "state" not in call.sandbox.approve(
            f"https://x/?client_id={data.CLIENT_ID}&redirect_uri={data.REDIRECT_URI}&response_type=code"
        )


async def test_a_code_is_good_once() -> None:
    """Seen twice it kills what it has bought."""
    async with _Open() as call:
        fields = {"grant_type": "authorization_code", "redirect_uri": data.REDIRECT_URI}
        fields["code"] = (await call.code())["code"]
        status, body = await call.grant(**fields)
        assert (status, await call.site(f"Bearer {body['access_token']}")) == (200, 200)
        assert (await call.grant(**fields))[1]["error"] == "invalid_grant"
        assert await call.site(f"Bearer {body['access_token']}") == 401
        other = {**fields, "code": (await call.code())["code"], "redirect_uri": "https://other.example"}
        assert (await call.grant(**other))[1]["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "fields, error",
    [
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
async def test_refusals_of_the_token_endpoint(fields: dict[str, str], error: str) -> None:
    """By the RFC's codes."""
    async with _Open() as call:
        assert (await call.grant(**fields))[1]["error"] == error


@pytest.mark.parametrize(
    "header, known",
    [
        (_basic(data.CLIENT_SECRET.reveal()), True),
        (_basic("wrong"), False),
        ("Basic !!", False),
        (f"Basic {base64.b64encode(b'no colon').decode()}", False),
        (f"Basic {base64.b64encode(bytes([255])).decode()}", False),
        ("Bearer x", False),
        ("", False),
    ],
)
async def test_client_authentication_by_header(header: str, known: bool) -> None:
    """Under `oauth_client_auth="basic"` the body counts for nothing."""
    async with _Open(oauth_client_auth="basic") as call:
        _, body = await call(
            "POST", "/oauth/token", data={**_APP, "grant_type": "x"}, headers={"Authorization": header}
        )
        assert body["error"] == ("unsupported_grant_type" if known else "invalid_client")


@pytest.mark.parametrize("value", ["kept", "rotated_old_dies", "omitted_on_refresh"])
async def test_what_a_refresh_brings(value: str) -> None:
    """The same token, a new one whose predecessor is spent, or none; re-use kills the consent."""
    async with _Open(oauth_refresh=value) as call:
        first = (await call.tokens())["refresh_token"]
        _, body = await call.grant(grant_type="refresh_token", refresh_token=first)
        second = body.get("refresh_token")
        assert (second == first, second is None) == (value == "kept", value == "omitted_on_refresh")
        status, _ = await call.grant(grant_type="refresh_token", refresh_token=first)
        assert (status, call.sandbox.refresh_reuses) == (
            (400, 1) if value == "rotated_old_dies" else (200, 0)
        )
        assert await call.site(f"Bearer {body['access_token']}") == (
            401 if value == "rotated_old_dies" else 200
        )
        status, _ = await call.grant(grant_type="refresh_token", refresh_token=second or first)
        assert status == (400 if value == "rotated_old_dies" else 200)


async def test_killing_consents() -> None:
    """Access tokens alone, or refresh tokens as well, seeds included."""
    async with _Open(oauth_refresh="kept") as call:
        seed = call.sandbox.credentials_of("oauth")
        assert isinstance(seed, NaoOAuth)
        assert seed.refresh_token is not None
        body = await call.tokens()
        call.sandbox.kill_sessions()
        assert call.sandbox.live_tokens == 0
        assert (await call.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]))[0] == 200
        call.sandbox.kill_sessions(kill_refresh=True)
        for token in (body["refresh_token"], seed.refresh_token.reveal(), "unknown"):
            assert (await call.grant(grant_type="refresh_token", refresh_token=token))[0] == 400


async def test_revocation() -> None:
    """An access token alone, or everything that came from one consent."""
    async with _Open(oauth_revoke="200", oauth_refresh="kept") as call:
        body = await call.tokens()
        assert (await call("POST", "/oauth/revoke", data={**_APP, "client_secret": "x"}))[0] == 401
        assert (await call("POST", "/oauth/revoke", data={**_APP, "token": body["access_token"]}))[0] == 200
        assert await call.site(f"Bearer {body['access_token']}") == 401
        assert (await call.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]))[0] == 200
        assert (await call("POST", "/oauth/revoke", data={**_APP, "token": body["refresh_token"]}))[0] == 200
        assert (await call.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]))[0] == 400
        assert call.sandbox.token_calls == 6


async def test_pkce_binds_code_and_verifier() -> None:
    """A missing or wrong verifier is refused."""
    async with _Open(oauth_pkce="required") as call:
        challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        good = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        for verifier, status in (({}, 400), ({"code_verifier": "x"}, 400), ({"code_verifier": good}, 200)):
            code = await call.code(code_challenge=challenge, code_challenge_method="S256")
            fields = {"code": code["code"], "redirect_uri": data.REDIRECT_URI, **verifier}
            assert (await call.grant(grant_type="authorization_code", **fields))[0] == status
    async with _Open(oauth_pkce="refused") as call:
        assert (await call.tokens(code_verifier="x"))["error"] == "invalid_request"


async def test_the_echo_says_what_arrived() -> None:
    """Length and digest of the body, for tests of replays."""
    async with _Open() as call:
        _, body = await call("POST", "/api/v2/echo", data=b"abc", headers={"Authorization": _KEY})
        assert (body["length"], body["sha256"][:8]) == (3, "ba7816bf")
