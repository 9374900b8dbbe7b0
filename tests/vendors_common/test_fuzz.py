"""Whatever a vendor's token endpoints answer: a token or a typed error, never another exception, never a hang.

Hypothesis draws a seed, and each seed makes a hundred random or mutated answers: two hundred thousand for each vendor
take minutes, not hours, and a failing seed still shrinks and replays.

    NAUTH_FUZZ_ANSWERS=200000 uv run pytest tests/vendors_common/test_fuzz.py

Beside the calls that bring tokens, those that end them and the first resource of each vendor read the same answers.
"""

from __future__ import annotations

import base64
import json
import os
import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from naoauth import NaoApi, NaoError, NaoOAuth, NaoOAuthAuthenticator, NaoSession, NaoSessionAuthenticator
from nauth.errors import NauthError
from nauth.secret import Secret
from nauth.testing import FakeClock
from nauth.time_formats import MAX_LIFETIME
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
from noyoauth import GroupsPage, NoyoApi, NoyoAuthenticator, NoyoCredentials, NoyoError, Reply
from noyoauth.sandbox.data import group
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport

ANSWERS = int(os.environ.get("NAUTH_FUZZ_ANSWERS", "2000"))
BATCH = 100
pytestmark = pytest.mark.timeout(max(60, ANSWERS // 50))

BASE = URL("https://api.example.com")
CANARY = "CANARY-long-lived"
OLD = Token(access_token=Secret("CANARY-old"), refresh_token=Secret("CANARY-refresh"))

Work: TypeAlias = Coroutine[object, object, object]
Call: TypeAlias = Callable[[FakeTransport], Work]


def _nomba(call: str) -> Call:
    def start(transport: FakeTransport) -> Work:
        credentials = NombaCredentials("id", CANARY, "account")
        made = NombaAuthenticator(credentials, NombaApi(base_url=BASE, account_id="account", auth=transport))
        if call == "revoke":
            return made.revoke(OLD)
        return made.issue() if call == "issue" else made.refresh(OLD)

    return start


async def _person(_: object) -> str:
    return "314159"


def _nomad(call: str) -> Call:
    def start(transport: FakeTransport) -> Work:
        api = NomadApi(base_url=BASE / "api", auth=transport)
        if call == "renew":
            return NomadSSOAuthenticator(NomadSSO("azure", "t", CANARY), api, clock=FakeClock()).refresh(OLD)
        made = NomadPasswordAuthenticator(NomadPassword("u", CANARY), api, on_interaction=_person)
        return made.issue() if call == "login" else made.refresh(OLD)

    return start


def _noyo(call: str) -> Call:
    def start(transport: FakeTransport) -> Work:
        api = NoyoApi(base_url=BASE, token_url=BASE / "t", environment="live", auth=transport)
        return (
            NoyoAuthenticator(NoyoCredentials("id", CANARY), api).issue() if call == "issue" else _groups(api)
        )

    return start


async def _groups(api: NoyoApi) -> None:
    reply = await api.list_groups()
    assert (type(reply), type(reply.data)) == (Reply, GroupsPage)


def _nao(call: str) -> Call:
    def start(transport: FakeTransport) -> Work:
        api = NaoApi(base_url=BASE, auth=transport)
        if call == "sites":
            return _sites(api)
        if call.startswith("session"):
            by_key = call == "session by key"
            session = NaoSession(auth_token=CANARY) if by_key else NaoSession(email="e", password=CANARY)
            return NaoSessionAuthenticator(session, api).issue()
        oauth = NaoOAuth("id", CANARY, "https://app.example.com/back")
        made = NaoOAuthAuthenticator(oauth, base_url=BASE, transport=transport)
        if call == "refresh":
            return made.refresh(OLD)
        made._flow.accept(f"code=c&state={URL(made.authorization_url()).query['state']}")
        return made.issue()

    return start


async def _sites(api: NaoApi) -> None:
    page = await api.list_sites()
    assert all(isinstance(site.id, str) for site in page.sites)


CALLS: Mapping[str, tuple[type[NauthError], Mapping[str, Call]]] = {
    "nomad": (NomadError, {call: _nomad(call) for call in ("login", "refresh", "renew")}),
    "nomba": (NombaError, {call: _nomba(call) for call in ("issue", "refresh", "revoke")}),
    "noyo": (NoyoError, {call: _noyo(call) for call in ("issue", "groups")}),
    "nao": (
        NaoError,
        {call: _nao(call) for call in ("session", "session by key", "code", "refresh", "sites")},
    ),
}
LONGEST: Mapping[str, timedelta] = {
    "nomad": timedelta(hours=24),
    "nomba": timedelta(hours=24),
    "noyo": MAX_LIFETIME,
}
"""How long a token may live; NAO Cloud's may have no end."""


def _jws(**payload: object) -> str:
    return f"eyJhbGciOiJIUzI1NiJ9.{base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip('=')}.c2ln"


JWT = _jws(iat=1000, exp=4600)
GOOD: Mapping[str, tuple[dict[str, Any], ...]] = {
    "nomad": (
        {"id": "6f1c", "userName": "svc", "loginStatus": None, "token": JWT, "refreshToken": "r", "expirationSeconds": 3600.0,
         "userSessionId": "b3b0", "isAdmin": False, "claims": None, "cookies": None},
        {"errors": [{"status": "401", "title": "No"}], "loginStatus": "IsDisabled"},
    ),
    "nomba": (
        {"code": "00", "description": "Success",
         "data": {"access_token": "t", "refresh_token": "r", "expiresAt": "2026-07-03T00:54:40.287Z"}},
        {"code": "401", "description": "Unauthorized"},
    ),
    "noyo": (
        {"access_token": JWT, "expires_in": 864000, "token_type": "Bearer"},
        {"access_token": _jws(iat=1_700_000_000, exp=1_700_000_600), "expires_in": 864000},
        {"meta": {"offset": 0, "page_size": 5}, "response": [group(1)]},
        {"error": "invalid_client", "error_description": "no"},
    ),
    "nao": (
        {"data": {"id": "1", "type": "user", "attributes": {"auth_token": "k", "email": "e"}},
         "meta": {"jwt": JWT, "expires_at": "2026-07-02T01:00:00Z"}},
        {"meta": {"session": {"token": "x", "expires_in": 3600}}},
        {"access_token": JWT, "expires_in": 7200, "token_type": "Bearer", "refresh_token": "r", "scope": "s"},
        {"data": [{"id": "1", "type": "site", "attributes": {"name": "Main"}}], "meta": {"total": 1}},
        {"error": "invalid_grant", "error_description": "no"},
    ),
}  # fmt: skip
OTHER_KEYS = (
    "Token", "authorizationToken", "accessToken", "expiresIn", "expires", "message", "title", "detail", "responseCode", "status",
    "businessId", "exp", "ttl", "attributes", "token",
)  # fmt: skip
KEYS = sorted({*OTHER_KEYS, *(key for goods in GOOD.values() for good in goods for part in (good, good.get("data"), good.get("meta"))
               if isinstance(part, dict) for key in part)})  # fmt: skip
ODD: tuple[object, ...] = (
    None, True, False, 0, -1, 1e300, 10**400, 2**63, "", " ", "NaN", "1e999", "soon", "864000", "\ud800", "\x00", "é", JWT,
    "2026-07-03T00:54:40Z", "2126-01-01", 1782952480, 1782952480287, "00", "401", 401, [], {}, [[]], "Bearer x", "a\r\nb: c", "x" * 5000,
    "IsDisabled", "TwoFactorCodeRequired", "IsPendingNewPassword", "a.b.c", "..", 864.0, " 600 ", "600 s", "٣", "1782952480287",
    "2126-07-03", "2026-07-03T00:54+0100", "invalid_grant", "bearer", _jws(exp=1_700_000_600), _jws(exp="soon"), _jws(iat=5, exp=2),
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
    "X-Rate-Limit-Limit",
)
VALUES = (
    "", "5", "-1", "120", "1e9", "9" * 400, "soon", "1s", 'Bearer error="', f"Bearer {JWT}", "text/plain", "ü\x00", "Thu, 02 Jul 2026 00:00:00 GMT", 'Bearer error="invalid_token"', "text/html",
    "application/json", JWT,
)  # fmt: skip
STATUSES = (200, 200, 200, 200, 201, 202, 204, 301, 400, 401, 403, 404, 406, 418, 422, 429, 500, 503)


def _value(rng: random.Random, depth: int = 3) -> object:
    kind = rng.random()
    if depth and kind < 0.15:
        return [_value(rng, depth - 1) for _ in range(rng.randrange(4))]
    if depth and kind < 0.4:
        return {rng.choice(KEYS): _value(rng, depth - 1) for _ in range(rng.randrange(5))}
    if kind < 0.6:
        return rng.choice(
            (
                rng.randrange(-(2**40), 2**40),
                rng.uniform(-1e6, 2e9),
                "".join(map(chr, rng.choices(range(0x11000), k=9))),
            )
        )
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


def _answer(rng: random.Random, vendor: str) -> Answer:
    own = GOOD[vendor] if rng.random() < 0.8 else rng.choice(list(GOOD.values()))
    wire = _altered(rng, rng.choice(own)) if rng.random() < 0.8 else _value(rng)
    body = json.dumps(wire, ensure_ascii=rng.random() < 0.8).encode("utf-8", "surrogatepass")
    if rng.random() < 0.4:
        body = _cut(rng, body)
    headers = {rng.choice(HEADERS): rng.choice(VALUES) for _ in range(rng.randrange(3))}
    return Answer(
        status=200 if rng.random() < 0.5 else rng.choice(STATUSES),
        headers=headers,
        body=body,
        sent_wall=rng.choice((0.0, 1.7e9, 4e9)),
        sent_mono=1.0,
    )


def _run(work: Work) -> object:
    """Run a coroutine that has nothing to wait for; one that waits all the same is a hang."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    work.close()
    pytest.fail("it waited although the answer was there")


def _usable(token: Token, longest: timedelta | None) -> None:
    assert token.access_token.sendable
    assert token.authorization.isascii()
    assert token.authorization.isprintable()
    if longest is None:
        assert token.lifetime is None or token.lifetime > timedelta(0)
        return
    assert token.lifetime is not None
    assert timedelta(0) < token.lifetime <= longest
    assert token.expires_at is not None


@pytest.mark.parametrize("vendor", CALLS)
def test_any_answer_is_a_token_or_a_typed_error(vendor: str) -> None:
    """A token lives and can be sent; an error is the vendor's own; and neither it nor its frames show a secret."""
    error_class, calls = CALLS[vendor]
    seen: Counter[tuple[str, bool]] = Counter()

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
            answers = [_answer(rng, vendor) for _ in range(rng.randrange(1, 4))]
            call = rng.choice(list(calls))
            try:
                outcome = _run(calls[call](FakeTransport(*answers, otherwise=answers[-1])))
            except error_class as error:
                seen[call, False] += 1
                assert leaks(error, ["CANARY"]) == []  # noqa: PT017 - either outcome is good
            else:
                seen[call, True] += 1
                if isinstance(outcome, Token):
                    _usable(outcome, LONGEST.get(vendor))
                assert "CANARY" not in repr(outcome)

    every()
    print(f"\n{vendor}: {dict(seen)}")  # noqa: T201 - the figures are what a long run is for
    assert all(seen[call, good] for call in calls for good in (True, False)), (
        "all good or all bad proves little"
    )
