"""Choose nauth's error class for an OAuth error code, and say what the refusal means and what to do next."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from typing import TypeAlias, cast

import attrs

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
from nauth.responses.error_body import ErrorDocument, Hidden, find_words
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of

__all__ = ["CLIENT_CODES", "ErrorBody", "Operation", "authorization_refusal", "ends_grant", "refusal"]


class Operation(enum.Enum):
    """What the request asks for. The same error code means different things for different operations."""

    CLIENT_CREDENTIALS = "signing in with client credentials"
    AUTHORIZATION_CODE = "exchanging the authorization code"
    REFRESH_TOKEN = "refreshing the token"  # noqa: S105 - words, not a secret
    REVOCATION = "revoking the token"


_Meaning: TypeAlias = tuple[type[NauthError], str]

_CODE = re.compile(r"(?=.{1,40}\Z)[a-z]{1,16}(?:[_-][a-z]{1,16})*", re.ASCII)
"""RFC 6749 appendix A.7 allows any printable text. Codes in use are words, and this one ends up in logs: a token that
is echoed in the place of one has digits, upper case or too long a run."""

CLIENT_CODES = frozenset({"invalid_client", "unauthorized_client", "incorrect_client_credentials"})
"""The codes that refuse the client itself; the last one is GitHub's."""

_CLIENT: _Meaning = (
    CredentialsRejectedError,
    (
        "the client was refused. Check client id and client secret, whether they belong to this server, and whether "
        "the secret goes into the Authorization header (client_auth='basic', or 'basic_raw' for a server that decodes "
        "nothing) or into the body (client_auth='body')"
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

_MALFORMED: _Meaning = (
    RequestRejectedError,
    "the server calls the request malformed. Check the URL of the endpoint, and client_auth",
)
_MALFORMED_BY_OPERATION: Mapping[Operation, _Meaning] = {
    Operation.CLIENT_CREDENTIALS: (
        RequestRejectedError,
        (
            "the server calls the request malformed. Check the scope, whether the server wants further fields such as "
            "audience or resource (parameters=...), and client_auth"
        ),
    ),
    Operation.AUTHORIZATION_CODE: (
        RequestRejectedError,
        "the server calls the request malformed. Check the redirect URI, and whether the server wants PKCE or refuses it",
    ),
}

# RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, RFC 8707, OpenID Connect Core section 3.1.2.6
_OF_CODE: Mapping[str, _Meaning] = {
    "invalid_client": _CLIENT,
    "incorrect_client_credentials": _CLIENT,
    "unauthorized_client": (
        CredentialsRejectedError,
        "this client may not use this way of signing in. Check the grant types it was registered for",
    ),
    "invalid_grant": _GRANT,
    "invalid_scope": (
        RequestRejectedError,
        "a scope is unknown, malformed or more than was granted; check the scope",
    ),
    "invalid_request": _MALFORMED,
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
_CALLBACK_ERRORS: Mapping[str, _Meaning] = {
    **_OF_CODE,
    "invalid_request": _MALFORMED_BY_OPERATION[Operation.AUTHORIZATION_CODE],
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

_GRANT_CODES = frozenset(
    {
        "invalid_grant",
        "invalid_token",
        "expired_token",
        "token_expired",
        "token_revoked",
        "revoked_token",
        "bad_refresh_token",
        "invalid_refresh_token",
        "expired_refresh_token",
        "refresh_token_expired",
        "refresh_token_invalid",
        "refresh_token_not_found",
        "refresh_token_revoked",
        "interaction_required",
        "login_required",
        "consent_required",
        "account_selection_required",
    }
)
"""The codes that refuse a grant under whatever status they come: the one of RFC 6749 section 5.2, and those that servers send instead."""

_NOT_OF_THE_GRANT = frozenset(
    {
        *CLIENT_CODES,
        "invalid_scope",
        "invalid_target",
        "unsupported_grant_type",
        "server_error",
        "temporarily_unavailable",
        "use_dpop_nonce",
        "invalid_dpop_proof",
    }
)
"""The codes that say nothing about a refresh token. Any other code under status 400 refuses it."""

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


def refusal(answer: Answer, operation: Operation, *, name: str, hide: Hidden = ()) -> NauthError:
    """Return the error for an answer of the token or revocation endpoint that is no success.

    The status decides only where it says "later" or where there is no known code: servers disagree on 400 and 401.
    A 400 to a grant refuses the grant unless its code is about something else, for RFC 6749 section 5.2 gives 400 to
    every refusal and lets servers add codes.

    Args:
        answer: as received; its text is never quoted but for the code and the cleaned description.
        operation: what was asked for.
        name: how the error calls the server.
        hide: what was sent and must not come back in the server's words.
    """
    said = ErrorBody.read(answer.body, hide)
    kind, means = _meaning(answer.status, said.code, operation)
    shown = [f"HTTP {answer.status}", *([said.code] if said.code else [])]
    return kind(
        f"{name}: {operation.value} failed: {means} ({', '.join(shown)}{f': {said.words}' if said.words else ''})",
        status=answer.status,
        code=said.code,
        detail=said.words,
        request_id=answer.request_id,
        retry_after=wait_of(answer) if issubclass(kind, VendorUnavailableError) else None,
    )


def ends_grant(error: NauthError) -> bool:
    """Tell whether the server refused a refresh token by an error code, and so for good.

    A bare 400, 401 or 403 does not: a gateway in front of the server may have sent it.
    """
    return error.code in _GRANT_CODES or (
        error.code is not None and error.status is not None and _refuses_grant(error.status, error.code)
    )


def authorization_refusal(code: str, description: str | None, *, name: str) -> NauthError:
    """Return the error for a callback that says why there is no code (RFC 6749 section 4.1.2.1)."""
    known = code if _CODE.fullmatch(code) else None
    kind, means = _CALLBACK_ERRORS.get(known or "", _DECLINES)
    said = clean(description)
    shown = (known or "an error code that is none") + (f": {said}" if said else "")
    return kind(f"{name} sent the person back without a code: {means} ({shown})", code=known, detail=said)


@attrs.frozen
class ErrorBody:
    """What the body of a refusal says (RFC 6749 section 5.2), or as much of it as can be read.

    Attributes:
        present: whether there is an error, and no token beside it.
        code: its code, if it has the form of one.
        words: its description, cleaned.
    """

    present: bool = False
    code: str | None = None
    words: str | None = None

    @classmethod
    def read(cls, body: bytes, hide: Hidden = ()) -> ErrorBody:
        """Read `body`; what is not UTF-8 in it is replaced.

        Names count in any case. Some servers put the code into an object, the error into a list, or write members that
        they have no value for as null or empty text.
        """
        members = _members(ErrorDocument(body).content)
        error = members.get("error") or members.get("errors")
        if isinstance(error, list):
            error = next(iter(cast("list[object]", error)), None)
        nested = _members(error)
        code = next(filter(None, map(_code, (error, *(nested.get(name) for name in _CODE_MEMBERS)))), None)
        if not error:
            code = next(filter(None, map(_known, (members.get(name) for name in _BARE_CODE_MEMBERS))), None)
        words = find_words(members, ("error_description",), hide=hide) or find_words(
            nested, _WORD_MEMBERS, hide=hide
        )
        return cls(bool(error or code) and not members.get("access_token"), code, words)


_CODE_MEMBERS = ("error", "code", "type", "status")
_BARE_CODE_MEMBERS = ("code", "errorcode", "error_code")
"""Where a code may stand beside no error. Any other API has such members too, so only a code of OAuth's counts there."""
_WORD_MEMBERS = ("error_description", "description", "message", "detail")


def _members(document: object) -> Mapping[str, object]:
    """Return the members of an object, their names in lower case; an empty mapping for anything else."""
    if not isinstance(document, dict):
        return {}
    return {name.lower(): value for name, value in cast("dict[str, object]", document).items()}


def _known(value: object) -> str | None:
    """Return `value` if it is one of the codes that mean something here, in any case."""
    code = value.strip().lower() if isinstance(value, str) else ""
    return code if code in _OF_CODE or code in _GRANT_CODES else None


def _code(value: object) -> str | None:
    if not isinstance(value, str):
        return None
    return _known(value) or (value if _CODE.fullmatch(value) else None)


def _refuses_grant(status: int, code: str | None) -> bool:
    return (status == 400 or 200 <= status < 300) and code not in _NOT_OF_THE_GRANT  # noqa: PLR2004 - RFC 9110


def _meaning(status: int, code: str | None, operation: Operation) -> _Meaning:
    if status >= 500:  # noqa: PLR2004 - RFC 9110 section 15.6
        return _UNAVAILABLE
    if 300 <= status < 400:  # noqa: PLR2004 - RFC 9110 section 15.4
        return _REDIRECT
    if status == 429:  # noqa: PLR2004 - RFC 6585: the body does not change its meaning
        return _OF_STATUS[429]
    match operation:
        case Operation.REFRESH_TOKEN if code in _GRANT_CODES or _refuses_grant(status, code):
            return _GRANT
        case Operation.AUTHORIZATION_CODE if code in _GRANT_CODES or (
            code not in _OF_CODE and _refuses_grant(status, code)
        ):
            return _CODE_IS_SPENT
        case _ if code == "invalid_request":
            return _MALFORMED_BY_OPERATION.get(operation, _MALFORMED)
        case _:
            return _OF_CODE.get(code or "") or _OF_STATUS.get(status, _DECLINES)
