"""(endpoint, status, code) chooses the error, as the vendor's tables say."""

from __future__ import annotations

import copy
import pickle
from datetime import timedelta

import pytest

from nauth import errors as core
from nauth.transport.token_calls import translate
from nombaauth import errors
from nombaauth.errors import LEAVES, Endpoint, NombaError, effective_status, refusal

ISSUE, REFRESH, REVOKE, RESOURCE = Endpoint
REJECTED = errors.NombaCredentialsRejectedError
REFUSED = errors.NombaRefreshRefusedError
BAD = errors.NombaBadRequestError
API = errors.NombaApiError
THROTTLED = errors.NombaThrottledError
DOWN = errors.NombaUnavailableError
DENIED = errors.NombaPermissionDeniedError
DEAD = errors.NombaTokenRefusedError
NOT_FOUND = errors.NombaNotFoundError
STRANGE = errors.NombaMalformedResponseError

# (status, code) -> leaf on issue, refresh, revoke, resource
TABLE: list[tuple[int, str | None, tuple[type[NombaError], ...]]] = [
    (400, "400", (REJECTED, REFUSED, BAD, BAD)),
    (400, "01", (REJECTED, REFUSED, BAD, BAD)),
    (400, None, (REJECTED, REFUSED, BAD, BAD)),
    (401, "401", (REJECTED, REFUSED, API, DEAD)),
    (401, "02", (REJECTED, REFUSED, API, DEAD)),
    (401, None, (REJECTED, REFUSED, API, DEAD)),
    (403, "403", (REJECTED, REFUSED, DENIED, DENIED)),
    (404, "404", (REJECTED, REFUSED, API, NOT_FOUND)),
    (422, "422", (BAD, REFUSED, BAD, BAD)),
    (405, None, (API, REFUSED, API, API)),
    (418, "00", (API, REFUSED, API, API)),
    (429, "429", (THROTTLED,) * 4),
    (429, "00", (THROTTLED,) * 4),
    (500, "500", (DOWN,) * 4),
    (502, None, (DOWN,) * 4),
    (503, "401", (DOWN,) * 4),
    (599, None, (DOWN,) * 4),
    (301, None, (STRANGE,) * 4),
    (307, "00", (STRANGE,) * 4),
    (200, "01", (REJECTED, REFUSED, API, API)),
    (200, "02", (REJECTED, REFUSED, API, API)),
    (200, "05", (API, REFUSED, API, API)),
    (200, "06", (API, REFUSED, API, API)),
    (200, "", (API, REFUSED, API, API)),
    (200, "400", (REJECTED, REFUSED, BAD, BAD)),
    (200, "401", (REJECTED, REFUSED, API, DEAD)),
    (202, "401", (REJECTED, REFUSED, API, DEAD)),
    (200, "403", (REJECTED, REFUSED, DENIED, DENIED)),
    (200, "404", (REJECTED, REFUSED, API, NOT_FOUND)),
    (200, "429", (THROTTLED,) * 4),
    (200, "500", (DOWN,) * 4),
    (200, "ABC", (API, REFUSED, API, API)),
    (200, "999", (DOWN,) * 4),
    (200, "000", (API, REFUSED, API, API)),
]


@pytest.mark.parametrize(
    "endpoint, status, code, leaf",
    [
        (endpoint, status, code, leaf)
        for status, code, leaves in TABLE
        for endpoint, leaf in zip(Endpoint, leaves, strict=True)
    ],
)
def test_every_row_of_the_table(
    endpoint: Endpoint, status: int, code: str | None, leaf: type[NombaError]
) -> None:
    """Status and code choose exactly this class, and the error carries both."""
    error = refusal(
        endpoint,
        status,
        code=code,
        detail="Words",
        request_id="req-1",
        retry_after=timedelta(seconds=60),
    )
    assert type(error) is leaf
    assert (error.status, error.code or "", error.detail, error.request_id) == (
        status,
        code or "",
        "Words",
        "req-1",
    )
    assert error.retry_after == (timedelta(seconds=60) if leaf in {THROTTLED, DOWN} else None)
    assert endpoint.value in str(error)
    assert f"HTTP {status}" in str(error)
    assert "Words" in str(error)


@pytest.mark.parametrize(
    "endpoint, status, words",
    [
        (
            ISSUE,
            401,
            ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "private key", "NOMBA_ACCOUNT_ID", "environment"],
        ),
        (ISSUE, 404, ["base URL"]),
        (RESOURCE, 401, ["accountId", "revoked", "environment", "another process", "IP allow-list"]),
        (RESOURCE, 403, ["role", "accountId", "environment", "sandbox token", "IP allow-list"]),
        (RESOURCE, 404, ["accountId", "base URL"]),
        (RESOURCE, 429, ["rate class", "retry_after"]),
        (REFRESH, 302, ["redirect", "base URL"]),
    ],
)
def test_the_text_names_what_to_check(endpoint: Endpoint, status: int, words: list[str]) -> None:
    """Every documented cause stands in the error of the answer it may have led to."""
    text = str(refusal(endpoint, status, code=None))
    assert [word for word in words if word not in text] == []


def test_a_code_is_the_vendors_text_and_is_cleaned() -> None:
    """An echo of a token in the code's place, or a screenful, goes no further."""
    error = refusal(ISSUE, 401, code="\x1b[31m" + "eyJhbGciOiJIUzI1NiJ9.CANARY.sig")
    assert "CANARY" not in f"{error} {error!r} {error.code}"
    assert "\x1b" not in str(error)
    assert len(str(refusal(ISSUE, 401, code="long " * 1000))) < 1000


@pytest.mark.parametrize(
    "status, code, expected",
    [
        (200, "401", 401),
        (202, "401", 401),
        (200, "00", 200),
        (200, "4o1", 200),
        (500, "401", 500),
        (200, None, 200),
    ],
)
def test_a_three_digit_code_inside_a_success_counts(status: int, code: str | None, expected: int) -> None:
    """Only a 2xx yields to its code."""
    assert effective_status(status, code) == expected


@pytest.mark.parametrize(
    "kind, leaf",
    [
        (core.NotSentError, errors.NombaNotSentError),
        (core.VendorUnavailableError, errors.NombaUnavailableError),
        (core.OutcomeUnknownError, errors.NombaOutcomeUnknownError),
        (core.MalformedResponseError, errors.NombaMalformedResponseError),
        (core.ClosedError, core.ClosedError),
        (core.TokenUnchangedError, core.TokenUnchangedError),
        (core.OriginError, core.OriginError),
    ],
)
def test_a_transports_error_becomes_nombas(kind: type[core.NauthError], leaf: type[core.NauthError]) -> None:
    """What the transport says keeps its kind, text and data; other kinds stay what they are."""
    error = translate(kind("text", status=502, request_id="req-1", retry_after=timedelta(seconds=3)), LEAVES)
    assert type(error) is leaf
    assert isinstance(error, kind)
    assert (str(error), error.status, error.request_id, error.retry_after) == (
        "text",
        502,
        "req-1",
        timedelta(seconds=3),
    )


def _leaves() -> list[type[core.NauthError]]:
    found = [getattr(errors, name) for name in errors.__all__]
    return [leaf for leaf in found if isinstance(leaf, type) and issubclass(leaf, NombaError)]


@pytest.mark.parametrize("leaf", _leaves())
def test_nombas_own_keep_their_class(leaf: type[NombaError]) -> None:
    """A throttled sign-in behind a resource call stays throttled; it does not become just any outage."""
    error = leaf("text", retry_after=timedelta(seconds=60))
    twin = translate(error, LEAVES)
    assert type(twin) is leaf
    assert twin is not error
    assert twin.retry_after == timedelta(seconds=60)


@pytest.mark.parametrize("leaf", _leaves())
def test_leaves_are_a_kind_copy_and_pickle(leaf: type[NombaError]) -> None:
    """Every leaf can be caught by vendor and by kind, and survives copy and pickle with its data."""
    error = leaf("text", status=400, code="01", detail="d", request_id="r", retry_after=timedelta(1))
    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own bytes
        assert type(twin) is leaf
        assert vars(twin) == vars(error)
        assert str(twin) == "text"
    kinds = [base for base in leaf.__mro__ if base.__module__ == "nauth.errors"]
    assert len(kinds) >= (1 if leaf is NombaError else 2)
    assert not issubclass(leaf, OSError)
