"""A call of any endpoint: what is sent, what is read, what is refused before anything is sent."""

from __future__ import annotations

import enum
import io
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import NoneType
from typing import Annotated, Any
from uuid import UUID

import attrs
import pytest
from aiohttp import BytesPayload, ClientSession, FormData, web
from aiohttp.payload import PAYLOAD_REGISTRY
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    MalformedResponseError,
    NotSentError,
    OriginError,
    OutcomeUnknownError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.origins import Targets, origin_key
from nauth.responses.body import read_body
from nauth.responses.reply import AnswerMeta, Reply
from nauth.secret import Secret
from nauth.testing.clock import FakeClock
from nauth.transport.base import Answer
from nauth.typed_calls import CallOptions, TypedCalls
from nauth.wire.converter import camel, make_converter, rename_with
from tests.support.transport import FakeTransport, answer

BASE = URL("https://api.example.com/v2")
SECRET = "correct-horse"


class OurUnknownError(OutcomeUnknownError):
    """The vendor's own class."""


@attrs.frozen
class Bank:
    """A record of the user's."""

    bank_code: str
    fee: Decimal | None = None
    since: datetime | None = None


class Colour(str, enum.Enum):  # noqa: UP042 - a StrEnum is its own text
    """An enum whose text is not its value."""

    RED = "red"


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)
DATES = b'{"a":["2026-01-02","00000000-0000-0000-0000-000000000001"]}'
FORM = b"a=red&b=s+p&c=1&c=2.5&d=%FF"
FORM_TYPE = "application/x-www-form-urlencoded"


@attrs.frozen
class Planned:
    """Only a field that may be null has a type that no JSON fits."""

    since: timedelta | None = None


def converter() -> Any:
    made = make_converter()
    rename_with(made, camel)
    return made


def read(answer: Answer, into: Any, url: URL) -> Reply[Any]:
    """Read as a vendor without an envelope does."""
    if answer.status >= 500 or answer.status == 429:
        raise VendorUnavailableError(
            "out of order", status=answer.status, code="E1", detail="in the vendor's words", request_id="r-1"
        )
    if not answer.ok:
        raise RequestRejectedError(f"refused at {url}", status=answer.status)
    data = read_body(answer, into, converter=converter(), what="the response")
    return Reply(data=data, meta=AnswerMeta.of(answer))


def calls(transport: FakeTransport, **changes: Any) -> TypedCalls:
    settings: dict[str, Any] = {
        "transport": transport,
        "targets": Targets(BASE, frozenset({origin_key(BASE)})),
        "headers": {"accountId": "parent", "Accept": "application/json"},
        "converter": converter(),
        "errors": {OutcomeUnknownError: OurUnknownError},
        "read": read,
        "clock": FakeClock(),
        "max_body": 1000,
    }
    return TypedCalls(**(settings | changes))


async def test_a_call_is_sent_below_the_base_url_and_read() -> None:
    """Path, query, parameters, headers and body go out as given; the response comes back as the type asked for."""
    transport = FakeTransport(answer(200, [{"bankCode": "058"}]))
    options: CallOptions = {
        "json": Bank("1", Decimal("1.10"), datetime(2026, 1, 1, tzinfo=UTC)),
        "params": {"limit": 5},
        "headers": {"ACCOUNTID": "sub"},
        "timeout": timedelta(seconds=3),
    }
    reply = await calls(transport).call("post", "/banks?sort=up", list[Bank], options)
    assert reply.data == [Bank("058")]
    assert reply.meta.status == 200
    (request,) = transport.requests
    assert (request.method, str(request.url)) == ("POST", "https://api.example.com/v2/banks?sort=up&limit=5")
    assert request.body == b'{"bankCode":"1","fee":"1.10","since":"2026-01-01T00:00:00Z"}'
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers.getall("accountid") == ["sub"]  # type: ignore[attr-defined]
    assert request.timeout == timedelta(seconds=3)
    assert not request.repeatable


@pytest.mark.parametrize(
    "options, body, content_type",
    [
        ({}, None, None),
        ({"json": {"a": None, "b": Decimal("1.10")}}, b'{"a":null,"b":"1.10"}', "application/json"),
        ({"json": 0}, b"0", "application/json"),
        ({"data": {"a": ["1", "2 "]}}, b"a=1&a=2+", "application/x-www-form-urlencoded"),
        ({"data": "ä"}, b"\xc3\xa4", None),
        ({"data": bytearray(b"x")}, b"x", None),
        ({"data": b"x", "headers": {"content-type": "text/csv"}}, b"x", "text/csv"),
        ({"json": [], "headers": {"content-type": "application/x+json"}}, b"[]", "application/x+json"),
        ({"json": {"a": [date(2026, 1, 2), UUID(int=1)]}}, DATES, "application/json"),
        ({"data": {"a": Colour.RED, "b": Secret("s p"), "c": (1, 2.5), "d": b"\xff"}}, FORM, FORM_TYPE),
    ],
)
async def test_bodies(options: CallOptions, body: bytes | None, content_type: str | None) -> None:
    """A record or dict is JSON, a mapping as data is a form, anything else goes out as it is."""
    transport = FakeTransport(answer(200, b""))
    await calls(transport).call("PUT", "x", None, options)
    (request,) = transport.requests
    assert (request.body, request.headers.get("Content-Type")) == (body, content_type)


async def stream() -> AsyncIterator[bytes]:
    """Give a body that can be read once."""
    yield b"x"


@pytest.mark.parametrize(
    "path, into, options, error",
    [
        ("x", complex, {}, ConfigurationError),
        ("x", 5, {}, ConfigurationError),
        ("x", None, {"json": {}, "data": b""}, ConfigurationError),
        ("x", None, {"json": {"a": complex(1)}}, ConfigurationError),
        ("x", None, {"json": float("nan")}, ConfigurationError),
        ("x", None, {"json": datetime(2026, 1, 1)}, ConfigurationError),  # noqa: DTZ001
        ("x", None, {"data": stream(), "repeatable": True}, ConfigurationError),
        ("x", None, {"data": 5}, ConfigurationError),
        ("x", None, {"data": SECRET + "\ud800"}, ConfigurationError),
        ("x", None, {"data": {"a": None}}, ConfigurationError),
        ("x", None, {"data": {"a": True}}, ConfigurationError),
        ("x", None, {"data": {"a": [{"b": SECRET}]}}, ConfigurationError),
        ("x", None, {"data": {1: "a"}}, ConfigurationError),
        ("x", None, {"json": CIRCLE}, ConfigurationError),
        ("x", None, {"json": {"a": Decimal("nan")}}, ConfigurationError),
        ("x", None, {"params": {"a": None}}, ConfigurationError),
        ("x", None, {"params": {"a": float("nan")}}, ConfigurationError),
        ("x", None, {"params": {"a": SECRET.encode()}}, ConfigurationError),
        ("x", None, {"headers": {"a": 5}}, ConfigurationError),
        ("x", None, {"headers": {5: "a"}}, ConfigurationError),
        ("x", None, {"headers": [("a", "b")]}, ConfigurationError),
        ("x", None, {"timeout": 5}, ConfigurationError),
        ("x", None, {"timeout": timedelta(0)}, ConfigurationError),
        ("x", None, {"timeout": timedelta(seconds=-1)}, ConfigurationError),
        ("x", Bank("1"), {}, ConfigurationError),
        ("x", Planned, {}, ConfigurationError),
        (None, None, {}, ConfigurationError),
        ("x", None, {"parms": {"a": 1}}, TypeError),
        ("x", None, {"ssl": False}, TypeError),
        ("../admin", None, {}, OriginError),
        ("a/%2E%2e/admin", None, {}, OriginError),
        ("a/..%2fadmin", None, {}, OriginError),
        ("https://elsewhere.example/x", None, {}, OriginError),
    ],
)
async def test_refused_before_anything_is_sent(
    path: str, into: Any, options: CallOptions, error: type[Exception]
) -> None:
    """What cannot be read, written, repeated or sent there is refused while it costs nothing, and no value is quoted."""
    transport = FakeTransport()
    with pytest.raises(error) as caught:
        await calls(transport).call("POST", path, into, options)
    assert not transport.requests
    assert SECRET not in repr(caught.value)
    assert caught.value.__context__ is None or error is OriginError


@pytest.mark.parametrize("method", ["GET ", "", "G T", "GET\r\nX: y", "P\xd6ST", None])
async def test_a_method_that_is_no_word(method: Any) -> None:
    """It is refused before anything is sent; a word that is no usual method goes out in upper case."""
    transport = FakeTransport(answer(200, b""))
    with pytest.raises(ConfigurationError, match="the method must be a word"):
        await calls(transport).call(method, "x", None, {})
    assert not transport.requests
    await calls(transport).call("purge-all", "x", None, {})
    assert transport.requests[0].method == "PURGE-ALL"


async def test_a_form_with_a_file_is_multipart() -> None:
    """An open file among the values of a form goes out as its content, and not as what Python calls it."""
    transport = FakeTransport(answer(200, b""))
    form = {"kind": "invoice", "page": [1, 2], "raw": b"\xff", "file": io.BytesIO(b"content")}
    await calls(transport).call("POST", "x", None, {"data": form})
    (request,) = transport.requests
    assert isinstance(request.stream, FormData)
    written = await request.stream().as_bytes()
    parts = written.split(b"\r\n--")
    assert [part.partition(b"\r\n\r\n")[2] for part in parts[:5]] == [
        b"invoice",
        b"1",
        b"2",
        b"\xff",
        b"content",
    ]
    assert b'filename="file"' in parts[4]
    assert not request.repeatable


class Drawing:
    """A body of the user's own kind."""


async def test_a_body_that_aiohttp_was_taught() -> None:
    """A type that the user has registered with aiohttp is streamed by it."""
    PAYLOAD_REGISTRY.register(lambda _, **__: BytesPayload(b"lines"), Drawing)  # type: ignore[arg-type]
    transport = FakeTransport(answer(200, b""))
    await calls(transport).call("POST", "x", None, {"data": (drawing := Drawing())})
    assert transport.requests[0].stream is drawing


async def test_a_stream_goes_out_once() -> None:
    """A body that can be read once is handed on, and is not repeatable."""
    transport = FakeTransport(answer(200, b""))
    await calls(transport).call("POST", "x", None, {"data": (body := stream())})
    (request,) = transport.requests
    assert request.stream is body
    assert "async_generator" in repr(request)


@pytest.mark.parametrize(
    "method, given, repeatable",
    [
        ("GET", None, True),
        ("HEAD", None, True),
        ("OPTIONS", None, True),
        ("get", False, False),
        ("POST", None, False),
        ("PUT", None, False),
        ("DELETE", None, False),
        ("PATCH", None, False),
        ("POST", True, True),
    ],
)
async def test_what_is_repeatable(method: str, given: bool | None, repeatable: bool) -> None:
    """GET, HEAD and OPTIONS are, nothing else is, and the caller's word goes before."""
    transport = FakeTransport(answer(200, b""))
    await calls(transport).call(method, "x", None, {"repeatable": given})
    assert transport.requests[0].repeatable is repeatable


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_fault_behind_a_post_is_a_doubt(status: int) -> None:
    """A 5xx other than 503 to what is not repeatable may have been acted on: `retry later` would be a second payment."""
    with pytest.raises(OurUnknownError, match="E1: in the vendor's words") as caught:
        await calls(FakeTransport(answer(status))).call("POST", "transfers", None, {})
    error = caught.value
    assert (error.status, error.code, error.detail, error.request_id) == (
        status,
        "E1",
        "in the vendor's words",
        "r-1",
    )
    assert (error.__cause__, error.__context__) == (None, None)


@pytest.mark.parametrize("method, status", [("POST", 503), ("POST", 429), ("GET", 500)])
async def test_a_fault_that_is_no_doubt(method: str, status: int) -> None:
    """A 503 and a 429 were not acted on, and a GET does no harm: the vendor is unavailable, no more."""
    with pytest.raises(VendorUnavailableError):
        await calls(FakeTransport(answer(status))).call(method, "x", None, {})


async def test_the_transports_errors_become_the_vendors() -> None:
    """A lost response is the vendor's own OutcomeUnknownError; a class without a counterpart stays as it is."""
    with pytest.raises(OurUnknownError):
        await calls(FakeTransport(OutcomeUnknownError("lost"))).call("POST", "x", None, {})
    with pytest.raises(NotSentError):
        await calls(FakeTransport(NotSentError("no way"))).call("POST", "x", None, {})


@pytest.mark.parametrize(
    "body, into, problem",
    [
        (b"{}", None, "$: expected null, got object"),
        (b"", Bank, "$: expected a JSON document, got nothing"),
        (b"<html>", Bank, "$: expected a JSON document, got 6 bytes of markup"),
        (b"[]", Bank, "$: expected object, got list"),
    ],
)
async def test_a_body_that_does_not_fit(body: bytes, into: Any, problem: str) -> None:
    """A body where none is wanted, and none or another where one is wanted, is malformed, and never a value."""
    with pytest.raises(MalformedResponseError) as caught:
        await calls(FakeTransport(answer(200, body))).call("GET", "x", into, {})
    assert caught.value.problems == (problem,)


@pytest.mark.parametrize("body", [b"", b" \n", b"null"])
async def test_no_body(body: bytes) -> None:
    """None and its type both ask for a response without data."""
    for into in (None, NoneType):
        assert (await calls(FakeTransport(answer(200, body))).call("GET", "x", into, {})).data is None


async def test_an_unexpected_content_type_is_named() -> None:
    """What is no JSON is named by its content type: a login page with status 200 shows at once."""
    page = answer(200, b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(MalformedResponseError, match="text/html"):
        await calls(FakeTransport(page)).call("GET", "x", Bank, {})


async def serve(handler: Any) -> tuple[web.AppRunner, URL]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return runner, URL.build(scheme="http", host="127.0.0.1", port=runner.addresses[0][1])


@pytest.mark.parametrize(
    "status, body, cut, error",
    [
        (200, b'{"bankCode":"1"}', False, None),
        (404, b"{}", False, RequestRejectedError),
        (500, b"{}", False, OurUnknownError),
        (200, b"x" * 1001, False, MalformedResponseError),
        (200, b"{}", True, OurUnknownError),
    ],
)
async def test_a_response_in_hand_is_opened(
    status: int, body: bytes, cut: bool, error: type[Exception] | None
) -> None:
    """A response that the caller brings is read, judged and released as one of `call` is."""

    async def handler(request: web.Request) -> web.StreamResponse:
        headers: Mapping[str, str] = {
            "Content-Length": str(len(body) + cut),
            "Content-Type": "application/json",
        }
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await response.write(body)
        assert request.transport is not None
        request.transport.close()
        return response

    runner, url = await serve(handler)
    try:
        async with ClientSession() as session:
            response = await session.post(url / "x")
            if error is None:
                assert (await calls(FakeTransport()).open(response, Bank)).data == Bank("1")
            else:
                with pytest.raises(error):
                    await calls(FakeTransport()).open(response, Bank)
            assert response.closed
            assert response.connection is None
    finally:
        await runner.cleanup()


async def test_a_response_that_was_read_before_is_opened() -> None:
    """A middleware, or the caller, may have read the body: it is taken from there, and is not empty."""

    async def handler(request: web.Request) -> web.Response:
        return web.json_response({"bankCode": "1"})

    runner, url = await serve(handler)
    try:
        async with ClientSession() as session:
            response = await session.get(url / "x")
            await response.read()
            assert (await calls(FakeTransport()).open(response, Bank)).data == Bank("1")
    finally:
        await runner.cleanup()


async def test_a_foreign_authorization_is_named_in_the_refusal() -> None:
    """Where the session sent an `Authorization` of its own, a refusal says so: the client's token was not asked."""

    def read_refusal(answer: Answer, into: Any, url: URL) -> Reply[Any]:
        raise CredentialsRejectedError("refused", status=answer.status)

    transport = FakeTransport(attrs.evolve(answer(401, b""), foreign=True))
    with pytest.raises(CredentialsRejectedError, match="put another Authorization in its place"):
        await calls(transport, read=read_refusal).call("GET", "x", None, {})


async def test_a_type_that_cannot_be_hashed() -> None:
    """It cannot be remembered, so it is refused before anything is sent."""
    transport = FakeTransport()
    unhashable: Any = Annotated[int, []]
    with pytest.raises(ConfigurationError, match="cannot be read into"):
        await calls(transport).call("GET", "x", unhashable, {})
    assert not transport.requests
