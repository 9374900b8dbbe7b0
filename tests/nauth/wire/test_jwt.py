from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.secret import Secret
from nauth.time_formats import MAX_LIFETIME
from nauth.wire.jwt import MAX_JWT_CHARS, claims, expiry, lifetime

quick = settings(deadline=None, max_examples=300)


def b64(raw: bytes, *, pad: bool = False) -> str:
    text = base64.urlsafe_b64encode(raw).decode()
    return text if pad else text.rstrip("=")


def jwt(payload: object, *, pad: bool = False) -> Secret:
    header, body = json.dumps({"alg": "none"}).encode(), json.dumps(payload).encode()
    return Secret(f"{b64(header, pad=pad)}.{b64(body, pad=pad)}.c2ln")


def raw(payload: bytes, signature: str = "sig") -> Secret:
    return Secret(f"e30.{b64(payload)}.{signature}")


@pytest.mark.parametrize("pad", [False, True])
@pytest.mark.parametrize("filler", ["", "a", "ab", "abc", "\u00ff\u00ff?>~"])
def test_claims(filler: str, pad: bool) -> None:
    """The payload is read with or without padding, in the URL-safe alphabet, at every length modulo four."""
    assert claims(jwt({"sub": filler, "exp": 1}, pad=pad)) == {"sub": filler, "exp": 1}


def test_claims_with_an_empty_signature() -> None:
    """An unsecured JWT ends in a dot; it is read too, because nothing here is verified."""
    assert claims(raw(b'{"a": 1}', signature="")) == {"a": 1}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "opaque-token",
        "a.b",
        "a.b.c.d.e",
        "e30.e30",
        "e30.!!!.sig",
        "e30.A.sig",
        raw(b"[]").reveal(),
        raw(b"null").reveal(),
        raw(b"{").reveal(),
        raw(b'{"exp": NaN}').reveal(),
        raw(bytes([0xFF, 0xFE])).reveal(),
        raw(b"[" * 30_000).reveal(),
        raw(b'{"a":' * 100 + b"1" + b"}" * 100).reveal(),
        "\ud800.\ud800.\ud800",
        "e30.e30.sig\n",
    ],
)
def test_not_a_jwt(text: str) -> None:
    """Whatever is not a JWT with a plain JSON object inside has no claims, no lifetime and no expiry."""
    assert claims(Secret(text)) == {}
    assert lifetime(Secret(text)) is None
    assert expiry(Secret(text)) is None


def test_size_limit() -> None:
    """A token at the limit is read, and one character more is not looked into."""
    body = b64(b'{"exp": 1}')
    fits = Secret(f"e30.{body}.{'s' * (MAX_JWT_CHARS - len(body) - 5)}")
    assert claims(fits) == {"exp": 1}
    assert claims(Secret(fits.reveal() + "s")) == {}


@pytest.mark.parametrize(
    "payload, span",
    [
        ({"iat": 1_700_000_000, "exp": 1_700_000_600}, timedelta(seconds=600)),
        ({"iat": 1_700_000_000.25, "exp": 1_700_000_600.75}, timedelta(seconds=600.5)),
        ({"iat": 1_700_000_000_000, "exp": 1_700_000_600_000}, timedelta(seconds=600)),
        ({"iat": 0, "exp": 9_999_999_999}, MAX_LIFETIME),
        ({"iat": 5, "exp": 5}, None),
        ({"iat": 6, "exp": 5}, None),
        ({"exp": 5}, None),
        ({"iat": 5}, None),
        ({"iat": True, "exp": 600}, None),
        ({"iat": "0", "exp": 600}, None),
        ({"iat": 0, "exp": "600"}, None),
        ({"iat": 0, "exp": 10**400}, None),
        ({"iat": None, "exp": None}, None),
    ],
)
def test_lifetime(payload: dict[str, object], span: timedelta | None) -> None:
    """The lifetime is what lies between two finite numbers, if that is positive; no clock is asked."""
    assert lifetime(jwt(payload)) == span


def test_expiry() -> None:
    """The expiry is the instant in `exp`, and nothing else stands in for it."""
    assert expiry(jwt({"exp": 1_711_552_973})) == datetime(2024, 3, 27, 15, 22, 53, tzinfo=UTC)
    assert expiry(jwt({"iat": 1_711_552_973})) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["exp", "iat", "x"]), inner),
    max_leaves=6,
)


@quick
@given(
    st.text()
    | st.binary().map(lambda payload: raw(payload).reveal())
    | json_values.map(lambda v: jwt(v).reveal())
)
def test_anything(text: str) -> None:
    """Random text, random payload bytes and random claims never raise."""
    token = Secret(text)
    assert isinstance(claims(token), dict)
    span, end = lifetime(token), expiry(token)
    assert span is None or timedelta(0) < span <= MAX_LIFETIME
    assert end is None or end.tzinfo is UTC
