from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.errors import ExpiredOnArrivalError, MalformedResponseError
from nauth.wire.json_text import MAX_DEPTH, malformed, parse_json

quick = settings(deadline=None, max_examples=300)


@pytest.mark.parametrize(
    "body, value",
    [
        (b'{"a": [1, 2.5, "x", null, true]}', {"a": [1, 2.5, "x", None, True]}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b' \t\r\n{"a": 1}\n', {"a": 1}),
        ('"é"'.encode(), "é"),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\ud800"', "\ud800"),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
        (b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH, None),
    ],
)
def test_documents(body: bytes, value: object) -> None:
    """A document is read as UTF-8 with or without a mark; of two equal keys the last counts."""
    assert value is None or parse_json(body) == value
    assert value is not None or isinstance(parse_json(body), list)


@pytest.mark.parametrize(
    "body, shape",
    [
        (b"", "nothing"),
        (b"\xef\xbb\xbf \n", "nothing"),
        (b"  <!DOCTYPE html><html>", "23 bytes of markup"),
        (b"canary", "6 bytes of something else"),
        (b"{", "1 bytes of something else"),
        (b'"\xff"', "3 bytes of something else"),
        (b'"\xed\xa0\x80"', "5 bytes of something else"),
        ('{"a": 1}'.encode("utf-16"), "18 bytes of something else"),
        (b"NaN", "3 bytes of something else"),
        (b"{} {}", "5 bytes of something else"),
        (b"{}\f", "3 bytes of something else"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", "8 bytes of something else"),
        (b"-Infinity", "9 bytes of something else"),
        (b"[1e999]", "7 bytes of something else"),
        (b"-1e999", "6 bytes of something else"),
        (b"1" * 5000, "5000 bytes of something else"),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), "130 bytes of something else"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "391 bytes of something else"),
        (b"[" * 200_000, "200000 bytes of something else"),
        (b"[" * 100_000 + b"]" * 100_000, "200000 bytes of something else"),
    ],
)
def test_what_is_no_document(body: bytes, shape: str) -> None:
    """Anything else is one typed error that tells its size and kind only, at any depth."""
    with pytest.raises(MalformedResponseError) as caught:
        parse_json(body)
    assert caught.value.problems == (f"$: expected a JSON document, got {shape}",)
    assert caught.value.__context__ is None
    assert "canary" not in str(caught.value)


def test_error_carries_the_exchange() -> None:
    """The error is of the class asked for, and names the exchange."""
    with pytest.raises(
        ExpiredOnArrivalError, match=r"^Nomba's answer could not be understood: \$: expected"
    ) as caught:
        parse_json(b"x", error=ExpiredOnArrivalError, status=502, request_id="r-1", what="nomba's answer")
    assert (caught.value.status, caught.value.request_id) == (502, "r-1")


def test_long_lists_of_problems_are_cut_in_the_text_only() -> None:
    """The text names three problems and counts the rest; the data has them all."""
    error = malformed(tuple("abcde"), error=MalformedResponseError, status=None, request_id=None, what="it")
    assert "a; b; c (and 2 more)." in str(error)
    assert error.problems == tuple("abcde")
    assert "more" not in str(
        malformed(("a",), error=MalformedResponseError, status=None, request_id=None, what="it")
    )


@quick
@given(st.binary() | st.text().map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_anything(body: bytes) -> None:
    """Random bytes give a JSON value or the typed error."""
    with contextlib.suppress(MalformedResponseError):
        assert isinstance(parse_json(body), dict | list | str | int | float | None)
