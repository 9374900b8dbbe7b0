"""Random and mutated answers produce a token or a typed error, and never anything else.

`NAUTH_FUZZ_EXAMPLES` sets how many of each; a few hundred by default.
"""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from nauth.errors import NauthError
from nauth.testing import FakeClock
from nauth.token import Token
from nauth.transport.base import Answer
from nomadauth import (
    NomadApi,
    NomadError,
    NomadPassword,
    NomadPasswordAuthenticator,
    NomadSSO,
    NomadSSOAuthenticator,
    Secret,
)
from nomadauth.sso import parse_callback
from tests.support.transport import FakeTransport

_EXAMPLES = int(os.environ.get("NAUTH_FUZZ_EXAMPLES", "300"))
_SETTINGS = settings(
    max_examples=_EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_BASE = URL("https://admin-app.example.com/api")
_OLD = Token(access_token=Secret("old"), refresh_token=Secret("old-refresh"))

_GOOD: dict[str, Any] = {
    "id": "6f1c0f0e-5a53-4d0e-9f0b-0c2a3f7f4b11",
    "userName": "svc@example.com",
    "loginStatus": None,
    "token": "eyJhbGciOiJSUzI1NiJ9.eyJpYXQiOjEsImV4cCI6MzYwMX0.sig",
    "refreshToken": "rt-example-1",
    "expirationSeconds": 3600.0,
    "userSessionId": "b3b0a8de-0f53-4b8c-8a5b-0f4d1f9f7c2a",
    "isAdmin": False,
    "claims": None,
    "cookies": None,
}
_KEYS = [
    *_GOOD,
    "Token",
    "authorizationToken",
    "accessToken",
    "expiresIn",
    "expires",
    "errors",
    "message",
    "title",
    "detail",
]

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "IsDisabled",
            "TwoFactorCodeRequired",
            "IsPendingNewPassword",
            10**400,
            1e308,
            "1e999",
            "\ud800",
            "a.b.c",
        ]
    )
)
_JSON = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
_MUTATED = st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=6).map(
    lambda changed: {**_GOOD, **changed}
)
_SPARSE = st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=6)


def _raw(document: object) -> bytes:
    # lone surrogates and NaN are what a broken server may send
    return json.dumps(document).encode("utf-8", "surrogatepass")


_WORDED = st.tuples(st.sampled_from(["token", "refreshToken", "userSessionId"]), st.text(max_size=12)).map(
    lambda changed: {**_GOOD, changed[0]: changed[1]}
)
_BODIES = st.binary(max_size=64) | (_JSON | _MUTATED | _SPARSE | _WORDED).map(_raw)


@st.composite
def _cut(draw: st.DrawFn) -> bytes:
    """A good answer with a byte changed and the end cut off."""
    raw = bytearray(_raw(_GOOD))
    raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return bytes(raw[: draw(st.integers(1, len(raw)))])


_ANSWERS = st.builds(
    lambda status, body, kind, wait: Answer(
        status=status,
        headers={"Content-Type": kind, "Retry-After": wait},
        body=body,
        sent_wall=1_782_950_400.0,
        sent_mono=1000.0,
    ),
    st.just(200)
    | st.sampled_from([200, 201, 204, 302, 400, 401, 403, 404, 405, 418, 422, 429, 500, 503, 599]),
    _BODIES | _cut(),
    st.sampled_from(["application/json", "text/html", "text/plain", ""]),
    st.sampled_from(["", "5", "-1", "soon", "Thu, 02 Jul 2026 00:00:00 GMT"]),
)


async def _person(_: object) -> str:
    return "314159"


async def _call(kind: str, answers: list[Answer]) -> Token:
    transport = FakeTransport(*answers, otherwise=answers[-1])
    api = NomadApi(base_url=_BASE, auth=transport)
    if kind == "renew":
        sso = NomadSSOAuthenticator(NomadSSO("azure", "t", "r"), api, clock=FakeClock())
        return await sso.refresh(_OLD)
    authenticator = NomadPasswordAuthenticator(NomadPassword("u", "CANARY-PW"), api, on_interaction=_person)
    return await (authenticator.issue() if kind == "login" else authenticator.refresh(_OLD))


@pytest.mark.timeout(0)
@pytest.mark.parametrize("kind", ["login", "refresh", "renew"])
def test_any_answer_is_a_token_or_a_typed_error(kind: str) -> None:
    """No other exception, no hang, no token that cannot be sent, no life outside a day."""

    @given(st.lists(_ANSWERS, min_size=1, max_size=3))
    @_SETTINGS
    def every(answers: list[Answer]) -> None:
        try:
            token = runner.run(_call(kind, answers))
        except NomadError as error:
            shown = f"{error} {vars(error)}"
            token = None
        else:
            shown = repr(token)
        assert "CANARY" not in shown
        if token is None:
            return
        assert token.access_token.sendable
        assert token.lifetime is not None
        assert timedelta(0) < token.lifetime <= timedelta(hours=24)
        assert token.expires_at is not None

    with asyncio.Runner() as runner:
        every()


def test_the_good_answer_is_a_token() -> None:
    """What the mutations start from does succeed: the test above has something to lose."""
    answer = Answer(status=200, body=_raw(_GOOD), sent_wall=1_782_950_400.0, sent_mono=0.0)
    for kind in ("login", "refresh", "renew"):
        assert asyncio.run(_call(kind, [answer])).lifetime == timedelta(hours=1)


_NAMES = [
    "azure_token",
    "azure_refresh_token",
    "authCallback",
    "expires",
    "x_token",
    "_token",
    "",
    "%61zure_token",
]


@pytest.mark.timeout(0)
def test_any_return_is_a_sign_on_or_a_typed_error() -> None:
    """Whatever the browser comes back with."""

    @given(
        st.text(max_size=60)
        | st.lists(st.tuples(st.sampled_from(_NAMES), st.text(max_size=20)), max_size=5).map(
            lambda pairs: "https://p.example.com/?" + "&".join(f"{name}={value}" for name, value in pairs)
        ),
        st.sampled_from(["azure", None]),
    )
    @_SETTINGS
    def every(returned: str, provider: str | None) -> None:
        try:
            found = parse_callback(returned, provider=provider, now=datetime(2026, 7, 2, tzinfo=UTC))
            assert found.token
            NomadSSO.from_callback(returned, provider=provider)
        except NauthError:
            return

    every()
