"""What an answer means: success, or one of the shapes in which Noyo refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from multidict import CIMultiDict, CIMultiDictProxy

from noyoauth import ErrorBody, NoyoError, NoyoMalformedResponseError, Secret, TokenAnswer
from noyoauth.errors import Endpoint
from noyoauth.responses import challenge_error, error_body, read_response
from tests.support.leaks.errors import leaks
from tests.support.transport import answer


@pytest.mark.parametrize(
    "document, status, message",
    [
        ({"message": "No such group", "status": 404}, 404, "No such group"),
        ({"message": "Unauthorized"}, None, "Unauthorized"),
        ({"message": "Bad rows", "status": "error"}, "error", "Bad rows"),
        ({"status": 404.0}, None, None),
        ({"status": True, "message": None}, None, None),
        ({"message": "m", "status": float("inf")}, "Infinity", "m"),
        ({"msg": "m"}, None, "m"),
        ({"error": "invalid_client", "error_description": "d"}, None, "d"),
        ({"error": "invalid_client"}, None, "invalid_client"),
        ({"error": {"message": "m"}}, None, "m"),
        ({"errors": ["first", "second"]}, None, "first"),
        ({"errors": [{"message": "m"}]}, None, "m"),
        ({"errors": [{"detail": "d"}]}, None, "d"),
        ({"errors": [{"x": 1}]}, None, None),
        ({"errors": []}, None, None),
        ({"detail": "d"}, None, "d"),
        (["first"], None, "first"),
        ("plain", None, "plain"),
        (5, None, None),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_every_shape_of_a_refusal(document: object, status: object, message: str | None) -> None:
    """Status and text are taken where they are found; the rest is kept."""
    raw = json.dumps(document).encode()
    found = error_body(raw)
    assert (found.status, found.message, found.raw) == (status, message, raw)
    assert list(found.fields) == (list(document) if isinstance(document, dict) else [])


@pytest.mark.parametrize(
    "raw, message",
    [
        (b"", None),
        (b"Service down", "Service down"),
        (b"<html><h1>502</h1>", None),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"{", "{"),
        (b"[" * 5000, "[" * 200),
        (b"token " + b"A" * 60, "token [...]"),
    ],
)
def test_what_is_no_json_is_its_own_text(raw: bytes, message: str | None) -> None:
    """Plain text says itself, cleaned; markup and emptiness say nothing; nothing raises."""
    found = error_body(raw)
    assert (found.status, found.message, found.fields, found.raw) == (None, message, {}, raw)


def _challenged(*values: str) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict([("WWW-Authenticate", value) for value in values]))


@pytest.mark.parametrize(
    "values, code",
    [
        ((), None),
        (("",), None),
        (("Bearer",), None),
        (('Bearer realm="noyo"',), None),
        (('Bearer error="invalid_token"',), "invalid_token"),
        (("bearer error=invalid_token",), "invalid_token"),
        (('Bearer realm="a, error=\\"x\\"", error="invalid_request"',), "invalid_request"),
        (('Basic realm="x", Bearer realm="y", error="insufficient_scope"',), "insufficient_scope"),
        (('Basic realm="x"', 'Bearer error="invalid_token"'), "invalid_token"),
        (('Bearer error="invalid_token", Basic realm="x"',), "invalid_token"),
        (('Bearer realm="x", Basic error="no"',), None),
        (('Basic error="invalid_token"',), None),
        (('Bearer error_description="token expired"',), None),
        (('Bearer error="not a code!"',), None),
        (('Bearer error=""',), None),
        (('Bearer error=,,"\\ ;; =',), None),
        (("Bearer " + 'a="b", ' * 1000 + 'error="late"',), None),
        (('Bearer error="' + "A" * 30 + '"',), "[...]"),
    ],
)
def test_the_code_of_a_bearer_challenge(values: tuple[str, ...], code: str | None) -> None:
    """Only the `error` of a Bearer challenge counts, only if it looks like a code; garbage is no challenge."""
    assert challenge_error(_challenged(*values)) == code


def test_a_success_is_typed_with_what_came_beside() -> None:
    """Body and the answer's own date, request id and time of sending."""
    headers = {"Date": "Thu, 02 Jul 2026 00:00:00 GMT", "X-Request-Id": "r-1"}
    got = answer(200, {"access_token": "t", "expires_in": 1}, headers=headers, sent_wall=5.0)
    reply = read_response(got, Endpoint.ISSUE, TokenAnswer, where="here")
    assert reply.data == TokenAnswer(access_token=Secret("t"), expires_in=1)
    assert (reply.meta.status, reply.meta.date, reply.meta.request_id, reply.meta.sent_wall_s) == (
        200,
        headers["Date"],
        "r-1",
        5.0,
    )


@pytest.mark.parametrize(
    "wire", [b"CANARY", b"<html>CANARY", {"token": "CANARY"}, {"access_token": ["CANARY"]}, ["CANARY"]]
)
def test_a_success_that_cannot_be_read(wire: Any) -> None:
    """HTML, no token, another shape: typed, naming the address, without a word of the body."""
    with pytest.raises(NoyoMalformedResponseError, match=r"issuing a token at https://x/t") as refused:
        read_response(answer(200, wire), Endpoint.ISSUE, TokenAnswer, where="https://x/t")
    assert refused.value.problems
    assert leaks(refused.value, ["CANARY"]) == []


def test_the_body_of_a_refused_token_call_stays_out() -> None:
    """It may repeat what was sent, so neither text nor data of the error have it; an API's is kept, hidden."""
    got = answer(
        401, {"message": "CANARY", "echo": "HIDDEN"}, headers={"WWW-Authenticate": 'Bearer error="CANARY"'}
    )
    with pytest.raises(NoyoError) as token:
        read_response(got, Endpoint.ISSUE, TokenAnswer, where="x")
    assert leaks(token.value, ["CANARY", "HIDDEN"]) == []
    assert (token.value.body, token.value.detail, token.value.code) == (None, None, None)
    with pytest.raises(NoyoError) as api:
        read_response(got, Endpoint.RESOURCE, TokenAnswer, where="x")
    assert isinstance(api.value.body, ErrorBody)
    assert (api.value.detail, api.value.code, api.value.body.fields["echo"]) == ("CANARY", "CANARY", "HIDDEN")
    assert leaks(api.value, ["HIDDEN"]) == []
