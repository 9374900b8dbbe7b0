"""The double of Noyo does what the documents say, and each switch changes what it is named for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp
import attrs
import pytest

from nauth import jwt
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.testing import FakeClock
from noyoauth.credentials import NoyoCredentials
from noyoauth.sandbox import SWITCHES, NoyoSandbox, SwitchOptions
from noyoauth.sandbox.switches import Switches, parse

_NOW_S = 1_782_950_400
_GRANT = {"grant_type": "client_credentials"}


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NoyoSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(self, method: str, path: str, *, token: str | None = None, **options: Any) -> Answer:
        headers = ({} if token is None else {"Authorization": f"Bearer {token}"}) | options.pop("headers", {})
        url = f"{self.sandbox.base_url}{path}"
        async with self.http.request(
            method, url, headers=headers, allow_redirects=False, **options
        ) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def issue(self, credentials: NoyoCredentials | None = None, **options: Any) -> Answer:
        headers = {"Authorization": (credentials or self.sandbox.credentials).authorization}
        options = {"json": _GRANT, "headers": headers} | options
        return await self.call("POST", urlsplit(self.sandbox.token_url).path, **options)

    async def token(self, credentials: NoyoCredentials | None = None) -> str:
        token: str = (await self.issue(credentials)).body["access_token"]
        return token

    async def groups(self, token: str | None, query: str = "") -> Answer:
        return await self.call("GET", f"/api/v1/groups{query}", token=token)


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NoyoSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)


@pytest.fixture
async def noyo() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


# --- one probe a switch: what it changes, as a value that can be compared -------------------------------------------


async def _kind(noyo: Caller) -> object:
    """How many parts the token has, and which times it names."""
    token = await noyo.token()
    claims = jwt.claims(Secret(token))
    return token.count("."), [name for name in ("iat", "exp") if name in claims], bool(claims)


async def _lifetime(noyo: Caller) -> object:
    """What the token says, and how long it opens anything."""
    token, lived = await noyo.token(), 0
    said = jwt.lifetime(Secret(token))
    while (await noyo.groups(token)).status == 200:
        step = 1 if lived < 2 else 66
        lived += step
        noyo.clock.advance(step)
    return said and said.total_seconds(), lived


async def _stated(noyo: Caller) -> object:
    raw = (await noyo.issue()).raw.decode()
    return raw.partition('"expires_in": ')[2].partition(",")[0]


async def _type(noyo: Caller) -> object:
    return (await noyo.issue()).body.get("token_type")


async def _refused(noyo: Caller) -> object:
    wrong = attrs.evolve(noyo.sandbox.credentials, client_secret="wrong")
    strange = attrs.evolve(noyo.sandbox.credentials, client_id="strange")
    answers = [await noyo.issue(credentials) for credentials in (wrong, strange)]
    assert answers[0].raw == answers[1].raw
    return answers[0].status, answers[0].raw.decode()


async def _unauthorized(noyo: Caller) -> object:
    """The same answer for a token that is missing, malformed or expired."""
    token = await noyo.token()
    noyo.clock.advance(600)
    answers = [await noyo.groups(bearer) for bearer in (token, token[:-3], None)]
    assert {answer.status for answer in answers} == {401}
    assert noyo.sandbox.unauthorized == 3
    assert len({answer.raw for answer in answers}) == 1
    return answers[0].raw.decode()


async def _challenge(noyo: Caller) -> object:
    """For a malformed token, and for none."""
    return [(await noyo.groups(token)).headers.get("WWW-Authenticate") for token in ("x", None)]


async def _crossed(noyo: Caller) -> object:
    token = await noyo.token(noyo.sandbox.other_environment)
    return (await noyo.groups(token)).status


async def _concurrent(noyo: Caller) -> object:
    """Which of three tokens live, beside one of another key."""
    tokens = [await noyo.token() for _ in range(2)]
    tokens.append(await noyo.token(noyo.sandbox.second_credentials))
    noyo.sandbox.take_over()
    return [(await noyo.groups(token)).status == 200 for token in tokens], noyo.sandbox.live_tokens


async def _rotated(noyo: Caller) -> object:
    """Whether the old token, the old key and the new key work."""
    old, token = noyo.sandbox.credentials, await noyo.token()
    beside = await noyo.token(noyo.sandbox.second_credentials)
    noyo.sandbox.rotate_key()
    assert (await noyo.groups(beside)).status == 200  # another key is another matter
    return [(await noyo.groups(token)).status, (await noyo.issue(old)).status, (await noyo.issue()).status]


async def _not_found(noyo: Caller) -> object:
    answers = [
        await noyo.call("GET", "/nowhere"),
        await noyo.call("GET", "/api/v1/groups/0", token=await noyo.token()),
    ]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].raw == answers[1].raw
    return answers[0].body


async def _meta(noyo: Caller) -> object:
    noyo.sandbox.add_groups(11)
    return (await noyo.groups(await noyo.token(), "?page_size=5&offset=5")).body["meta"]


async def _outage(noyo: Caller) -> object:
    """The first answer's status, wait and kind; the token call and the API each have a window of one second."""
    first, names = await noyo.issue(), ("Retry-After", "Content-Type")
    if first.status != 200:
        noyo.clock.advance(0.5)
        again = await noyo.issue()
        assert again.status == first.status
        noyo.clock.advance(0.5)
    token = await noyo.token()
    second = await noyo.groups(token)
    assert second.status == first.status
    noyo.clock.advance(1)
    assert (await noyo.groups(token)).status == 200
    noyo.sandbox.begin_outage()
    assert (await noyo.groups(token)).status == first.status
    return first.status, *(first.headers.get(name) for name in names)


async def _request_id(noyo: Caller) -> object:
    answers = [await noyo.issue(), await noyo.groups("x"), await noyo.call("GET", "/ping")]
    return [
        (answer.headers.get("X-Request-Id"), answer.headers.get("X-Cloud-Trace-Context"))
        for answer in answers
    ]


async def _redirect(noyo: Caller) -> object:
    answer = await noyo.issue()
    location = answer.headers.get("Location")
    if location is None:
        return answer.status
    target = urlsplit(location)
    assert (target.port, target.path) == (
        urlsplit(noyo.sandbox.base_url).port,
        "/auth/public/token/elsewhere",
    )
    assert (await noyo.call("POST", target.path)).status == 200
    return answer.status, target.hostname


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
CASES: dict[str, tuple[Callable[[Caller], Awaitable[object]], dict[str, Any], dict[str, object]]] = {
    "token_kind": (
        _kind,
        {},
        {
            "jwt_iat_exp": (2, ["iat", "exp"], True),
            "jwt_exp_only": (2, ["exp"], True),
            "jwt_no_times": (2, [], True),
            "jwt_bad_payload": (2, [], False),
            "opaque": (0, [], False),
        },
    ),
    "real_lifetime": (_lifetime, {}, {"600": (600.0, 662), "864": (864.0, 926), "short": (2.0, 2)}),
    "expires_in": (
        _stated,
        {},
        {value: "" if value == "absent" else value for value in SWITCHES["expires_in"]},
    ),
    "token_type": (_type, {}, {"Bearer": "Bearer", "bearer": "bearer", "absent": None}),
    "token_refusal": (
        _refused,
        {"token_error_body": "empty"},
        {"401": (401, ""), "400": (400, ""), "403": (403, "")},
    ),
    "token_error_body": (_refused, {}, {shape: (401, text) for shape, text in _UNAUTHORIZED.items()}),
    "api_401_body": (
        _unauthorized,
        {},
        {shape: text for shape, text in _UNAUTHORIZED.items() if shape != "message_status_error"},
    ),
    "www_authenticate": (
        _challenge,
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
    "cross_environment": (_crossed, {}, {"401": 401, "403": 403, "404": 404}),
    "concurrent_tokens": (
        _concurrent,
        {},
        {
            "all_live": ([True, True, True], 4),
            "newest_only": ([False, False, True], 2),
            "max:2": ([False, True, True], 3),
        },
    ),
    "key_rotation": (
        _rotated,
        {},
        {
            "old_key_dies_tokens_live": [200, 401, 200],
            "old_key_and_tokens_die": [401, 401, 200],
            "overlap": [200, 200, 200],
        },
    ),
    "error_status_field": (
        _not_found,
        {},
        {
            "int": {"message": "Not Found", "status": 404},
            "string_error": {"message": "Not Found", "status": "error"},
            "absent": {"message": "Not Found"},
        },
    ),
    "total_records": (
        _meta,
        {},
        {"present": _META, "absent": {name: _META[name] for name in ("offset", "page_num", "page_size")}},
    ),
    "page_num": (_meta, {}, {"consistent": _META, "inconsistent": _META | {"page_num": 7}}),
    "throttle": (
        _outage,
        {},
        {
            "off": (200, None, _JSON),
            "429_seconds": (429, "1", _JSON),
            "429_http_date": (429, "Thu, 02 Jul 2026 00:00:01 GMT", _JSON),
            "429_bare": (429, None, _JSON),
        },
    ),
    "maintenance": (
        _outage,
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
        _request_id,
        {},
        {
            "none": [(None, None)] * 3,
            "x-request-id": [(f"sandbox-{number}", None) for number in (1, 2, 3)],
            "x-cloud-trace-context": [(None, f"sandbox-{number}") for number in (1, 2, 3)],
        },
    ),
    "token_redirect": (
        _redirect,
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


# --- what is always refused -----------------------------------------------------------------------------------------


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    "options",
    [
        {"json": None, "data": _GRANT},
        {"json": None, "data": json.dumps(_GRANT)},
        {"json": _GRANT | {"scope": "all"}},
        {"json": _GRANT | {"client_id": "x"}},
        {"json": {"grant_type": "password"}},
        {"json": {}},
        {"json": []},
        {"json": None, "data": b"{", "headers": _basic("a:b") | {"Content-Type": "application/json"}},
        {"headers": {}},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"Authorization": "Basic !!!"}},
        {"headers": {"Authorization": "Basic /w=="}},
        {"headers": _basic("no colon")},
    ],
)
async def test_a_token_request_of_another_form_is_refused(options: dict[str, Any], noyo: Caller) -> None:
    """Form encoding, another or a further member, no Basic pair, or one that cannot be read: 400."""
    assert (await noyo.issue(**options)).status == 400
    assert noyo.sandbox.live_tokens == 0


async def test_a_percent_encoded_pair_is_refused(noyo: Caller) -> None:
    """What RFC 6749 asks for is not what Noyo takes: 400, as against 401 for a wrong secret."""
    given = noyo.sandbox.credentials
    encoded = f"{quote(given.client_id, safe='')}:{quote(given.client_secret.reveal(), safe='')}"
    assert (await noyo.issue(headers=_basic(encoded))).status == 400
    assert (await noyo.issue(headers=_basic(f"{given.client_id}:wrong%20"))).status == 401


# --- resources ------------------------------------------------------------------------------------------------------


async def test_resources_answer_as_documented(noyo: Caller) -> None:
    """A list with its envelope, a bare record, an echo, and a ping that proves nothing."""
    token, sandbox = await noyo.token(), noyo.sandbox
    page = (await noyo.groups(token)).body
    assert page["meta"] == {"offset": 0, "page_num": 1, "page_size": 20, "total_records": 1}
    (only,) = page["response"]
    assert (await noyo.call("GET", f"/api/v1/groups/{only['id']}", token=token)).body == only
    echoed = (await noyo.call("POST", "/api/v1/echo", token=token, data=b"abc")).body
    assert echoed == {"length": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert (await noyo.call("GET", "/ping", token="x")).status == 200
    assert sandbox.token_calls == sandbox.live_tokens == 1


@pytest.mark.parametrize(
    "query", ["?page_size=4", "?page_size=101", "?page_size=x", "?page_size=-5", "?offset=-1", "?offset=x"]
)
async def test_a_query_out_of_bounds_is_refused(query: str, noyo: Caller) -> None:
    """The documented limits hold."""
    assert (await noyo.groups(await noyo.token(), query)).status == 400


async def test_groups_can_be_added(noyo: Caller) -> None:
    """Each with an id of its own."""
    noyo.sandbox.add_groups(6)
    noyo.sandbox.add_groups(5)
    token = await noyo.token()
    pages = [(await noyo.groups(token, f"?page_size=5&offset={offset}")).body for offset in (0, 5, 10, 15)]
    assert [len(page["response"]) for page in pages] == [5, 5, 2, 0]
    assert len({found["id"] for page in pages for found in page["response"]}) == 12


async def test_the_controls(noyo: Caller) -> None:
    """Tokens can be killed, calls rejected, and the window made longer."""
    token = await noyo.token()
    noyo.sandbox.reject_all = True
    assert (await noyo.groups(token)).status == 401
    noyo.sandbox.reject_all = False
    assert (await noyo.groups(token)).status == 200
    noyo.sandbox.kill_sessions()
    assert (await noyo.groups(token)).status == 401
    noyo.sandbox.window = timedelta(minutes=1)
    assert noyo.sandbox.window == timedelta(minutes=1)
