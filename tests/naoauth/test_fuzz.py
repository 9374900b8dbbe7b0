"""Whatever the sessions and OAuth endpoints answer, callers get a token or a typed error, and nothing else.

`NAUTH_FUZZ_EXAMPLES` sets how many answers are tried for each of the tests; 300 by default.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from naoauth import NaoApi, NaoError, NaoOAuth, NaoOAuthAuthenticator, NaoSession, NaoSessionAuthenticator
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.token import Token
from nauth.transport.base import Answer
from tests.support.transport import FakeTransport

_BASE = URL("https://www.nao-cloud.com")
_EXAMPLES = int(os.environ.get("NAUTH_FUZZ_EXAMPLES", "300"))
_fuzz = settings(
    max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None
)

_JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjEwMDAsImV4cCI6NDYwMH0.c2ln"
_SEEDS: list[bytes] = [
    json.dumps(
        {
            "data": {"id": "1", "type": "user", "attributes": {"auth_token": "k", "email": "e"}},
            "meta": {"jwt": _JWT, "expires_at": "2026-07-02T01:00:00Z"},
        }
    ).encode(),
    b'{"meta": {"session": {"token": "x", "expires_in": 3600}}}',
    b'{"access_token": "a", "token_type": "Bearer", "expires_in": 7200, "refresh_token": "r", "scope": "s"}',
    b'{"error": "invalid_grant", "error_description": "no"}',
    b'{"errors": [{"status": "401", "title": "No", "detail": "no"}]}',
]
_NAMES = st.sampled_from(
    [
        "data",
        "meta",
        "attributes",
        "auth_token",
        "jwt",
        "token",
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "expires_at",
        "exp",
        "ttl",
        "error",
        "errors",
        "error_description",
        "scope",
        "id",
    ]
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=40)
    | st.sampled_from(
        [
            _JWT,
            "Bearer x",
            "\ud800",
            "a\r\nb",
            "2026-07-02T01:00:00Z",
            "1e999",
            "9" * 400,
            "invalid_grant",
            "bearer",
            "",
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_NAMES | st.text(max_size=8), inner, max_size=6)
    ),
    max_leaves=12,
)
_HEADERS = st.dictionaries(
    st.sampled_from(["Date", "Retry-After", "Authorization", "X-Request-Id", "Content-Type"]),
    st.text(max_size=30)
    | st.sampled_from(["Thu, 02 Jul 2026 00:00:00 GMT", "5", "-1", f"Bearer {_JWT}", "application/json"]),
    max_size=4,
)


def _mutated(seed: bytes, number: int) -> bytes:
    rng, body = random.Random(number), bytearray(seed)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(body))
        match rng.randrange(4):
            case 0:
                body[at] = rng.randrange(256)
            case 1:
                del body[at : at + rng.randint(1, 9)]
            case 2:
                body[at:at] = rng.choice(
                    [b"null", b"{", b"[", b'"', b"1e999", b"\\ud800", b"\xff", b"0" * 30]
                )
            case _:
                body = body[:at] + body[at : at + 20] * 2 + body[at:]
        if not body:
            break
    return bytes(body)


_BODIES = (
    st.builds(_mutated, st.sampled_from(_SEEDS), st.integers(0, 2**32))
    | _VALUES.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(_NAMES, _VALUES, max_size=8).map(lambda value: json.dumps(value).encode())
    | st.binary(max_size=60)
)
_ANSWERS = st.builds(
    lambda status, body, headers, wall: Answer(
        status=status, body=body, headers=headers, sent_wall=wall, sent_mono=1.0
    ),
    st.sampled_from([200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 406, 418, 422, 429, 500, 503]),
    _BODIES,
    _HEADERS,
    st.floats(0, 4e9),
)


def _outcome(call: Any) -> None:
    """Run `call`: a token fit for a header, or one of the vendor's errors; nothing else gets out."""
    try:
        token = asyncio.run(call)
    except NaoError:
        return
    assert isinstance(token, Token)
    assert token.authorization.isascii()
    assert token.authorization.isprintable()


@_fuzz
@given(_ANSWERS, st.booleans())
def test_sessions(answer: Answer, by_key: bool) -> None:
    """Both variants."""
    api = NaoApi(base_url=_BASE, auth=FakeTransport(otherwise=answer))
    credentials = NaoSession(auth_token="k") if by_key else NaoSession(email="e", password="pw")
    _outcome(NaoSessionAuthenticator(credentials, api).issue())


@_fuzz
@given(_ANSWERS, st.sampled_from(["issue", "refresh"]))
def test_oauth(answer: Answer, call: str) -> None:
    """The code's exchange and the refresh."""
    credentials = NaoOAuth(client_id="i", client_secret="s", redirect_uri="https://app.example/cb")
    made = NaoOAuthAuthenticator(credentials, base_url=_BASE, transport=FakeTransport(otherwise=answer))
    if call == "refresh":
        _outcome(made.refresh(Token(access_token=Secret("a"), refresh_token=Secret("r"))))
        return
    state = URL(made.authorization_url()).query["state"]
    made._flow.accept(f"code=c&state={state}")
    _outcome(made.issue())


@_fuzz
@given(_ANSWERS)
def test_sites(answer: Answer) -> None:
    """A page, or a typed error."""
    api = NaoApi(base_url=_BASE, auth=FakeTransport(otherwise=answer))
    try:
        page = asyncio.run(api.list_sites())
    except NaoError:
        return
    assert all(isinstance(site.id, str) for site in page.sites)


@_fuzz
@given(st.text(max_size=80) | st.sampled_from(["code=a&state=b", "?", "#", "https://x/?error=é&state="]))
def test_callbacks(callback: str) -> None:
    """No text that is handed over as a callback brings anything but a typed error."""
    credentials = NaoOAuth(client_id="i", client_secret="s", redirect_uri="https://app.example/cb")
    made = NaoOAuthAuthenticator(credentials, base_url=_BASE, transport=FakeTransport())
    made.authorization_url()
    try:
        made._flow.accept(callback)
    except NauthError:
        return
    raise AssertionError("a callback without the right state was accepted")
