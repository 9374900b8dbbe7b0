"""A hundred people sign in at once to a service with four workers."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import signal
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar, TCPConnector
from yarl import URL

from naoauth import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.stores import EncryptedStore
from tests.deployments.conftest import Child
from tests.support.ports import free_port

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(180)]

_PEOPLE = 100


async def _up(url: URL) -> None:
    async with ClientSession() as session:
        for _ in range(600):
            try:
                async with session.get(url):
                    return
            except OSError:
                await asyncio.sleep(0.05)
    pytest.fail("the server never came up")


def _end(child: Child) -> None:
    child.tell(signal.SIGTERM)  # not SIGKILL, which would leave the workers behind
    child.end()
    assert child.process.stdout is not None
    child.process.stdout.close()


async def test_a_hundred_people(tmp_path: Path) -> None:  # noqa: PLR0915 - one story
    """Each with a cookie jar and a button to press: none fails, each is themselves; copies and second uses are refused."""
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"needs {package}")
    port = free_port()
    base = URL(f"http://127.0.0.1:{port}")
    async with NaoSandbox(
        oauth_refresh="kept", oauth_pkce="ignored", redirect_uri=str(base / "callback"), consent_page=True
    ) as sandbox:
        application = sandbox.credentials_of("oauth")
        assert isinstance(application, NaoOAuth)
        command = (
            "-m",
            "uvicorn",
            "tests.deployments.sign_in_app:app",
            "--port",
            str(port),
            "--workers",
            "4",
            "--log-level",
            "error",
        )
        environment = {
            "NAO_BASE_URL": sandbox.base_url,
            "NAO_CLIENT_ID": application.client_id,
            "NAO_CLIENT_SECRET": application.client_secret.reveal(),
            "NAO_REDIRECT_URI": str(base / "callback"),
            "STORE": str(tmp_path / "tokens.db"),
            "SEALING_KEY": EncryptedStore.generate_key().reveal(),
        }
        child = await asyncio.to_thread(Child, command, environment)
        workers: list[tuple[str, str]] = []

        async def begin(browser: ClientSession, who: str) -> URL:
            async with browser.get(base / "login", params={"who": who}) as page:
                assert page.status == 200
                return page.url  # the vendor's page, with the button

        async def press(browser: ClientSession, page: URL) -> tuple[int, str, URL]:
            async with browser.post(page, data={"decision": "allow"}) as back:
                return back.status, await back.text(), back.url

        async def person(number: int) -> str:
            # a connection for each request, so that each may meet another worker
            async with ClientSession(
                cookie_jar=CookieJar(unsafe=True), connector=TCPConnector(force_close=True)
            ) as browser:
                page = await begin(browser, f"user-{number}")
                copied = [(cookie.key, cookie.value) for cookie in browser.cookie_jar]
                status, text, callback = await press(browser, page)
                assert status == 200, text
                assert f'"account":"user-{number}"' in text
                found = json.loads(text)
                workers.append((found["begun"], found["ended"]))
                async with browser.get(callback) as again:  # reloaded
                    assert again.status == 403
                async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as thief:
                    thief.cookie_jar.update_cookies(dict(copied), base)
                    async with thief.get(callback) as stolen:
                        assert stolen.status == 403
                        assert "used before" in await stolen.text()
                async with browser.get(base / "token", params={"who": f"user-{number}"}) as token:
                    return await token.text()

        try:
            await _up(base)
            tokens = await asyncio.gather(*map(person, range(_PEOPLE)))
            assert len(set(tokens)) == _PEOPLE
            assert sandbox.committed["token"] == _PEOPLE
            elsewhere = sum(begun != ended for begun, ended in workers)
            assert elsewhere > _PEOPLE / 4, elsewhere

            async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
                page = await begin(browser, "late")
                await asyncio.to_thread(_end, child)
                child = await asyncio.to_thread(Child, command, environment)
                await _up(base)
                status, text, _ = await press(browser, page)
                assert status == 200, text
        finally:
            await asyncio.to_thread(_end, child)
