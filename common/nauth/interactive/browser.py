"""Open a browser, if there is one. What the attempt returns is a hint: some openers say yes where nothing opens."""

from __future__ import annotations

import asyncio
import os
import webbrowser
from pathlib import PurePath

from nauth.daemon_thread import run_in_daemon

__all__ = ["open_in_browser", "reached_from_afar"]

_LIMIT_S = 5.0
_TEXT = frozenset({"elinks", "links", "lynx", "w3m", "www-browser"})
"""Browsers that would take the terminal."""


async def open_in_browser(url: str) -> bool:
    """Return whether a browser was started, as far as is known after five seconds.

    Any program of this machine may read the address in the process list while the browser starts: it holds a state that
    is of no use to it, and no code.
    """
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await run_in_daemon(lambda: _opened(url), name="nauth browser")
    except TimeoutError:
        return True  # an opener that waits for its browser's end has one


def _opened(url: str) -> bool:
    try:
        chosen = webbrowser.get()
        # the name is a path where BROWSER names one
        if PurePath(getattr(chosen, "name", "")).name in _TEXT:
            return False
        return chosen.open(url)
    except (webbrowser.Error, OSError):
        return False


def reached_from_afar() -> bool:
    """Tell whether this terminal is on another machine than the person."""
    return bool(os.environ.get("SSH_CONNECTION"))
