"""Looking for planted secrets in an error, wherever an error tracker would look."""

from __future__ import annotations

import types
from collections.abc import Iterator

__all__ = ["leaks"]


def leaks(error: BaseException, canaries: list[str]) -> list[str]:
    """Name every place of `error` where a canary shows: text, arguments, attributes, chain, locals of our frames."""
    found: list[str] = []
    for part in _chain(error):
        shown = [
            ("text", str(part)),
            ("repr", repr(part)),
            ("args", repr(part.args)),
            ("data", repr(vars(part))),
        ]
        shown += [
            (f"{frame.f_code.co_name}: {name}", _safe_repr(value))
            for frame in _frames(part.__traceback__)
            if "/tests/" not in frame.f_code.co_filename
            for name, value in frame.f_locals.items()
        ]
        found += [place for place, text in shown if any(canary in text for canary in canaries)]
    return found


def _chain(error: BaseException) -> Iterator[BaseException]:
    pending: list[BaseException] = [error]
    seen: set[int] = set()
    while pending:
        part = pending.pop()
        if id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        pending += [link for link in (part.__cause__, part.__context__) if link is not None]


def _frames(trace: types.TracebackType | None) -> Iterator[types.FrameType]:
    while trace is not None:
        yield trace.tb_frame
        trace = trace.tb_next


def _safe_repr(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - a half-made object may have no repr; that shows nothing either
        return type(error).__name__
