"""Notice that clients of several credentials share a session that keeps cookies: one's would go with another's requests."""

from __future__ import annotations

import logging
import weakref

import aiohttp

from nauth.after_fork import guard

__all__ = ["notice_cookies"]

_log = logging.getLogger("nauth.request")

_guard = guard()
_first: weakref.WeakKeyDictionary[aiohttp.ClientSession, str] = weakref.WeakKeyDictionary()
_TOLD = ""


def notice_cookies(session: aiohttp.ClientSession, credential: str) -> None:
    """Warn, once for each session, if it keeps cookies and another credential's client uses it already."""
    if isinstance(session.cookie_jar, aiohttp.DummyCookieJar):
        return
    with _guard:
        first = _first.setdefault(session, credential)
        if first in {credential, _TOLD}:
            return
        _first[session] = _TOLD
    _log.warning(
        "clients of several credentials share a session that keeps cookies, so a cookie that the vendor sets for one is "
        "sent with the requests of another. Give the session aiohttp.DummyCookieJar(). This is said once",
        extra={"nauth.event": "cookies.shared"},
    )
