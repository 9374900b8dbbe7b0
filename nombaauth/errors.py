"""Nomba's errors, and the tables that choose one from (endpoint, status, code).

Sources: https://developer.nomba.com/docs/api-basics/error-codes and the `responses` of
https://developer.nomba.com/nomba-api-reference/openapi.json. No public source shows the body of a refusal, so texts
are never read for meaning: status and code decide.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta

from nauth.errors import (
    CredentialsRejectedError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RequestRejectedError,
    TokenRefusedError,
    VendorUnavailableError,
)
from nauth.redact import clean
from nauth.responses.error_table import ErrorTable
from nauth.transport.token_calls import ErrorClasses

__all__ = [
    "LEAVES",
    "Endpoint",
    "NombaApiError",
    "NombaBadRequestError",
    "NombaCredentialsRejectedError",
    "NombaError",
    "NombaMalformedResponseError",
    "NombaNotFoundError",
    "NombaNotSentError",
    "NombaOutcomeUnknownError",
    "NombaPermissionDeniedError",
    "NombaRefreshRefusedError",
    "NombaThrottledError",
    "NombaTokenRefusedError",
    "NombaUnavailableError",
    "effective_status",
    "refusal",
]


class NombaError(NauthError):
    """Base of every error that Nomba's answers cause."""


class NombaCredentialsRejectedError(NombaError, CredentialsRejectedError):
    """Nomba refused client id, secret or account id."""


class NombaRefreshRefusedError(NombaError, CredentialsRejectedError):
    """Nomba refused the refresh token for good. The client signs in again by itself."""


class NombaTokenRefusedError(NombaError, TokenRefusedError):
    """Nomba answered 401 to a call with a valid, freshly renewed token."""


class NombaPermissionDeniedError(NombaError, PermissionDeniedError):
    """403: the token may not do this."""


class NombaBadRequestError(NombaError, RequestRejectedError):
    """400 or 422: the request failed Nomba's validation."""


class NombaNotFoundError(NombaError, RequestRejectedError):
    """404: there is no such record."""


class NombaApiError(NombaError, RequestRejectedError):
    """Nomba reported a failure by its own code, whatever the HTTP status said."""


class NombaUnavailableError(NombaError, VendorUnavailableError):
    """Nomba could not answer now: 5xx, or no connection."""


class NombaThrottledError(NombaUnavailableError):
    """429: too many requests. `retry_after` says how long the window lasts."""


class NombaNotSentError(NombaUnavailableError, NotSentError):
    """No connection to Nomba could be made."""


class NombaOutcomeUnknownError(NombaError, OutcomeUnknownError):
    """The request went out and Nomba's answer was lost."""


class NombaMalformedResponseError(NombaError, MalformedResponseError):
    """Nomba answered in a form that could not be understood."""


class Endpoint(enum.StrEnum):
    """Where an answer came from: the same code means different things in different places."""

    ISSUE = "issuing a token"
    REFRESH = "refreshing the token"
    REVOKE = "revoking the token"
    RESOURCE = "the request"


_Leaf = type[NombaError]

_NOT_FOUND = 404

_OF_STATUS: Mapping[Endpoint, Mapping[int, _Leaf]] = {
    Endpoint.ISSUE: {
        400: NombaCredentialsRejectedError,
        401: NombaCredentialsRejectedError,
        403: NombaCredentialsRejectedError,
        404: NombaCredentialsRejectedError,
        422: NombaBadRequestError,
    },
    Endpoint.REFRESH: dict.fromkeys((400, 401, 403, 404, 422), NombaRefreshRefusedError),
    Endpoint.REVOKE: {
        400: NombaBadRequestError,
        403: NombaPermissionDeniedError,
        422: NombaBadRequestError,
    },
    Endpoint.RESOURCE: {
        400: NombaBadRequestError,
        401: NombaTokenRefusedError,
        403: NombaPermissionDeniedError,
        404: NombaNotFoundError,
        422: NombaBadRequestError,
    },
}

_OF_CODE: Mapping[Endpoint, Mapping[str, _Leaf]] = {
    # "01" and "02" mean bad credentials and an expired token on the auth endpoints only; elsewhere 01 is any error
    Endpoint.ISSUE: {"01": NombaCredentialsRejectedError, "02": NombaCredentialsRejectedError},
}

_OTHERWISE: Mapping[Endpoint, _Leaf] = {
    Endpoint.ISSUE: NombaApiError,
    Endpoint.REFRESH: NombaRefreshRefusedError,
    Endpoint.REVOKE: NombaApiError,
    Endpoint.RESOURCE: NombaApiError,
}

_MEANINGS: Mapping[_Leaf, str] = {
    NombaCredentialsRejectedError: (
        "Nomba refused the credentials. Check NOMBA_CLIENT_ID, NOMBA_CLIENT_SECRET (the dashboard's 'private key') and "
        "NOMBA_ACCOUNT_ID (the parent account's id), and that the key belongs to this environment: test and live keys "
        "come in pairs and are not interchangeable"
    ),
    NombaRefreshRefusedError: "Nomba refused the refresh token; a new sign-in is needed",
    NombaTokenRefusedError: (
        "Nomba refused a valid token. Likely causes, in Nomba's own words and practice: the accountId header is absent "
        "or not the parent account's id; the token was revoked; the keys belong to the other environment (sandbox or "
        "production); another process signs in with the same keys, and Nomba keeps a single session (let the processes share "
        "one token: set NAUTH_STORE, or pass each client the same store=); the address is not on the account's IP "
        "allow-list"
    ),
    NombaPermissionDeniedError: (
        "Nomba does not permit this. The key's role may not allow it, the accountId header may name a sub-account "
        "instead of the parent, the keys may belong to the other environment (a sandbox token in production), or the "
        "address is not on the account's IP allow-list; a new token would change nothing"
    ),
    NombaBadRequestError: "the request failed Nomba's validation",
    NombaNotFoundError: (
        "Nomba has no such record. If every call says so, check the accountId header (the parent account's id) and the "
        "base URL"
    ),
    NombaApiError: "Nomba reported a failure",
    NombaThrottledError: (
        "too many requests for this account's rate class (a low-traffic account has one POST a minute); wait for "
        "retry_after"
    ),
    NombaUnavailableError: "Nomba had a fault of its own; wait for retry_after, if it is set, and try again",
    NombaMalformedResponseError: "the answer is a redirect, which is not followed. Check the base URL",
}

_ISSUE_MEANINGS: Mapping[str | int, str] = {
    # https://developer.nomba.com/docs/api-basics/error-codes: "check id and secret"
    "01": (
        "Nomba calls client id or secret invalid (its code 01). Check NOMBA_CLIENT_ID and NOMBA_CLIENT_SECRET (the "
        "dashboard's 'private key'), and that the key belongs to this environment: test and live keys come in pairs and "
        "are not interchangeable"
    ),
    403: (
        "Nomba does not permit this sign-in. The address that this machine calls from may be outside Nigeria, or not on "
        "the account's IP allow-list; NOMBA_CLIENT_ID and NOMBA_CLIENT_SECRET may belong to the other environment (test "
        "and live keys are not interchangeable); or NOMBA_ACCOUNT_ID is not the parent account's id"
    ),
    404: (
        "Nomba has no record of this client or account. Check NOMBA_CLIENT_ID, NOMBA_ACCOUNT_ID (the parent account's id) "
        "and NOMBA_CLIENT_SECRET (the dashboard's 'private key'), and that they belong to this environment"
    ),
}
"""What a refused sign-in means where Nomba's code, or else the status, tells more than that it was refused."""

_NOT_NOMBA = (
    "this is not Nomba's API: a 404 of Nomba's own has a code in its body, and this one has none. Check the base URL "
    "(NOMBA_BASE_URL or base_url=) and what answers there, such as a proxy or gateway"
)

_ERRORS: ErrorTable[NombaError, Endpoint] = ErrorTable(
    throttled=NombaThrottledError,
    unavailable=NombaUnavailableError,
    redirected=NombaMalformedResponseError,
    of_status=_OF_STATUS,
    of_code=_OF_CODE,
    otherwise=_OTHERWISE,
    meanings=_MEANINGS,
)


def refusal(
    endpoint: Endpoint,
    status: int,
    *,
    code: str | None,
    detail: str | None = None,
    request_id: str | None = None,
    retry_after: timedelta | None = None,
    where: str | None = None,
) -> NombaError:
    """Return the error for an answer that is not a success.

    Args:
        endpoint: where it came from.
        status: the HTTP status. If it is 2xx, a three-digit `code` is read as the status it stands for.
        code: the envelope's code, or None if there was no envelope. Cleaned here: it is the vendor's text.
        detail: Nomba's description, cleaned.
        request_id: Nomba's name for the exchange.
        retry_after: how long Nomba asks to wait.
        where: the address that was asked, without its query.
    """
    stands_for = effective_status(status, code)
    leaf, means = _ERRORS.choose(endpoint, stands_for, code), None
    if endpoint is Endpoint.ISSUE and stands_for == _NOT_FOUND and code is None:
        leaf, means = NombaMalformedResponseError, _NOT_NOMBA
    elif endpoint is Endpoint.ISSUE and leaf is NombaCredentialsRejectedError:
        means = _ISSUE_MEANINGS.get(code or "") or _ISSUE_MEANINGS.get(stands_for)
    return _ERRORS.error(
        leaf,
        endpoint,
        status,
        sender=where,
        means=means,
        code=clean(code),
        detail=detail,
        request_id=request_id,
        retry_after=retry_after,
    )


def effective_status(status: int, code: str | None) -> int:
    """Return the status an answer stands for: a 200 with code ``"401"`` is a 401."""
    if 200 <= status < 300 and code is not None and len(code) == 3 and code.isdecimal():  # noqa: PLR2004
        return int(code)
    return status


LEAVES: ErrorClasses = {
    NotSentError: NombaNotSentError,
    VendorUnavailableError: NombaUnavailableError,
    OutcomeUnknownError: NombaOutcomeUnknownError,
    MalformedResponseError: NombaMalformedResponseError,
}
"""Nomba's class for each kind a transport raises."""
