"""Sign-in in a real browser at pages that are not ours: Django's login form and django-oauth-toolkit's consent."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec

import attrs
import pytest
from aiohttp import web
from yarl import URL

from nauth.errors import InteractionRequiredError
from nauth.interactive import LoopbackListener, SignInTimeoutError
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, TokenEndpoint
from nauth.secret import Secret
from nauth.stores import MemoryStore
from tests.nauth.oauth2 import django_server
from tests.support.chromium import CHROMIUM, Chromium, chromium
from tests.support.http.servers import serve

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine"),
    pytest.mark.skipif(find_spec("oauth2_provider") is None, reason="needs django-oauth-toolkit"),
]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[URL]:
    """The server, in a process of its own."""
    command = [
        sys.executable,
        str(django_server.__file__),
        str(tmp_path_factory.mktemp("django") / "db.sqlite3"),
        "3600",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:  # noqa: S603 - our own file
        limit = threading.Timer(90, server.kill)
        limit.start()
        try:
            assert server.stdout is not None
            yield URL(f"http://127.0.0.1:{int(server.stdout.readline())}")
        finally:
            limit.cancel()
            server.kill()


@attrs.frozen
class _SignIn:
    """One sign-in that waits for the browser."""

    code: AuthorizationCode
    manager: TokenManager
    listener: LoopbackListener

    def begin(self) -> tuple[str, asyncio.Task[Secret]]:
        url = self.code.authorization_url()
        state = Secret(URL(url).query["state"])
        return url, asyncio.create_task(self.listener.callback(state=state))


@asynccontextmanager
async def _sign_in(base: URL, within: timedelta = timedelta(seconds=60)) -> AsyncIterator[_SignIn]:
    async with LoopbackListener(timeout=within) as listener:
        endpoint = TokenEndpoint(base / "o/token/", client_id=django_server.LOOPBACK_CLIENT)
        code = AuthorizationCode(
            endpoint,
            authorization_url=base / "o/authorize/",
            redirect_uri=listener.redirect_uri,
            scope="read",
        )
        manager = TokenManager(code, key=endpoint.key("django"), store=MemoryStore())
        try:
            yield _SignIn(code, manager, listener)
        finally:
            await manager.aclose()
            await endpoint.aclose()


async def _log_in(tab: Chromium) -> None:
    """Type name and password into Django's form, and press its button."""
    await tab.until("document.querySelector('input[name=password]') !== null")
    await tab.js(
        f"document.querySelector('input[name=username]').value = '{django_server.PERSON}';"
        f"document.querySelector('input[name=password]').value = '{django_server.PASSWORD}';"
        "document.querySelector('input[type=submit]').click()"
    )


async def _press(tab: Chromium, button: str) -> None:
    await tab.until("document.getElementById('authorizationForm') !== null")
    await tab.js(f"document.querySelector('#authorizationForm input[type=submit]{button}').click()")


async def _title(tab: Chromium) -> str:
    await tab.until("document.querySelector('main') !== null")
    return str(await tab.js("document.title"))


_ALLOW, _CANCEL = "[name=allow]", ":not([name=allow])"


async def test_log_in_allow_deny_and_warm(base: URL) -> None:
    """Log in and allow: a token that renews. Then, with the session warm, only the consent is asked for; denied, it says so."""
    async with chromium() as tab:
        async with _sign_in(base) as first:
            url, callback = first.begin()
            await tab.go(url)
            await _log_in(tab)
            await _press(tab, _ALLOW)
            token = await first.code.exchange(await callback, first.manager)
            assert await _title(tab) == "You can close this window"
            assert token.refresh_token
            assert not (await first.manager.renew()).same_access(token)
        async with _sign_in(base) as warm:
            url, callback = warm.begin()
            await tab.go(url)
            await _press(tab, _ALLOW)
            await warm.code.exchange(await callback, warm.manager)
            assert await _title(tab) == "You can close this window"
        async with _sign_in(base) as denied:
            url, callback = denied.begin()
            await tab.go(url)
            await _press(tab, _CANCEL)
            with pytest.raises(InteractionRequiredError, match="declined"):
                await denied.code.exchange(await callback, denied.manager)
            assert await _title(tab) == "You have not signed in"


async def test_a_closed_window(base: URL) -> None:
    """A window that is closed at the login form: the time limit ends the wait, and the port is free again."""
    async with chromium() as tab, _sign_in(base, timedelta(seconds=3)) as closed:
        url, callback = closed.begin()
        await tab.go(url)
        await tab.until("document.querySelector('input[name=password]') !== null")
        await tab.call("Page.navigate", url="about:blank")
        with pytest.raises(SignInTimeoutError):
            await callback
    async with LoopbackListener(port=closed.listener.port):
        pass


async def test_strangers_while_a_person_is_at_the_consent(base: URL) -> None:
    """Another local program's page that knows the state is turned away, and the real consent still comes through."""
    async with chromium() as tab, chromium() as other, _sign_in(base) as here:
        url, callback = here.begin()
        await tab.go(url)
        await _log_in(tab)
        there = f"{here.listener.redirect_uri}?code=stolen&state={URL(url).query['state']}"

        async def page(_: web.Request) -> web.Response:
            return web.Response(
                text=f'<img src="{there}"><iframe src="{there}"></iframe>', content_type="text/html"
            )

        async with serve(page) as foreign:
            await other.go(str(foreign))
            await other.js(f"fetch('{there}', {{mode: 'no-cors'}}).then(() => 1, () => 0)")
            await other.js(f"navigator.sendBeacon('{there}', 'x')")
        assert not callback.done()
        await _press(tab, _ALLOW)
        await here.code.exchange(await callback, here.manager)


async def test_a_squatter_on_the_other_family(base: URL) -> None:
    """A program that sits on [::1] with the same port hears nothing: the redirect names 127.0.0.1."""
    heard: list[str] = []

    async def squat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append((await reader.readline()).decode())
        writer.close()

    async with chromium() as tab, _sign_in(base) as here:
        try:
            squatter = await asyncio.start_server(squat, "::1", here.listener.port)
        except OSError:
            pytest.skip("this machine has no IPv6 loopback")
        async with squatter:
            url, callback = here.begin()
            await tab.go(url)
            await _log_in(tab)
            await _press(tab, _ALLOW)
            await here.code.exchange(await callback, here.manager)
    assert heard == []
