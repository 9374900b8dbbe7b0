"""Credentials in, tokens out: lifetimes, refresh tokens, and a token that is already gone."""

from __future__ import annotations

import json
import logging
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from nauth.token import Token
from nombaauth import (
    NombaApi,
    NombaAuthenticator,
    NombaCredentials,
    NombaError,
    NombaMalformedResponseError,
    NombaRefreshRefusedError,
    Secret,
)
from tests.nombaauth.recorded import body
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_NOW_S = 1_782_950_400.0  # 2026-07-02T00:00:00Z
_DATE = "Thu, 02 Jul 2026 00:00:00 GMT"
_HOUR_LATER = "Thu, 02 Jul 2026 01:00:00 GMT"
_HOUR_EARLIER = "Wed, 01 Jul 2026 23:00:00 GMT"
_CREDENTIALS = NombaCredentials(client_id="id-1", client_secret="CANARY-SECRET", account_id="account-1")
_UNAUTHORIZED = body("401.json")
_PAIR = body("issue.json")
_OLD = Token(access_token=Secret("old-access"), refresh_token=Secret("old-refresh"))
_HALF_HOUR, _HOUR = timedelta(minutes=30), timedelta(hours=1)


def _made(transport: FakeTransport) -> NombaAuthenticator:
    api = NombaApi(base_url=URL("https://api.nomba.com"), account_id="account-1", auth=transport)
    return NombaAuthenticator(_CREDENTIALS, api)


async def _issued(date: str | None = _DATE, *, sent_s: float = _NOW_S, **data: Any) -> Token:
    wire = {"code": "00", "data": {"access_token": "new-access", "refresh_token": "new-refresh"} | data}
    headers = {} if date is None else {"Date": date}
    return await _made(FakeTransport(answer(200, wire, headers=headers, sent_wall=sent_s))).issue()


@pytest.mark.parametrize(
    "stamp",
    [
        "2026-07-02T01:00:00Z",
        "2026-07-02T01:00:00.0Z",
        "2026-07-02T01:00:00.000Z",
        "2026-07-02T01:00:00.000000Z",
        "2026-07-02T01:00:00.000000000Z",
        "2026-07-02T01:00:00+00:00",
        "2026-07-02T02:00:00+01:00",
        "2026-07-02T02:00:00+0100",
        "2026-07-02T02:00:00.000+0100",
        "2026-07-02T01:00:00",
        "2026-07-02 01:00:00",
        " 2026-07-02T01:00:00Z ",
        1_782_954_000,
        1_782_954_000.0,
        1_782_954_000_000,
        "1782954000",
        "1782954000000",
    ],
)
@pytest.mark.parametrize("name", ["expiresAt", "expires_at"])
@pytest.mark.parametrize("date", [_DATE, None])
async def test_every_form_of_the_expiry(stamp: object, name: str, date: str | None) -> None:
    """Each spelling of the same instant is the same hour of life."""
    stated: dict[str, Any] = {name: stamp}
    token = await _issued(date, **stated)
    assert token.lifetime == _HOUR
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == _NOW_S + 3600


@pytest.mark.parametrize("digits", range(10))
async def test_any_number_of_fractional_digits(digits: int) -> None:
    """Fractions of a second are read to the microsecond, whatever their length."""
    fraction = f".{'9' * digits}" if digits else ""
    lifetime = (await _issued(expiresAt=f"2026-07-02T00:30:00{fraction}Z")).lifetime
    assert lifetime is not None
    assert _HALF_HOUR <= lifetime < _HALF_HOUR + timedelta(seconds=1)


@pytest.mark.parametrize("skew_s", [0.0, 3600.0, -3600.0])
async def test_a_skewed_clock_here_is_cancelled_by_the_answers_date(skew_s: float) -> None:
    """With `Date` the lifetime is right however wrong this machine's clock is, and is placed on that clock."""
    token = await _issued(_DATE, sent_s=_NOW_S + skew_s, expiresAt="2026-07-02T01:00:00Z")
    assert token.lifetime == _HOUR
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == _NOW_S + skew_s + 3600


@pytest.mark.parametrize(
    "date, stamp, lifetime",
    [
        (_HOUR_LATER, "2026-07-02T01:30:00Z", _HALF_HOUR),  # their clock is fast
        (_HOUR_EARLIER, "2026-07-01T23:30:00Z", _HALF_HOUR),  # slow
        (
            _HOUR_LATER,
            "2026-07-02T00:30:00Z",
            _HALF_HOUR,
        ),  # the header alone is: not positive, so the documented
        ("nonsense", "2026-07-02T01:00:00Z", _HOUR),
    ],
)
async def test_a_skewed_clock_there_cancels_too(date: str, stamp: str, lifetime: timedelta) -> None:
    """Stamp and header come from one clock; an unreadable header counts as none."""
    assert (await _issued(date, expiresAt=stamp)).lifetime == lifetime


@pytest.mark.parametrize(
    "skew_s, lifetime", [(0.0, _HOUR), (3600.0, _HALF_HOUR), (-3600.0, timedelta(hours=2))]
)
async def test_without_a_date_this_machines_clock_counts(skew_s: float, lifetime: timedelta) -> None:
    """A clock an hour fast finds the token over, and takes the documented half hour instead."""
    assert (
        await _issued(None, sent_s=_NOW_S + skew_s, expiresAt="2026-07-02T01:00:00Z")
    ).lifetime == lifetime


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"expiresAt": None},
        {"expiresAt": ""},
        {"expiresAt": "in a while"},
        {"expiresAt": "NaN"},
        {"expiresAt": True},
        {"expiresAt": []},
        {"expiresAt": {}},
        {"expiresAt": 0},
        {"expiresAt": -1},
        {"expiresAt": "2022-01-01T00:00:00Z"},
        {"expiresAt": "2026-07-02T00:00:00Z"},
        {"expiresAt": "2026-13-40T99:00:00Z"},
        {"expiresAt": "x" * 100_000},
        {"expires_in": 0},
        {"expires_in": -5},
        {"expires_in": "NaN"},
        {"expires_in": "1e999"},
        {"expires_in": True},
        {"expires_in": [3600]},
        {"expires_in": None},
        {"expires_in": "soon"},
    ],
)
async def test_an_unusable_expiry_means_half_an_hour(data: dict[str, Any]) -> None:
    """Missing, unreadable, past, zero, negative: the documented life, and never an exception."""
    assert (await _issued(**data)).lifetime == _HALF_HOUR


@pytest.mark.parametrize(
    "data, lifetime",
    [
        ({"expires_in": 3600}, _HOUR),
        ({"expires_in": "3600"}, _HOUR),
        ({"expires_in": 3600.0}, _HOUR),
        ({"expiresIn": 3600}, _HOUR),
        ({"expires_in": 0.5}, timedelta(seconds=0.5)),
        ({"expiresAt": "garbage", "expires_in": 3600}, _HOUR),
        ({"expiresAt": "2022-01-01T00:00:00Z", "expires_in": 3600}, _HOUR),
        ({"expiresAt": "2026-07-02T03:00:00Z", "expires_in": 3600}, timedelta(hours=3)),
        ({"expiresAt": "2126-07-02T00:00:00Z"}, timedelta(hours=24)),
        ({"expiresAt": "9999-12-31T23:59:59Z"}, timedelta(hours=24)),
        ({"expires_in": 3_155_760_000}, timedelta(hours=24)),
        ({"expires_in": 10**200}, timedelta(hours=24)),
    ],
)
async def test_other_lifetimes_are_bounded(data: dict[str, Any], lifetime: timedelta) -> None:
    """`expires_in` is the fallback, and no answer is believed beyond a day."""
    assert (await _issued(**data)).lifetime == lifetime


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e999"])
async def test_a_number_that_is_none_is_not_json(number: str) -> None:
    """A bare NaN or infinity makes the answer unreadable: typed, without the token in sight."""
    wire = f'{{"code":"00","data":{{"access_token":"CANARY","expires_in":{number}}}}}'.encode()
    with pytest.raises(NombaMalformedResponseError) as refused:
        await _made(FakeTransport(answer(200, wire))).issue()
    assert leaks(refused.value, ["CANARY"]) == []


async def test_the_pair_is_taken_as_it_is() -> None:
    """Access and refresh token come together, and nothing shows either."""
    token = await _issued(expiresAt="2026-07-02T01:00:00Z")
    assert (token.access_token, token.refresh_token) == (Secret("new-access"), Secret("new-refresh"))
    assert token.authorization == "Bearer new-access"
    assert "new-" not in repr(token)


@pytest.mark.parametrize("data", [{"refresh_token": ""}, {"refresh_token": None}])
async def test_no_refresh_token_is_none(data: dict[str, Any]) -> None:
    """Empty and null mean that none came; the manager then keeps the old one."""
    assert (await _issued(**data)).refresh_token is None


async def test_a_refresh_sends_the_old_pair() -> None:
    """The old access token is the bearer even where it has expired; id and secret stay at home."""
    transport = FakeTransport(answer(200, _PAIR, headers={"Date": _DATE}))
    token = await _made(transport).refresh(_OLD)
    assert token.lifetime == _HALF_HOUR
    (sent,) = transport.requests
    assert sent.headers["Authorization"] == "Bearer old-access"
    assert json.loads(sent.body or b"") == {"grant_type": "refresh_token", "refresh_token": "old-refresh"}


async def test_a_refused_pair_is_not_sent_again() -> None:
    """One refusal is enough: with one POST a minute, a second would keep the sign-in from ever happening."""
    transport = FakeTransport(answer(401, _UNAUTHORIZED), answer(200, _PAIR, headers={"Date": _DATE}))
    made = _made(transport)
    for _ in range(3):
        with pytest.raises(NombaRefreshRefusedError):
            await made.refresh(_OLD)
    assert len(transport.requests) == 1
    other = Token(access_token=Secret("other-access"), refresh_token=_OLD.refresh_token)
    await made.refresh(other)  # the refusal may have been the bearer's fault
    assert transport.left == 0


@pytest.mark.parametrize("status", [429, 500, 503])
async def test_a_doubt_is_no_refusal(status: int) -> None:
    """After a failure that may pass the same pair is sent again."""
    transport = FakeTransport(answer(status), answer(200, _PAIR))
    made = _made(transport)
    with pytest.raises(NombaError):
        await made.refresh(_OLD)
    await made.refresh(_OLD)
    assert transport.left == 0


async def test_an_empty_access_token_is_no_token() -> None:
    """On issue it is an unexpected answer; on refresh a refusal, so that a sign-in follows."""
    wire = {"code": "00", "data": {"access_token": ""}}
    with pytest.raises(NombaMalformedResponseError) as refused:
        await _made(FakeTransport(answer(200, wire, headers={"X-Request-Id": "r"}))).issue()
    assert refused.value.problems == ("$.data.access_token: expected printable ASCII",)
    assert (refused.value.status, refused.value.request_id) == (200, "r")
    with pytest.raises(NombaRefreshRefusedError):
        await _made(FakeTransport(answer(200, wire))).refresh(_OLD)


@pytest.mark.parametrize(
    "status, wire",
    [
        (200, {"code": "00"}),
        (200, {"code": "00", "data": None}),
        (401, {"code": "401"}),
        (401, b""),
        (404, {"code": "404"}),
        (404, b"<html>"),
        (200, {"code": "02"}),
        (200, {"code": 2}),
        (200, {"code": "401"}),
        (200, {"code": "404"}),
        (400, {"code": "02"}),
    ],
)
async def test_a_dead_token_is_as_good_as_revoked(
    status: int, wire: object, caplog: pytest.LogCaptureFixture
) -> None:
    """Success and every way of saying "invalid already" are done; the latter is noted, without the token."""
    caplog.set_level(logging.INFO, "nombaauth")
    transport = FakeTransport(answer(status, wire))
    await _made(transport).revoke(_OLD)
    (sent,) = transport.requests
    assert json.loads(sent.body or b"") == {"clientId": "id-1", "access_token": "old-access"}
    clean = isinstance(wire, dict) and wire["code"] == "00"
    assert len(caplog.records) == (0 if clean else 1)
    assert "old-access" not in caplog.text


@pytest.mark.parametrize(
    "status, wire",
    [
        (400, {"code": "400"}),
        (403, {"code": "403"}),
        (422, {"code": "422"}),
        (429, {"code": "02"}),
        (500, {"code": "02"}),
        (503, b""),
        (200, {"code": "01"}),
        (200, {"code": "05"}),
        (200, {"code": "500"}),
        (200, b""),
        (200, []),
        (200, {}),
    ],
)
async def test_any_other_answer_leaves_it_alive(status: int, wire: object) -> None:
    """Whatever does not say that the token is gone raises: it may still be alive."""
    with pytest.raises(NombaError):
        await _made(FakeTransport(answer(status, wire))).revoke(_OLD)
