"""What a worker counts, and the sum over a fleet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import attrs

__all__ = ["Counts", "summed"]


@attrs.define(kw_only=True)
class Counts:
    """One worker's figures; travels as JSON on its standard output.

    Attributes:
        requests: begun; each coroutine's first only asks for the token.
        ok: answered 200.
        failed: ended in any other way, by error class or status.
        unexcused: those of `failed` at whose end the process held a live token that had not been refused.
        unread: the others of `failed` at whose end the store, asked anew, had such a token: what kept the process from
            it is over.
        replayed: requests that met a 401 and were sent again with another token.
        issued: renewals of this process that signed in anew.
        refreshed: renewals of this process by refresh token.
        adopted: tokens taken over from the store.
        quiet: failed renewals that no caller learned of.
        loud: failed renewals that callers learned of.
        longest_s: the longest request, waiting for a token included.
        warnings: what nauth logged.
    """

    requests: int = 0
    ok: int = 0
    failed: dict[str, int] = attrs.field(factory=dict[str, int])
    unexcused: int = 0
    unread: int = 0
    replayed: int = 0
    issued: int = 0
    refreshed: int = 0
    adopted: int = 0
    quiet: int = 0
    loud: int = 0
    longest_s: float = 0.0
    warnings: dict[str, int] = attrs.field(factory=dict[str, int])


def summed(parts: Iterable[Counts]) -> Counts:
    """Add all up; of `longest_s` the longest."""
    total, failed, warnings = Counts(), Counter[str](), Counter[str]()
    for part in parts:
        for name in (
            "requests",
            "ok",
            "unexcused",
            "unread",
            "replayed",
            "issued",
            "refreshed",
            "adopted",
            "quiet",
            "loud",
        ):
            setattr(total, name, getattr(total, name) + getattr(part, name))
        total.longest_s = max(total.longest_s, part.longest_s)
        failed.update(part.failed)
        warnings.update(part.warnings)
    total.failed, total.warnings = dict(failed), dict(warnings)
    return total
