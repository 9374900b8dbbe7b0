"""People who sign in on the machine they sit at: a loopback listener (RFC 8252), a browser, and paste beside it."""

from __future__ import annotations

from nauth.interactive.browser import open_in_browser, reached_from_afar
from nauth.interactive.listener import LoopbackListener, SignInTimeoutError, loopback_host
from nauth.interactive.wait import wait_for_callback

__all__ = [
    "LoopbackListener",
    "SignInTimeoutError",
    "loopback_host",
    "open_in_browser",
    "reached_from_afar",
    "wait_for_callback",
]
