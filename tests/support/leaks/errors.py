"""Looking for planted secrets in an error, wherever an error tracker would look."""

from __future__ import annotations

import os
import types
from collections.abc import Iterator
from pathlib import Path

__all__ = ["TESTS", "chain_of", "leaks", "safe_repr"]

TESTS = f"{Path(__file__).parents[2]}{os.sep}"
"""Where the tests lie, whatever the checkout is called: their frames hold planted secrets on purpose."""


def leaks(error: BaseException, canaries: list[str]) -> list[str]:
    """Name every place of `error` where a canary shows: text, arguments, attributes, chain, locals of our frames."""
    found: list[str] = []
    for part in chain_of(error):
        shown = [
            ("text", str(part)),
            ("repr", repr(part)),
            ("args", repr(part.args)),
            ("data", repr(vars(part))),
        ]
        shown += [
            (f"{frame.f_code.co_name}: {name}", safe_repr(value))
            for frame in _frames(part.__traceback__)
            if not frame.f_code.co_filename.startswith(TESTS)
            for name, value in frame.f_locals.items()
        ]
        found += [place for place, text in shown if any(canary in text for canary in canaries)]
    return found


def chain_of(error: BaseException) -> list[BaseException]:
    """Return `error` and all that hang on it: causes, contexts, and members of groups."""
    pending: list[BaseException] = [error]
    parts: list[BaseException] = []
    while pending:
        part = pending.pop()
        if all(part is not other for other in parts):
            parts.append(part)
            pending += [link for link in (part.__cause__, part.__context__) if link is not None]
            pending += part.exceptions if isinstance(part, BaseExceptionGroup) else ()
    return parts


def _frames(trace: types.TracebackType | None) -> Iterator[types.FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def safe_repr(value: object) -> str:
    """Return the repr of `value`, or the name of the error that its repr raises."""
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a half-made object may have no repr; that shows nothing either
        return type(error).__name__
