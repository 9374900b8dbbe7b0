"""Whatever the token endpoints answer: a token or a typed error, never another exception, never a hang.

`NAUTH_FUZZ_EXAMPLES` sets the number of examples.
"""

from __future__ import annotations

import json
import os
from collections.abc import Coroutine
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from nauth.secret import Secret
from nauth.token import Token
from nauth.transport.base import Answer
from nombaauth import NombaApi, NombaAuthenticator, NombaCredentials, NombaError
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_T = TypeVar("_T")

EXAMPLES = int(os.environ.get("NAUTH_FUZZ_EXAMPLES", "300"))
pytestmark = pytest.mark.timeout(max(60, EXAMPLES // 10))
fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

CANARY = "CANARY-secret-of-a-business"
CREDENTIALS = NombaCredentials(client_id="id-1", client_secret=CANARY, account_id="account-1")
OLD = Token(access_token=Secret("old-access"), refresh_token=Secret("old-refresh"))

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)
STAMPS = SCALARS | st.sampled_from(
    [
        "2026-07-03T00:54:40.287Z",
        "2126-07-03",
        "1782952480287",
        "1e999",
        "-1",
        "NaN",
        1782952480,
        "2026-07-03T00:54+0100",
    ]
)
DATA = JSON | st.fixed_dictionaries(
    {},
    optional={
        "access_token": st.text(max_size=40) | JSON,
        "accessToken": st.text(max_size=40),
        "refresh_token": st.text(max_size=40) | JSON,
        "expiresAt": STAMPS,
        "expires_in": STAMPS,
        "businessId": JSON,
    },
)
CODES = st.sampled_from(["00", "0", 0, "01", "02", "401", "201", "429", "503", "", None]) | JSON
ENVELOPES = st.fixed_dictionaries(
    {}, optional={"code": CODES, "description": JSON, "data": DATA, "status": JSON}
)
GOOD = json.dumps(
    {
        "code": "00",
        "description": "Success",
        "data": {"access_token": "t", "refresh_token": "r", "expiresAt": "2026-07-03T00:54:40.287Z"},
    }
).encode()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """Cut, repeat or replace parts of a good answer."""
    body = bytearray(GOOD)
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(body)))
        end = draw(st.integers(start, min(len(body), start + 20)))
        body[start:end] = draw(
            st.binary(max_size=6)
            | st.sampled_from([b"null", b"1e999", b'"', b"{", b"[]", b"\\ud800", b"-", b"NaN"])
        )
    return bytes(body)


def _dump(wire: object) -> bytes:
    return json.dumps(wire).encode("utf-8", "surrogatepass")


BODIES = ENVELOPES.map(_dump) | mutated() | JSON.map(_dump) | st.binary(max_size=200)
STATUSES = st.just(200) | st.sampled_from([201, 202, 204, 301, 307, 400, 401, 403, 404, 422, 429, 500, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["Date", "Retry-After", "X-Rate-Limit-Window", "X-Rate-Limit-Limit", "X-Request-Id"]),
    st.text(max_size=40)
    | st.sampled_from(["120", "1s", "9" * 400, "Thu, 02 Jul 2026 00:00:00 GMT", "-5", "1e9"]),
    max_size=3,
)


def _at_once(work: Coroutine[object, object, _T]) -> _T:
    """Run a coroutine that never has to wait; one that does is a hang."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]  # StopIteration carries the coroutine's result
    work.close()
    pytest.fail("it waited although the answer was there")


@fuzzed
@given(call=st.sampled_from(["issue", "refresh", "revoke"]), status=STATUSES, body=BODIES, headers=HEADERS)
def test_any_answer_is_a_token_or_a_typed_error(
    call: str, status: int, body: bytes, headers: dict[str, str]
) -> None:
    """Any status, headers and body end in a usable token, a confirmed revocation, or one of Nomba's errors."""
    got: Answer = answer(status, body, headers=headers, sent_wall=1_782_950_400.0)
    api = NombaApi(base_url=URL("https://x.example.com"), account_id="account-1", auth=FakeTransport(got))
    authenticator = NombaAuthenticator(CREDENTIALS, api)
    outcome: Token | NombaError | None
    try:
        if call == "revoke":
            outcome = _at_once(authenticator.revoke(OLD))
        else:
            outcome = _at_once(authenticator.issue() if call == "issue" else authenticator.refresh(OLD))
    except NombaError as error:
        outcome = error
    if isinstance(outcome, NombaError):
        assert leaks(outcome, [CANARY, "old-access", "old-refresh"]) == []
    elif outcome is not None:
        assert outcome.access_token
        assert outcome.lifetime is not None
        assert outcome.lifetime.total_seconds() > 0
