"""Each switch of Noyo's double changes what it is named for."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.wire import jwt
from noyoauth.sandbox import SWITCHES, NoyoSandbox, SwitchOptions
from noyoauth.sandbox.switches import Switches, parse
from tests.support.vendors.callers.noyo import calling
from tests.support.vendors.probes import noyo as probes

_JSON, _HTML = "application/json", "text/html; charset=utf-8"

_UNAUTHORIZED = {
    "message": '{"message": "Unauthorized"}',
    "message_status_int": '{"message": "Unauthorized", "status": 401}',
    "message_status_error": '{"message": "Unauthorized", "status": "error"}',
    "oauth_error": '{"error": "invalid_client", "error_description": "Unauthorized"}',
    "text": "Unauthorized",
    "html": "<html><h1>Unauthorized</h1></html>",
    "empty": "",
}

_META = {"offset": 5, "page_num": 2, "page_size": 5, "total_records": 12}

# switch -> (probe, other switches it needs, value -> what the probe sees)
CASES: dict[str, tuple[probes.Probe, dict[str, Any], dict[str, object]]] = {
    "token_kind": (
        probes.kind,
        {},
        {
            "jwt_iat_exp": (2, ["iat", "exp"], True),
            "jwt_exp_only": (2, ["exp"], True),
            "jwt_no_times": (2, [], True),
            "jwt_bad_payload": (2, [], False),
            "opaque": (0, [], False),
        },
    ),
    "real_lifetime": (probes.lifetime, {}, {"600": (600.0, 662), "864": (864.0, 926), "short": (2.0, 2)}),
    "expires_in": (
        probes.stated,
        {},
        {value: "" if value == "absent" else value for value in SWITCHES["expires_in"]},
    ),
    "token_type": (probes.token_type, {}, {"Bearer": "Bearer", "bearer": "bearer", "absent": None}),
    "token_refusal": (
        probes.refused,
        {"token_error_body": "empty"},
        {"401": (401, ""), "400": (400, ""), "403": (403, "")},
    ),
    "token_error_body": (probes.refused, {}, {shape: (401, text) for shape, text in _UNAUTHORIZED.items()}),
    "api_401_body": (
        probes.unauthorized,
        {},
        {shape: text for shape, text in _UNAUTHORIZED.items() if shape != "message_status_error"},
    ),
    "www_authenticate": (
        probes.challenge,
        {},
        {
            "absent": [None, None],
            "bearer_error": [
                'Bearer realm="noyo", error="invalid_token", error_description="whatever it says"',
                'Bearer realm="noyo"',
            ],
            "garbage": ['Bearer error=,,"\\ ;; ='] * 2,
        },
    ),
    "cross_environment": (probes.crossed, {}, {"401": 401, "403": 403, "404": 404}),
    "concurrent_tokens": (
        probes.concurrent,
        {},
        {
            "all_live": ([True, True, True], 4),
            "newest_only": ([False, False, True], 2),
            "max:2": ([False, True, True], 3),
        },
    ),
    "key_rotation": (
        probes.rotated,
        {},
        {
            "old_key_dies_tokens_live": [200, 401, 200],
            "old_key_and_tokens_die": [401, 401, 200],
            "overlap": [200, 200, 200],
        },
    ),
    "error_status_field": (
        probes.not_found,
        {},
        {
            "int": {"message": "Not Found", "status": 404},
            "string_error": {"message": "Not Found", "status": "error"},
            "absent": {"message": "Not Found"},
        },
    ),
    "total_records": (
        probes.meta,
        {},
        {"present": _META, "absent": {name: _META[name] for name in ("offset", "page_num", "page_size")}},
    ),
    "page_num": (probes.meta, {}, {"consistent": _META, "inconsistent": _META | {"page_num": 7}}),
    "throttle": (
        probes.outage,
        {},
        {
            "off": (200, None, _JSON),
            "429_seconds": (429, "1", _JSON),
            "429_http_date": (429, "Thu, 02 Jul 2026 00:00:01 GMT", _JSON),
            "429_bare": (429, None, _JSON),
        },
    ),
    "maintenance": (
        probes.outage,
        {"throttle": "429_bare"},
        {
            "off": (429, None, _JSON),
            "503_seconds": (503, "1", _JSON),
            "503_http_date": (503, "Thu, 02 Jul 2026 00:00:01 GMT", _JSON),
            "503_bare": (503, None, _JSON),
            "502_html": (502, None, _HTML),
        },
    ),
    "request_id": (
        probes.request_id,
        {},
        {
            "none": [(None, None)] * 3,
            "x-request-id": [(f"sandbox-{number}", None) for number in (1, 2, 3)],
            "x-cloud-trace-context": [(None, f"sandbox-{number}") for number in (1, 2, 3)],
        },
    ),
    "token_redirect": (
        probes.redirect,
        {},
        {"off": 200, "307_other_host": (307, "localhost"), "302_same_host": (302, "127.0.0.1")},
    ),
}


@pytest.mark.parametrize("switch, value", [(name, value) for name in SWITCHES for value in SWITCHES[name]])
async def test_each_switch_value_shows(switch: str, value: str) -> None:
    """What a client sees under a value is what the table says, and no two values of a switch look the same."""
    probe, needed, expected = CASES[switch]
    async with calling(**needed, **{switch: value}) as noyo:
        assert await probe(noyo) == expected[value]
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
        {"token_kind": "jwe"},
        {"token_kind": None},
        {"real_lifetime": "77"},
        {"real_lifetime": 0},
        {"real_lifetime": timedelta(seconds=-1)},
        {"real_lifetime": float("nan")},
        {"real_lifetime": True},
        {"concurrent_tokens": "max:0"},
        {"concurrent_tokens": "max:many"},
        {"concurrent_tokens": 3},
        {"colour": "red"},
    ],
)
def test_a_wrong_switch_is_refused(switches: dict[str, Any]) -> None:
    """An unknown switch or value is a configuration error that names the switch."""
    with pytest.raises(ConfigurationError, match=next(iter(switches))):
        NoyoSandbox(**switches)


def test_some_switches_take_more_than_is_listed() -> None:
    """A lifetime may be any duration, and the number of tokens any number."""
    assert parse({"real_lifetime": 90}).real_lifetime == timedelta(seconds=90)
    assert parse({"real_lifetime": 0.5}).real_lifetime == timedelta(seconds=0.5)
    assert parse({"real_lifetime": timedelta(hours=1)}).real_lifetime == timedelta(hours=1)
    assert parse({"concurrent_tokens": "max:7"}).concurrent_tokens == 7


async def test_a_lifetime_of_fractions_is_written_as_it_is() -> None:
    """Half a second is half a second, in the token too."""
    async with calling(real_lifetime=0.5) as noyo:
        assert jwt.lifetime(Secret(await noyo.token())) == timedelta(seconds=0.5)
