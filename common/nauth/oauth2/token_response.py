"""Read the answer of a token endpoint (RFC 6749 section 5.1) into a `Token`."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import cast

import attrs

from nauth.errors import MalformedResponseError
from nauth.oauth2.errors import ErrorBody, Operation, refusal
from nauth.redact import clean
from nauth.responses.body import read_body
from nauth.responses.error_body import Hidden
from nauth.secret import Secret
from nauth.time_formats import bounded_seconds, instant
from nauth.token import Token
from nauth.transport.base import Answer
from nauth.wire.converter import make_converter, parse_json
from nauth.wire.json_text import malformed

__all__ = ["TokenAnswer", "read_token"]

_BEARER = frozenset({"bearer", "bearertoken", ""})
"""The words for a bearer token, in lower case; Apigee documents the second one."""


@attrs.frozen(kw_only=True)
class TokenAnswer:
    """The members of a token endpoint's success that RFC 6749 names. Only the first is required here.

    Attributes:
        access_token: goes on requests.
        token_type: the scheme it goes with; bearer if absent.
        expires_in: seconds of life, in any spelling of a number; ignored if it cannot be read.
        refresh_token: buys the next token.
    """

    access_token: Secret
    token_type: str | None = None
    expires_in: object = attrs.field(default=None, repr=False)
    refresh_token: Secret | None = None


_NAMED = frozenset(field.name for field in attrs.fields(TokenAnswer))
_CONVERTER = make_converter()


def read_token(
    answer: Answer,
    operation: Operation,
    *,
    name: str,
    token_types: Collection[str] = (),
    hide: Hidden = (),
) -> Token:
    """Return the token in `answer`; its life counts from the moment the request was sent.

    Members that RFC 6749 does not name here, such as `scope`, go to `Token.extra` as text; nested ones are left out.

    Args:
        answer: as received.
        operation: what was asked for.
        name: how errors call the server.
        token_types: further words for a bearer token, in lower case.
        hide: what was sent and must not come back in the server's words.

    Raises:
        NauthError: the server refused; see `nauth.oauth2.errors`.
        MalformedResponseError: a success that holds no usable bearer token.
    """
    # some servers refuse with a status of success: an error and no token
    if not answer.ok or ErrorBody.read(answer.body).present:
        raise refusal(answer, operation, name=name, hide=hide)
    what = f"{name}'s answer to {operation.value}"
    status, request_id = answer.status, answer.request_id
    read = read_body(answer, TokenAnswer, converter=_CONVERTER, what=what)
    problem = _problem(read, token_types)
    if problem is not None:
        raise malformed(
            (problem,), error=MalformedResponseError, status=status, request_id=request_id, what=what
        )
    lifetime = bounded_seconds(read.expires_in)
    return Token(
        access_token=read.access_token,
        refresh_token=read.refresh_token or None,
        lifetime=lifetime,
        expires_at=None if lifetime is None else instant(answer.sent_wall + lifetime.total_seconds()),
        extra=_extra(answer.body),
    )


def _problem(read: TokenAnswer, token_types: Collection[str]) -> str | None:
    if not read.access_token.sendable:
        got = "another str" if read.access_token else "nothing"
        return f"$.access_token: expected printable ASCII without white space, got {got}"
    if (read.token_type or "").strip().lower() not in _BEARER.union(token_types):
        # the type is shown, cleaned: it is a word of the protocol, and the reader needs it for token_types
        got = (clean(read.token_type) or "another str")[:32]
        return f"$.token_type: expected bearer, got {got}; if that is the server's word for it, name it in token_types"
    return None


def _extra(body: bytes) -> Mapping[str, str]:
    document = cast("dict[str, object]", parse_json(body))
    return {
        name: text
        for name, value in document.items()
        if name not in _NAMED and _writable(name) and (text := _text(value)) is not None
    }


def _text(value: object) -> str | None:
    if isinstance(value, str):
        return value if _writable(value) else None
    return json.dumps(value) if isinstance(value, bool | int | float) else None


def _writable(text: str) -> bool:
    # a lone surrogate would fail much later, when a store encodes it
    return not any("\ud800" <= char <= "\udfff" for char in text)
