"""The token goes to the configured origins and nowhere else; a caller's own header wins."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.http import SERVER_SOFTWARE
from yarl import URL

from nauth.bearer.aiohttp import BearerAuth
from nauth.errors import OriginError
from nauth.events import Event, OriginRefused
from nauth.manager.token_manager import TokenManager
from tests.support.http.vendor import Issuer, Vendor, served


def _session(auth: BearerAuth, **options: object) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(middlewares=(auth,), **options)  # type: ignore[arg-type]  # the test's own options


async def test_token_and_headers(manager: TokenManager, issuer: Issuer) -> None:
    """Requests to the origin carry the token and the vendor's headers; one sign-in serves them all."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], headers={"accountId": "a1"})
        async with _session(auth) as session:
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
                async with session.request(method, url / "x") as response:
                    assert response.status == 200
    assert vendor.tokens == ["Bearer t1"] * 7
    assert {seen.headers["accountId"] for seen in vendor.seen} == {"a1"}
    assert issuer.calls == 1


async def test_vendors_accept_replaces_aiohttps(manager: TokenManager) -> None:
    """The vendor's header replaces one that aiohttp adds by default."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        auth = BearerAuth(manager, [url], headers={"Accept": "application/json", "User-Agent": "nauth-test"})
        async with _session(auth) as session:
            (await session.get(url)).release()
            (await session.get(url, headers={"accept": "text/csv", "user-agent": "mine"})).release()
            (await session.get(url, skip_auto_headers=("Accept", "User-Agent"))).release()
    first, second, third = (seen.headers for seen in vendor.seen)
    assert (first["Accept"], first["User-Agent"]) == ("application/json", "nauth-test")
    assert (second["Accept"], second["User-Agent"]) == ("text/csv", "mine")
    assert (third["Accept"], third["User-Agent"]) == ("application/json", "nauth-test")
    assert [
        seen.headers.getall("Accept") for seen in vendor.seen if len(seen.headers.getall("Accept")) > 1
    ] == []


async def test_callers_header_wins(manager: TokenManager) -> None:
    """A vendor's header that the caller sets stays as the caller wrote it, in any case."""
    vendor = Vendor("t1")
    async with (
        served(vendor) as url,
        _session(BearerAuth(manager, [url], headers={"accountId": "a1"})) as session,
    ):
        (await session.get(url, headers={"ACCOUNTID": "mine"})).release()
    assert vendor.seen[0].headers.getall("accountId") == ["mine"]


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_callers_authorization_wins(manager: TokenManager, issuer: Issuer, name: str) -> None:
    """A caller's own Authorization is sent alone, is never replaced after a 401, and costs no sign-in."""
    vendor = Vendor("t1")
    async with served(vendor) as url, _session(BearerAuth(manager, [url])) as session:
        async with session.get(url, headers={name: "Mine own"}) as response:
            assert response.status == 401
    assert vendor.tokens == ["Mine own"]
    assert vendor.seen[0].headers.getall("Authorization") == ["Mine own"]
    assert issuer.calls == 0


async def test_user_info_is_the_callers_authorization(manager: TokenManager) -> None:
    """A user name in the URL arrives as Basic and wins."""
    vendor = Vendor("t1")
    async with served(vendor) as url, _session(BearerAuth(manager, [url])) as session:
        (await session.get(url.with_user("me").with_password("pw"))).release()
    assert vendor.tokens == ["Basic bWU6cHc="]


async def test_foreign_origin_passes_through(manager: TokenManager, issuer: Issuer) -> None:
    """On a user's session a foreign origin gets the request, without token and without the vendor's headers."""
    events: list[Event] = []
    vendor, other = Vendor("t1"), Vendor("t1")
    async with served(vendor) as url, served(other) as foreign:
        auth = BearerAuth(
            manager, [url], headers={"accountId": "a1", "User-Agent": "nauth-test"}, observer=events.append
        )
        async with _session(auth) as session:
            for target in (
                foreign / "x",
                url.with_host("localhost"),
                foreign.with_user("127.0.0.1"),
                URL(f"http://{url.host}:{url.port}@{foreign.authority}/x"),
            ):
                async with session.get(target) as response:
                    assert response.status == 401
            async with session.get(url) as response:
                assert response.status == 200
    for seen in (*other.seen, vendor.seen[0]):
        assert "Bearer" not in (seen.authorization or "")
        assert "accountId" not in seen.headers
        assert seen.headers["User-Agent"] == SERVER_SOFTWARE
    assert len(other.seen) == 3
    assert vendor.tokens == [None, "Bearer t1"]
    assert [type(event) for event in events] == [OriginRefused] * 4
    assert events[0] == OriginRefused(origin=f"http://127.0.0.1:{foreign.port}")
    assert issuer.calls == 1


async def test_foreign_origin_without_observer(manager: TokenManager) -> None:
    """An observer is optional."""
    other = Vendor()
    async with served(other) as foreign, _session(BearerAuth(manager, [URL("https://h")])) as session:
        (await session.get(foreign)).release()
    assert other.tokens == [None]


async def test_several_origins(manager: TokenManager) -> None:
    """Each configured origin gets the token; paths below them do not matter."""
    one, two = Vendor("t1"), Vendor("t1")
    async with served(one) as first, served(two) as second:
        auth = BearerAuth(manager, [first / "v1", second])
        assert auth.origins == {("http", "127.0.0.1", first.port), ("http", "127.0.0.1", second.port)}
        async with _session(auth) as session:
            (await session.get(first / "other")).release()
            (await session.get(second)).release()
    assert one.tokens == two.tokens == ["Bearer t1"]


async def test_vendor_403_never_renews(manager: TokenManager, issuer: Issuer) -> None:
    """403 is about permission: it is handed back as it is."""

    async def forbid(_: web.Request) -> web.Response:
        return web.Response(status=403, text="no")

    vendor = Vendor(refusal=forbid)
    async with served(vendor) as url, _session(BearerAuth(manager, [url])) as session:
        async with session.get(url) as response:
            assert (response.status, await response.text()) == (403, "no")
    assert len(vendor.seen) == 1
    assert issuer.calls == 1


async def test_https(manager: TokenManager, tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """The token goes over verified TLS, whether the call or the connector brings the context."""
    vendor = Vendor("t1")
    async with served(vendor, tls=tls) as url:
        auth = BearerAuth(manager, [url])
        async with _session(auth, connector=aiohttp.TCPConnector(ssl=trusting)) as session:
            async with session.get(url) as response:
                assert response.status == 200
        async with _session(auth) as session, session.get(url, ssl=trusting) as response:
            assert response.status == 200
    assert vendor.tokens == ["Bearer t1"] * 2


async def test_untrusted_certificate(manager: TokenManager, tls: ssl.SSLContext) -> None:
    """A server with an untrusted certificate gets no request."""
    vendor = Vendor("t1")
    async with served(vendor, tls=tls) as url, _session(BearerAuth(manager, [url])) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(url)
    assert vendor.seen == []


def _lax() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


@pytest.mark.parametrize("where", ["call", "call_context", "connector", "connector_context"])
async def test_no_verification_no_token(
    manager: TokenManager, issuer: Issuer, tls: ssl.SSLContext, where: str
) -> None:
    """Where verification is switched off, by call or connector, nothing is sent and no token is asked for."""
    vendor = Vendor("t1")
    setting: ssl.SSLContext | bool = _lax() if where.endswith("context") else False
    async with served(vendor, tls=tls) as url:
        auth = BearerAuth(manager, [url])
        connector = aiohttp.TCPConnector(ssl=setting if where.startswith("connector") else True)
        async with _session(auth, connector=connector) as session:
            with pytest.raises(OriginError, match="verification off"):
                await session.get(url, ssl=setting if where.startswith("call") else True)
    assert vendor.seen == []
    assert issuer.calls == 0


async def test_connector_without_tls(manager: TokenManager, tmp_path: Path) -> None:
    """A connector that knows nothing of TLS, such as one for a Unix socket, switches no verification off."""
    seen: list[str | None] = []

    async def note(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.Response()

    app = web.Application()
    app.router.add_get("/", note)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "socket")).start()
    connector = aiohttp.UnixConnector(str(tmp_path / "socket"))
    async with _session(BearerAuth(manager, [URL("http://h")]), connector=connector) as session:
        (await session.get("http://h/")).release()
    await runner.cleanup()
    assert seen == ["Bearer t1"]


async def test_verification_off_for_others(manager: TokenManager, tls: ssl.SSLContext) -> None:
    """A foreign origin gets no token, so its TLS is the user's own affair."""
    other = Vendor()
    async with (
        served(other, tls=tls) as foreign,
        _session(BearerAuth(manager, [URL("https://h")])) as session,
    ):
        (await session.get(foreign, ssl=False)).release()
    assert other.tokens == [None]


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    await socket.send_str(request.headers["Authorization"])
    await socket.close()
    return socket


async def test_websocket(manager: TokenManager) -> None:
    """ws:// of the same origin gets the token on its handshake; another origin does not."""
    vendor, other = Vendor("t1", answer=_websocket), Vendor()
    async with served(vendor) as url, served(other) as foreign:
        async with _session(BearerAuth(manager, [url])) as session:
            async with session.ws_connect(url.with_scheme("ws")) as socket:
                assert await socket.receive_str() == "Bearer t1"
            with pytest.raises(aiohttp.WSServerHandshakeError):
                await session.ws_connect(foreign.with_scheme("ws"))
    assert other.tokens == [None]


async def test_websocket_401(manager: TokenManager, issuer: Issuer) -> None:
    """A 401 on the handshake renews once, and the second handshake succeeds."""
    vendor = Vendor("t2", answer=_websocket)
    async with served(vendor) as url, _session(BearerAuth(manager, [url])) as session:
        async with session.ws_connect(url.with_scheme("ws")) as socket:
            assert await socket.receive_str() == "Bearer t2"
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2


async def test_secure_websocket(manager: TokenManager, tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """wss:// counts as its https origin."""
    vendor = Vendor("t1", answer=_websocket)
    async with served(vendor, tls=tls) as url, _session(BearerAuth(manager, [url])) as session:
        async with session.ws_connect(url.with_scheme("wss"), ssl=trusting) as socket:
            assert await socket.receive_str() == "Bearer t1"


async def test_repr(manager: TokenManager) -> None:
    """The repr shows how many origins, and nothing secret."""
    await manager.token()
    auth = BearerAuth(manager, [URL("https://h"), URL("https://i")], headers={"X-Api-Key": "hunter2"})
    assert repr(auth) == "<BearerAuth for 2 origins>"


async def test_one_middleware_many_requests(manager: TokenManager, issuer: Issuer) -> None:
    """One object serves any number of requests at the same time."""
    vendor = Vendor("t1")
    async with served(vendor) as url, _session(BearerAuth(manager, [url])) as session:
        answers = await asyncio.gather(*(session.get(url / str(number)) for number in range(50)))
    assert {answer.status for answer in answers} == {200}
    assert issuer.calls == 1
