"""Every shape of a refusal's body is read, none is trusted, and the status always wins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from nauth.transport.base import Answer
from nomadauth import (
    AccountLoginResponse,
    LoginStatus,
    NomadAccountBlockedError,
    NomadApiError,
    NomadBadRequestError,
    NomadCredentialsRejectedError,
    NomadError,
    NomadMalformedResponseError,
    NomadNotFoundError,
    NomadPermissionDeniedError,
    NomadRefreshRefusedError,
    NomadThrottledError,
    NomadTokenRefusedError,
    NomadUnavailableError,
    Secret,
    UnknownStatus,
)
from nomadauth.errors import Endpoint
from nomadauth.responses import check_ok, read_response
from tests.support.leaks.errors import leaks
from tests.support.transport import answer

_WORDS = "Invalid user name or password"
_SHAPES: dict[str, Any] = {
    "problem": {
        "type": "about:blank",
        "title": _WORDS,
        "status": 404,
        "detail": None,
        "instance": None,
        "extra": "kept",
    },
    "detail_first": {"title": "Not Found", "detail": _WORDS},
    "json_string": _WORDS,
    "message": {"message": _WORDS, "errors": ["other"]},
    "errors_strings": {"errors": [_WORDS]},
    "error_list": {"errors": [{"code": "E1", "field": "userName", "message": _WORDS}]},
    "error_map": {"errors": {"userName": _WORDS}},
    "validation": {"errors": {"userName": [_WORDS]}},
    "error_word": {"error": _WORDS},
    "pascal": {"Message": _WORDS},
    "bare_list": [_WORDS],
}


def _open(given: Answer, endpoint: Endpoint = Endpoint.LOGIN, **options: Any) -> Any:
    return read_response(given, endpoint, AccountLoginResponse, **options)


def _refused(given: Answer, endpoint: Endpoint = Endpoint.LOGIN, **options: Any) -> NomadError:
    with pytest.raises(NomadError) as refused:
        _open(given, endpoint, **options)
    return refused.value


def test_a_success_is_typed() -> None:
    """The body as a record, and what came with it."""
    reply = _open(answer(200, {"token": "t"}, headers={"X-Request-Id": "r-1"}, sent_wall=5.0))
    assert reply.data.token == Secret("t")
    assert (reply.meta.status, reply.meta.request_id, reply.meta.sent_wall_s) == (200, "r-1", 5.0)


@pytest.mark.parametrize("shape", _SHAPES)
def test_the_words_are_found_in_every_shape(shape: str) -> None:
    """Wherever they stand, they are `detail` and part of the text."""
    error = _refused(answer(404, _SHAPES[shape]))
    assert type(error) is NomadCredentialsRejectedError
    assert (error.detail, error.status) == (_WORDS, 404)
    assert _WORDS in str(error)
    assert "base URL" not in str(error)


@pytest.mark.parametrize(
    "raw, detail",
    [
        (b"", None),
        (b"<html>x</html>", None),
        (b"  <!DOCTYPE html>", None),
        (b"Not here", "Not here"),
        (b"\xff", "\ufffd"),
    ],
)
def test_a_404_that_is_no_json_points_to_the_base_url(raw: bytes, detail: str | None) -> None:
    """Plain text is quoted, markup is not; the setting to check is named."""
    error = _refused(answer(404, raw))
    assert type(error) is NomadCredentialsRejectedError
    assert error.detail == detail
    assert "NOMAD_MEDIA_BASE_URL" in str(error)


@pytest.mark.parametrize(
    "document",
    [
        None,
        5,
        True,
        [],
        {},
        [[[["deep"]]]],
        {"errors": None},
        {"message": 5},
        {"other": "unnamed"},
        {"message": "\x00"},
    ],
)
def test_a_body_without_words_has_no_detail(document: object) -> None:
    """What says nothing says nothing."""
    assert _refused(answer(404, document)).detail is None


def test_what_was_sent_does_not_come_back() -> None:
    """A vendor that echoes a short password or code is not quoted, in JSON or plain text; other words are."""
    hide = (Secret("hunter2"), None, Secret(""), Secret("314159"))
    for raw in (b'"hunter2 is wrong"', b"code 314159 is wrong", b'{"message":"no hunter2"}'):
        error = _refused(answer(404, raw), hide=hide)
        assert error.detail is None
        assert leaks(error, ["hunter2", "314159"]) == []
    assert _refused(answer(404, {"message": "hunter2", "title": "wrong"}), hide=hide).detail == "wrong"


_TABLE: list[tuple[Endpoint, int, type[NomadError]]] = [
    (Endpoint.LOGIN, 400, NomadBadRequestError),
    (Endpoint.LOGIN, 401, NomadCredentialsRejectedError),
    (Endpoint.LOGIN, 403, NomadAccountBlockedError),
    (Endpoint.LOGIN, 404, NomadCredentialsRejectedError),
    (Endpoint.LOGIN, 405, NomadApiError),
    (Endpoint.LOGIN, 422, NomadBadRequestError),
    *(
        (endpoint, status, NomadRefreshRefusedError)
        for endpoint in (Endpoint.REFRESH, Endpoint.RENEW)
        for status in (400, 401, 403, 404)
    ),
    (Endpoint.REFRESH, 409, NomadApiError),
    (Endpoint.SSO_CALLBACK, 400, NomadCredentialsRejectedError),
    *(
        (endpoint, status, leaf)
        for endpoint in (Endpoint.RESOURCE, Endpoint.LOGOUT)
        for status, leaf in (
            (400, NomadBadRequestError),
            (401, NomadTokenRefusedError),
            (403, NomadPermissionDeniedError),
            (404, NomadNotFoundError),
            (405, NomadNotFoundError),
            (418, NomadApiError),
        )
    ),
    *(
        (endpoint, status, leaf)
        for endpoint in Endpoint
        for status, leaf in (
            (429, NomadThrottledError),
            (500, NomadUnavailableError),
            (503, NomadUnavailableError),
            (302, NomadMalformedResponseError),
        )
    ),
]


@pytest.mark.parametrize("endpoint, status, leaf", _TABLE)
@pytest.mark.parametrize("body", [b"", b'{"token":"CANARY","status":200}'])
def test_the_status_wins(endpoint: Endpoint, status: int, leaf: type[NomadError], body: bytes) -> None:
    """Each status means one thing at each endpoint, whatever the body claims."""
    error = _refused(answer(status, body, headers={"Retry-After": "7", "X-Request-Id": "r-1"}), endpoint)
    assert type(error) is leaf
    assert (error.status, error.request_id) == (status, "r-1")
    assert error.retry_after == (timedelta(seconds=7) if issubclass(leaf, NomadUnavailableError) else None)
    assert leaks(error, ["CANARY"]) == []


@pytest.mark.parametrize(
    "status, found",
    [
        ("IsDisabled", LoginStatus.IS_DISABLED),
        (8, LoginStatus.IS_EXPIRED),
        ("IsOnTheMoon", UnknownStatus("IsOnTheMoon")),
        (None, None),
        # what a person could take at once is no reason for a 403
        ("TwoFactorCodeRequired", None),
    ],
)
def test_a_403_at_sign_in_may_name_the_reason(status: object, found: object) -> None:
    """The reason is typed where it is known and kept where it is not."""
    error = _refused(answer(403, {"LoginStatus": status, "title": "no"}))
    assert isinstance(error, NomadAccountBlockedError)
    assert error.login_status == found
    assert error.detail == "no"
    assert error.code == (None if found is None else error.code)
    assert "IsOnTheMoon" not in str(error)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"<html>",
        b"[]",
        b"5",
        b'"text"',
        b"null",
        b'{"token":5}',
        b'{"token":1e999}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_a_success_that_cannot_be_read(raw: bytes) -> None:
    """Typed, with the place and never the value."""
    assert type(_refused(answer(200, raw))) is NomadMalformedResponseError


def test_an_empty_success_may_be_enough() -> None:
    """A logout's answer has no body."""
    assert check_ok(answer(204, b""), Endpoint.LOGOUT).status == 204
