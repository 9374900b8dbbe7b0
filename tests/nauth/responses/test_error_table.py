"""(endpoint, status, code) chooses the class of error, and the table writes its message."""

from __future__ import annotations

import enum
from datetime import timedelta

import pytest

from nauth.errors import (
    CredentialsRejectedError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    PermissionDeniedError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.responses.error_table import ErrorTable


class _Endpoint(enum.Enum):
    ISSUE = "issuing a token"
    RESOURCE = "the request"


# the classes are of no vendor's; one of its own stands for "throttled", to be told from "unavailable"
_THROTTLED = NotSentError
_TABLE: ErrorTable[NauthError, _Endpoint] = ErrorTable(
    throttled=_THROTTLED,
    unavailable=VendorUnavailableError,
    redirected=MalformedResponseError,
    of_status={
        _Endpoint.ISSUE: {401: CredentialsRejectedError},
        _Endpoint.RESOURCE: {
            401: CredentialsRejectedError,
            403: PermissionDeniedError,
            429: PermissionDeniedError,
        },
    },
    of_code={_Endpoint.ISSUE: {"02": CredentialsRejectedError}},
    otherwise={_Endpoint.ISSUE: MalformedResponseError, _Endpoint.RESOURCE: RequestRejectedError},
    meanings={
        CredentialsRejectedError: "refused",
        VendorUnavailableError: "down",
        PermissionDeniedError: "no right",
    },
    meanings_at={(_Endpoint.ISSUE, CredentialsRejectedError): "wrong key"},
)


@pytest.mark.parametrize(
    "endpoint, status, code, leaf",
    [
        (_Endpoint.ISSUE, 401, None, CredentialsRejectedError),
        (_Endpoint.ISSUE, 403, "02", MalformedResponseError),
        (_Endpoint.ISSUE, 200, "02", CredentialsRejectedError),
        (_Endpoint.ISSUE, 200, "03", MalformedResponseError),
        (_Endpoint.ISSUE, 299, None, MalformedResponseError),
        (_Endpoint.RESOURCE, 200, "02", RequestRejectedError),
        (_Endpoint.RESOURCE, 403, None, PermissionDeniedError),
        (_Endpoint.RESOURCE, 418, None, RequestRejectedError),
        *((endpoint, 429, "02", _THROTTLED) for endpoint in _Endpoint),
        *(
            (endpoint, status, "02", VendorUnavailableError)
            for endpoint in _Endpoint
            for status in (500, 503, 999)
        ),
        *(
            (endpoint, status, "02", MalformedResponseError)
            for endpoint in _Endpoint
            for status in (300, 399)
        ),
    ],
)
def test_every_step_of_the_ladder(
    endpoint: _Endpoint, status: int, code: str | None, leaf: type[NauthError]
) -> None:
    """429, 5xx and 3xx mean the same everywhere; a code counts only with a status of success."""
    assert _TABLE.choose(endpoint, status, code) is leaf


def test_a_message_in_full() -> None:
    """Attempt, place, meaning and hint; then status, sender, code and the vendor's words."""
    error = _TABLE.error(
        CredentialsRejectedError,
        _Endpoint.RESOURCE,
        401,
        at="h.test",
        sender="https://h.test/p",
        hint=". Look here",
        code="02",
        detail="Go away",
        request_id="r-1",
    )
    assert str(error) == (
        "the request failed at h.test: refused. Look here (HTTP 401 from https://h.test/p, code 02: Go away)"
    )
    assert (error.status, error.code, error.detail, error.request_id) == (401, "02", "Go away", "r-1")


def test_a_message_in_short() -> None:
    """What is unknown leaves no trace, and an endpoint's own meaning goes before the general one."""
    assert str(_TABLE.error(CredentialsRejectedError, _Endpoint.ISSUE, 401)) == (
        "issuing a token failed: wrong key (HTTP 401)"
    )


@pytest.mark.parametrize("leaf, kept", [(VendorUnavailableError, True), (PermissionDeniedError, False)])
def test_only_an_outage_says_how_long_to_wait(leaf: type[NauthError], kept: bool) -> None:
    """A wait that would not help is not told."""
    error = _TABLE.error(leaf, _Endpoint.RESOURCE, 503, retry_after=timedelta(seconds=3))
    assert error.retry_after == (timedelta(seconds=3) if kept else None)
