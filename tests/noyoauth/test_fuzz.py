"""Whatever the token endpoint answers: a token or a typed error, never another exception.

`NAUTH_FUZZ_EXAMPLES` sets the number of examples of each property.
"""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from nauth.token import Token
from noyoauth import (
    GroupsPage,
    NoyoApi,
    NoyoAuthenticator,
    NoyoCredentials,
    NoyoError,
    Reply,
)
from noyoauth.responses import challenge_error, error_body
from noyoauth.sandbox.data import group
from tests.noyoauth.test_lifetime import jwt
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_SECRET = "CANARY:secret%2B"
_CREDENTIALS = NoyoCredentials(client_id="id-1", client_secret=_SECRET)
_EXAMPLES = int(os.environ.get("NAUTH_FUZZ_EXAMPLES", "300"))
_fuzzed = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

pytestmark = pytest.mark.timeout(max(60, _EXAMPLES // 10))

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=30)
    | st.integers(min_value=10**300)
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
_LIFETIMES = _SCALARS | st.sampled_from(["864000", "1e400", "-0", " 600 ", "600 s", "٣"])
_TIMES = (
    st.integers() | st.floats() | st.text(max_size=12) | st.none() | st.integers(1_700_000_000, 1_900_000_000)
)
_TOKENS = (
    st.builds(lambda iat, exp: jwt(iat=iat, exp=exp), _TIMES, _TIMES)
    | st.builds(lambda exp: jwt(exp=exp), _TIMES)
    | st.text(max_size=80)
    | st.sampled_from(["opaque", "a.b.c", "..", "eyJ.eyJ.x", jwt()])
)
_ANSWERS = st.fixed_dictionaries(
    {}, optional={"access_token": _TOKENS | _JSON, "expires_in": _LIFETIMES | _JSON, "token_type": _JSON}
).map(lambda wire: json.dumps(wire).encode("utf-8", "surrogatepass"))
_GOOD = json.dumps({"access_token": jwt(iat=1_782_950_400, exp=1_782_951_000), "expires_in": 864000}).encode()


@st.composite
def _mutated(draw: st.DrawFn, whole: bytes) -> bytes:
    """Cut, repeat or replace parts of a good answer."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        body[start:end] = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"null", b"1e999", b'"', b"{", b"[]", b"\\ud800", b"-", b"NaN"])
        )
    return bytes(body)


_STATUSES = st.just(200) | st.sampled_from(
    [201, 204, 301, 307, 400, 401, 403, 404, 415, 422, 429, 500, 502, 503]
)
_NAMES = st.sampled_from(["Date", "Retry-After", "WWW-Authenticate", "X-Request-Id", "Content-Type"])
_VALUES = st.text(max_size=40) | st.sampled_from(
    [
        "120",
        "1e9",
        "-5",
        "Thu, 02 Jul 2026 00:00:00 GMT",
        'Bearer error="invalid_token"',
        'Bearer error="',
        "9" * 400,
    ]
)
_HEADERS = st.dictionaries(_NAMES, _VALUES, max_size=3)


def _api(status: int, body: bytes, headers: dict[str, str]) -> NoyoApi:
    got = answer(status, body, headers=headers, sent_wall=1_782_950_400.0)
    url = URL("https://x.example.com/t")
    return NoyoApi(base_url=url, token_url=url, environment="live", auth=FakeTransport(got))


@_fuzzed
@given(
    status=_STATUSES,
    body=_ANSWERS
    | _mutated(_GOOD)
    | _JSON.map(lambda wire: json.dumps(wire).encode())
    | st.binary(max_size=200),
    headers=_HEADERS,
)
async def test_any_answer_is_a_token_or_a_typed_error(
    status: int, body: bytes, headers: dict[str, str]
) -> None:
    """A token lives, and can be sent; an error is Noyo's own and shows nothing of the secret."""
    authenticator = NoyoAuthenticator(_CREDENTIALS, _api(status, body, headers))
    try:
        token = await authenticator.issue()
    except NoyoError as error:
        assert leaks(error, ["CANARY"]) == []  # noqa: PT017 - either outcome is good
    else:
        assert type(token) is Token
        assert token.lifetime is not None
        assert token.lifetime.total_seconds() > 0
        assert token.expires_at is not None
        assert token.authorization.isascii()
        assert token.authorization.isprintable()


def _page(wire: Any) -> bytes:
    return json.dumps({"meta": {"offset": 0, "page_size": 5}, "response": [wire]}).encode()


@_fuzzed
@given(
    status=_STATUSES,
    body=_mutated(_page(group(1)))
    | st.dictionaries(st.sampled_from(sorted(group(1))), _JSON).map(lambda odd: _page({**group(1), **odd}))
    | _JSON.map(lambda wire: json.dumps(wire).encode()),
    headers=_HEADERS,
)
async def test_any_list_is_a_page_or_a_typed_error(status: int, body: bytes, headers: dict[str, str]) -> None:
    """The same holds for the one resource that is typed."""
    try:
        reply = await _api(status, body, headers).list_groups()
    except NoyoError as error:
        assert error.status == status  # noqa: PT017 - either outcome is good
    else:
        assert type(reply) is Reply
        assert type(reply.data) is GroupsPage


@_fuzzed
@given(
    raw=st.binary(max_size=300) | _JSON.map(lambda wire: json.dumps(wire).encode()), values=st.lists(_VALUES)
)
def test_no_refusal_is_too_odd_to_be_read(raw: bytes, values: list[str]) -> None:
    """Bodies and challenges of any kind are read or passed over."""
    assert error_body(raw).raw == raw
    headers = answer(401, headers={"WWW-Authenticate": ", ".join(values)}).headers
    assert challenge_error(headers) is None or challenge_error(headers)
