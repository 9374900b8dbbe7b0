"""Open NAO Cloud's answers: is it a success, and if not, what did it say?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from yarl import URL

from naoauth.converter import CONVERTER, site_page
from naoauth.errors import Endpoint, NaoError, NaoMalformedResponseError, refusal
from naoauth.models import SitePage
from nauth.errors import MalformedResponseError
from nauth.origins import place
from nauth.redact import clean
from nauth.secret import Secret
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from nauth.wire.converter import decode, parse_json

__all__ = ["declined", "detail_of", "open_sites"]

_TEXTS = ("detail", "title", "message", "error_description", "error")
_MOST = 3
"""Texts quoted from one refusal."""


def open_sites(answer: Answer, endpoint: Endpoint, url: URL) -> SitePage:
    """Return the page of a success, or raise what the failure means. Takes ``data`` and ``sites`` as root.

    Raises:
        NaoError: the leaf for (endpoint, status).
        NaoMalformedResponseError: a 2xx that cannot be read.
    """
    if not answer.ok:
        raise declined(answer, endpoint, url)
    what, error = "NAO Cloud's answer to listing sites", NaoMalformedResponseError
    status, request_id = answer.status, answer.request_id
    # no local holds the parsed body: an error tracker would print it
    return decode(
        CONVERTER,
        site_page(parse_json(answer.body, error=error, status=status, request_id=request_id, what=what)),
        SitePage,
        error=error,
        status=status,
        request_id=request_id,
        what=what,
    )


def declined(answer: Answer, endpoint: Endpoint, url: URL, *hide: Secret | None) -> NaoError:
    """Return the error for an answer that is no success; `hide` is what its text must not repeat."""
    return refusal(
        endpoint,
        answer.status,
        where=f"{url.scheme}://{place(url)}{url.raw_path}",
        detail=detail_of(answer.body, *hide),
        request_id=answer.request_id,
        retry_after=wait_of(answer),
    )


def detail_of(body: bytes, *hide: Secret | None) -> str | None:
    """Return what a refusal says, cleaned, whatever its form; None if nothing can be read or it quotes a secret.

    The inner form of ``errors`` is documented nowhere: lists of objects or texts, a map of field to texts and a single
    text are all read, and ``error`` and ``message`` too.
    """
    try:
        document = parse_json(body)
    except MalformedResponseError:
        return None
    if not isinstance(document, dict):
        return None
    found = cast("dict[str, object]", document)
    texts = [*_texts(found.get("errors")), *_texts({name: found.get(name) for name in ("message", "error")})]
    kept = [text for entry in texts if not _quotes(entry, hide) and (text := clean(entry))]
    return clean("; ".join(dict.fromkeys(kept[:_MOST])))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for entry in cast("list[object]", value):
            yield from _texts(entry)
    elif isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        told = [entries[name] for name in _TEXTS if isinstance(entries.get(name), str)]
        if told:
            yield cast("str", told[0])
            return
        for name, entry in entries.items():
            for text in _texts(entry):
                yield f"{name}: {text}"


def _quotes(text: str, hide: tuple[Secret | None, ...]) -> bool:
    return any(secret.reveal() in text for secret in hide if secret)
