"""Open Nomba's envelope: is it a success, and if not, what is it?"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, Final, TypeVar, cast

import attrs
from aiohttp import ClientError
from multidict import istr

from nauth.bearer.short_body import short_body
from nauth.bearer.unauthorized import Answered, Screen
from nauth.responses.body import read_body
from nauth.responses.error_body import ErrorDocument, Hidden, find_words
from nauth.responses.reply import DATE
from nauth.time_formats import RETRY_AFTER_CAP
from nauth.transport.base import Answer, request_id_of
from nauth.transport.retry import wait_of
from nauth.wire.converter import parse_json, quick_reader
from nombaauth.converter import CONVERTER, code_text
from nombaauth.errors import Endpoint, NombaMalformedResponseError, effective_status, refusal
from nombaauth.models import AnswerMeta, Envelope, RateLimit

__all__ = ["Hidden401", "hidden_401", "rate_limit", "read_response", "status_of", "window_hint"]

_T = TypeVar("_T")

_WINDOW = re.compile(r"\s*(\d{1,9})\s*(ms|s|m)?\s*", re.ASCII)
_WORDS = ("description", "message", "responseMessage")
"""Where a refusal's words may stand, the documented first."""
_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000}

# a name that is a `str` costs more than twice as much to look up
_LIMIT, _REMAINING, _RATE_WINDOW = map(
    istr, ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining", "X-Rate-Limit-Window")
)

_MADE = cast("Callable[..., Envelope[Any]]", Envelope)
"""`Envelope`, to be called by place, where a type checker would take the fields of the base class for the first ones."""

_REFUSAL_SIZE = 1024
"""Bytes a refusal may have that comes with a status of success. A real answer whose length has as many digits is read early."""


def read_response(
    answer: Answer, endpoint: Endpoint, data: type[_T], *, where: str | None = None, hide: Hidden = ()
) -> Envelope[_T]:
    """Return the typed envelope of a success, or raise what the failure means.

    Args:
        answer: as received.
        endpoint: where from.
        data: type of the envelope's `data`; `NoneType` also takes an empty body, whose code is then empty.
        where: the address that was asked, for errors.
        hide: what was sent and must not come back in Nomba's words.

    Raises:
        NombaError: the leaf for (endpoint, status, code).
        NombaMalformedResponseError: a 2xx that cannot be read.
    """
    meta = _meta(answer)
    if data is NoneType and answer.ok and not answer.body.strip():
        return Envelope(code="", data=cast("_T", None), description="", meta=meta)
    opened = _usual(answer, data, meta) if answer.ok else None
    if opened is not None:
        return opened
    code, detail = _peek(answer.body, hide)
    unreadable = answer.ok and code is None
    if not unreadable and not _succeeded(answer.status, code):
        refused = refusal(
            endpoint,
            answer.status,
            code=code,
            detail=detail,
            request_id=answer.request_id,
            retry_after=wait_of(answer, window_hint),
            where=where,
        )
        # a code in no known form may be anything, and an error tracker would print this frame's locals
        del code, detail
        raise refused
    read: Envelope[_T] = read_body(
        answer,
        cast("Any", Envelope)[data],
        converter=CONVERTER,
        what=f"Nomba's answer to {endpoint}",
        error=NombaMalformedResponseError,
        shape=_normal,
    )
    return attrs.evolve(read, meta=meta)


def _usual(answer: Answer, data: type[_T], meta: AnswerMeta) -> Envelope[_T] | None:
    """Return the envelope of a success as nearly all are, read in one pass; None for anything else.

    What is wrong with it is then found by those who can say so.
    """
    try:
        # no local holds the parsed body: an error tracker would print it
        return _envelope(parse_json(answer.body), answer.status, data, meta)
    except Exception:  # noqa: BLE001 - whatever a hook or a model's validator raises means the same
        return None


def _envelope(members: Any, status: int, data: type[_T], meta: AnswerMeta) -> Envelope[_T] | None:
    # what is no object has no `get`
    code, description = "00" if members.get("code") == "00" else _code(members), members.get("description")
    if code is None or (code != "00" and not _succeeded(status, code)):
        return None
    if not (description is None or (type(description) is str and description.isascii())):
        return None
    read = quick_reader(CONVERTER, data)(members.get("data"), data)
    # by place: names would cost as much again
    return _MADE(code, read, description, meta)


def _meta(answer: Answer) -> AnswerMeta:
    headers = answer.headers
    return AnswerMeta(
        answer.status, answer.sent_wall, headers.get(DATE), request_id_of(headers), rate_limit(headers)
    )


def status_of(answer: Answer) -> int:
    """Return the status that a response stands for: a 200 whose code is ``"503"`` is a 503."""
    return effective_status(answer.status, _peek(answer.body)[0])


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """Read the `X-Rate-Limit-*` headers; None where there are none. What cannot be read is None in the result.

    Source: https://developer.nomba.com/docs/api-basics/rate_limit.md
    """
    limit, remaining, window = headers.get(_LIMIT), headers.get(_REMAINING), headers.get(_RATE_WINDOW)
    if not (limit or remaining or window):
        return None
    return RateLimit(limit=_count(limit), remaining=_count(remaining), window=_duration(window))


def window_hint(answer: Answer) -> timedelta | None:
    """Return how long a throttled answer's window lasts, within reason: Nomba documents no `Retry-After`."""
    throttled = effective_status(answer.status, _peek(answer.body)[0]) == 429  # noqa: PLR2004
    limit = rate_limit(answer.headers) if throttled else None
    return None if limit is None or limit.window is None else min(limit.window, RETRY_AFTER_CAP)


class Hidden401:
    """Tell whether a 2xx is a 401 in disguise: its envelope's code says ``401``.

    Nomba's specification lists a 202 with the body of a 401. The body stays readable for the caller; a long one is not read.

    Attributes:
        screen: what rules a response out by its bytes. The digits of a code may also be written in escapes, or be those of
            another script.
    """

    screen: Final = Screen(
        statuses=range(200, 300),
        mark=b"401",
        types=frozenset(
            {"application/json", "application/json; charset=utf-8", "application/json;charset=UTF-8"}
        ),
        digits=len(str(_REFUSAL_SIZE)),
    )

    async def __call__(self, response: Answered) -> bool:
        """Tell whether `response` refuses the token."""
        if not 200 <= response.status < 300:  # noqa: PLR2004
            return False
        if not response.content_type.endswith("json"):  # or "+json"
            return False
        try:
            body = await short_body(response, _REFUSAL_SIZE)
        except (ClientError, OSError):
            return False  # the caller meets the same failure when it reads the body
        return body is not None and effective_status(response.status, _peek(body)[0]) == 401  # noqa: PLR2004


hidden_401: Hidden401 = Hidden401()


def _succeeded(status: int, code: str | None) -> bool:
    if code is None or not 200 <= status < 300:  # noqa: PLR2004
        return False
    # 201 with code "201" is accepted and in flight (transfers), not a failure
    return code == "00" or (len(code) == 3 and code.startswith("2"))  # noqa: PLR2004


def _normal(document: object) -> object:
    if not isinstance(document, dict):
        return document
    envelope = cast("dict[str, object]", document)
    return {"data": None, **envelope, **({"code": code} if (code := _code(envelope)) is not None else {})}


def _peek(body: bytes, hide: Hidden = ()) -> tuple[str | None, str | None]:
    """Return code and cleaned description of whatever this is; each None if it is not there."""
    envelope = ErrorDocument(body).members
    return _code(envelope), find_words(envelope, _WORDS, hide=hide)


def _code(envelope: Mapping[str, object]) -> str | None:
    try:
        return code_text(envelope["code"] if "code" in envelope else envelope.get("responseCode"))
    except TypeError:
        return None


def _count(text: str | None) -> int | None:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None  # noqa: PLR2004


def _duration(text: str | None) -> timedelta | None:
    match = _WINDOW.fullmatch(text or "")
    return match and timedelta(milliseconds=int(match[1]) * _UNITS_MS[match[2] or "s"])
