"""What counts as a success, what the headers say, and a 401 that looks like one."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientSession, web

from nombaauth import (
    Balance,
    NombaApiError,
    NombaError,
    NombaMalformedResponseError,
    NombaThrottledError,
    RateLimit,
    TokenData,
)
from nombaauth.errors import Endpoint
from nombaauth.responses import hidden_401, rate_limit, read_response, window_hint
from tests.nombaauth.recorded import body
from tests.support.http.servers import RawServer, serve
from tests.support.leaks.errors import leaks
from tests.support.transport import answer

_BALANCE = {"amount": "1.50", "currency": "NGN", "timeCreated": "2026-03-08T14:56:59.000Z"}


def _open(status: int, wire: object, **headers: str) -> object:
    made = answer(status, wire, headers={name.replace("_", "-"): value for name, value in headers.items()})
    return read_response(made, Endpoint.RESOURCE, Balance).data.amount


@pytest.mark.parametrize(
    "status, extra",
    [
        (200, {"code": "00"}),
        (200, {"code": "0"}),
        (200, {"code": 0}),
        (200, {"code": "00", "status": False}),
        (200, {"code": "00", "status": "error", "message": "whatever"}),
        (200, {"responseCode": "00", "responseMessage": "Success"}),
        (201, {"code": "201"}),
        (202, {"code": 202}),
        (200, {"code": "00", "description": None}),
    ],
)
def test_a_success_is_a_2xx_whose_code_says_so(status: int, extra: dict[str, object]) -> None:
    """Codes as number or text, accepted-in-flight, and a `status` that lies: all successes."""
    assert _open(status, {"description": "Success", "data": _BALANCE, **extra}) == Decimal("1.50")


@pytest.mark.parametrize(
    "status, extra",
    [
        (200, {"code": "01"}),
        (200, {"code": 1}),
        (200, {"code": "05", "status": True}),
        (200, {"code": ""}),
        (200, {"code": "  "}),
        (200, {"responseCode": "05"}),
        (200, {"code": "000"}),
        (400, {"code": "00"}),
        (302, {"code": "00"}),
    ],
)
def test_anything_else_is_a_failure(status: int, extra: dict[str, object]) -> None:
    """A success needs both; an empty code is none."""
    with pytest.raises(NombaError) as refused:
        _open(status, {"description": "Success", "data": _BALANCE, **extra})
    assert refused.value.status == status


@pytest.mark.parametrize(
    "wire, problem",
    [
        (b"", "$: expected a JSON document, got nothing"),
        (body("gateway.html"), "$: expected a JSON document, got 56 bytes of markup"),
        (b"CANARY", "$: expected a JSON document, got 6 bytes of something else"),
        (
            b'{"code":"00","data":{"amount":NaN}}',
            "$: expected a JSON document, got 35 bytes of something else",
        ),
        ([{"code": "00"}], "$: expected object, got list"),
        ("CANARY", "$: expected object, got str"),
        (None, "$: expected object, got null"),
        ({"data": _BALANCE}, "$.code: missing"),
        ({"code": True, "data": _BALANCE}, "$.code: expected str, got bool"),
        ({"code": "00"}, "$.data: expected object, got null"),
        ({"code": "00", "data": None}, "$.data: expected object, got null"),
        ({"code": "00", "data": []}, "$.data: expected object, got list"),
        (
            {"code": "00", "data": {**_BALANCE, "amount": "CANARY"}},
            "$.data.amount: expected a decimal number, got another str",
        ),
    ],
)
def test_a_success_that_cannot_be_read_says_where(wire: object, problem: str) -> None:
    """The problem is the wire's path and type names, never a value."""
    with pytest.raises(NombaMalformedResponseError) as refused:
        _open(200, wire, X_Request_Id="req-9")
    assert refused.value.problems == (problem,)
    assert "CANARY" not in repr(refused.value)
    assert (refused.value.status, refused.value.request_id) == (200, "req-9")


@pytest.mark.parametrize(
    "wire, code, detail",
    [
        (body("401.json"), "401", "Unauthorized"),
        (body("422_errors.json"), "422", "Validation failed"),
        (body("response_code_05.json"), "05", "Transaction not permitted"),
        (body("gateway.html"), None, None),
        (b"", None, None),
        (b"\xff\xfe", None, None),
        (b"[" * 5000, None, None),
        ([{"code": "01"}], None, None),
        ({"code": ["01"], "description": {"a": 1}}, None, None),
        ({"code": None, "responseCode": "01"}, None, None),
        ({"code": "01", "description": "  ", "message": "Second"}, "01", "Second"),
        ({"code": "01", "description": "echo eyJhbGciOiJIUzI1NiJ9.CANARY.sig"}, "01", "echo [...]"),
    ],
)
def test_a_refusal_keeps_what_can_be_kept(wire: object, code: str | None, detail: str | None) -> None:
    """Code and words are kept where they are; the status decides where there are none."""
    with pytest.raises(NombaError) as refused:
        _open(409, wire)
    assert type(refused.value) is NombaApiError
    assert (refused.value.code, refused.value.detail) == (code, detail)


def test_meta_tells_what_came_beside_the_body() -> None:
    """Status, date, request id and quota are kept with the data."""
    made = answer(
        200,
        {"code": "00", "data": _BALANCE},
        headers={
            "Date": "Thu, 02 Jul 2026 00:00:00 GMT",
            "X-Request-Id": "req-1",
            "X-Rate-Limit-Limit": "40",
        },
        sent_wall=5.0,
    )
    meta = read_response(made, Endpoint.RESOURCE, Balance).meta
    assert meta is not None
    assert (meta.status, meta.date, meta.sent_wall_s, meta.request_id, meta.rate_limit) == (
        200,
        "Thu, 02 Jul 2026 00:00:00 GMT",
        5.0,
        "req-1",
        RateLimit(limit=40),
    )


@pytest.mark.parametrize(
    "text, window_s",
    [
        ("1s", 1),
        ("60s", 60),
        ("60", 60),
        (" 1000 ms ", 1),
        ("2m", 120),
        ("1h", None),
        ("", None),
        ("-1s", None),
        ("\u0661s", None),
        ("9999999999s", None),
    ],
)
def test_a_window_is_read_loosely(text: str, window_s: int | None) -> None:
    """Any of the plausible spellings of a window; nothing from the rest."""
    read = rate_limit({"X-Rate-Limit-Limit": "1", "X-Rate-Limit-Window": text})
    assert read is not None
    assert read.window == (None if window_s is None else timedelta(seconds=window_s))


def test_rate_headers_are_read_one_by_one() -> None:
    """What cannot be read is None, and no header at all is no quota."""
    assert rate_limit({}) is None
    assert rate_limit({"X-Rate-Limit-Limit": "40", "X-Rate-Limit-Remaining": " 39 "}) == RateLimit(
        limit=40, remaining=39
    )
    assert rate_limit({"X-Rate-Limit-Limit": "-1", "X-Rate-Limit-Remaining": "1" * 11}) == RateLimit()


@pytest.mark.parametrize(
    "status, wire, window, hint_s",
    [
        (429, b"", "60s", 60),
        (429, b"", None, None),
        (429, b"", "soon", None),
        (200, {"code": 429}, "60s", 60),
        (200, {"code": "00"}, "60s", None),
        (503, b"", "60s", None),
        (429, b"", "999999999m", 600),
    ],
)
def test_the_window_is_a_hint_where_throttled(
    status: int, wire: object, window: str | None, hint_s: int | None
) -> None:
    """Only a 429, by status or by code, is told to wait for the window, and never for more than ten minutes."""
    headers = {"X-Rate-Limit-Limit": "1"} | ({} if window is None else {"X-Rate-Limit-Window": window})
    hint = window_hint(answer(status, wire, headers=headers))
    assert hint == (None if hint_s is None else timedelta(seconds=hint_s))


@pytest.mark.parametrize(
    "headers, wait_s",
    [
        ({}, None),
        ({"X-Rate-Limit-Window": "1s"}, 1),
        ({"X-Rate-Limit-Window": "60s"}, 60),
        ({"Retry-After": "30"}, 30),
        ({"Retry-After": "30", "X-Rate-Limit-Window": "1s"}, 30),
        ({"Retry-After": "Thu, 02 Jul 2026 00:00:45 GMT", "Date": "Thu, 02 Jul 2026 00:00:00 GMT"}, 45),
        ({"Retry-After": "86400"}, 600),
        ({"Retry-After": "tomorrow"}, None),
    ],
)
@pytest.mark.parametrize("endpoint", Endpoint)
@pytest.mark.parametrize("status", [429, 200])
def test_throttling_carries_the_wait(
    headers: dict[str, str], wait_s: int | None, endpoint: Endpoint, status: int
) -> None:
    """Whatever header names the wait, on every endpoint, by status or by code: the error has it, within reason."""
    made = answer(status, body("429.json"), headers=headers)
    with pytest.raises(NombaThrottledError) as refused:
        read_response(made, endpoint, TokenData)
    assert refused.value.retry_after == (None if wait_s is None else timedelta(seconds=wait_s))


# --- a 401 that looks like a success --------------------------------------------------------------------------------


async def _hidden(reply: web.Response) -> tuple[bool, bytes]:
    async def handler(_: web.Request) -> web.Response:
        return reply

    async with serve(handler) as url, ClientSession() as http, http.get(url) as response:
        return await hidden_401(response), await response.read()


@pytest.mark.parametrize(
    "status, wire, hidden",
    [
        (200, b'{"code":"401"}', True),
        (202, b'{"code":401}', True),
        (200, b'{"responseCode":"401"}', True),
        (200, b'{"code":"00"}', False),
        (200, b'{"code":"403"}', False),
        (200, b"[401]", False),
        (200, b'{"code":"401","pad":"' + b"x" * 1100 + b'"}', False),
        (401, b'{"code":"401"}', False),
        (500, b'{"code":"401"}', False),
        (204, b"", False),
    ],
)
async def test_a_small_answer_may_be_a_401(status: int, wire: bytes, hidden: bool) -> None:
    """Only a small 2xx whose code says so; its body stays readable."""
    reply = web.Response(status=status, body=wire, content_type="application/json")
    assert await _hidden(reply) == (hidden, wire)


async def test_another_type_is_never_read() -> None:
    """An answer that is not JSON is the caller's alone."""
    wire = b'{"code":"401"}'
    assert await _hidden(web.Response(body=wire, content_type="text/plain")) == (False, wire)


async def test_a_body_that_breaks_off_is_the_callers_business() -> None:
    """A connection lost while looking is no 401; the caller meets the same failure when it reads."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"
    async with (
        asyncio.timeout(10),
        RawServer(reply) as server,
        ClientSession() as http,
        http.get(server.url()) as response,
    ):
        assert await hidden_401(response) is False
        with pytest.raises(aiohttp.ClientError):
            await response.read()


def test_no_frame_of_a_refusal_holds_the_body() -> None:
    """What an error tracker prints of a refused or unreadable answer contains nothing of it."""
    wires: list[Any] = [
        {"code": "00", "data": {"access_token": 5, "refresh_token": "CANARY"}},
        b"CANARY",
        [{"access_token": "CANARY"}],
    ]
    for wire in wires:
        with pytest.raises(NombaError) as refused:
            read_response(answer(200, wire), Endpoint.ISSUE, TokenData)
        assert leaks(refused.value, ["CANARY"]) == []


def test_a_success_without_a_body() -> None:
    """Where no data is asked for, an empty body is a success; there is no code then."""
    opened = read_response(answer(204, b""), Endpoint.RESOURCE, type(None))
    assert (opened.code, opened.data) == ("", None)


def test_a_description_in_other_letters() -> None:
    """The careful reader reads what the quick one leaves to it, and both bring the same."""
    wire = {"code": "00", "description": "\u2713", "data": _BALANCE}
    careful = read_response(answer(200, wire), Endpoint.RESOURCE, Balance)
    quick = read_response(answer(200, wire | {"description": "ok"}), Endpoint.RESOURCE, Balance)
    assert careful.description == "\u2713"
    assert careful.data == quick.data
