"""The double of Nomba does what the documents say, and each switch changes what it is named for."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import attrs
import pytest

from nauth.errors import ConfigurationError
from nauth.testing import FakeClock, Fault
from nombaauth.credentials import NombaCredentials
from nombaauth.sandbox import SWITCHES, NombaSandbox, SwitchOptions
from nombaauth.sandbox.data import BVN
from nombaauth.sandbox.switches import Switches, parse

_TTL_S = 1800


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    raw: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def data(self) -> Any:
        return self.body["data"]

    @property
    def brief(self) -> tuple[int, Any]:
        """Status and code, or the body if it is no object with a code."""
        try:
            return self.status, self.body["code"]
        except (ValueError, KeyError, TypeError):
            return self.status, self.raw.decode()


@attrs.frozen
class Caller:
    """A plain HTTP client that knows the vendor's endpoints."""

    sandbox: NombaSandbox
    clock: FakeClock
    http: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, *, token: str | None = None, account: str | None = "", **options: Any
    ) -> Answer:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        if account is not None:
            headers["accountId"] = account or self.sandbox.credentials.account_id
        url = f"{self.sandbox.base_url}{path}"
        async with self.http.request(method, url, headers=headers, **options) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def issue(
        self, credentials: NombaCredentials | None = None, *, account: str | None = "", **changed: Any
    ) -> Answer:
        credentials = credentials or self.sandbox.credentials
        body = {
            "grant_type": "client_credentials",
            "client_id": credentials.client_id,
            "client_secret": credentials.client_secret.reveal(),
        }
        return await self.call("POST", "/v1/auth/token/issue", account=account, json=body | changed)

    async def refresh(self, refresh_token: str, bearer: str | None, *, account: str | None = "") -> Answer:
        body = {"grant_type": "refresh_token", "refresh_token": refresh_token}
        return await self.call("POST", "/v1/auth/token/refresh", token=bearer, account=account, json=body)

    async def revoke(self, token: str, *, account: str | None = "", client_id: str | None = None) -> Answer:
        body = {"clientId": client_id or self.sandbox.credentials.client_id, "access_token": token}
        return await self.call("POST", "/v1/auth/token/revoke", account=account, json=body)

    async def balance(self, token: str | None, *, account: str | None = "") -> Answer:
        return await self.call("GET", "/v1/accounts/balance", token=token, account=account)

    async def pair(self, credentials: NombaCredentials | None = None) -> tuple[str, str]:
        data = (await self.issue(credentials)).data
        return data["access_token"], data["refresh_token"]


@asynccontextmanager
async def calling(**switches: Any) -> AsyncIterator[Caller]:
    clock = FakeClock()
    async with NombaSandbox(clock=clock, **switches) as sandbox, aiohttp.ClientSession() as http:
        yield Caller(sandbox, clock, http)


@pytest.fixture
async def nomba() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


# --- one probe a switch: what it changes, as a value that can be compared -------------------------------------------


async def _wrong_secret(nomba: Caller) -> object:
    answer = await nomba.issue(client_secret="wrong")
    return answer.body if answer.status == 200 else answer.brief


async def _wrong_account(nomba: Caller) -> object:
    answers = [await nomba.issue(account=None), await nomba.issue(account="0")]
    access, refresh = await nomba.pair()
    answers += [await nomba.balance(access, account=account) for account in (None, "0")]
    answers.append(await nomba.refresh(refresh, access, account="0"))
    assert len({answer.brief for answer in answers}) == 1
    return answers[0].brief


async def _sub_account(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    return (await nomba.balance(access, account=nomba.sandbox.sub_account_id)).brief


async def _mixed_up(nomba: Caller) -> object:
    issued = await nomba.issue(nomba.sandbox.other_environment)
    if issued.status != 200:
        return issued.brief
    return (await nomba.balance(issued.data["access_token"])).brief


async def _lifetime(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    lived = 0
    while (await nomba.balance(access)).status == 200:
        step = 1 if lived < 2 else 900
        lived += step
        nomba.clock.advance(step)
    return lived


async def _expiry(nomba: Caller) -> object:
    nomba.clock.advance(0.25)
    data = (await nomba.issue()).data
    return data.get("expiresAt", data.get("expires_in"))


async def _date(nomba: Caller) -> object:
    return (await nomba.issue()).headers.get("Date")


async def _refresh_bearers(nomba: Caller) -> object:
    """With a live bearer, an expired one, a stranger's, none."""
    access, refresh = await nomba.pair()
    strange, _ = await nomba.pair(nomba.sandbox.second_credentials)
    live = await nomba.refresh(refresh, access)
    nomba.clock.advance(_TTL_S)
    expired, stranger, none = [await nomba.refresh(refresh, token) for token in (access, strange, None)]
    return [answer.brief for answer in (live, expired, stranger, none)]


async def _rotation(nomba: Caller) -> object:
    """What kind of refresh token came, and whether the first still works."""
    access, refresh = await nomba.pair()
    data = (await nomba.refresh(refresh, access)).data
    came = data.get("refresh_token")
    kind = "same" if came == refresh else "new" if came else came
    again = await nomba.refresh(refresh, data["access_token"])
    return kind, again.status, nomba.sandbox.refresh_reuses


async def _old_access(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    await nomba.refresh(refresh, access)
    return (await nomba.balance(access)).status


async def _refresh_life(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    nomba.clock.advance(59.9)
    assert (await nomba.refresh(refresh, access)).status == 200
    nomba.clock.advance(0.1)
    return (await nomba.refresh(refresh, access)).status


async def _dead_refresh(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    nomba.sandbox.kill_sessions(kill_refresh=True)
    dead, unknown = [await nomba.refresh(token, access) for token in (refresh, "never-was")]
    assert dead.brief == unknown.brief
    return dead.brief


async def _scope(nomba: Caller) -> object:
    """Who survives: the first session after another key of the account signs in, then the same key again."""
    first, _ = await nomba.pair()
    await nomba.pair(nomba.sandbox.second_credentials)
    beside = (await nomba.balance(first)).status
    await nomba.pair()
    return beside, (await nomba.balance(first)).status


async def _second_issue(nomba: Caller) -> object:
    first, _ = await nomba.pair()
    nomba.sandbox.take_over()
    at_once = (await nomba.balance(first)).status
    nomba.clock.advance(5)
    return at_once, (await nomba.balance(first)).status


async def _expired(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    nomba.clock.advance(_TTL_S)
    answers = [await nomba.balance(token) for token in (access, "never-was", None)]
    assert len({answer.brief for answer in answers}) == 1
    assert nomba.sandbox.unauthorized == 3
    return answers[0].brief


async def _revoke_without_account(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    return (await nomba.revoke(access, account=None)).brief


async def _after_revoke(nomba: Caller) -> object:
    access, refresh = await nomba.pair()
    spare = (await nomba.refresh(refresh, access)).data["access_token"]
    await nomba.revoke(access)
    return (await nomba.balance(access)).status, (await nomba.refresh(refresh, spare)).status


async def _revoke_dead(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    await nomba.revoke(access)
    dead, unknown = [await nomba.revoke(token) for token in (access, "never-was")]
    assert dead.brief == unknown.brief
    return dead.brief


async def _limits(nomba: Caller) -> object:
    """How many POSTs and GETs of 110 each get through in one window."""
    counts = []
    for method in ("POST", "GET"):
        # without a token: the quota counts refused requests too, and this keeps them quick
        answers = [await nomba.call(method, _ANY[method], token="x") for _ in range(110)]
        counts.append(sum(answer.status != 429 for answer in answers))
    return counts


async def _auth_quota(nomba: Caller) -> object:
    """After 15 POSTs to a resource: whether an issue gets through, and a sixteenth."""
    for _ in range(15):
        await nomba.call("POST", "/v1/echo")
    return [(await nomba.issue()).status for _ in range(16)].count(200)


async def _rate_headers(nomba: Caller) -> object:
    wanted = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Window", "Retry-After")
    answers = [await nomba.issue() for _ in range(2)]
    nomba.clock.advance(0.5)
    answers.append(await nomba.issue())
    assert [answer.status for answer in answers] == [200, 429, 429]
    assert answers[2].brief == (429, "429")
    return [tuple(answer.headers.get(name) for name in wanted) for answer in (answers[0], answers[2])]


async def _codes(nomba: Caller) -> object:
    return (await nomba.issue()).body["code"], (await nomba.balance(None)).body["code"]


async def _token_fields(nomba: Caller) -> object:
    return sorted((await nomba.issue()).data)


async def _status_fields(nomba: Caller) -> object:
    return [answer.body.get("status") for answer in (await nomba.issue(), await nomba.balance(None))]


async def _error(nomba: Caller) -> object:
    answer = await nomba.balance(None)
    return answer.status, answer.raw.decode()


async def _refused_by_address(nomba: Caller) -> object:
    access, _ = await nomba.pair()
    return (await nomba.balance(access)).brief


_ANY = {"POST": "/v1/echo", "GET": "/v1/accounts/balance"}
_OK = (200, "00")
_NO = (401, "401")

# switch -> (probe, other switches it needs, value -> what the probe sees)
CASES: dict[str, tuple[Callable[[Caller], Awaitable[object]], dict[str, Any], dict[str, object]]] = {
    "bad_secret": (
        _wrong_secret,
        {},
        {
            "401_code_401": _NO,
            "401_code_01": (401, "01"),
            "400_code_01": (400, "01"),
            "403": (403, "403"),
            "404": (404, "404"),
            "200_code_01": {"code": "01", "description": "Invalid credentials"},
            "200_data_null": {"code": "00", "description": "Success", "data": None},
        },
    ),
    "bad_account_id": (
        _wrong_account,
        {},
        {"401": _NO, "403": (403, "403"), "404": (404, "404"), "200_code_401": (200, "401")},
    ),
    "sub_account_header": (_sub_account, {}, {"403": (403, "403"), "401": _NO, "works": _OK}),
    "wrong_environment": (
        _mixed_up,
        {"bad_secret": "404"},
        {"issue_ok_then_403": (403, "403"), "issue_ok_then_401": _NO, "issue_refused": (404, "404")},
    ),
    "access_ttl": (_lifetime, {}, {"1800": 1802, "3600": 3602, "10800": 10802, "short": 2}),
    "expires_at": (
        _expiry,
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
        _expiry,
        {},
        {
            "none": "2026-07-02T00:30:00.250Z",
            "plus_1h": "2026-07-02T01:30:00.250Z",
            "minus_1h": "2026-07-01T23:30:00.250Z",
        },
    ),
    "date_header": (
        _date,
        {},
        {
            "present": "Thu, 02 Jul 2026 00:00:00 GMT",
            "absent": None,
            "skewed": "Thu, 02 Jul 2026 01:00:00 GMT",
        },
    ),
    "refresh_bearer": (
        _refresh_bearers,
        {},
        {
            "live_only": [_OK, _NO, _NO, _NO],
            "expired_ok": [_OK, _OK, _NO, _NO],
            "not_needed": [_OK, _OK, _OK, _OK],
        },
    ),
    "refresh_rotation": (
        _rotation,
        {},
        {
            "same": ("same", 200, 0),
            "new_old_lives": ("new", 200, 0),
            "new_old_dies": ("new", 401, 1),
            "omitted": (None, 200, 0),
            "empty": ("", 200, 0),
        },
    ),
    "refresh_kills_old_access": (_old_access, {}, {"no": 200, "yes": 401}),
    "refresh_ttl": (_refresh_life, {}, {"unlimited": 200, "seconds:60": 401}),
    "refresh_refused": (
        _dead_refresh,
        {},
        {
            "401_code_02": (401, "02"),
            "401_code_401": _NO,
            "400": (400, "400"),
            "403": (403, "403"),
            "404": (404, "404"),
            "200_code_02": (200, "02"),
            "200_code_01": (200, "01"),
        },
    ),
    "session_scope": (_scope, {}, {"client_id": (200, 401), "account": (401, 401), "none": (200, 200)}),
    "second_issue": (
        _second_issue,
        {},
        {"kills_first": (401, 401), "kills_after_grace": (200, 401), "keeps_first": (200, 200)},
    ),
    "expired_token_signal": (
        _expired,
        {},
        {
            "401_code_401": _NO,
            "401_code_02": (401, "02"),
            "401_empty": (401, ""),
            "202_code_401": (202, "401"),
            "200_code_401": (200, "401"),
        },
    ),
    "revoke_account_id": (_revoke_without_account, {}, {"ignored": _OK, "required": _NO}),
    "revoke_scope": (_after_revoke, {}, {"access_only": (401, 200), "access_and_refresh": (401, 401)}),
    "revoke_dead_token": (
        _revoke_dead,
        {},
        {"200_00": _OK, "401": _NO, "404": (404, "404"), "200_code_02": (200, "02")},
    ),
    "rate_class": (
        _limits,
        {},
        {"off": [110, 110], "regular": [15, 75], "elevated": [40, 100], "low": [1, 25]},
    ),
    "auth_quota": (_auth_quota, {"rate_class": "regular"}, {"shared": 0, "separate": 15, "none": 16}),
    "rate_headers": (
        _rate_headers,
        {"rate_class": "low"},
        {
            "window_1s": [("1", "0", "1s", None), ("1", "0", "1s", None)],
            "window_60s": [("1", "0", "60s", None), ("1", "0", "60s", None)],
            "absent": [(None, None, None, None), (None, None, None, None)],
            "retry_after_seconds": [("1", "0", "1s", None), ("1", "0", "1s", "60")],
            "retry_after_date": [("1", "0", "1s", None), ("1", "0", "1s", "Thu, 02 Jul 2026 00:01:00 GMT")],
        },
    ),
    "code_type": (_codes, {}, {"string": ("00", "401"), "int": (0, 401)}),
    "field_case": (
        _token_fields,
        {},
        {
            "snake": ["access_token", "businessId", "expiresAt", "refresh_token"],
            "camel": ["accessToken", "businessId", "expiresAt", "refreshToken"],
        },
    ),
    "business_id": (
        _token_fields,
        {},
        {
            "present": ["access_token", "businessId", "expiresAt", "refresh_token"],
            "absent": ["access_token", "expiresAt", "refresh_token"],
        },
    ),
    "status_field": (
        _status_fields,
        {},
        {"absent": [None, None], "true": [True, False], "false_on_success": [False, False]},
    ),
    "error_data": (
        _error,
        {},
        {
            "absent": (401, '{"code": "401", "description": "Unauthorized"}'),
            "null": (401, '{"code": "401", "description": "Unauthorized", "data": null}'),
        },
    ),
    "error_body": (
        _error,
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
        _error,
        {},
        {
            "http_status": (401, '{"code": "401", "description": "Unauthorized"}'),
            "http_200": (200, '{"code": "401", "description": "Unauthorized"}'),
        },
    ),
    "ip_allow_list": (_refused_by_address, {}, {"off": _OK, "401": _NO, "403": (403, "403")}),
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


async def test_tokens_look_like_the_vendors(nomba: Caller) -> None:
    """A JWT of 407 characters, a refresh token of 39, a secret of 88; no two tokens alike."""
    pairs = [await nomba.pair() for _ in range(3)]
    assert len({token for pair in pairs for token in pair}) == 6
    for access, refresh in pairs:
        assert (len(access), access.count("."), access[:20]) == (407, 2, "eyJhbGciOiJIUzI1NiJ9")
        assert refresh[26:] == "1782950400000"
        assert refresh[:26].islower()
    for name in ("credentials", "second_credentials", "other_environment"):
        assert len(getattr(nomba.sandbox, name).client_secret.reveal()) == 88


async def test_resources_answer_as_documented(nomba: Caller) -> None:
    """Balance, parent, sub-account, banks and echo answer with the envelope; other paths and ids are not found."""
    access, _ = await nomba.pair()
    balance = (await nomba.balance(access)).body
    assert balance == {
        "code": "00",
        "description": "Success",
        "data": {"amount": "281946.0", "currency": "NGN", "timeCreated": "2026-07-02T00:00:00.000Z"},
    }
    sub_id = nomba.sandbox.sub_account_id
    expected = {
        "/v1/accounts/parent": ("bvn", BVN),
        f"/v1/accounts/{sub_id}/balance": ("amount", "1250.5"),
        "/v1/accounts/parent/balance": ("amount", "281946.0"),
    }
    for path, (field, value) in expected.items():
        assert (await nomba.call("GET", path, token=access)).data[field] == value
    assert (await nomba.call("GET", "/v1/transfers/banks", token=access)).data[0]["code"] == "090001"
    for path in ("/v1/accounts/nobody/balance", "/v1/nowhere", "/v1/auth/token/issue"):
        assert (await nomba.call("GET", path, token=access)).brief == (404, "404")
    assert nomba.sandbox.requests["sub_balance"] == 3


async def test_echo_describes_the_body(nomba: Caller) -> None:
    """The echo says how many bytes came and their SHA-256, also for a streamed body."""
    access, _ = await nomba.pair()

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    whole = b"x" * 300_000
    for body in (whole, stream(), b""):
        data = (await nomba.call("POST", "/v1/echo", token=access, data=body)).data
        sent = b"" if body == b"" else whole
        assert data == {"length": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


@pytest.mark.parametrize(
    "path, body",
    [
        ("issue", b"grant_type=client_credentials"),
        ("issue", b"[]"),
        ("issue", b"\xff"),
        ("issue", b'{"grant_type":"refresh_token","client_id":"a","client_secret":"b"}'),
        ("issue", b'{"grant_type":"client_credentials","client_id":"a"}'),
        ("refresh", b'{"grant_type":"refresh_token","refresh_token":7}'),
        ("refresh", b'{"refresh_token":"a"}'),
        ("revoke", b'{"clientId":"","access_token":"a"}'),
    ],
)
async def test_a_body_that_fails_validation_is_a_bad_request(nomba: Caller, path: str, body: bytes) -> None:
    """Form encoding, wrong grants and missing fields are answered 400, as every auth operation documents."""
    assert (await nomba.call("POST", f"/v1/auth/token/{path}", data=body)).brief == (400, "400")


async def test_an_unknown_key_is_a_bad_secret(nomba: Caller) -> None:
    """A client id nobody has is refused like a wrong secret."""
    assert (await nomba.issue(client_id="c0ffee00-9999-4222-8333-444455556666")).brief == _NO


async def test_only_the_word_bearer_opens(nomba: Caller) -> None:
    """The token without its scheme, or with another, is no token."""
    access, _ = await nomba.pair()
    for value in (access, f"Token {access}"):
        headers = {"Authorization": value, "accountId": nomba.sandbox.credentials.account_id}
        async with nomba.http.get(f"{nomba.sandbox.base_url}/v1/accounts/balance", headers=headers) as answer:
            assert answer.status == 401


async def test_a_stranger_revokes_nothing(nomba: Caller) -> None:
    """A client id that does not own the token is refused and the token lives."""
    access, _ = await nomba.pair()
    stranger = nomba.sandbox.second_credentials.client_id
    assert (await nomba.revoke(access, client_id=stranger)).brief == _NO
    assert (await nomba.balance(access)).brief == _OK
    revoked = await nomba.revoke(access)
    assert revoked.body == {"code": "00", "description": "Token revoked successfully"}


async def test_a_revoke_without_its_account_kills_nothing() -> None:
    """Where the account id is required, the right one revokes and a missing one leaves the token alive."""
    async with calling(revoke_account_id="required") as nomba:
        access, _ = await nomba.pair()
        await nomba.revoke(access, account=None)
        assert nomba.sandbox.live_tokens == 1
        assert (await nomba.revoke(access)).brief == _OK
        assert nomba.sandbox.live_tokens == 0


async def test_a_refused_bearer_spends_no_refresh_token() -> None:
    """A refresh refused for its bearer leaves the rotating token good for a second attempt."""
    async with calling(refresh_rotation="new_old_dies") as nomba:
        access, refresh = await nomba.pair()
        assert (await nomba.refresh(refresh, None)).brief == _NO
        assert (await nomba.refresh(refresh, access)).brief == _OK
        assert nomba.sandbox.refresh_reuses == 0


async def test_a_taken_over_session_loses_both_tokens() -> None:
    """After a second process signed in, the first one's access and refresh tokens are dead, and one token lives."""
    async with calling(refresh_bearer="not_needed") as nomba:
        access, refresh = await nomba.pair()
        nomba.sandbox.take_over()
        assert nomba.sandbox.live_tokens == 1
        assert (await nomba.balance(access)).brief == _NO
        assert (await nomba.refresh(refresh, None)).brief == (401, "02")
        assert nomba.sandbox.token_calls == 2


async def test_a_grace_is_not_extended_by_a_third_issue() -> None:
    """The first session ends five seconds after the second began, whoever comes later."""
    async with calling(second_issue="kills_after_grace") as nomba:
        access, _ = await nomba.pair()
        nomba.sandbox.take_over()
        nomba.clock.advance(4)
        nomba.sandbox.take_over()
        nomba.clock.advance(1)
        assert (await nomba.balance(access)).brief == _NO


async def test_the_other_environments_key_ends_no_session_here() -> None:
    """Even with one session per account, a key of the other environment lives in another world."""
    async with calling(session_scope="account") as nomba:
        access, _ = await nomba.pair()
        await nomba.pair(nomba.sandbox.other_environment)
        assert (await nomba.balance(access)).brief == _OK


async def test_killed_sessions_can_be_refreshed_unless_told() -> None:
    """Killing access tokens leaves refresh tokens good; with kill_refresh those die too."""
    async with calling(refresh_bearer="expired_ok") as nomba:
        access, refresh = await nomba.pair()
        nomba.sandbox.kill_sessions()
        assert (await nomba.balance(access)).brief == _NO
        assert (await nomba.refresh(refresh, access)).brief == _OK
        assert nomba.sandbox.live_tokens == 1
        nomba.sandbox.kill_sessions(kill_refresh=True)
        assert (await nomba.refresh(refresh, access)).brief == (401, "02")


async def test_reject_all_refuses_any_token_until_unset(nomba: Caller) -> None:
    """While set, a live token meets a 401 on every resource call and signing in still works."""
    access, _ = await nomba.pair()
    nomba.sandbox.reject_all = True
    assert (await nomba.balance(access)).brief == _NO
    fresh, _ = await nomba.pair()
    assert (await nomba.balance(fresh)).brief == _NO
    assert nomba.sandbox.unauthorized == 2
    nomba.sandbox.reject_all = False
    assert (await nomba.balance(fresh)).brief == _OK
    assert nomba.sandbox.unauthorized == 2


async def test_a_suspended_machine_finds_its_token_dead(nomba: Caller) -> None:
    """Lifetimes end by the wall clock, which runs on while a laptop sleeps."""
    access, _ = await nomba.pair()
    nomba.clock.suspend(_TTL_S)
    assert (await nomba.balance(access)).brief == _NO


async def test_a_rate_window_ends(nomba: Caller) -> None:
    """A low-traffic account may send its next POST a minute after the first, not earlier."""
    async with calling(rate_class="low") as low:
        statuses = []
        for wait_s in (0, 59.9, 0.1):
            low.clock.advance(wait_s)
            statuses.append((await low.issue()).status)
        assert statuses == [200, 429, 200]


async def test_a_dropped_refresh_answer_has_rotated_the_pair() -> None:
    """Cut after the commit, the old refresh token is spent; cut before it, nothing happened."""
    async with calling(refresh_rotation="new_old_dies", refresh_bearer="not_needed") as nomba:
        _, refresh = await nomba.pair()
        nomba.sandbox.faults.add(Fault(drop="before"), endpoint="refresh")
        with pytest.raises(aiohttp.ClientError):
            await nomba.refresh(refresh, None)
        refresh = (await nomba.refresh(refresh, None)).data["refresh_token"]
        nomba.sandbox.faults.add(Fault(drop="after"), endpoint="refresh")
        with pytest.raises(aiohttp.ClientError):
            await nomba.refresh(refresh, None)
        assert (await nomba.refresh(refresh, None)).brief == (401, "02")
        assert nomba.sandbox.refresh_reuses == 1
        assert nomba.sandbox.requests["refresh"] == 4
        assert nomba.sandbox.live_tokens == 3


@pytest.mark.parametrize("shape", ["response_code", "html", "empty", "list"])
async def test_a_failure_inside_a_success_keeps_its_code(shape: str) -> None:
    """A 2xx refusal carries a code whatever the error body, and a codeless body keeps its HTTP status."""
    async with calling(error_body=shape, failure_transport="http_200", bad_secret="200_code_01") as nomba:
        assert (await nomba.issue(client_secret="wrong")).brief == (200, "01")
        assert (await nomba.balance(None)).status == 401


async def test_no_repr_shows_a_secret(nomba: Caller) -> None:
    """The sandbox, its log and its memory can be printed in a failing test."""
    access, refresh = await nomba.pair()
    pair = nomba.sandbox._sessions.issue(next(iter(nomba.sandbox._sessions._accesses.values())).session.key)
    await nomba.balance(access)
    text = repr([nomba.sandbox, nomba.sandbox.log, pair])
    for hidden in (access, refresh, pair.access, nomba.sandbox.credentials.client_secret.reveal()):
        assert hidden not in text


async def test_stopping_leaves_no_task() -> None:
    """After the block only the tasks from before it are left."""
    before = asyncio.all_tasks()
    async with calling() as nomba:
        await nomba.pair()
    assert asyncio.all_tasks() == before
