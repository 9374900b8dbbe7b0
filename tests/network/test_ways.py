"""Sign-in and requests leave by the same way: a session's, the settings', or the environment's; never by netrc's."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import ClientSession, TCPConnector, web
from yarl import URL

from nauth.bearer.aiohttp import BearerAuth
from nauth.client import VendorClient
from nauth.errors import ConfigurationError, NotSentError
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import ClientCredentials, TokenEndpoint
from nauth.stores.memory import MemoryStore
from tests.support.http.forward_proxy import ForwardProxy
from tests.support.http.servers import serve
from tests.support.vendors.table import CASES, NOYO, VENDORS, Case, Vendor

_USER, _PASSWORD = "service", "p@ss:w/rd"


def _case(vendor: Vendor) -> Case:
    return next(case for case in CASES if case.vendor is vendor and not case.name.endswith("fixed"))


@attrs.frozen
class Way:
    """One way out, and what it needs.

    Attributes:
        options: makes the client's options.
        mutual: it can show a certificate.
    """

    options: Callable[[Scene, AsyncExitStack], Any]
    mutual: bool


@attrs.frozen
class Scene:
    """What a way out is made of."""

    proxy: ForwardProxy
    client_tls: ssl.SSLContext
    authority_file: Path
    monkeypatch: pytest.MonkeyPatch


async def _by_session(scene: Scene, stack: AsyncExitStack) -> dict[str, Any]:
    session = ClientSession(proxy=scene.proxy.url, connector=TCPConnector(ssl=scene.client_tls))
    return {"session": await stack.enter_async_context(session)}


async def _by_trusting_session(scene: Scene, stack: AsyncExitStack) -> dict[str, Any]:
    scene.monkeypatch.setenv("https_proxy", scene.proxy.url)
    session = ClientSession(trust_env=True, connector=TCPConnector(ssl=scene.client_tls))
    return {"session": await stack.enter_async_context(session)}


async def _by_settings(scene: Scene, _: AsyncExitStack) -> dict[str, Any]:
    return {"proxy": scene.proxy.url, "ssl_context": scene.client_tls}


async def _by_environment(scene: Scene, _: AsyncExitStack) -> dict[str, Any]:
    scene.monkeypatch.setenv("HTTPS_PROXY", scene.proxy.url)
    scene.monkeypatch.setenv("SSL_CERT_FILE", str(scene.authority_file))
    return {}


WAYS = {
    "session": Way(_by_session, mutual=True),
    "session with trust_env": Way(_by_trusting_session, mutual=True),
    "settings": Way(_by_settings, mutual=True),
    # there is no variable for a client certificate
    "environment": Way(_by_environment, mutual=False),
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    """Each way out."""
    return WAYS[request.param]


@pytest.fixture
def scene(
    client_tls: ssl.SSLContext, authority_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Scene:
    """A proxy to be opened, and a netrc file that knows every host."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login netrc password canary\ndefault login netrc password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    return Scene(ForwardProxy(user=_USER, password=_PASSWORD), client_tls, authority_file, monkeypatch)


@pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)
async def test_vendors(
    vendor: Vendor, way: Way, scene: Scene, server_tls: ssl.SSLContext, mutual_tls: ssl.SSLContext
) -> None:
    """Each vendor's client signs in, asks, checks and calls through a proxy with a password, under a private authority.

    The vendor has a name that the proxy alone can resolve, so that nothing can go past the proxy.
    """
    case = _case(vendor)
    context = mutual_tls if way.mutual else server_tls
    async with (
        scene.proxy as proxy,
        vendor.sandbox(ssl_context=context, **case.switches) as sandbox,
        AsyncExitStack() as stack,
    ):
        options = await way.options(scene, stack)
        url = sandbox.base_url.replace("127.0.0.1", "vendor.test")
        if vendor is NOYO:  # its tokens come from a host of their own
            options["token_url"] = f"{url}/auth/public/token"
        client = await stack.enter_async_context(
            vendor.client(case.credentials(sandbox), base_url=url, store=MemoryStore(), **options)
        )
        async with client.get(vendor.path) as response:
            assert response.status == 200
        await client.check()  # type: ignore[attr-defined]  # all four have it
        await client.call("GET", vendor.path, object)
        sandbox.kill_sessions()
        async with client.get(vendor.path) as response:
            assert response.status == 200
        authority = URL(url).authority
        assert sandbox.requests.total() >= 6
    assert set(proxy.seen) == {f"CONNECT {authority} HTTP/1.1"}
    # a connection for each token call, one that is kept for the rest
    assert len(proxy.seen) >= 3


async def _token(_: web.Request) -> web.Response:
    return web.json_response({"access_token": "t-1", "token_type": "Bearer", "expires_in": 3600})


async def _api(request: web.Request) -> web.Response:
    if request.path == "/token":
        assert request.headers["Authorization"].startswith("Basic ")
        return await _token(request)
    return web.Response(text=request.headers["Authorization"])


async def test_oauth2(way: Way, scene: Scene, server_tls: ssl.SSLContext, mutual_tls: ssl.SSLContext) -> None:
    """So does a client of `nauth.oauth2`; its token signs requests of the user's own session."""
    async with (
        scene.proxy as proxy,
        serve(_api, tls=mutual_tls if way.mutual else server_tls) as url,
        AsyncExitStack() as stack,
    ):
        options = await way.options(scene, stack)
        endpoint = await stack.enter_async_context(
            TokenEndpoint(url / "token", client_id="id", client_secret="secret", **options)
        )
        manager = TokenManager(ClientCredentials(endpoint), key=endpoint.key("test"), store=MemoryStore())
        assert (await manager.token()).authorization == "Bearer t-1"
        if "session" in options:
            auth = BearerAuth(manager, [url])
            async with options["session"].get(url, middlewares=(auth,)) as response:
                assert await response.text() == "Bearer t-1"
        await manager.aclose()
    assert set(proxy.seen) == {f"CONNECT {url.authority} HTTP/1.1"}


@asynccontextmanager
async def _nomba(context: ssl.SSLContext, **options: Any) -> AsyncIterator[VendorClient]:
    vendor = VENDORS[1]
    case = _case(vendor)
    async with (
        vendor.sandbox(ssl_context=context, **case.switches) as sandbox,
        vendor.client(
            case.credentials(sandbox), base_url=sandbox.base_url, store=MemoryStore(), **options
        ) as client,
    ):
        yield client


async def test_wrong_password(server_tls: ssl.SSLContext, client_tls: ssl.SSLContext) -> None:
    """A proxy that wants another password ends the sign-in after one try, and the text says what to do and no secret."""
    async with (
        ForwardProxy(user=_USER, password=_PASSWORD) as proxy,
        _nomba(
            server_tls, proxy=f"http://me:canary@127.0.0.1:{proxy.port}", ssl_context=client_tls
        ) as client,
    ):
        with pytest.raises(
            ConfigurationError, match=rf"the proxy 127\.0\.0\.1:{proxy.port} answered 407"
        ) as caught:
            await client.token()
    assert "canary" not in str(caught.value)
    assert "percent-encoded" in str(caught.value)
    assert len(proxy.seen) == 1


async def test_no_proxy(
    server_tls: ssl.SSLContext, authority_file: Path, monkeypatch: pytest.MonkeyPatch, unused_tcp_port: int
) -> None:
    """What `NO_PROXY` names is reached directly, by token calls and requests."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{unused_tcp_port}")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.0/8")
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    async with _nomba(server_tls) as client, client.get(VENDORS[1].path) as response:
        assert response.status == 200


async def test_untrusted(server_tls: ssl.SSLContext) -> None:
    """Without any of the three the private authority is not trusted: the tests above pass for their reason."""
    async with _nomba(server_tls) as client:
        with pytest.raises(NotSentError, match="certificate not trusted"):
            await client.token()


async def test_no_client_certificate(
    mutual_tls: ssl.SSLContext, authority_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trust alone does not open a server that demands a certificate."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority_file))
    async with _nomba(mutual_tls) as client:
        with pytest.raises(Exception, match=r"127\.0\.0\.1"):
            await client.token()


async def test_an_unreadable_file(
    server_tls: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`SSL_CERT_FILE` that names nothing is told as such, and nothing is sent."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "missing.pem"))
    async with _nomba(server_tls) as client:
        with pytest.raises(ConfigurationError, match=r"SSL_CERT_FILE names a file .*missing\.pem"):
            await client.token()
        with pytest.raises(ConfigurationError, match="SSL_CERT_FILE"):
            client.get("/x")


async def test_plain_http_stays_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token in clear text goes to a proxy on this machine only, whichever setting names another one."""
    vendor = VENDORS[1]
    case = _case(vendor)
    for name in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://proxy.example.com:3128")
    async with vendor.sandbox(**case.switches) as sandbox:
        for options in ({}, {"proxy": "http://proxy.example.com:3128"}):
            async with (
                vendor.client(
                    case.credentials(sandbox), base_url=sandbox.base_url, store=MemoryStore(), **options
                ) as client,
                client.get(vendor.path) as response,
            ):
                assert response.status == 200


async def test_plain_http_through_a_proxy_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """A local proxy sees plain requests whole, with its own password and without a tunnel; a wrong one is told."""
    vendor = VENDORS[1]
    case = _case(vendor)
    async with (
        ForwardProxy(user=_USER, password=_PASSWORD) as proxy,
        vendor.sandbox(**case.switches) as sandbox,
    ):
        monkeypatch.setenv("HTTP_PROXY", proxy.url)
        async with (
            vendor.client(
                case.credentials(sandbox), base_url=sandbox.base_url, store=MemoryStore()
            ) as client,
            client.get(vendor.path) as response,
        ):
            assert response.status == 200
        async with vendor.client(
            case.credentials(sandbox), base_url=sandbox.base_url, store=MemoryStore(), proxy=proxy.bare
        ) as client:
            with pytest.raises(ConfigurationError, match="answered 407"):
                await client.token()
    assert [line.split()[1].startswith("http://") for line in proxy.seen] == [True] * 3
    assert "proxy-authorization" not in proxy.heads[-1]


async def test_a_requests_own_proxy_wins(unused_tcp_port: int) -> None:
    """`proxy=` of one request is that request's."""
    vendor = VENDORS[1]
    case = _case(vendor)
    async with (
        ForwardProxy() as one,
        ForwardProxy() as other,
        vendor.sandbox(**case.switches) as sandbox,
        vendor.client(
            case.credentials(sandbox), base_url=sandbox.base_url, store=MemoryStore(), proxy=one.bare
        ) as client,
        client.get(vendor.path, proxy=other.bare) as response,
    ):
        assert response.status == 200
    assert (len(one.seen), len(other.seen)) == (1, 1)
