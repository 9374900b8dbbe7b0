"""Noyo's errors, and the tables that choose one from (endpoint, status).

Sources: https://docs.noyo.com/docs/snapshot-responses, the `responses` of https://docs.noyo.com/api-reference/, and
https://docs.noyo.com/docs/introduction/getting-started/authentication. The texts of refusals are documented nowhere,
so they are never read for meaning: the status decides, and for a 401 the `WWW-Authenticate` header may say more.
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
from nauth.responses.error_table import ErrorTable
from nauth.transport.token_calls import ErrorClasses
from noyoauth.models import ErrorBody

__all__ = [
    "LEAVES",
    "Endpoint",
    "NoyoApiError",
    "NoyoBadRequestError",
    "NoyoConflictError",
    "NoyoCredentialsRejectedError",
    "NoyoError",
    "NoyoMalformedResponseError",
    "NoyoNotFoundError",
    "NoyoNotSentError",
    "NoyoOutcomeUnknownError",
    "NoyoPermissionDeniedError",
    "NoyoThrottledError",
    "NoyoTokenRefusedError",
    "NoyoUnavailableError",
    "refusal",
]


class NoyoError(NauthError):
    """Base of every error that Noyo's answers cause.

    Attributes:
        body: what an API's refusal said, as it came; None for the token call, whose answers may hold secrets.
    """

    body: ErrorBody | None = None


class NoyoCredentialsRejectedError(NoyoError, CredentialsRejectedError):
    """Noyo refused client id or secret."""


class NoyoTokenRefusedError(NoyoError, TokenRefusedError):
    """401 to a call with a valid, freshly renewed token. `code` is the header's, if Noyo sent one."""


class NoyoPermissionDeniedError(NoyoError, PermissionDeniedError):
    """403: the token may not do this."""


class NoyoBadRequestError(NoyoError, RequestRejectedError):
    """400 or 422: the request failed Noyo's validation."""


class NoyoNotFoundError(NoyoError, RequestRejectedError):
    """404: there is no such record, or the token may not see it."""


class NoyoConflictError(NoyoError, RequestRejectedError):
    """409: the record's `version` is not the one in the path, or another conflict."""


class NoyoApiError(NoyoError, RequestRejectedError):
    """Noyo declined with a status that no page of it documents."""


class NoyoUnavailableError(NoyoError, VendorUnavailableError):
    """Noyo could not answer now: 5xx, or no connection. `retry_after` is set where Noyo said how long."""


class NoyoThrottledError(NoyoUnavailableError):
    """429: too many requests."""


class NoyoNotSentError(NoyoUnavailableError, NotSentError):
    """No connection to Noyo could be made."""


class NoyoOutcomeUnknownError(NoyoError, OutcomeUnknownError):
    """The request went out and Noyo's answer was lost."""


class NoyoMalformedResponseError(NoyoError, MalformedResponseError):
    """Noyo answered in a form that could not be understood."""


class Endpoint(enum.StrEnum):
    """Where an answer came from: the same status means different things in different places."""

    ISSUE = "issuing a token"
    RESOURCE = "the request"


_Leaf = type[NoyoError]

_OF_STATUS: Mapping[Endpoint, Mapping[int, _Leaf]] = {
    Endpoint.ISSUE: dict.fromkeys((400, 401, 403), NoyoCredentialsRejectedError),
    Endpoint.RESOURCE: {
        400: NoyoBadRequestError,
        401: NoyoTokenRefusedError,
        403: NoyoPermissionDeniedError,
        404: NoyoNotFoundError,
        409: NoyoConflictError,
        422: NoyoBadRequestError,
    },
}

_OTHERWISE: Mapping[Endpoint, _Leaf] = {
    # 404, 405, 415 and the like: whatever answers there is not the token endpoint
    Endpoint.ISSUE: NoyoMalformedResponseError,
    Endpoint.RESOURCE: NoyoApiError,
}

_MIXED_UP = (
    "the key may belong to the other environment: one token host serves both, and only the key decides which API "
    "hosts its tokens open"
)

_MEANINGS: Mapping[_Leaf, str] = {
    NoyoCredentialsRejectedError: (
        "Noyo refused the key. Check NOYO_CLIENT_ID and NOYO_CLIENT_SECRET, and in the Noyo app that the key has not "
        "been revoked"
    ),
    NoyoTokenRefusedError: (
        f"Noyo refused a token that it has only just issued. Likely causes: {_MIXED_UP}; something on the way drops or "
        "changes the Authorization header; the key was revoked; another process fetches tokens with the same key (let them "
        "share one: set NAUTH_STORE, or pass each client the same store=). If none fits, ask support@noyo.com"
    ),
    NoyoPermissionDeniedError: (
        f"Noyo does not permit this; a new token would change nothing. The key may lack the permission, or {_MIXED_UP}"
    ),
    NoyoBadRequestError: "the request failed Noyo's validation",
    NoyoNotFoundError: (
        "there is no such record, or it exists and this token may not see it: Noyo says 404 for both. If every call "
        f"says so, {_MIXED_UP}; or the base URL is wrong"
    ),
    NoyoConflictError: (
        "Noyo reports a conflict, such as a version in the path that is no longer the record's: read the record again"
    ),
    NoyoApiError: "Noyo declined with a status that it does not document",
    NoyoThrottledError: "too many requests; wait for retry_after, if it is set",
    NoyoUnavailableError: "Noyo is down or had a fault; wait for retry_after, if it is set, and try again",
    NoyoMalformedResponseError: (
        "the answer is not what this address should give; redirects are not followed. Check the URL"
    ),
}

_CHALLENGES: Mapping[str, str] = {
    # https://www.rfc-editor.org/rfc/rfc6750#section-3.1: one code for expired, revoked and malformed alike
    "invalid_token": "Noyo calls the token expired, revoked, malformed or otherwise invalid",
    "invalid_request": "Noyo calls the request, or its Authorization header, malformed",
    "insufficient_scope": "Noyo says that the token's scope is too small",
}

_ERRORS: ErrorTable[NoyoError, Endpoint] = ErrorTable(
    throttled=NoyoThrottledError,
    unavailable=NoyoUnavailableError,
    redirected=NoyoMalformedResponseError,
    of_status=_OF_STATUS,
    otherwise=_OTHERWISE,
    meanings=_MEANINGS,
)


def refusal(
    endpoint: Endpoint,
    status: int,
    *,
    where: str,
    code: str | None = None,
    body: ErrorBody | None = None,
    request_id: str | None = None,
    retry_after: timedelta | None = None,
) -> NoyoError:
    """Return the error for an answer that is not a success.

    Args:
        endpoint: where it came from.
        status: the HTTP status.
        where: the address and environment, for people.
        code: the `error` of a Bearer challenge in `WWW-Authenticate`, cleaned.
        body: what the refusal said; None for the token call.
        request_id: Noyo's name for the exchange.
        retry_after: how long Noyo asks to wait.
    """
    error = _ERRORS.error(
        _ERRORS.choose(endpoint, status),
        endpoint,
        status,
        at=where,
        hint=f". {_CHALLENGES[code]}" if code and code in _CHALLENGES else "",
        code=code,
        detail=None if body is None else body.message,
        request_id=request_id,
        retry_after=retry_after,
    )
    error.body = body
    return error


LEAVES: ErrorClasses = {
    NotSentError: NoyoNotSentError,
    VendorUnavailableError: NoyoUnavailableError,
    OutcomeUnknownError: NoyoOutcomeUnknownError,
    MalformedResponseError: NoyoMalformedResponseError,
}
"""Noyo's class for each kind a transport raises."""
