"""How many bytes an object takes, with all that is made for it."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["COUNT", "allowed", "taken"]

COUNT = 500
"""Objects that are made at a time: tables grow in steps, and what they take evens out."""


@contextmanager
def taken() -> Iterator[Callable[[], float]]:
    """Yield a function that returns the bytes taken since, for each of `COUNT` objects that are alive."""
    gc.collect()
    tracemalloc.start(1)
    try:
        before = tracemalloc.get_traced_memory()[0]

        def each() -> float:
            gc.collect()
            return (tracemalloc.get_traced_memory()[0] - before) / COUNT

        yield each
    finally:
        tracemalloc.stop()


def allowed(reached: int, bar: int) -> float:
    """Return the most bytes that an object may take: ten per cent above what was reached, or the bar with another Python."""
    return min(reached * 1.1, bar) if sys.version_info[:2] == (3, 11) else bar
