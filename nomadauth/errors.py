"""Nomad Media's errors, and the tables that choose one from (endpoint, status).

Sources: https://docs.nomad.media/reference/post_account-login and its neighbours. No page shows the body of a refusal,
so texts are never read for meaning: the HTTP status decides, and a `loginStatus` where there is one.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import timedelta
from typing import Unpack

from nauth.errors import (
    CredentialsRejectedError,
    ErrorData,
    InteractionRequiredError,
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
from nomadauth.interaction import NomadInteraction
from nomadauth.statuses import AnyLoginStatus, LoginStatus, UnknownStatus

__all__ = [
    "LEAVES",
    "Endpoint",
    "NomadAccountBlockedError",
    "NomadApiError",
    "NomadBadRequestError",
    "NomadCredentialsRejectedError",
    "NomadError",
    "NomadInteractionRequiredError",
    "NomadMalformedResponseError",
    "NomadNotFoundError",
    "NomadNotSentError",
    "NomadOutcomeUnknownError",
    "NomadPermissionDeniedError",
    "NomadRefreshRefusedError",
    "NomadThrottledError",
    "NomadTokenRefusedError",
    "NomadUnavailableError",
    "blocked",
    "refusal",
]


class NomadError(NauthError):
    """Base of every error that Nomad Media's answers cause."""


class NomadCredentialsRejectedError(NomadError, CredentialsRejectedError):
    """Nomad refused user name or password. It says so with a 404."""


class NomadAccountBlockedError(NomadCredentialsRejectedError):
    """The account exists and may not sign in.

    Attributes:
        login_status: why, if Nomad said so.
    """

    def __init__(
        self,
        message: str = "",
        *,
        login_status: AnyLoginStatus | None = None,
        **data: Unpack[ErrorData],
    ) -> None:
        super().__init__(message, **data)
        self.login_status = login_status


class NomadRefreshRefusedError(NomadError, CredentialsRejectedError):
    """Nomad refused the refresh token for good. The client signs in again by itself, if it can.

    Attributes:
        by_nomad: whether the refusal is Nomad's own, which is JSON. Another may be a gateway's, and pass.
    """

    by_nomad: bool = False


class NomadInteractionRequiredError(NomadError, InteractionRequiredError):
    """A person must act: enter a code, choose a password, or sign in again in a browser.

    Attributes:
        interaction: what is wanted, with what to show for it; None where only a new single sign-on helps.
    """

    def __init__(
        self,
        message: str = "",
        *,
        interaction: NomadInteraction | None = None,
        **data: Unpack[ErrorData],
    ) -> None:
        super().__init__(message, **data)
        self.interaction = interaction


class NomadTokenRefusedError(NomadError, TokenRefusedError):
    """Nomad answered 401 to a call with a valid, freshly renewed (or a fixed) token."""


class NomadPermissionDeniedError(NomadError, PermissionDeniedError):
    """403: the token may not do this."""


class NomadBadRequestError(NomadError, RequestRejectedError):
    """400 or 422: the request failed Nomad's validation."""


class NomadNotFoundError(NomadError, RequestRejectedError):
    """404: there is no such record, or no such endpoint on this host."""


class NomadApiError(NomadError, RequestRejectedError):
    """Nomad declined the request in some other way."""


class NomadUnavailableError(NomadError, VendorUnavailableError):
    """Nomad could not answer now: 5xx, or no connection."""


class NomadThrottledError(NomadUnavailableError):
    """429: too many requests. `retry_after` says how long to wait, if Nomad does."""


class NomadNotSentError(NomadUnavailableError, NotSentError):
    """No connection to Nomad could be made."""


class NomadOutcomeUnknownError(NomadError, OutcomeUnknownError):
    """The request went out and Nomad's answer was lost."""


class NomadMalformedResponseError(NomadError, MalformedResponseError):
    """Nomad answered in a form that could not be understood."""


class Endpoint(enum.StrEnum):
    """Where an answer came from: the same status means different things in different places."""

    LOGIN = "signing in"
    REFRESH = "refreshing the token"
    RENEW = "renewing the single sign-on"
    LOGOUT = "logging out"
    SSO_CALLBACK = "ending the single sign-on"
    RESOURCE = "the request"


_Leaf = type[NomadError]

_REFUSED: Mapping[int, _Leaf] = dict.fromkeys((400, 401, 403, 404), NomadRefreshRefusedError)

_OF_RESOURCE: Mapping[int, _Leaf] = {
    400: NomadBadRequestError,
    401: NomadTokenRefusedError,
    403: NomadPermissionDeniedError,
    404: NomadNotFoundError,
    405: NomadNotFoundError,
    422: NomadBadRequestError,
}

_OF_STATUS: Mapping[Endpoint, Mapping[int, _Leaf]] = {
    Endpoint.LOGIN: {
        400: NomadBadRequestError,
        401: NomadCredentialsRejectedError,
        403: NomadAccountBlockedError,
        404: NomadCredentialsRejectedError,
        422: NomadBadRequestError,
    },
    Endpoint.REFRESH: _REFUSED,
    Endpoint.RENEW: _REFUSED,
    Endpoint.LOGOUT: _OF_RESOURCE,
    Endpoint.SSO_CALLBACK: dict.fromkeys((400, 401, 403, 404), NomadCredentialsRejectedError),
    Endpoint.RESOURCE: _OF_RESOURCE,
}

_MEANINGS: Mapping[_Leaf, str] = {
    NomadCredentialsRejectedError: (
        "Nomad refused the sign-in. Check NOMAD_MEDIA_USERNAME and NOMAD_MEDIA_PASSWORD, and that the account belongs to "
        "this customer's host; Nomad answers 404 to a wrong password"
    ),
    NomadAccountBlockedError: (
        "the account may not sign in: it is disabled, expired, or waits for an invitation or an approval. Ask your "
        "Nomad administrator"
    ),
    NomadRefreshRefusedError: "Nomad refused the refresh token; a new sign-in is needed",
    NomadTokenRefusedError: (
        "Nomad refused a token that should be valid. Likely causes: another login with this account may have replaced "
        "this session (some tenants keep a single one: use an account for each service, or share the token, with store= "
        "or NAUTH_STORE and allow_persistence=True); the session was ended by an administrator; a static token or API key was withdrawn, sent with the wrong scheme, or "
        "belongs to another host"
    ),
    NomadPermissionDeniedError: (
        "Nomad does not permit this. The account's role may not allow it, or the call belongs to the other API (admin "
        "or portal); a new token would change nothing"
    ),
    NomadBadRequestError: (
        "the request failed Nomad's validation. At sign-in: your environment may want an application id "
        "(NOMAD_MEDIA_APPLICATION_ID)"
    ),
    NomadNotFoundError: "Nomad has no such record, or this host no such call. Check the base URL if every call says so",
    NomadApiError: "Nomad declined the request. Check the base URL if every call says so",
    NomadThrottledError: "too many requests; wait for retry_after, if it is set, and try again",
    NomadUnavailableError: "Nomad had a fault of its own; wait for retry_after, if it is set, and try again",
    NomadMalformedResponseError: "the answer is a redirect, which is not followed. Check the base URL",
}

_ERRORS: ErrorTable[NomadError, Endpoint] = ErrorTable(
    throttled=NomadThrottledError,
    unavailable=NomadUnavailableError,
    redirected=NomadMalformedResponseError,
    of_status=_OF_STATUS,
    otherwise=dict.fromkeys(Endpoint, NomadApiError),
    meanings=_MEANINGS,
)

_WRONG_HOST = (
    "this is most likely not Nomad's API: a refusal of Nomad's own is JSON, and this is none. So check the base URL "
    '(NOMAD_MEDIA_BASE_URL or base_url=); a GET of its /api/ping answers "Pong"'
)

_REASONS: Mapping[AnyLoginStatus, str] = {
    LoginStatus.IS_DISABLED: "it is disabled, or awaits approval",
    LoginStatus.IS_EXPIRED: "it has expired",
    LoginStatus.IS_PENDING_EMAIL_CONFIRMATION: "its e-mail address was not confirmed yet",
    LoginStatus.IS_PENDING_NEW_ACCOUNT_SIGNUP: "its sign-up was not finished",
    LoginStatus.IS_PENDING_ACCOUNT_MIGRATION_SIGNUP: "it must be migrated by signing up anew",
    LoginStatus.IS_PENDING_INVITATION: "its invitation was not accepted yet",
}


def refusal(
    endpoint: Endpoint,
    status: int,
    *,
    is_json: bool = True,
    detail: str | None = None,
    request_id: str | None = None,
    retry_after: timedelta | None = None,
    where: str | None = None,
) -> NomadError:
    """Return the error for an answer that is not a success.

    Args:
        endpoint: where it came from.
        status: the HTTP status. It always wins over the body.
        is_json: whether the body was JSON; a login's 404 that is not points to a wrong base URL.
        detail: Nomad's words, cleaned.
        request_id: Nomad's name for the exchange.
        retry_after: how long Nomad asks to wait.
        where: the address that was asked, without its query.
    """
    # the class stays: whether Nomad itself ever answers so is not known, and the text says what to look at
    means = _WRONG_HOST if endpoint is Endpoint.LOGIN and status in {404, 405} and not is_json else None
    error = _ERRORS.error(
        _ERRORS.choose(endpoint, status),
        endpoint,
        status,
        sender=where,
        means=means,
        detail=detail,
        request_id=request_id,
        retry_after=retry_after,
    )
    if isinstance(error, NomadRefreshRefusedError):
        error.by_nomad = is_json
    return error


def blocked(
    login_status: AnyLoginStatus, *, status: int, detail: str | None, request_id: str | None
) -> NomadAccountBlockedError:
    """Return the error for an account that may not sign in, with the reason Nomad gives."""
    if isinstance(login_status, UnknownStatus):
        reason = "Nomad gives a reason this version does not know (see login_status)"
    else:
        reason = _REASONS.get(login_status, "a person must act first")
    return NomadAccountBlockedError(
        f"signing in failed: the account may not sign in: {reason}. Ask your Nomad administrator (HTTP {status})",
        login_status=login_status,
        status=status,
        code=login_status.value,
        detail=detail,
        request_id=request_id,
    )


LEAVES: ErrorClasses = {
    NotSentError: NomadNotSentError,
    VendorUnavailableError: NomadUnavailableError,
    OutcomeUnknownError: NomadOutcomeUnknownError,
    MalformedResponseError: NomadMalformedResponseError,
}
"""Nomad's class for each kind a transport raises."""
