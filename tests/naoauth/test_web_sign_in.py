"""People sign in to a web service with several workers, through the sessions of three web frameworks."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, DummyCookieJar, web
from aiohttp.test_utils import TestServer
from yarl import URL

from naoauth import ConfigurationError, NaoApiKey, NaoClient, NaoOAuth, NaoSignInNeededError, Secret
from naoauth.sandbox import NaoSandbox
from nauth.oauth2 import recall, remember
from nauth.stores import EncryptedStore, MemoryStore

pytestmark = pytest.mark.filterwarnings(
    "ignore:It is recommended to use web:UserWarning"
)  # of aiohttp-session

_KEYS = {"k1": EncryptedStore.generate_key()}
_APP = "https://app.example"
_TRUST = ssl.create_default_context()

Visit = Callable[[NaoClient, str, "_Browser"], Awaitable[tuple[int, str]]]


@attrs.define
class _Browser:
    """A cookie jar."""

    cookie: str | None = None

    def copy(self) -> _Browser:
        return _Browser(self.cookie)


async def _view(nao: NaoClient, session: Any, url: URL) -> tuple[int, str]:
    """What a service writes, whatever its framework."""
    if url.path == "/login":
        started = nao.begin_sign_in(url.query["who"], data={"next": "/home"})
        remember(session, started)
        return 302, started.url
    started_here = recall(session, url)
    try:
        await nao.exchange(url, started=started_here)
    except NaoSignInNeededError as error:
        return 403, str(error)
    return 200, nao.read_sign_in(started_here).data["next"]


def _starlette() -> Visit:
    applications = pytest.importorskip("starlette.applications")
    httpx = pytest.importorskip("httpx")
    middleware = pytest.importorskip("starlette.middleware")
    sessions = pytest.importorskip("starlette.middleware.sessions")
    responses = pytest.importorskip("starlette.responses")
    routing = pytest.importorskip("starlette.routing")

    async def visit(nao: NaoClient, path: str, browser: _Browser) -> tuple[int, str]:
        async def view(request: Any) -> Any:
            status, text = await _view(nao, request.session, URL(str(request.url)))
            return responses.PlainTextResponse(text, status)

        signed = middleware.Middleware(sessions.SessionMiddleware, secret_key="one for all")
        app = applications.Starlette(routes=[routing.Route("/{path}", view)], middleware=[signed])
        headers = {} if browser.cookie is None else {"Cookie": browser.cookie}
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=_APP, verify=_TRUST) as client:
            response = await client.get(path, headers=headers)
        set_cookie = response.headers.get("set-cookie")
        if set_cookie is not None:
            browser.cookie = set_cookie.partition(";")[0]
        return response.status_code, response.text

    return visit


def _django() -> Visit:
    conf = pytest.importorskip("django.conf")
    if not conf.settings.configured:
        conf.settings.configure(SECRET_KEY="one for all")
    backend = pytest.importorskip("django.contrib.sessions.backends.signed_cookies")
    backend.SessionStore("warm").get("up")  # reads the settings

    async def visit(nao: NaoClient, path: str, browser: _Browser) -> tuple[int, str]:
        session = backend.SessionStore(browser.cookie)
        done = await _view(nao, session, URL(_APP + path))
        if session.modified:  # what the middleware looks at: a change inside an old dict would be lost
            session.save()
            browser.cookie = session.session_key
        return done

    return visit


def _aiohttp() -> Visit:
    aiohttp_session = pytest.importorskip("aiohttp_session")
    storage = pytest.importorskip("aiohttp_session.cookie_storage")

    async def visit(nao: NaoClient, path: str, browser: _Browser) -> tuple[int, str]:
        async def view(request: web.Request) -> web.Response:
            session = await aiohttp_session.get_session(request)
            status, text = await _view(nao, session, URL(_APP + str(request.rel_url)))
            return web.Response(text=text, status=status)

        app = web.Application()
        app.router.add_get("/{path}", view)
        aiohttp_session.setup(app, storage.EncryptedCookieStorage(b"one key for all workers, 32 byte"))
        server = TestServer(app)
        await server.start_server()
        headers = {} if browser.cookie is None else {"Cookie": browser.cookie}
        there = server.make_url("/").join(URL(path))
        try:
            async with (
                ClientSession(cookie_jar=DummyCookieJar()) as client,
                client.get(there, headers=headers, allow_redirects=False) as got,
            ):
                for name, morsel in got.cookies.items():
                    browser.cookie = f"{name}={morsel.coded_value}"
                return got.status, await got.text()
        finally:
            await server.close()

    return visit


@pytest.fixture(params=[_starlette, _django, _aiohttp], ids=["Starlette", "Django", "aiohttp-session"])
def visit(request: pytest.FixtureRequest) -> Visit:
    """One request of a browser to a worker. What is imported is imported here, outside of the loop."""
    made: Visit = request.param()
    return made


class _Service:
    """Workers that share a store and keys."""

    def __init__(self, sandbox: NaoSandbox, stack: AsyncExitStack) -> None:
        self.sandbox = sandbox
        self.application = sandbox.credentials_of("oauth")
        self.store = MemoryStore()
        self._stack = stack

    async def worker(self, **options: Any) -> NaoClient:
        given: dict[str, Any] = {
            "base_url": self.sandbox.base_url,
            "store": self.store,
            "sealing": _KEYS,
        } | options
        application = given.pop("application", self.application)
        return await self._stack.enter_async_context(NaoClient(application, **given))

    async def token_of(self, account: str) -> str:
        """What another process would find for an account."""
        assert isinstance(self.application, NaoOAuth)
        client = await self.worker(application=self.application.for_account(account))
        return (await client.token()).access_token.reveal()


@pytest.fixture
async def service() -> AsyncIterator[_Service]:
    """A service with NAO Cloud's double behind it."""
    async with NaoSandbox(oauth_refresh="none", oauth_pkce="required") as sandbox, AsyncExitStack() as stack:
        yield _Service(sandbox, stack)


def _path(callback: str) -> str:
    return callback.removeprefix(_APP)


async def test_twelve_of_twelve(service: _Service, visit: Visit) -> None:
    """Each of twelve people begins in one worker and ends in another; all are signed in, each as themselves."""
    workers = [await service.worker() for _ in range(4)]

    async def person(number: int) -> tuple[int, str]:
        browser = _Browser()
        status, url = await visit(workers[number % 4], f"/login?who=user-{number}", browser)
        assert status == 302
        return await visit(workers[(number + 1) % 4], _path(service.sandbox.approve(url)), browser)

    done = await asyncio.gather(*map(person, range(12)))
    assert done == [(200, "/home")] * 12
    tokens = [await service.token_of(f"user-{number}") for number in range(12)]
    assert len(set(tokens)) == 12
    with pytest.raises(NaoSignInNeededError):
        await service.token_of("user-12")


async def test_each_as_it_should_be(service: _Service, visit: Visit) -> None:
    """A restart between, two tabs, a stranger, another browser, a second use, a copied session, another client id."""
    browser, stranger = _Browser(), _Browser()
    _, first = await visit(await service.worker(), "/login?who=ada", browser)
    _, second = await visit(await service.worker(), "/login?who=ada", browser)
    _, foreign = await visit(await service.worker(), "/login?who=eve", stranger)
    copied = browser.copy()
    approve = service.sandbox.approve

    theirs = _path(approve(foreign))
    status, words = await visit(await service.worker(), theirs, browser)
    assert (status, "this browser" in words) == (403, True)

    assert isinstance(service.application, NaoOAuth)
    other = attrs.evolve(service.application, client_id="another")
    back = _path(approve(first))
    status, words = await visit(await service.worker(application=other), back, browser.copy())
    assert (status, "another client id" in words) == (403, True)
    keys = {"k2": EncryptedStore.generate_key()}
    status, words = await visit(await service.worker(sealing=keys), back, browser.copy())
    assert (status, "another key" in words) == (403, True)

    assert await visit(await service.worker(), _path(approve(second)), browser) == (200, "/home")
    assert await visit(await service.worker(), back, browser) == (200, "/home")
    status, words = await visit(await service.worker(), back, browser)
    assert (status, "holds no sign-in" in words) == (403, True)
    status, words = await visit(await service.worker(), back, copied)
    assert (status, "used before" in words) == (403, True)
    assert service.sandbox.committed["token"] == 2


async def test_only_an_application_begins(service: _Service) -> None:
    """A key has no sign-in to begin; a seal that is none is NAO Cloud's error."""
    key = await service.worker(application=NaoApiKey(Secret("key")))
    with pytest.raises(ConfigurationError, match="only a client made with NaoOAuth"):
        key.begin_sign_in("ada")
    with pytest.raises(NaoSignInNeededError, match="does not open"):
        (await service.worker()).read_sign_in("k1.nothing")


async def test_the_account_of_the_client_itself(service: _Service) -> None:
    """A client made for an account serves what it exchanges."""
    assert isinstance(service.application, NaoOAuth)
    ada = await service.worker(application=service.application.for_account("ada"))
    started = ada.begin_sign_in("ada", parameters={"prompt": "login"})
    token = await ada.exchange(service.sandbox.approve(started.url), started=started.sealed)
    assert ada.current is not None
    assert ada.current.same_access(token)


async def test_a_client_for_each_request(service: _Service) -> None:
    """A client that is opened for the callback alone finds what another, closed by now, has begun in this process."""
    async with NaoClient(service.application, base_url=service.sandbox.base_url) as first:
        url = first.authorization_url()
    async with NaoClient(service.application, base_url=service.sandbox.base_url) as second:
        await second.exchange(service.sandbox.approve(url))


async def test_a_button(service: _Service) -> None:
    """With a consent page a person presses a button, and the browser is sent on from the vendor's own page."""
    async with NaoSandbox(redirect_uri="http://127.0.0.1/back", consent_page=True) as sandbox:
        client = await service.worker(application=sandbox.credentials_of("oauth"), base_url=sandbox.base_url)
        started = client.begin_sign_in("ada", redirect_uri="http://127.0.0.1:4711/back")
        async with ClientSession() as browser:
            async with browser.get(started.url) as page:
                assert 'id="allow"' in await page.text()
            for pressed, member in (("allow", "code"), ("deny", "error")):
                async with browser.post(
                    started.url, data={"decision": pressed}, allow_redirects=False
                ) as sent:
                    there = URL(sent.headers["Location"])
                assert (sent.status, there.host, there.port) == (302, "127.0.0.1", 4711)
                assert member in there.query
            for wrong in (
                "http://localhost:4711/back",
                "http://127.0.0.1:4711/other",
                "https://127.0.0.1/back",
            ):
                begun = client.begin_sign_in("ada", redirect_uri=wrong)
                async with browser.post(begun.url, data={"decision": "allow"}) as sent:
                    assert sent.status == 401
            assert sandbox.redirect_uris == ["http://127.0.0.1/back"]
