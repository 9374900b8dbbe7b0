"""NAO Cloud's errors, and the tables that choose one from (endpoint, status).

Source: https://polestar.zohodesk.com/portal/en/kb/articles/error-handling. The texts of refusals are documented
nowhere, so they are never read for meaning: the status decides.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta

from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RequestRejectedError,
    TokenRefusedError,
    VendorUnavailableError,
    recast,
)
from nauth.responses.error_table import ErrorTable
from nauth.transport.token_calls import ErrorClasses, translate

__all__ = [
    "LEAVES",
    "Endpoint",
    "NaoApiError",
    "NaoBadRequestError",
    "NaoCredentialsRejectedError",
    "NaoError",
    "NaoMalformedResponseError",
    "NaoNotFoundError",
    "NaoNotSentError",
    "NaoOutcomeUnknownError",
    "NaoPermissionDeniedError",
    "NaoSignInNeededError",
    "NaoThrottledError",
    "NaoTokenRefusedError",
    "NaoUnavailableError",
    "of_oauth",
    "refusal",
]


class NaoError(NauthError):
    """Base of every error that NAO Cloud's answers cause."""


class NaoCredentialsRejectedError(NaoError, CredentialsRejectedError):
    """NAO Cloud refused API key, e-mail and password, or the OAuth application."""


class NaoSignInNeededError(NaoError, InteractionRequiredError):
    """A person has to sign in at NAO Cloud's authorize page."""


class NaoTokenRefusedError(NaoError, TokenRefusedError):
    """NAO Cloud answered 401 to a call with a freshly renewed token."""


class NaoPermissionDeniedError(NaoError, PermissionDeniedError):
    """403: the account's role may not do this."""


class NaoBadRequestError(NaoError, RequestRejectedError):
    """400, 405, 406 or 422: the request failed NAO Cloud's validation."""


class NaoNotFoundError(NaoError, RequestRejectedError):
    """404: there is no such record or address."""


class NaoApiError(NaoError, RequestRejectedError):
    """NAO Cloud declined in a way that no page describes."""


class NaoUnavailableError(NaoError, VendorUnavailableError):
    """NAO Cloud could not answer now: 5xx, or no connection."""


class NaoThrottledError(NaoUnavailableError):
    """429: too many requests."""


class NaoNotSentError(NaoUnavailableError, NotSentError):
    """No connection to NAO Cloud could be made."""


class NaoOutcomeUnknownError(NaoError, OutcomeUnknownError):
    """The request went out and NAO Cloud's answer was lost."""


class NaoMalformedResponseError(NaoError, MalformedResponseError):
    """NAO Cloud answered in a form that could not be understood."""


class Endpoint(enum.StrEnum):
    """Where an answer came from, and with which credential: the same status means different things."""

    SESSIONS = "opening a session"
    KEY_RESOURCE = "the request with the API key"
    JWT_RESOURCE = "the request with the JWT"
    OAUTH_RESOURCE = "the request with the access token"


_Leaf = type[NaoError]

_RESOURCE: Mapping[int, _Leaf] = {
    400: NaoBadRequestError,
    401: NaoTokenRefusedError,
    403: NaoPermissionDeniedError,
    404: NaoNotFoundError,
    405: NaoBadRequestError,
    406: NaoBadRequestError,
    422: NaoBadRequestError,
}
_OF_STATUS: Mapping[Endpoint, Mapping[int, _Leaf]] = {
    Endpoint.SESSIONS: {**_RESOURCE, **dict.fromkeys((400, 401, 422), NaoCredentialsRejectedError)},
    Endpoint.KEY_RESOURCE: {**_RESOURCE, 401: NaoCredentialsRejectedError},
    Endpoint.JWT_RESOURCE: _RESOURCE,
    Endpoint.OAUTH_RESOURCE: _RESOURCE,
}

_MEANINGS: Mapping[_Leaf, str] = {
    NaoTokenRefusedError: (
        "NAO Cloud refused a token that it had only just issued. Check that the account is active and that base_url is "
        "the instance that issued it"
    ),
    NaoPermissionDeniedError: "the account's role does not allow it; a new token would change nothing",
    NaoBadRequestError: "NAO Cloud does not accept the request as it is",
    NaoNotFoundError: "NAO Cloud has no such record or address. If every call says so, check base_url (NAO_BASE_URL)",
    NaoApiError: "NAO Cloud declined",
    NaoThrottledError: "too many requests; wait for retry_after",
    NaoUnavailableError: "NAO Cloud had a fault of its own; wait for retry_after, if it is set, and try again",
    NaoMalformedResponseError: (
        "the answer is a redirect, which is not followed: it would carry the credential along. Check base_url "
        "(NAO_BASE_URL): https, and the right host"
    ),
}
_MEANINGS_AT: Mapping[tuple[Endpoint, _Leaf], str] = {
    (Endpoint.SESSIONS, NaoCredentialsRejectedError): (
        "NAO Cloud refused e-mail and password, or the auth_token. Check NAO_EMAIL and NAO_PASSWORD, or that the "
        "auth_token is the one from the My Profile page and not the mobile SDK's API key. An account with two-factor "
        "authentication (2FA) cannot sign in by password here: use its auth_token"
    ),
    (Endpoint.KEY_RESOURCE, NaoCredentialsRejectedError): (
        "NAO Cloud refused the API key. Check that NAO_AUTH_TOKEN is the auth_token from the My Profile page and not the "
        "mobile SDK's API key. If it is, this way of signing in may be switched off: NAO Cloud says that it might be "
        "deprecated, so try a JWT, NaoSession(auth_token=...)"
    ),
}

_ERRORS: ErrorTable[NaoError, Endpoint] = ErrorTable(
    throttled=NaoThrottledError,
    unavailable=NaoUnavailableError,
    redirected=NaoMalformedResponseError,
    of_status=_OF_STATUS,
    otherwise=dict.fromkeys(Endpoint, NaoApiError),
    meanings=_MEANINGS,
    meanings_at=_MEANINGS_AT,
)


def refusal(
    endpoint: Endpoint,
    status: int,
    *,
    where: str,
    detail: str | None = None,
    request_id: str | None = None,
    retry_after: timedelta | None = None,
) -> NaoError:
    """Return the error for an answer that is not a success.

    Args:
        endpoint: where it came from.
        status: the HTTP status.
        where: the address that was asked, without its query.
        detail: NAO Cloud's words, cleaned.
        request_id: NAO Cloud's name for the exchange.
        retry_after: how long it asks to wait.
    """
    return _ERRORS.error(
        _ERRORS.choose(endpoint, status),
        endpoint,
        status,
        sender=where,
        detail=detail,
        request_id=request_id,
        retry_after=retry_after,
    )


LEAVES: ErrorClasses = {
    NotSentError: NaoNotSentError,
    VendorUnavailableError: NaoUnavailableError,
    OutcomeUnknownError: NaoOutcomeUnknownError,
    MalformedResponseError: NaoMalformedResponseError,
}
"""NAO Cloud's class for each kind a transport raises."""

_OAUTH_LEAVES: ErrorClasses = {
    **LEAVES,
    TokenRefusedError: NaoTokenRefusedError,
    CredentialsRejectedError: NaoCredentialsRejectedError,
    InteractionRequiredError: NaoSignInNeededError,
    PermissionDeniedError: NaoPermissionDeniedError,
    RequestRejectedError: NaoBadRequestError,
}


def of_oauth(error: NauthError) -> NauthError:
    """Return what `nauth.oauth2` raised as NAO Cloud's own class of the same kind."""
    if isinstance(error, VendorUnavailableError) and error.status == 429:  # noqa: PLR2004
        return recast(error, NaoThrottledError)
    if isinstance(error, RequestRejectedError) and error.status == 404:  # noqa: PLR2004
        return recast(error, NaoNotFoundError)
    return translate(error, _OAUTH_LEAVES)
