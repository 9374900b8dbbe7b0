"""Read the body of a successful response into a typed record."""

from __future__ import annotations

from collections.abc import Callable
from types import NoneType
from typing import TypeVar, cast

import cattrs

from nauth.errors import MalformedResponseError
from nauth.redact import clean
from nauth.transport.base import Answer
from nauth.wire.converter import decode, parse_json, quick_reader

__all__ = ["read_body"]

_T = TypeVar("_T")
_S = TypeVar("_S")


def read_body(
    answer: Answer,
    data: type[_T],
    *,
    converter: cattrs.Converter,
    what: str,
    error: type[MalformedResponseError] = MalformedResponseError,
    shape: Callable[[object], object] | None = None,
    mend: Callable[[bytes], bytes] | None = None,
) -> _T:
    """Return the JSON body of `answer` as `data`; an empty body is `NoneType`'s only.

    Args:
        answer: as received.
        data: type of the body.
        converter: the vendor's, from `nauth.wire.make_converter`.
        what: how the error calls the response.
        error: class to raise.
        shape: brings the parsed document into the form that `data` has.
        mend: makes JSON of a body that is none, or not quite.

    Raises:
        MalformedResponseError: the body cannot be read. The error quotes no value, and no frame of its traceback holds
            the parsed body.
    """
    if data is NoneType and not answer.body.strip():
        return cast("_T", None)
    # nearly all are as they should be: what is wrong with one, and where, is asked only then
    try:
        # no local holds the parsed body: an error tracker would print it
        read: _T = quick_reader(converter, data)((shape or _same)(parse_json(answer.body)), data)
    except Exception:  # noqa: BLE001, S110 - whatever a hook or a model's validator raises means the same
        pass
    else:
        return read
    if answer.content_type and "json" not in answer.content_type:
        what = f"{what} ({clean(answer.content_type)})"
    status, request_id = answer.status, answer.request_id
    return decode(
        converter,
        (shape or _same)(
            parse_json(
                (mend or _same)(answer.body), error=error, status=status, request_id=request_id, what=what
            )
        ),
        data,
        error=error,
        status=status,
        request_id=request_id,
        what=what,
    )


def _same(given: _S) -> _S:
    return given
