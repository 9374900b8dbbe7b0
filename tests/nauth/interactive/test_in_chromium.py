"""The listener met by a real browser: allow, deny, a warm session, a closed window, and strangers on other ports."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import attrs
import pytest
from aiohttp import web
from yarl import URL

from naoauth import NaoClient, NaoOAuth, NaoSignInNeededError
from naoauth.sandbox import NaoSandbox
from nauth.interactive import LoopbackListener, SignInTimeoutError
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nomadauth import NomadSSO
from nomadauth.sandbox import NomadSandbox
from nomadauth.sso import sso_login_url
from tests.support.chromium import CHROMIUM, Chromium, chromium
from tests.support.http.servers import serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
]


async def _client(sandbox: NaoSandbox, listener: LoopbackListener) -> NaoClient:
    application = sandbox.credentials_of("oauth")
    assert isinstance(application, NaoOAuth)
    here = attrs.evolve(application, redirect_uri=listener.redirect_uri)
    return NaoClient(here, base_url=sandbox.base_url, store=MemoryStore())


async def _signs_in(tab: Chromium, button: str | None) -> str:
    """Return the title of the closing page."""
    async with (
        NaoSandbox(redirect_uri="http://127.0.0.1/callback", consent_page=button is not None) as sandbox,
        LoopbackListener() as listener,
        await _client(sandbox, listener) as client,
    ):
        url = client.authorization_url()
        waiting = asyncio.create_task(listener.callback(state=Secret(URL(url).query["state"])))
        await tab.go(url)
        if button is not None:
            await tab.js(f"document.getElementById('{button}').click()")
        callback = await waiting
        await tab.until("document.querySelector('main') !== null")
        title = str(await tab.js("document.title"))
        await client.exchange(callback)
    return title


async def test_allow_deny_and_warm() -> None:
    """Each button leads to its page; a session that needs no button is back at once."""
    async with chromium() as tab:
        assert await _signs_in(tab, "allow") == "You can close this window"
        assert await _signs_in(tab, None) == "You can close this window"
        with pytest.raises(NaoSignInNeededError, match="declined"):
            await _signs_in(tab, "deny")
        assert await tab.js("document.title") == "You have not signed in"


async def test_a_closed_window() -> None:
    """A person who closes the window: the time limit ends it."""
    async with (
        chromium() as tab,
        NaoSandbox(redirect_uri="http://127.0.0.1/callback", consent_page=True) as sandbox,
        LoopbackListener(timeout=timedelta(seconds=2)) as listener,
        await _client(sandbox, listener) as client,
    ):
        url = client.authorization_url()
        waiting = asyncio.create_task(listener.callback(state=Secret(URL(url).query["state"])))
        await tab.go(url)
        await tab.call("Page.navigate", url="about:blank")
        with pytest.raises(SignInTimeoutError):
            await waiting


async def test_strangers_on_other_ports() -> None:
    """A page of another local program that knows the state gets nothing counted by image, frame, fetch, beacon or prefetch."""
    async with LoopbackListener() as listener, chromium() as tab:
        there = f"{listener.redirect_uri}?code=stolen&state=known"

        async def page(_: web.Request) -> web.Response:
            return web.Response(
                text=f'<link rel="prefetch" href="{there}"><img src="{there}"><iframe src="{there}"></iframe>',
                content_type="text/html",
            )

        waiting = asyncio.create_task(listener.callback(state=Secret("known")))
        async with serve(page) as foreign:
            await tab.go(str(foreign))
            await tab.js(f"fetch('{there}', {{mode: 'no-cors'}}).then(() => 1, () => 0)")
            await tab.js(f"navigator.sendBeacon('{there}', 'x')")
            await asyncio.sleep(0.5)
            assert not waiting.done()
            await tab.go(f"{listener.redirect_uri}?code=right&state=known")
            assert "code=right" in (await waiting).reveal()


async def test_nomad() -> None:
    """The return of a single sign-on comes to the registered address, with its tokens."""
    path = f"/{'r' * 22}"
    async with (
        LoopbackListener(path=path) as listener,
        NomadSandbox(sso_return=listener.redirect_uri, consent_page=True) as sandbox,
        chromium() as tab,
    ):
        waiting = asyncio.create_task(listener.callback(state=None))
        await tab.go(sso_login_url("azure", sandbox.base_url))
        await tab.js("document.getElementById('allow').click()")
        assert NomadSSO.from_callback(await waiting, provider="azure").token


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
async def test_the_closing_page(look: str, tmp_path: Path) -> None:
    """It is there in both schemes and on a phone: nothing is cut, nothing is loaded."""
    async with LoopbackListener() as listener, chromium() as tab:
        width, height = (390, 780) if look == "phone" else (900, 600)
        await tab.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=look == "phone",
        )
        scheme = "dark" if look == "dark" else "light"
        await tab.call(
            "Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}]
        )
        waiting = asyncio.create_task(listener.callback(state=Secret("s")))
        await asyncio.sleep(0)
        await tab.go(f"{listener.redirect_uri}?code=c&state=s")
        await waiting
        await tab.until("document.querySelector('main') !== null")
        assert await tab.js("document.documentElement.scrollWidth <= innerWidth")
        assert await tab.js("performance.getEntriesByType('resource').length") == 0
        dark = await tab.js("getComputedStyle(document.body).backgroundColor")
        assert dark == ("rgb(18, 22, 28)" if scheme == "dark" else "rgb(238, 241, 245)")
        picture = await tab.picture()
        await asyncio.to_thread((tmp_path / f"closing-{look}.png").write_bytes, picture)
        assert picture.startswith(b"\x89PNG")
