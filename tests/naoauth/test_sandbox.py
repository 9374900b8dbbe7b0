"""The double of NAO Cloud does what the documents say: what it refuses, what dies when."""

from __future__ import annotations

import base64
import json
from typing import Any

import aiohttp
import pytest

from naoauth import NaoApiKey, NaoOAuth
from naoauth.sandbox import NaoSandbox, data
from tests.support.vendors.callers.nao import APP, LOGIN, calling

_KEY = data.auth_token("opaque")


def _basic(secret: str) -> str:
    return f"Basic {base64.b64encode(f'{data.CLIENT_ID}:{secret}'.encode()).decode()}"


# --- key and JWT ------------------------------------------------------------------------------------------------------


async def test_json_must_be_accepted() -> None:
    """406 otherwise, on every endpoint that answers JSON."""
    async with calling() as call:
        assert (await call("POST", "/api/v2/sessions", json=LOGIN, headers={"Accept": "*/*"}))[0] == 406
        assert (await call("GET", "/api/v2/sites", headers={"Accept": "text/html"}))[0] == 406
        assert (await call("GET", "/api/v2/sites", headers={"Accept": "application/vnd.api+json"}))[0] == 401
        assert (await call("GET", "/nowhere"))[0] == 404


async def test_raw_credentials_open_and_schemes_do_not() -> None:
    """Unless `bearer_jwt` says that they do."""
    async with calling() as call:
        jwt_ = await call.jwt()
        found = [
            await call.site(value) for value in (_KEY, jwt_, f"Bearer {_KEY}", f"Bearer {jwt_}", "", "x")
        ]
        assert found == [200, 200, 401, 401, 401, 401]
        assert call.sandbox.unauthorized == 4
    async with calling(bearer_jwt="accepted") as call:
        assert [await call.site(f"{scheme} {await call.jwt()}") for scheme in ("Bearer", "Basic")] == [
            200,
            401,
        ]


@pytest.mark.parametrize(
    "options, status",
    [
        ({"json": LOGIN}, 201),
        ({"headers": {"Authorization": _KEY}}, 201),
        ({"headers": {"Authorization": f"Bearer {_KEY}"}}, 401),
        ({"headers": {"Authorization": _KEY}, "json": LOGIN}, 400),
        ({"json": {"session": {"email": data.EMAIL, "password": "wrong"}}}, 401),
        ({"json": {"session": {"email": data.EMAIL}}}, 401),
        ({"json": {"session": 7}}, 401),
        ({"json": []}, 401),
        ({"data": b"{", "headers": {"Content-Type": "application/json"}}, 401),
        ({"data": json.dumps(LOGIN), "headers": {"Content-Type": "text/plain"}}, 401),
        ({}, 401),
    ],
)
async def test_who_gets_a_session(options: dict[str, Any], status: int) -> None:
    """Either variant, exactly; never two credentials at once."""
    async with calling() as call:
        assert (await call("POST", "/api/v2/sessions", **options))[0] == status


async def test_a_jwt_dies_in_its_time() -> None:
    """By the wall clock, at once when killed, and when its session is deleted."""
    async with calling(jwt_life="short") as call:
        first = await call.jwt()
        assert call.sandbox.live_tokens == 1
        call.clock.advance(2)
        assert await call.site(first) == 401
        second = await call.jwt()
        call.sandbox.kill_sessions()
        assert await call.site(second) == 401
        third = await call.jwt()
        assert (await call("DELETE", "/api/v2/sessions", headers={"Authorization": third}))[0] == 404
        assert (await call.site(third), call.sandbox.live_tokens) == (401, 0)


# --- OAuth ------------------------------------------------------------------------------------------------------------


async def test_authorize_sends_the_person_back() -> None:
    """With code and state, or with an error; an unknown application is sent no redirect."""
    async with calling() as call:
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
    async with calling() as call:
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
    async with calling() as call:
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
    async with calling(oauth_client_auth="basic") as call:
        _, body = await call(
            "POST", "/oauth/token", data={**APP, "grant_type": "x"}, headers={"Authorization": header}
        )
        assert body["error"] == ("unsupported_grant_type" if known else "invalid_client")


async def test_killing_consents() -> None:
    """Access tokens alone, or refresh tokens as well, seeds included."""
    async with calling(oauth_refresh="kept") as call:
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
    async with calling(oauth_revoke="200", oauth_refresh="kept") as call:
        body = await call.tokens()
        assert (await call("POST", "/oauth/revoke", data={**APP, "client_secret": "x"}))[0] == 401
        assert (await call("POST", "/oauth/revoke", data={**APP, "token": body["access_token"]}))[0] == 200
        assert await call.site(f"Bearer {body['access_token']}") == 401
        assert (await call.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]))[0] == 200
        assert (await call("POST", "/oauth/revoke", data={**APP, "token": body["refresh_token"]}))[0] == 200
        assert (await call.grant(grant_type="refresh_token", refresh_token=body["refresh_token"]))[0] == 400
        assert call.sandbox.token_calls == 6


async def test_pkce_binds_code_and_verifier() -> None:
    """A missing or wrong verifier is refused."""
    async with calling(oauth_pkce="required") as call:
        challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        good = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
        for verifier, status in (({}, 400), ({"code_verifier": "x"}, 400), ({"code_verifier": good}, 200)):
            code = await call.code(code_challenge=challenge, code_challenge_method="S256")
            fields = {"code": code["code"], "redirect_uri": data.REDIRECT_URI, **verifier}
            assert (await call.grant(grant_type="authorization_code", **fields))[0] == status
    async with calling(oauth_pkce="refused") as call:
        assert (await call.tokens(code_verifier="x"))["error"] == "invalid_request"


async def test_the_echo_says_what_arrived() -> None:
    """Length and digest of the body, for tests of replays."""
    async with calling() as call:
        _, body = await call("POST", "/api/v2/echo", data=b"abc", headers={"Authorization": _KEY})
        assert (body["length"], body["sha256"][:8]) == (3, "ba7816bf")


@pytest.mark.parametrize(
    "accept,status",
    [
        ("application/json", 200),
        ("text/html, Application/JSON;q=0.5", 200),
        ("application/vnd.api+json; charset=utf-8", 200),
        ("*/*", 406),
        ("application/json-seq", 406),
        ("application/json;q=0", 406),
        ("text/html", 406),
        ("", 406),
    ],
)
async def test_accept_is_read_as_media_types(accept: str, status: int) -> None:
    """JSON must be named as such on the API; /oauth/* does not look, as Doorkeeper does not."""
    async with NaoSandbox(oauth_refresh="kept") as sandbox, aiohttp.ClientSession() as http:
        key = sandbox.credentials_of("api_key")
        assert isinstance(key, NaoApiKey)
        headers = {"Authorization": key.auth_token.reveal(), "Accept": accept}
        async with http.get(f"{sandbox.base_url}/api/v2/sites", headers=headers) as answer:
            assert answer.status == status
        for path in ("token", "revoke"):
            async with http.post(f"{sandbox.base_url}/oauth/{path}", headers={"Accept": accept}) as answer:
                assert answer.status in {401, 404}
        async with http.get(f"{sandbox.base_url}/oauth/me", headers={"Accept": accept}) as answer:
            assert answer.status == 401
