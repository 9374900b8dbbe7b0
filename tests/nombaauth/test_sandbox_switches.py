"""Each switch of Nomba's double changes what it is named for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import ConfigurationError
from nombaauth.sandbox import SWITCHES, NombaSandbox, SwitchOptions
from nombaauth.sandbox.switches import Switches, parse
from tests.support.vendors.callers.nomba import NO, OK, calling
from tests.support.vendors.probes import nomba as probes

# switch -> (probe, other switches it needs, value -> what the probe sees)
CASES: dict[str, tuple[probes.Probe, dict[str, Any], dict[str, object]]] = {
    "bad_secret": (
        probes.wrong_secret,
        {},
        {
            "401_code_401": NO,
            "401_code_01": (401, "01"),
            "400_code_01": (400, "01"),
            "403": (403, "403"),
            "404": (404, "404"),
            "200_code_01": {"code": "01", "description": "Invalid credentials"},
            "200_data_null": {"code": "00", "description": "Success", "data": None},
        },
    ),
    "bad_account_id": (
        probes.wrong_account,
        {},
        {"401": NO, "403": (403, "403"), "404": (404, "404"), "200_code_401": (200, "401")},
    ),
    "sub_account_header": (probes.sub_account, {}, {"403": (403, "403"), "401": NO, "works": OK}),
    "wrong_environment": (
        probes.mixed_up,
        {"bad_secret": "404"},
        {"issue_ok_then_403": (403, "403"), "issue_ok_then_401": NO, "issue_refused": (404, "404")},
    ),
    "access_ttl": (probes.lifetime, {}, {"1800": 1802, "3600": 3602, "10800": 10802, "short": 2}),
    "expires_at": (
        probes.expiry,
        {},
        {
            "ms_z": "2026-07-02T00:30:00.250Z",
            "s_z": "2026-07-02T00:30:00Z",
            "nanos": "2026-07-02T00:30:00.250000000Z",
            "offset_colon": "2026-07-02T00:30:00.250+00:00",
            "offset_plain": "2026-07-02T01:30:00.250+0100",
            "naive": "2026-07-02T00:30:00.250",
            "epoch_s": 1782952200,
            "epoch_ms": 1782952200250,
            "epoch_string": "1782952200",
            "expires_in": 1800,
            "missing": None,
            "garbage": "in a while",
            "past": "2026-07-01T23:00:00.250Z",
        },
    ),
    "expires_at_skew": (
        probes.expiry,
        {},
        {
            "none": "2026-07-02T00:30:00.250Z",
            "plus_1h": "2026-07-02T01:30:00.250Z",
            "minus_1h": "2026-07-01T23:30:00.250Z",
        },
    ),
    "date_header": (
        probes.date,
        {},
        {
            "present": "Thu, 02 Jul 2026 00:00:00 GMT",
            "absent": None,
            "skewed": "Thu, 02 Jul 2026 01:00:00 GMT",
        },
    ),
    "refresh_bearer": (
        probes.refresh_bearers,
        {},
        {
            "live_only": [OK, NO, NO, NO],
            "expired_ok": [OK, OK, NO, NO],
            "not_needed": [OK, OK, OK, OK],
        },
    ),
    "refresh_rotation": (
        probes.rotation,
        {},
        {
            "same": ("same", 200, 0),
            "new_old_lives": ("new", 200, 0),
            "new_old_dies": ("new", 401, 1),
            "omitted": (None, 200, 0),
            "empty": ("", 200, 0),
        },
    ),
    "refresh_kills_old_access": (probes.old_access, {}, {"no": 200, "yes": 401}),
    "refresh_ttl": (probes.refresh_life, {}, {"unlimited": 200, "seconds:60": 401}),
    "refresh_refused": (
        probes.dead_refresh,
        {},
        {
            "401_code_02": (401, "02"),
            "401_code_401": NO,
            "400": (400, "400"),
            "403": (403, "403"),
            "404": (404, "404"),
            "200_code_02": (200, "02"),
            "200_code_01": (200, "01"),
        },
    ),
    "session_scope": (probes.scope, {}, {"client_id": (200, 401), "account": (401, 401), "none": (200, 200)}),
    "second_issue": (
        probes.second_issue,
        {},
        {"kills_first": (401, 401), "kills_after_grace": (200, 401), "keeps_first": (200, 200)},
    ),
    "expired_token_signal": (
        probes.expired,
        {},
        {
            "401_code_401": NO,
            "401_code_02": (401, "02"),
            "401_empty": (401, ""),
            "202_code_401": (202, "401"),
            "200_code_401": (200, "401"),
        },
    ),
    "revoke_account_id": (probes.revoke_without_account, {}, {"ignored": OK, "required": NO}),
    "revoke_scope": (probes.after_revoke, {}, {"access_only": (401, 200), "access_and_refresh": (401, 401)}),
    "revoke_dead_token": (
        probes.revoke_dead,
        {},
        {"200_00": OK, "401": NO, "404": (404, "404"), "200_code_02": (200, "02")},
    ),
    "rate_class": (
        probes.limits,
        {},
        {"off": [110, 110], "regular": [15, 75], "elevated": [40, 100], "low": [1, 25]},
    ),
    "auth_quota": (probes.auth_quota, {"rate_class": "regular"}, {"shared": 0, "separate": 15, "none": 16}),
    "rate_headers": (
        probes.rate_headers,
        {"rate_class": "low"},
        {
            "window_1s": [("1", "0", "1s", None), ("1", "0", "1s", None)],
            "window_60s": [("1", "0", "60s", None), ("1", "0", "60s", None)],
            "absent": [(None, None, None, None), (None, None, None, None)],
            "retry_after_seconds": [("1", "0", "1s", None), ("1", "0", "1s", "60")],
            "retry_after_date": [("1", "0", "1s", None), ("1", "0", "1s", "Thu, 02 Jul 2026 00:01:00 GMT")],
        },
    ),
    "code_type": (probes.codes, {}, {"string": ("00", "401"), "int": (0, 401)}),
    "field_case": (
        probes.token_fields,
        {},
        {
            "snake": ["access_token", "businessId", "expiresAt", "refresh_token"],
            "camel": ["accessToken", "businessId", "expiresAt", "refreshToken"],
        },
    ),
    "business_id": (
        probes.token_fields,
        {},
        {
            "present": ["access_token", "businessId", "expiresAt", "refresh_token"],
            "absent": ["access_token", "expiresAt", "refresh_token"],
        },
    ),
    "status_field": (
        probes.status_fields,
        {},
        {"absent": [None, None], "true": [True, False], "false_on_success": [False, False]},
    ),
    "error_data": (
        probes.error,
        {},
        {
            "absent": (401, '{"code": "401", "description": "Unauthorized"}'),
            "null": (401, '{"code": "401", "description": "Unauthorized", "data": null}'),
        },
    ),
    "error_body": (
        probes.error,
        {},
        {
            "code_description": (401, '{"code": "401", "description": "Unauthorized"}'),
            "message": (401, '{"code": "401", "message": "Unauthorized"}'),
            "response_code": (401, '{"responseCode": "401", "responseMessage": "Unauthorized"}'),
            "errors_array": (401, '{"code": "401", "errors": [{"message": "Unauthorized"}]}'),
            "html": (401, "<html><h1>401</h1></html>"),
            "empty": (401, ""),
            "list": (401, '[{"code": "401", "description": "Unauthorized"}]'),
        },
    ),
    "failure_transport": (
        probes.error,
        {},
        {
            "http_status": (401, '{"code": "401", "description": "Unauthorized"}'),
            "http_200": (200, '{"code": "401", "description": "Unauthorized"}'),
        },
    ),
    "ip_allow_list": (
        probes.refused_by_address,
        {},
        {"off": OK, "401": NO, "403": (403, "403"), "issue_403": 403},
    ),
}


@pytest.mark.parametrize("switch, value", [(name, value) for name in SWITCHES for value in SWITCHES[name]])
async def test_each_switch_value_shows(switch: str, value: str) -> None:
    """What a client sees under a value is what the table says, and no two values of a switch look the same."""
    probe, needed, expected = CASES[switch]
    async with calling(**needed, **{switch: value}) as nomba:
        assert await probe(nomba) == expected[value]
    seen = [repr(sight) for sight in expected.values()]
    assert len(set(seen)) == len(seen)


def test_the_tables_agree() -> None:
    """Options, record, list and cases name the same switches, and the defaults are the first values."""
    assert set(SWITCHES) == set(CASES) == SwitchOptions.__optional_keys__
    assert list(SWITCHES) == [field.name for field in attrs.fields(Switches)]
    assert {name: tuple(case[2]) for name, case in CASES.items()} == dict(SWITCHES)
    assert parse({}) == parse({name: values[0] for name, values in SWITCHES.items()})


@pytest.mark.parametrize(
    "switches",
    [
        {"bad_secret": "500"},
        {"bad_secret": None},
        {"access_ttl": "77"},
        {"access_ttl": 0},
        {"access_ttl": timedelta(seconds=-1)},
        {"access_ttl": float("nan")},
        {"access_ttl": True},
        {"refresh_ttl": "seconds:soon"},
        {"refresh_ttl": "seconds:0"},
        {"refresh_ttl": "for ever"},
        {"refresh_ttl": None},
        {"colour": "red"},
    ],
)
def test_a_wrong_switch_is_refused(switches: dict[str, Any]) -> None:
    """An unknown switch or value is a configuration error that names the switch."""
    with pytest.raises(ConfigurationError, match=next(iter(switches))):
        NombaSandbox(**switches)


def test_lifetimes_take_seconds_and_timedeltas() -> None:
    """Both lifetimes may be any duration, in either form."""
    assert parse({"access_ttl": 90}).access_ttl == timedelta(seconds=90)
    assert parse({"access_ttl": 0.5}).access_ttl == timedelta(seconds=0.5)
    assert parse({"access_ttl": timedelta(hours=1)}).access_ttl == timedelta(hours=1)
    assert parse({"refresh_ttl": "seconds:7"}).refresh_ttl == timedelta(seconds=7)
    assert parse({"refresh_ttl": timedelta(days=1)}).refresh_ttl == timedelta(days=1)
