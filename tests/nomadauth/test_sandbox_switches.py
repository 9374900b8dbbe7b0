"""Each switch of Nomad Media's double changes what it is named for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import ConfigurationError
from nomadauth.sandbox import SWITCHES, NomadSandbox, SwitchOptions
from nomadauth.sandbox.switches import Switches, parse
from tests.support.vendors.callers.nomad import calling
from tests.support.vendors.probes import nomad as probes

_PROBES: dict[str, tuple[probes.Probe, list[object], dict[str, Any]]] = {
    "login_id_match": (probes.login_ids, [[200, 200, 400], [200, 400, 400], [200, 400, 200]], {}),
    "json_case": (probes.names, [{"id", "token", "refreshToken"}, {"Id", "Token", "RefreshToken"}], {}),
    "token_field": (
        probes.names,
        [{"id", name, "refreshToken"} for name in ("token", "authorizationToken", "accessToken")],
        {},
    ),
    "expiry_value": (
        probes.expiry,
        [{"expirationSeconds": value} for value in (3600.0, 2700.0, 2.0, "3600")]
        + [{}]
        + [{"expirationSeconds": value} for value in (None, 0, -3600.0, 1e300)],
        {},
    ),
    "expiry_field": (probes.expiry, [{"expirationSeconds": 3600.0}, {"expiresIn": 3600.0}], {}),
    "token_life": (probes.life, [[200, 200, 200, 200, 401], [200, 200, 401, 401, 401]], {}),
    "token_kind": (probes.claims, [{"iat", "exp"}, {"exp"}, set()], {}),
    "refresh_rotation": (
        probes.rotation,
        [(None, 200, 200, 0), (True, 200, 200, 0), (False, 200, 200, 0), (False, 404, 200, 1)],
        {},
    ),
    "refresh_kills_old_token": (probes.rotation, [(None, 200, 200, 0), (None, 200, 401, 0)], {}),
    "refresh_life": (probes.refresh_life, [200, 404], {}),
    "refresh_refused_status": (probes.refused, [404, 400, 401, 403], {}),
    "bad_login_status": (
        probes.bad_login,
        [(404, "application/json"), (404, "text/html"), (400, "application/json"), (401, "application/json")],
        {},
    ),
    "blocked_account": (probes.blocked, [(403, "IsDisabled"), (200, "IsDisabled")], {}),
    "status_wire": (probes.blocked, [(403, "IsDisabled"), (403, 3), (403, "IsSomethingNew"), (403, 97)], {}),
    "expired_token_status": (probes.dead_token, [401, 403], {}),
    "error_body": (
        probes.body,
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
    "public_calls": (probes.public, [(200, 200), (400, 400)], {}),
    "application_id": (probes.application, [(200, 200), (400, 200)], {}),
    "user_session": (probes.second_login, ["Normal", "SessionDeactivated"], {}),
    "replaced_session_signal": (
        probes.second_login,
        ["SessionDeactivated", 401],
        {"user_session": "newest_only"},
    ),
    "logout_session_id": (probes.logout, [(200, 401, 0, 404), (400, 200, 0, 404)], {}),
    "auth_ping": (probes.auth_ping, [[200, 200], [200, 404], [404, 200], [404, 404]], {}),
    "mount": (probes.mount, [("", 302, True), ("/prefix", 302, True)], {}),
    "sso_mount": (probes.mount, [("", 302, True), ("", 302, False)], {}),
    "sso_prefix": (
        probes.sso_names,
        [
            ["authCallback", f"{name}_refresh_token", f"{name}_token"]
            for name in ("azure", "azurePortal", "okta")
        ],
        {},
    ),
    "sso_expires": (
        probes.sso_expires,
        [None, "3600.0", "1782954000", "1782954000000", "2026-07-02T01:00:00Z", "soon"],
        {},
    ),
    "sso_auth_callback": (
        probes.sso_names,
        [["authCallback", "azure_refresh_token", "azure_token"], ["azure_refresh_token", "azure_token"]],
        {},
    ),
    "sso_token_encoding": (probes.sso_encoding, [(True, False), (False, True)], {}),
    "sso_location_header": (probes.sso_header, [(302, ["Location"]), (302, ["location"])], {}),
    "sso_renew_auth": (probes.renew, [(200, 200), (401, 200), (200, 400)], {}),
    "sso_renew_refused_status": (probes.renew_refused, [401, 400, 403, 404], {}),
    "sso_renew_returns_refresh": (probes.renew_rotation, [(True, 200), (False, 401), (None, 200)], {}),
    "static_scheme": (probes.static, [[200, 401, 401], [401, 200, 401], [200, 200, 401]], {}),
    "throttle": (
        probes.throttled,
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
