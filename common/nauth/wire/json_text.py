"""Turn the bytes of a response into plain JSON values, or into an error that holds none of them."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import NoReturn, cast

from nauth.errors import MalformedResponseError

__all__ = ["MAX_DEPTH", "NOT_JSON", "malformed", "parse_json"]

MAX_DEPTH = 64
"""Deepest nesting accepted. No vendor's response has more than six levels; a thousand levels raise RecursionError in
the code that walks them."""

NOT_JSON = "$: expected a JSON document"
"""First words of the problem if a body is not JSON at all, as opposed to JSON of the wrong shape."""

_SHOWN = 3
_SPACE = " \t\n\r"
"""What JSON takes for white space."""


def parse_json(
    body: bytes,
    *,
    error: type[MalformedResponseError] = MalformedResponseError,
    status: int | None = None,
    request_id: str | None = None,
    what: str = "the answer",
) -> object:
    """Read a JSON document: UTF-8 with or without a byte order mark; of two equal keys the last counts.

    Args:
        body: as received.
        error: class to raise.
        status: HTTP status of the response, for the error.
        request_id: the vendor's id of the request, for the error.
        what: how the error calls the document, such as ``"Nomba's answer to the token request"``.

    Raises:
        MalformedResponseError: not UTF-8, not JSON, NaN or an infinity (``1e999`` included), an absurd integer, or
            nested deeper than `MAX_DEPTH`. Says how many bytes came and whether they looked like markup, no more.
    """
    try:
        return _parsed(body)
    except (ValueError, RecursionError):
        problem = f"{NOT_JSON}, got {_shape(body)}"
    # an error tracker prints the locals of every frame the error passed through
    del body
    raise malformed((problem,), error=error, status=status, request_id=request_id, what=what) from None


def malformed(
    problems: tuple[str, ...],
    *,
    error: type[MalformedResponseError],
    status: int | None,
    request_id: str | None,
    what: str,
) -> MalformedResponseError:
    """Build the error for a response with `problems`, each of them wire path, expectation and type."""
    more = f" (and {len(problems) - _SHOWN} more)" if len(problems) > _SHOWN else ""
    return error(
        f"{what[:1].upper()}{what[1:]} could not be understood: {'; '.join(problems[:_SHOWN])}{more}. "
        "Trying again will hardly help: check the base URL, then report this with its status and request id",
        problems=problems,
        status=status,
        request_id=request_id,
    )


def _parsed(body: bytes) -> object:
    # not "utf-8-sig", a codec written in Python
    text = body.decode().removeprefix("\ufeff").strip(_SPACE)
    document, end = _DECODER.raw_decode(text)
    if end != len(text):
        raise ValueError
    # a document is no deeper than it has brackets, and few have many
    if text.count("{") + text.count("[") > MAX_DEPTH and _deeper_than(MAX_DEPTH, document):
        raise ValueError
    return document


def _finite(text: str) -> float:
    # parse_constant does not see 1e999, which float() turns into infinity
    number = float(text)
    if not math.isfinite(number):
        raise ValueError
    return number


def _refuse(_: str) -> NoReturn:
    raise ValueError


# made once: `json.loads` makes a decoder for each call that sets one of these
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse)


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return cast("dict[str, object]", node).values()
    return cast("list[object]", node) if isinstance(node, list) else ()


def _deeper_than(limit: int, document: object) -> bool:
    level: list[object] = [document]
    for _ in range(limit):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _shape(body: bytes) -> str:
    start = body.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not start:
        return "nothing"
    return f"{len(body)} bytes of {'markup' if start.startswith(b'<') else 'something else'}"
