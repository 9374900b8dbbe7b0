"""`harmless`: what a broken exporter or span processor raises must not break sign-in."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import ParamSpec, TypeVar

__all__ = ["harmless"]

_log = logging.getLogger("nauth")

_P = ParamSpec("_P")
_R = TypeVar("_R")


def harmless(instead: Callable[[], _R]) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Wrap a function so that what it raises is logged by the name of its class, and `instead()` returned."""

    def wrap(function: Callable[_P, _R]) -> Callable[_P, _R]:
        @functools.wraps(function)
        def guarded(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            try:
                return function(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - see the module's text
                _log.warning("telemetry raised %s in %s", type(error).__name__, function.__name__)
                return instead()

        return guarded

    return wrap
