"""From (endpoint, status) to an error that says what to do."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from nauth.errors import (
    CredentialsRejectedError,
    MalformedResponseError,
    NauthError,
    PermissionDeniedError,
    RequestRejectedError,
    TokenRefusedError,
    VendorUnavailableError,
)
from noyoauth import (
    ErrorBody,
    NoyoApiError,
    NoyoBadRequestError,
    NoyoConflictError,
    NoyoCredentialsRejectedError,
    NoyoError,
    NoyoMalformedResponseError,
    NoyoNotFoundError,
    NoyoPermissionDeniedError,
    NoyoThrottledError,
    NoyoTokenRefusedError,
    NoyoUnavailableError,
    errors,
)
from noyoauth.errors import Endpoint, refusal

_WHERE = "fulfillment.noyo.com (environment live)"


@pytest.mark.parametrize(
    "endpoint, status, leaf, kind",
    [
        *(
            (Endpoint.ISSUE, s, NoyoCredentialsRejectedError, CredentialsRejectedError)
            for s in (400, 401, 403)
        ),
        *(
            (Endpoint.ISSUE, s, NoyoMalformedResponseError, MalformedResponseError)
            for s in (301, 302, 307, 308, 404, 405, 415, 422)
        ),
        (Endpoint.RESOURCE, 302, NoyoMalformedResponseError, MalformedResponseError),
        (Endpoint.RESOURCE, 400, NoyoBadRequestError, RequestRejectedError),
        (Endpoint.RESOURCE, 422, NoyoBadRequestError, RequestRejectedError),
        (Endpoint.RESOURCE, 401, NoyoTokenRefusedError, TokenRefusedError),
        (Endpoint.RESOURCE, 403, NoyoPermissionDeniedError, PermissionDeniedError),
        (Endpoint.RESOURCE, 404, NoyoNotFoundError, RequestRejectedError),
        (Endpoint.RESOURCE, 409, NoyoConflictError, RequestRejectedError),
        (Endpoint.RESOURCE, 418, NoyoApiError, RequestRejectedError),
        *((e, 429, NoyoThrottledError, VendorUnavailableError) for e in Endpoint),
        *(
            (e, s, NoyoUnavailableError, VendorUnavailableError)
            for e in Endpoint
            for s in (500, 502, 503, 504, 599)
        ),
    ],
)
def test_each_status_has_its_class(
    endpoint: Endpoint, status: int, leaf: type[NoyoError], kind: type[NauthError]
) -> None:
    """The leaf is Noyo's own and of the kind that says what the caller may do; the text names the place."""
    error = refusal(endpoint, status, where=_WHERE, request_id="r", retry_after=timedelta(seconds=7))
    assert type(error) is leaf
    assert isinstance(error, kind)
    assert _WHERE in str(error)
    assert f"HTTP {status}" in str(error)
    assert (error.status, error.request_id) == (status, "r")
    assert error.retry_after == (timedelta(seconds=7) if kind is VendorUnavailableError else None)


@pytest.mark.parametrize(
    "status, words",
    [(401, "other environment"), (403, "other environment"), (404, "may not see it"), (409, "version")],
)
def test_the_text_names_the_documented_causes(status: int, words: str) -> None:
    """A mix-up of environments is named wherever it may show."""
    assert words in str(refusal(Endpoint.RESOURCE, status, where=_WHERE))


@pytest.mark.parametrize(
    "code, words",
    [
        ("invalid_token", "expired, revoked, malformed"),
        ("invalid_request", "malformed"),
        ("insufficient_scope", "scope"),
        ("something_else", "code something_else"),
        (None, "HTTP 401)"),
    ],
)
def test_a_401_is_told_apart_only_by_the_header(code: str | None, words: str) -> None:
    """RFC 6750's codes have a meaning; texts that name a reason have none, whatever they say."""
    for message in ("Expired token", "Malformed JWT", "Missing credentials", None):
        error = refusal(Endpoint.RESOURCE, 401, where=_WHERE, code=code, body=ErrorBody(message=message))
        assert type(error) is NoyoTokenRefusedError
        assert error.code == code
        assert words in str(error).replace(f": {message})", ")")


def test_a_403_may_say_that_the_scope_is_too_small() -> None:
    """A challenge is worth telling with any status."""
    assert "scope is too small" in str(
        refusal(Endpoint.RESOURCE, 403, where=_WHERE, code="insufficient_scope")
    )


def test_the_token_url_is_named_where_it_may_be_wrong() -> None:
    """Whatever answers 404 to a token request is another server."""
    error = refusal(Endpoint.ISSUE, 404, where="https://accounts.example.com/t (environment live)")
    assert "https://accounts.example.com/t" in str(error)


@pytest.mark.parametrize("name", [name for name in errors.__all__ if name.endswith("Error")])
def test_every_leaf_copies_and_pickles(name: str) -> None:
    """A waiter in another process gets the same data."""
    error = getattr(errors, name)("text", status=400)
    error.body = ErrorBody(status="error", message="m", fields={"a": 1}, raw=b"x")
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - made a moment ago
        assert type(twin) is type(error)
        assert (str(twin), twin.status, twin.body) == ("text", 400, error.body)
