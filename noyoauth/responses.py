"""Open Noyo's answers: is it a success, and if not, what does it say?

Noyo has no envelope that all answers share: the token call and single records are bare objects, lists come with
`meta` and `response`, and refusals in several shapes or none.
"""

from __future__ import annotations

import re
from typing import TypeVar, cast

from multidict import CIMultiDictProxy

from nauth.errors import MalformedResponseError
from nauth.redact import clean
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from nauth.wire.converter import decode, parse_json
from noyoauth.converter import CONVERTER, tame
from noyoauth.errors import Endpoint, NoyoMalformedResponseError, refusal
from noyoauth.models import AnswerMeta, ErrorBody, Reply

__all__ = ["challenge_error", "error_body", "open_answer"]

_T = TypeVar("_T")

_WORDS = ("message", "msg", "error_description", "detail", "error", "errors")
"""Where a refusal's text may stand, the documented first."""

# RFC 9110 section 11.2: the scheme, then name=token or name="text". Of a token or text only plain codes are of use.
_CHALLENGE = re.compile(r"(?:^|,)\s*Bearer\s+(?P<rest>[^\r\n]{0,1000})", re.ASCII | re.IGNORECASE)
_PAIR = re.compile(
    r'\s*([A-Za-z0-9_-]{1,40})\s*=\s*(?:"((?:[^"\\]|\\.){0,400})"|([!#-+.-~-]{1,400}))\s*(?:,|$)', re.ASCII
)
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}", re.ASCII)
_LONGEST_CHALLENGE = 2000


def open_answer(answer: Answer, endpoint: Endpoint, data: type[_T], *, where: str) -> Reply[_T]:
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
    what = f"the answer to {endpoint.value} at {where}"
    status, request_id, error = answer.status, answer.request_id, NoyoMalformedResponseError
    # no local holds the parsed body: an error tracker would print it
    opened = decode(
        CONVERTER,
        parse_json(tame(answer.body), error=error, status=status, request_id=request_id, what=what),
        data,
        error=error,
        status=status,
        request_id=request_id,
        what=what,
    )
    meta = AnswerMeta(
        status=status, date=answer.headers.get("Date"), sent_wall_s=answer.sent_wall, request_id=request_id
    )
    return Reply(data=opened, meta=meta)


def error_body(raw: bytes) -> ErrorBody:
    """Read a refusal's body in any of its documented shapes, and in those that gateways in between may send.

    Plain text is its own message; markup and what cannot be read give none. Never raises.
    """
    try:
        document = parse_json(tame(raw))
    except MalformedResponseError:
        text = raw[:1000].decode("utf-8", "replace").strip()
        return ErrorBody(message=None if text.startswith("<") else clean(text), raw=raw)
    if not isinstance(document, dict):
        return ErrorBody(message=_words(document), raw=raw)
    fields = cast("dict[str, object]", document)
    status = fields.get("status")
    return ErrorBody(
        status=status if type(status) is int else clean(status),
        message=next((word for name in _WORDS if (word := _words(fields.get(name)))), None),
        fields=fields,
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


def _words(value: object) -> str | None:
    """Return text, or the first text of a list, or of an object in it."""
    if isinstance(value, list):
        value = next(iter(cast("list[object]", value)), None)
    if isinstance(value, dict):
        entry = cast("dict[str, object]", value)
        value = next((entry[name] for name in ("message", "detail") if name in entry), None)
    return clean(value)
