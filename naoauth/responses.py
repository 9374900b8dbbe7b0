"""Open NAO Cloud's answers: is it a success, and if not, what did it say?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from yarl import URL

from naoauth.converter import CONVERTER, site_page
from naoauth.errors import Endpoint, NaoError, NaoMalformedResponseError, refusal
from naoauth.models import SitePage
from nauth.origins import address
from nauth.responses.body import read_body
from nauth.responses.error_body import ErrorDocument, find_words
from nauth.responses.reply import AnswerMeta, Reply
from nauth.secret import Secret
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of

__all__ = ["declined", "detail_of", "read_response"]

_T = TypeVar("_T")

_WHAT: Mapping[type, str] = {SitePage: "listing sites"}
_SHAPES: Mapping[type, Callable[[object], object]] = {SitePage: site_page}
_WORDS = ("errors", "message", "error")
_INNER_WORDS = ("detail", "title", "message", "error_description", "error")
_MOST = 3
"""Texts quoted from one refusal."""


def read_response(answer: Answer, endpoint: Endpoint, data: type[_T], *, url: URL) -> Reply[_T]:
    """Return the typed body of a success, or raise what the failure means.

    Args:
        answer: as received.
        endpoint: where from.
        data: type of the body; a `SitePage` is read under both roots that a collection may have.
        url: the address that was asked, for errors.

    Raises:
        NaoError: the leaf for (endpoint, status).
        NaoMalformedResponseError: a 2xx that cannot be read.
    """
    if not answer.ok:
        raise declined(answer, endpoint, url)
    opened = read_body(
        answer,
        data,
        converter=CONVERTER,
        what=f"NAO Cloud's answer to {_WHAT.get(data, endpoint)}",
        error=NaoMalformedResponseError,
        shape=_SHAPES.get(data),
    )
    return Reply(opened, AnswerMeta.of(answer))


def declined(answer: Answer, endpoint: Endpoint, url: URL, *hide: Secret | None) -> NaoError:
    """Return the error for an answer that is no success; `hide` is what its text must not repeat."""
    return refusal(
        endpoint,
        answer.status,
        where=address(url),
        detail=detail_of(answer.body, *hide),
        request_id=answer.request_id,
        retry_after=wait_of(answer),
    )


def detail_of(body: bytes, *hide: Secret | None) -> str | None:
    """Return what a refusal says, cleaned, whatever its form; None if nothing can be read or it quotes a secret.

    The inner form of ``errors`` is documented nowhere: lists of objects or texts, a map of field to texts and a single
    text are all read, and ``error`` and ``message`` too.
    """
    return find_words(
        ErrorDocument(body).members, _WORDS, inner=_INNER_WORDS, maps="named", most=_MOST, hide=hide
    )
