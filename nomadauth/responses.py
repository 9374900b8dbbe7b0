"""Read Nomad's answers: is it a success, and if not, what does it say?

Nomad's specification describes refusals in one form and its own SDKs expect others, so all are read; the HTTP status
always wins. https://docs.nomad.media/reference/post_account-login
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar, cast

from nauth.errors import MalformedResponseError
from nauth.redact import clean
from nauth.secret import Secret
from nauth.transport.base import Answer
from nauth.transport.retry import wait_of
from nauth.wire.converter import decode, parse_json
from nomadauth.converter import CONVERTER, canonical
from nomadauth.errors import Endpoint, NomadAccountBlockedError, NomadMalformedResponseError, blocked, refusal
from nomadauth.models import AnswerMeta, Reply
from nomadauth.statuses import STEPS, AnyLoginStatus, login_status

__all__ = ["check_ok", "open_answer"]

_T = TypeVar("_T")

_WORDS = ("detail", "title", "message", "error", "errors")
"""Where a refusal's words may stand, the most telling first."""
_DEEPEST = 3


def open_answer(
    answer: Answer, endpoint: Endpoint, data: type[_T], *, hide: tuple[Secret | None, ...] = ()
) -> Reply[_T]:
    """Return the typed body of a success, or raise what the failure means.

    Args:
        answer: as received.
        endpoint: where from.
        data: type of the body.
        hide: what was sent and must not come back in the vendor's words.

    Raises:
        NomadError: the leaf for (endpoint, status).
        NomadMalformedResponseError: a 2xx that cannot be read.
    """
    meta = check_ok(answer, endpoint, hide=hide)
    what = f"Nomad's answer to {endpoint.value}"
    status, request_id, error = answer.status, answer.request_id, NomadMalformedResponseError
    # no local holds the parsed body: an error tracker would print it
    opened = decode(
        CONVERTER,
        canonical(parse_json(answer.body, error=error, status=status, request_id=request_id, what=what)),
        data,
        error=error,
        status=status,
        request_id=request_id,
        what=what,
    )
    return Reply(data=opened, meta=meta)


def check_ok(answer: Answer, endpoint: Endpoint, *, hide: tuple[Secret | None, ...] = ()) -> AnswerMeta:
    """Return what came with a success of whatever body, or raise what the failure means.

    Raises:
        NomadError: the leaf for (endpoint, status).
    """
    if answer.ok:
        return AnswerMeta(status=answer.status, sent_wall_s=answer.sent_wall, request_id=answer.request_id)
    is_json, detail, reason = _peek(answer.body, hide)
    error = refusal(
        endpoint,
        answer.status,
        is_json=is_json,
        detail=detail,
        request_id=answer.request_id,
        retry_after=wait_of(answer),
    )
    if isinstance(error, NomadAccountBlockedError) and reason is not None and reason not in STEPS:
        error = blocked(reason, status=answer.status, detail=detail, request_id=answer.request_id)
    raise error


def _peek(body: bytes, hide: tuple[Secret | None, ...]) -> tuple[bool, str | None, AnyLoginStatus | None]:
    """Return whether `body` is JSON, its cleaned words, and the `loginStatus` it names."""
    document: object
    try:
        document = canonical(parse_json(body))
    except MalformedResponseError:
        return False, _plain_text(body, hide), None
    words = (clean(text) for text in _texts(document) if not _shows(text, hide))
    return True, next((text for text in words if text), None), _reason(document)


def _reason(document: object) -> AnyLoginStatus | None:
    if not isinstance(document, dict):
        return None
    return login_status(cast("dict[str, object]", document).get("loginStatus"))


def _plain_text(body: bytes, hide: tuple[Secret | None, ...]) -> str | None:
    text = body[:1000].decode("utf-8", "replace").strip()
    return None if text.startswith("<") or _shows(text, hide) else clean(text)


def _texts(node: object, depth: int = 0) -> Iterable[str]:
    """Find the words in any of the shapes: text, a list of texts or of objects, field -> text, problem details."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, list) and depth < _DEEPEST:
        for entry in cast("list[object]", node):
            yield from _texts(entry, depth + 1)
    elif isinstance(node, dict) and depth < _DEEPEST:
        fields = {key.lower(): value for key, value in cast("dict[str, object]", node).items()}
        named = [fields[word] for word in _WORDS if word in fields]
        # below the top, an object without such a word maps fields to what is wrong with them
        for value in named or (fields.values() if depth else ()):
            yield from _texts(value, depth + 1)


def _shows(text: str, hide: tuple[Secret | None, ...]) -> bool:
    return any(secret.reveal() in text for secret in hide if secret)
