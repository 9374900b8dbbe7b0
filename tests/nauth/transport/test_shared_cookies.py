"""A session that several credentials share is warned of once, if it keeps cookies."""

from __future__ import annotations

import aiohttp
import pytest

from nauth.transport.shared_cookies import notice_cookies


async def test_warned_once(caplog: pytest.LogCaptureFixture) -> None:
    """One credential may keep its cookies; the second one is warned of, the third no more; without a jar none is."""
    async with aiohttp.ClientSession() as session:
        notice_cookies(session, "a")
        notice_cookies(session, "a")
        assert caplog.records == []
        for name in ("b", "a", "c"):
            notice_cookies(session, name)
        assert len(caplog.records) == 1
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        notice_cookies(session, "a")
        notice_cookies(session, "b")
    assert len(caplog.records) == 1
