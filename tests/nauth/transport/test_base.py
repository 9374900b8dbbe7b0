"""The seam's own records: what they tell, and what they never show."""

from __future__ import annotations

import pytest
from yarl import URL

from nauth.errors import ConfigurationError
from nauth.origins import check_origin, place
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Answer, Request, Transport, request_id_of
from nauth.transport.retry import Retrying
from tests.support.transport import FakeTransport, answer

CANARY = "canary-4f1d"


class TestRequest:
    def test_repr_shows_no_secret(self) -> None:
        """A request's repr has header names and the body's size, and neither query nor user info."""
        request = Request(
            method="POST",
            url=URL(f"https://{CANARY}:{CANARY}@api.example.com/v1/token?secret={CANARY}#{CANARY}"),
            headers={"Authorization": CANARY, "Accept": "a"},
            body=CANARY.encode(),
        )

        assert CANARY not in repr(request)
        assert "<https://api.example.com:443/v1/token>" in repr(request)
        assert "<accept, authorization>" in repr(request)
        assert f"<{len(CANARY)} bytes>" in repr(request)

    def test_defaults(self) -> None:
        """A request without headers and body has none, and is not repeatable unless its maker says so."""
        request = Request(method="GET", url=URL("https://api.example.com/"))

        assert (dict(request.headers), request.body, request.repeatable) == ({}, None, False)
        assert "body=None" in repr(request)

    def test_headers_are_frozen_and_caseless(self) -> None:
        """A change to the caller's dict does not reach the request, and names match in any case."""
        given = {"X-Account": "1"}
        request = Request(method="GET", url=URL("https://api.example.com/"), headers=given)
        given["X-Account"] = "2"

        assert request.headers["x-account"] == "1"
        assert hash(request) == hash(request)


class TestAnswer:
    def test_repr_shows_no_secret(self) -> None:
        """An answer's repr has header names and the body's size only."""
        shown = repr(answer(body=CANARY.encode(), headers={"Set-Cookie": CANARY}))

        assert CANARY not in shown
        assert "<set-cookie>" in shown
        assert f"<{len(CANARY)} bytes>" in shown

    @pytest.mark.parametrize(
        "status, ok", [(199, False), (200, True), (204, True), (299, True), (300, False), (500, False)]
    )
    def test_ok(self, status: int, ok: bool) -> None:
        """The 200s are success, nothing else is."""
        assert answer(status).ok is ok

    @pytest.mark.parametrize(
        "header, media_type",
        [
            ({"CONTENT-TYPE": "Application/JSON ; charset=utf-8"}, "application/json"),
            ({"content-type": "text/html"}, "text/html"),
            ({}, ""),
        ],
    )
    def test_content_type(self, header: dict[str, str], media_type: str) -> None:
        """The media type comes without parameters and in lower case."""
        assert answer(headers=header).content_type == media_type

    def test_no_headers_needed(self) -> None:
        """An answer of nothing but a status is complete."""
        bare = Answer(status=204, sent_wall=1.0, sent_mono=2.0)

        assert (bare.body, dict(bare.headers), bare.request_id) == (b"", {}, None)


class TestRequestId:
    @pytest.mark.parametrize(
        "headers, expected",
        [
            ({"X-Request-ID": "a"}, "a"),
            ({"X-Cloud-Trace-Context": "b/1;o=1"}, "b/1;o=1"),
            ({"X-Correlation-Id": "c"}, "c"),
            ({"X-Correlation-Id": "c", "X-Request-Id": "a", "X-Cloud-Trace-Context": "b"}, "a"),
            ({"X-Request-Id": " ", "X-Correlation-Id": "c"}, "c"),
            ({"X-Request-Id": "\x1b[31mred\u202e\x00é"}, "[31mred"),
            ({"X-Request-Id": "x" * 500}, "x" * 200),
            ({"Other": "x"}, None),
        ],
    )
    def test_first_that_says_something(self, headers: dict[str, str], expected: str | None) -> None:
        """The first usable header wins, cut to 200 printable ASCII characters."""
        found = answer(headers=headers)

        assert found.request_id == expected
        assert request_id_of(found.headers) == expected


class TestCheckOrigin:
    @pytest.mark.parametrize(
        "url",
        [
            "https://api.example.com/v1",
            "http://localhost:8080/",
            "http://LOCALHOST/",
            "http://127.0.0.1/",
            "http://127.9.9.9:1/",
            "http://[::1]:80/",
        ],
    )
    def test_accepts(self, url: str) -> None:
        """Any https origin will do, and plain http to this machine."""
        check_origin(URL(url))

    @pytest.mark.parametrize(
        "url",
        [
            "http://api.example.com/v1?canary-4f1d",
            "http://localhost.example.com/",
            "http://127.0.0.1.example.com/",
            "http://10.0.0.1/",
            "http://[fe80::1]/",
            "http://0.0.0.0/",
            "ftp://localhost/",
            "ws://localhost/",
            "/relative?canary-4f1d",
            "https:///path",
        ],
    )
    def test_refuses(self, url: str) -> None:
        """Anything else is refused before it is sent, by a text without path or query."""
        with pytest.raises(ConfigurationError, match="nothing was sent") as caught:
            check_origin(URL(url))

        assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "url, shown",
    [
        ("https://u:p@api.example.com/x?y", "api.example.com:443"),
        ("http://[::1]:8080/", "[::1]:8080"),
    ],
)
def test_place(url: str, shown: str) -> None:
    """An address is shown as host and port."""
    assert place(URL(url)) == shown


async def test_all_are_transports() -> None:
    """The adapter, the retries and the fake all fit the seam, for the type checker and at run time."""
    clock = FakeClock()
    fake: Transport = FakeTransport()
    adapter: Transport = AiohttpTransport(clock=clock, user_agent="test")
    retrying: Transport = Retrying(adapter, policy=RenewalPolicy(), clock=clock)

    assert all(isinstance(each, Transport) for each in (fake, adapter, retrying))
