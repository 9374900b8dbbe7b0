"""From RFC 6749 error codes to nauth's kinds: what a refusal means, and what to do next."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import TypeAlias

from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    PermissionDeniedError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.redact import clean
from nauth.responses.error_body import ErrorDocument, find_words
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of

__all__ = ["Ask", "authorization_refusal", "refusal"]


class Ask(enum.Enum):
    """What was asked for: the same code means different things in different places."""

    CLIENT_CREDENTIALS = "signing in with client credentials"
    AUTHORIZATION_CODE = "exchanging the authorization code"
    REFRESH_TOKEN = "refreshing the token"  # noqa: S105 - words, not a secret
    REVOCATION = "revoking the token"


_Meaning: TypeAlias = tuple[type[NauthError], str]

_CODE = re.compile(r"(?=.{1,40}\Z)[a-z]{1,16}(?:[_-][a-z]{1,16})*", re.ASCII)
"""RFC 6749 appendix A.7 allows any printable text. Codes in use are words, and this one ends up in logs: a token that
is echoed in the place of one has digits, upper case or too long a run."""

_CLIENT: _Meaning = (
    CredentialsRejectedError,
    (
        "the client was refused. Check client id and client secret, whether they belong to this server, and whether "
        "the secret goes into the Authorization header (client_auth='basic') or into the body (client_auth='body')"
    ),
)
_UNAVAILABLE: _Meaning = (
    VendorUnavailableError,
    "the server cannot answer now; wait for retry_after, if it is set, and try again",
)
_GRANT: _Meaning = (
    CredentialsRejectedError,
    "the grant was refused: it has expired, was revoked or was used before",
)

# RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, RFC 8707, OpenID Connect Core section 3.1.2.6
_OF_CODE: Mapping[str, _Meaning] = {
    "invalid_client": _CLIENT,
    "unauthorized_client": (
        CredentialsRejectedError,
        "this client may not use this way of signing in. Check the grant types it was registered for",
    ),
    "invalid_grant": _GRANT,
    "invalid_scope": (
        RequestRejectedError,
        "a scope is unknown, malformed or more than was granted; check the scope",
    ),
    "invalid_request": (
        RequestRejectedError,
        "the request was malformed. Check the redirect URI, and whether the server wants PKCE or refuses it",
    ),
    "invalid_target": (RequestRejectedError, "the resource or audience asked for is unknown; check it"),
    "unsupported_grant_type": (
        RequestRejectedError,
        "the server does not offer this grant; check the token URL",
    ),
    "unsupported_response_type": (
        RequestRejectedError,
        "the server does not offer the authorization code flow",
    ),
    "unsupported_token_type": (RequestRejectedError, "the server cannot revoke tokens of this type"),
    "access_denied": (PermissionDeniedError, "the request was denied; a new attempt would change nothing"),
    "server_error": _UNAVAILABLE,
    "temporarily_unavailable": _UNAVAILABLE,
}

_DECLINED: _Meaning = (
    InteractionRequiredError,
    "the person, or the server on their behalf, declined. Ask them, and start again at the authorization URL",
)
_AT_THE_DOOR: Mapping[str, _Meaning] = {
    **_OF_CODE,
    **dict.fromkeys(
        (
            "access_denied",
            "login_required",
            "consent_required",
            "interaction_required",
            "account_selection_required",
        ),
        _DECLINED,
    ),
}
"""Error codes as they are read from an authorization callback."""

_CODE_IS_SPENT: _Meaning = (
    InteractionRequiredError,
    (
        "the code was refused: it has expired, was used before, or belongs to another client or redirect URI. The "
        "person has to sign in again at the authorization URL"
    ),
)

_OF_STATUS: Mapping[int, _Meaning] = {
    401: _CLIENT,
    403: (PermissionDeniedError, "the server does not permit this client to do so"),
    404: (RequestRejectedError, "there is no such address; check the URL of the endpoint"),
    405: (RequestRejectedError, "the address does not take POST; check the URL of the endpoint"),
    429: (VendorUnavailableError, "too many requests; wait for retry_after, if it is set"),
}
_REDIRECT: _Meaning = (
    MalformedResponseError,
    "the answer is a redirect, which is not followed: it would carry the secret along. Check the URL of the endpoint",
)
_DECLINES: _Meaning = (RequestRejectedError, "the server declines the request")


def refusal(answer: Answer, ask: Ask, *, name: str) -> NauthError:
    """Return the error for an answer of the token or revocation endpoint that is no success.

    The status decides only where it says "later" or where there is no known code: servers disagree on 400 and 401.

    Args:
        answer: as received; its text is never quoted but for the code and the cleaned description.
        ask: what was asked for.
        name: how the error calls the server.
    """
    code, said = _peek(answer.body)
    kind, means = _meaning(answer.status, code, ask)
    shown = f"HTTP {answer.status}" + (f", {code}" if code else "") + (f": {said}" if said else "")
    return kind(
        f"{name}: {ask.value} failed: {means} ({shown})",
        status=answer.status,
        code=code,
        detail=said,
        request_id=answer.request_id,
        retry_after=wait_of(answer) if issubclass(kind, VendorUnavailableError) else None,
    )


def authorization_refusal(code: str, description: str | None, *, name: str) -> NauthError:
    """Return the error for a callback that says why there is no code (RFC 6749 section 4.1.2.1)."""
    known = code if _CODE.fullmatch(code) else None
    kind, means = _AT_THE_DOOR.get(known or "", _DECLINES)
    said = clean(description)
    shown = (known or "an error code that is none") + (f": {said}" if said else "")
    return kind(f"{name} sent the person back without a code: {means} ({shown})", code=known, detail=said)


def _meaning(status: int, code: str | None, ask: Ask) -> _Meaning:
    if status >= 500:  # noqa: PLR2004 - RFC 9110 section 15.6
        return _UNAVAILABLE
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        return _REDIRECT
    if code is not None and code in _OF_CODE and status != 429:  # noqa: PLR2004 - whatever it says, too many is too many
        if code == "invalid_grant" and ask is Ask.AUTHORIZATION_CODE:
            return _CODE_IS_SPENT
        return _OF_CODE[code]
    return _OF_STATUS.get(status, _DECLINES)


def _peek(body: bytes) -> tuple[str | None, str | None]:
    members = ErrorDocument(body).members
    code = members.get("error")
    known = code if isinstance(code, str) and _CODE.fullmatch(code) else None
    return known, find_words(members, ("error_description",))
