"""Open Noyo's answers: is it a success, and if not, what does it say?

Noyo has no envelope that all answers share: the token call and single records are bare objects, lists come with
`meta` and `response`, and refusals in several shapes or none.
"""

from __future__ import annotations

import re
from typing import TypeVar

from multidict import CIMultiDictProxy

from nauth.redact import clean
from nauth.responses.body import read_body
from nauth.responses.error_body import ErrorDocument, find_words, mend, plain_words
from nauth.responses.reply import AnswerMeta, Reply
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from noyoauth.converter import CONVERTER, tame
from noyoauth.errors import Endpoint, NoyoMalformedResponseError, refusal
from noyoauth.models import ErrorBody

__all__ = ["challenge_error", "error_body", "read_response"]

_T = TypeVar("_T")

_WORDS = ("message", "msg", "error_description", "detail", "error", "errors")
"""Where a refusal's text may stand, the documented first."""
_INNER_WORDS = ("message", "detail")
"""The same in the entries of ``errors``."""

# RFC 9110 section 11.2: the scheme, then name=token or name="text". Of a token or text only plain codes are of use.
_CHALLENGE = re.compile(r"(?:^|,)\s*Bearer\s+(?P<rest>[^\r\n]{0,1000})", re.ASCII | re.IGNORECASE)
_PAIR = re.compile(
    r'\s*([A-Za-z0-9_-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,400})"|([!#-+.-~-]{1,400}))\s*(?:,|$)', re.ASCII
)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)
_LONGEST_CHALLENGE = 2000


def read_response(answer: Answer, endpoint: Endpoint, data: type[_T], *, where: str) -> Reply[_T]:
    """Return the typed body of a success, or raise what the failure means.

    Args:
        answer: as received.
        endpoint: where from.
        data: type of the body.
        where: address and environment, for errors.

    Raises:
        NoyoError: the leaf for (endpoint, status).
        NoyoMalformedResponseError: a 2xx that cannot be read.
    """
    if not answer.ok:
        raise refusal(
            endpoint,
            answer.status,
            where=where,
            code=challenge_error(answer.headers) if endpoint is Endpoint.RESOURCE else None,
            # the token call's body stays out: it is documented nowhere and may repeat what was sent
            body=error_body(answer.body) if endpoint is Endpoint.RESOURCE else None,
            request_id=answer.request_id,
            retry_after=wait_of(answer),
        )
    opened = read_body(
        answer,
        data,
        converter=CONVERTER,
        what=f"the answer to {endpoint} at {where}",
        error=NoyoMalformedResponseError,
        mend=tame,
    )
    return Reply(opened, AnswerMeta.of(answer))


def error_body(raw: bytes) -> ErrorBody:
    """Read a refusal's body in any of its documented shapes, and in those that gateways in between may send.

    Plain text is its own message; markup and what cannot be read give none. Never raises.
    """
    document = ErrorDocument(tame(mend(raw)))
    if not document.is_json:
        return ErrorBody(message=plain_words(raw), raw=raw)
    status = document.members.get("status")
    return ErrorBody(
        status=status if type(status) is int else clean(status),
        message=find_words(document.content, _WORDS, inner=_INNER_WORDS),
        fields=document.members,
        raw=raw,
    )


def challenge_error(headers: CIMultiDictProxy[str]) -> str | None:
    """Return the `error` code of a Bearer challenge in `WWW-Authenticate`; None if there is none to be read.

    Source: https://www.rfc-editor.org/rfc/rfc6750#section-3. Noyo documents no such header, so it is never required,
    and its `error_description` is text, which is never read for meaning.
    """
    found = _CHALLENGE.search(", ".join(headers.getall("WWW-Authenticate", ()))[:_LONGEST_CHALLENGE])
    rest, start = (found["rest"] if found else ""), 0
    while (pair := _PAIR.match(rest, start)) is not None:
        name, quoted, plain = pair.groups()
        if name.lower() == "error":
            code = quoted if plain is None else plain
            return clean(code) if _CODE.fullmatch(code) else None
        start = pair.end()
    return None
