"""Whatever a vendor's token endpoints answer: a token or a typed error, never another exception, never a hang.

Hypothesis draws a seed, and each seed makes a hundred random or mutated answers: two hundred thousand for each vendor
take minutes, not hours, and a failing seed still shrinks and replays.

    NAUTH_FUZZ_ANSWERS=200000 uv run pytest tests/vendors_common/test_fuzz.py

The vendors' own `test_fuzz.py` draw fewer answers with more knowledge of what they mean.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from naoauth import NaoApi, NaoError, NaoOAuth, NaoOAuthAuthenticator, NaoSession, NaoSessionAuthenticator
from nauth.errors import NauthError
from nauth.secret import Secret
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
)
from nombaauth import NombaApi, NombaAuthenticator, NombaCredentials, NombaError
from noyoauth import NoyoApi, NoyoAuthenticator, NoyoCredentials, NoyoError
from tests.support.transport import FakeTransport

ANSWERS = int(os.environ.get("NAUTH_FUZZ_ANSWERS", "3000"))
BATCH = 100
pytestmark = pytest.mark.timeout(max(60, ANSWERS // 50))

BASE = URL("https://api.example.com")
CANARY = "CANARY-long-lived"
OLD = Token(access_token=Secret("CANARY-old"), refresh_token=Secret("CANARY-refresh"))

Call: TypeAlias = Callable[[FakeTransport], Coroutine[object, object, Token]]


def _nomba(call: str) -> Call:
    def start(transport: FakeTransport) -> Coroutine[object, object, Token]:
        credentials = NombaCredentials("id", CANARY, "account")
        made = NombaAuthenticator(credentials, NombaApi(base_url=BASE, account_id="account", auth=transport))
        return made.issue() if call == "issue" else made.refresh(OLD)

    return start


async def _person(_: object) -> str:
    return "314159"


def _nomad(call: str) -> Call:
    def start(transport: FakeTransport) -> Coroutine[object, object, Token]:
        api = NomadApi(base_url=BASE / "api", auth=transport)
        if call == "renew":
            return NomadSSOAuthenticator(NomadSSO("azure", "t", CANARY), api, clock=FakeClock()).refresh(OLD)
        made = NomadPasswordAuthenticator(NomadPassword("u", CANARY), api, on_interaction=_person)
        return made.issue() if call == "login" else made.refresh(OLD)

    return start


def _noyo(transport: FakeTransport) -> Coroutine[object, object, Token]:
    api = NoyoApi(base_url=BASE, token_url=BASE / "t", environment="live", auth=transport)
    return NoyoAuthenticator(NoyoCredentials("id", CANARY), api).issue()


def _nao(call: str) -> Call:
    def start(transport: FakeTransport) -> Coroutine[object, object, Token]:
        if call == "session":
            session = NaoSession(email="e", password=CANARY)
            return NaoSessionAuthenticator(session, NaoApi(base_url=BASE, auth=transport)).issue()
        oauth = NaoOAuth("id", CANARY, "https://app.example.com/back")
        return NaoOAuthAuthenticator(oauth, base_url=BASE, transport=transport).refresh(OLD)

    return start


CALLS: Mapping[str, tuple[type[NauthError], tuple[Call, ...]]] = {
    "nomad": (NomadError, (_nomad("login"), _nomad("refresh"), _nomad("renew"))),
    "nomba": (NombaError, (_nomba("issue"), _nomba("refresh"))),
    "noyo": (NoyoError, (_noyo,)),
    "nao": (NaoError, (_nao("session"), _nao("oauth"))),
}

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpYXQiOjEwMDAsImV4cCI6NDYwMH0.c2ln"
GOOD: tuple[dict[str, Any], ...] = (
    {"code": "00", "description": "Success", "data": {"access_token": "t", "refresh_token": "r", "expiresAt": "2026-07-03T00:54:40.287Z"}},
    {"id": "6f1c", "userName": "svc", "loginStatus": None, "token": JWT, "refreshToken": "r", "expirationSeconds": 3600.0, "userSessionId": "b3b0"},
    {"access_token": JWT, "expires_in": 864000, "token_type": "Bearer", "refresh_token": "r", "scope": "s"},
    {"data": {"id": "1", "attributes": {"auth_token": "k"}}, "meta": {"jwt": JWT, "expires_at": "2026-07-02T01:00:00Z"}},
    {"code": "401", "description": "Unauthorized"},
    {"error": "invalid_grant", "error_description": "no"},
    {"errors": [{"status": "401", "title": "No"}], "loginStatus": "IsDisabled"},
)  # fmt: skip
KEYS = sorted({key for good in GOOD for key in (*good, *good.get("data", {}), *good.get("meta", {}))})
ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1e300, 10**400, 2**63, "", " ", "NaN", "1e999", "soon", "864000", "\ud800", "\x00", "é", JWT,
    "2026-07-03T00:54:40Z", "2126-01-01", 1782952480, 1782952480287, "00", "401", 401, [], {}, [[]], "Bearer x", "a\r\nb: c", "x" * 5000,
)  # fmt: skip
PIECES = (b"null", b"{", b"[", b'"', b"1e999", b"\\ud800", b"\xff", b"0" * 30, b"NaN", b"-", b"\xef\xbb\xbf")
HEADERS = (
    "Date",
    "Retry-After",
    "WWW-Authenticate",
    "X-Request-Id",
    "Content-Type",
    "X-Rate-Limit-Window",
    "Authorization",
)
VALUES = (
    "", "5", "-1", "1e9", "9" * 400, "soon", "1s", "Thu, 02 Jul 2026 00:00:00 GMT", 'Bearer error="invalid_token"', "text/html",
    "application/json", JWT,
)  # fmt: skip
STATUSES = (200, 200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 406, 418, 422, 429, 500, 503)


def _value(rng: random.Random, depth: int = 3) -> object:
    kind = rng.random()
    if depth and kind < 0.15:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if depth and kind < 0.4:
        return {rng.choice(KEYS): _value(rng, depth - 1) for _ in range(rng.randrange(5))}
    return rng.choice(ODD)


def _altered(rng: random.Random, good: Mapping[str, Any]) -> dict[str, Any]:
    """Replace, drop or add members of a good answer, inside its objects too."""
    wire: dict[str, Any] = dict(good)
    for _ in range(rng.randrange(3)):
        key = rng.choice([*wire, rng.choice(KEYS)])
        if isinstance(wire.get(key), dict) and rng.random() < 0.8:
            wire[key] = _altered(rng, wire[key])
        elif rng.random() < 0.3:
            wire.pop(key, None)
        else:
            wire[key] = _value(rng)
    return wire


def _cut(rng: random.Random, whole: bytes) -> bytes:
    body = bytearray(whole)
    for _ in range(rng.randrange(4)):
        start = rng.randrange(len(body) + 1)
        body[start : start + rng.randrange(12)] = rng.choice((*PIECES, b"", rng.randbytes(3)))
    return bytes(body)


def _answer(rng: random.Random) -> Answer:
    wire = _altered(rng, rng.choice(GOOD)) if rng.random() < 0.8 else _value(rng)
    body = json.dumps(wire).encode()
    if rng.random() < 0.4:
        body = _cut(rng, body)
    headers = {rng.choice(HEADERS): rng.choice(VALUES) for _ in range(rng.randrange(3))}
    return Answer(
        status=rng.choice(STATUSES),
        headers=headers,
        body=body,
        sent_wall=rng.choice((0.0, 1.7e9, 4e9)),
        sent_mono=1.0,
    )


def _run(work: Coroutine[object, object, Token]) -> Token:
    """Run a coroutine that has nothing to wait for; one that waits all the same is a hang."""
    try:
        work.send(None)
    except StopIteration as done:
        token: Token = done.value
        return token
    work.close()
    pytest.fail("it waited although the answer was there")


@pytest.mark.parametrize("vendor", CALLS)
def test_any_answer_is_a_token_or_a_typed_error(vendor: str) -> None:
    """A token lives and can be sent; an error is the vendor's own and shows no secret."""
    leaf, calls = CALLS[vendor]
    seen = {"tokens": 0, "errors": 0}

    @settings(
        max_examples=max(1, ANSWERS // BATCH),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.integers(0, 2**63))
    def every(seed: int) -> None:
        rng = random.Random(seed)
        for _ in range(BATCH):
            transport = FakeTransport(otherwise=_answer(rng))
            try:
                token = _run(rng.choice(calls)(transport))
            except leaf as error:
                seen["errors"] += 1
                shown = f"{error!r} {error} {vars(error)}"
            else:
                seen["tokens"] += 1
                shown = repr(token)
                assert token.authorization.isascii()
                assert token.authorization.isprintable()
                assert token.lifetime is None or token.lifetime.total_seconds() > 0
            assert "CANARY" not in shown

    every()
    print(f"\n{vendor}: {seen['tokens']} tokens, {seen['errors']} typed errors")  # noqa: T201 - the figures are what a long run is for
    assert min(seen.values()) > 0, "answers that are all good, or all bad, prove little"
