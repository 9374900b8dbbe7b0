"""The switches of NAO Cloud's double: what they may be set to, and what each puts on the wire."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from naoauth import ConfigurationError, NaoApiKey, NaoOAuth, NaoSession
from naoauth.lifetime import ABSOLUTE_NAMES, RELATIVE_NAMES
from naoauth.sandbox import SWITCHES, NaoSandbox, SwitchOptions, data
from naoauth.session_response import JWT_NAMES
from nauth.secret import Secret
from nauth.wire import jwt
from tests.support.vendors.callers.nao import LOGIN, calling

_KEY = data.auth_token("opaque")


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


# --- what is on the wire ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value, status", [("no", 401), ("yes", 201)])
async def test_a_jwt_may_renew_itself(value: str, status: int) -> None:
    """By switch only."""
    async with calling(jwt_renews_itself=value) as call:
        headers = {"Authorization": await call.jwt()}
        assert (await call("POST", "/api/v2/sessions", headers=headers))[0] == status


@pytest.mark.parametrize(
    "value, shift_s", [("present", 0), ("earlier_than_meta", -600), ("later_than_meta", 600)]
)
async def test_what_the_jwt_says_of_its_end(value: str, shift_s: int) -> None:
    """`exp` against the date in meta."""
    async with calling(jwt_exp=value) as call:
        assert jwt.lifetime(Secret(await call.jwt())) == timedelta(seconds=86400 + shift_s)


@pytest.mark.parametrize("place", SWITCHES["auth_token_place"])
@pytest.mark.parametrize("shape", SWITCHES["auth_token_shape"])
async def test_where_the_permanent_key_sits(place: str, shape: str) -> None:
    """In one place, or none, in either shape."""
    async with calling(auth_token_place=place, auth_token_shape=shape) as call:
        _, body = await call("POST", "/api/v2/sessions", json=LOGIN)
        assert json.dumps(body).count(data.auth_token(shape)) == (place != "absent")
        assert (jwt.claims(Secret(data.auth_token(shape))) != {}) == (shape == "jwt_like")


@pytest.mark.parametrize("value", ["kept", "rotated_old_dies", "omitted_on_refresh"])
async def test_what_a_refresh_brings(value: str) -> None:
    """The same token, a new one whose predecessor is spent, or none; re-use kills the consent."""
    async with calling(oauth_refresh=value) as call:
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


async def test_doorkeepers_previous_refresh_token() -> None:
    """A lost answer is harmless: the old pair works until the new access token is first used, then it is refused."""
    async with calling(oauth_refresh="old_until_new_used") as call:
        first = await call.tokens()
        old = f"Bearer {first['access_token']}"
        _, lost = await call.grant(grant_type="refresh_token", refresh_token=first["refresh_token"])
        status, second = await call.grant(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert (status, await call.site(old)) == (200, 200)
        assert len({first["refresh_token"], lost["refresh_token"], second["refresh_token"]}) == 3
        assert await call.site(f"Bearer {second['access_token']}") == 200
        assert await call.site(old) == 401
        status, body = await call.grant(grant_type="refresh_token", refresh_token=first["refresh_token"])
        assert (status, body["error"], call.sandbox.refresh_reuses) == (400, "invalid_grant", 1)
        status, _ = await call.grant(grant_type="refresh_token", refresh_token=second["refresh_token"])
        assert status == 200
