"""`VendorClient.request` is used like aiohttp's, and carries the token to the vendor only."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import inspect
import ssl
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from nauth.client import VendorClient
from nauth.errors import ConfigurationError, OriginError
from nauth.stores.base import StoreKey
from nauth.stores.memory import MemoryStore
from nauth.token import Token
from tests.support.http.vendor import Issuer, Vendor, client_of, served


async def test_await_and_async_with() -> None:
    """A request is awaited, or entered, as with aiohttp."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        response = await client.request("GET", "/x")
        assert await response.json() == {"size": 0}
        async with client.request("POST", "x", json=[]) as entered:
            assert await entered.json() == {"size": 2}
    assert vendor.tokens == ["Bearer t1"] * 2


async def test_methods() -> None:
    """Each method has its short name, with the same options."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        for call in (client.get, client.post, client.put, client.patch, client.delete):
            async with call("/x", params={"a": "1"}) as response:
                assert response.status == 200
    assert [seen.method for seen in vendor.seen] == ["GET", "POST", "PUT", "PATCH", "DELETE"]
    assert {seen.path for seen in vendor.seen} == {"/x?a=1"}


@pytest.mark.parametrize("prefix", ["", "/", "/api/v1", "/api/v1/"])
async def test_base_path(prefix: str) -> None:
    """A relative URL is appended to the base's path, whatever slashes there are; an absolute one stands."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url.with_path(prefix)) as client:
        for target in ("x/y", "/x/y", URL("x/y"), url.with_path("/other")):
            async with client.get(target) as response:
                assert response.status == 200
    below = prefix.rstrip("/")
    assert [seen.path for seen in vendor.seen] == [f"{below}/x/y"] * 3 + ["/other"]


@pytest.mark.parametrize(
    "target",
    [
        "/a%2Fb/c%20d",
        "/x?flag",
        "/x?a=1&flag&b=",
        "/x?a=b=c&d=%2B+%26",
        "/x?q=%E2%82%AC&q=2&q=1",
        "/x;v=1,2/y",
        "/x?redirect=https%3A%2F%2Fh%2Fy%3Fz",
    ],
)
async def test_encoding_survives(target: str) -> None:
    """Path and query arrive as a plain aiohttp session would send them."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client, aiohttp.ClientSession() as plain:
        (await client.get(target)).release()
        (await plain.get(URL(f"{url}{target[1:]}"))).release()
    ours, theirs = (seen.path for seen in vendor.seen)
    assert ours == theirs


async def test_encoded_byte_for_byte() -> None:
    """What is said to be encoded is not touched, and `params` are added behind it."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        (await client.get(URL("/a%2fb/%41?q=%2f%41&x", encoded=True))).release()
        (await client.get("/x?a=1", params={"b": "ü"})).release()
    assert [seen.path for seen in vendor.seen] == ["/a%2fb/%41?q=%2f%41&x", "/x?a=1&b=%C3%BC"]


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/x",
        "//evil.example/x",
        "http://good@evil.example/",
        "http://evil.example\\@127.0.0.1/",
        "http://127.0.0.1:{port}@evil.example/",
        "http://127.0.0.1.:{port}/",
        "http://localhost:{port}/",
        "http://127%2e0.0.1:{port}/",
        "http://[::ffff:127.0.0.1]:{port}/",
        "https://127.0.0.1:{port}/",
        "javascript:alert(1)",
        "data:text/plain,x",
    ],
)
async def test_foreign_origin(target: str) -> None:
    """A URL that leads elsewhere is refused at once: nothing is sent, and the client does not sign in."""
    vendor, issuer = Vendor("t1"), Issuer()
    async with served(vendor) as url, client_of(issuer, url) as client:
        with pytest.raises(OriginError, match="nothing was sent"):
            client.get(target.format(port=url.port))
    assert vendor.seen == []
    assert issuer.calls == 0


async def test_own_origin_in_other_words() -> None:
    """Upper case and user info of the same origin are the same origin."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url.with_host("localhost")) as client:
        async with client.get(f"HTTP://LOCALHOST:{url.port}/x") as response:
            assert response.status == 200


async def test_further_origins() -> None:
    """Origins named beside the base URL may have the token too."""
    one, two = Vendor("t1"), Vendor("t1")
    async with served(one) as url, served(two) as other:
        async with client_of(Issuer(), url, origins=[other]) as client:
            async with client.get(other / "x") as response:
                assert response.status == 200


@pytest.mark.parametrize("option", ["ssl", "verify_ssl", "ssl_context", "fingerprint"])
@pytest.mark.parametrize("value", [False, True, None])
async def test_tls_options(option: str, value: Any) -> None:
    """No option that touches TLS is taken, whatever its value; nothing is sent."""
    vendor, issuer = Vendor("t1"), Issuer()
    async with served(vendor) as url, client_of(issuer, url) as client:
        with pytest.raises(ConfigurationError, match="TLS verification cannot be changed"):
            client.get("/x", **{option: value})
    assert vendor.seen == []
    assert issuer.calls == 0


async def test_session_that_does_not_verify() -> None:
    """A session whose connector verifies nothing is refused; one that trusts another authority is not."""
    lax = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    lax.check_hostname = False
    lax.verify_mode = ssl.CERT_NONE
    base = URL("https://api.example.com")
    for setting in (False, lax):
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=setting)) as session:
            with pytest.raises(ConfigurationError, match="verification switched off"):
                client_of(Issuer(), base, session=session)
    strict = aiohttp.TCPConnector(ssl=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    async with aiohttp.ClientSession(connector=strict) as session, client_of(Issuer(), base, session=session):
        pass


async def test_a_context_that_is_changed_later() -> None:
    """A context whose checks are switched off after it was given carries no token any more, also in the session made before."""
    context = ssl.create_default_context()
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url, ssl_context=context) as client:
        (await client.get("/x")).release()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        with pytest.raises(OriginError, match="switches TLS verification off"):
            await client.get("/x")
    assert vendor.tokens == ["Bearer t1"]


async def test_a_session_closed_behind_its_back() -> None:
    """A middleware that closes the client's own session costs that request at most; the next call opens another one."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        (await client.get("/x")).release()
        await client._http().close()
        (await client.get("/x")).release()
    assert vendor.tokens == ["Bearer t1", "Bearer t1"]


def test_not_a_session() -> None:
    """What is no session is refused by its type's name."""
    with pytest.raises(ConfigurationError, match=r"must be an aiohttp\.ClientSession, not str"):
        client_of(Issuer(), URL("https://h"), session="session")


class _Noting:
    """A middleware that notes its name and whether the token was there already."""

    def __init__(self, name: str, notes: list[tuple[str, bool]]) -> None:
        self._name = name
        self._notes = notes

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self._notes.append((self._name, "Authorization" in request.headers))
        return await handler(request)


async def test_middlewares_of_a_call() -> None:
    """Middlewares of a single call run beside ours, inside it."""
    notes: list[tuple[str, bool]] = []
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        async with client.get("/x", middlewares=(_Noting("call", notes),)) as response:
            assert response.status == 200
        async with client.get("/x", middlewares=()) as response:
            assert response.status == 200
    assert notes == [("call", True)]
    assert vendor.tokens == ["Bearer t1"] * 2


async def test_users_session() -> None:
    """A user's session carries the requests, with its own headers and middlewares, and is never closed."""
    notes: list[tuple[str, bool]] = []
    vendor = Vendor("t1")
    async with served(vendor) as url:
        session = aiohttp.ClientSession(middlewares=(_Noting("own", notes),), headers={"X-Mine": "1"})
        async with session:
            async with client_of(Issuer(), url, session=session) as client:
                async with client.get("/x", middlewares=(_Noting("call", notes),)) as response:
                    assert response.status == 200
            assert not session.closed
            (await session.get(url)).release()
    assert notes == [("call", True), ("own", True), ("own", False)]
    assert [seen.headers["X-Mine"] for seen in vendor.seen] == ["1", "1"]
    assert vendor.tokens == ["Bearer t1", None]


async def test_auth_listed_already() -> None:
    """A session that lists `client.auth` itself does not get it twice: one 401 is one replay."""
    vendor, issuer = Vendor(), Issuer()
    async with served(vendor) as url, aiohttp.ClientSession() as session:
        client = client_of(issuer, url, session=session)
        session._middlewares = (client.auth,)
        async with client, client.get("/x", middlewares=(client.auth,)) as response:
            assert response.status == 401
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]


async def test_raise_for_status_option() -> None:
    """Aiohttp's options mean what they mean there."""
    vendor, issuer = Vendor("t2"), Issuer()
    async with served(vendor) as url, client_of(issuer, url) as client:
        async with client.get("/x", raise_for_status=True) as response:
            assert response.status == 200
        vendor.good = set()
        with pytest.raises(aiohttp.ClientResponseError):
            await client.get("/x", raise_for_status=True)


async def test_redirects_option() -> None:
    """allow_redirects=False hands the redirect back."""

    async def move(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": "/y"})

    vendor = Vendor("t1", answer=move)
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        async with client.get("/x", allow_redirects=False) as response:
            assert response.status == 302


async def test_timeout_option() -> None:
    """A short ClientTimeout ends that caller's request with TimeoutError; the renewal's token is kept."""
    gate = asyncio.Event()
    vendor, issuer = Vendor("t1"), Issuer(gate=gate)
    async with served(vendor) as url, client_of(issuer, url) as client:
        with pytest.raises(TimeoutError):
            await client.get("/x", timeout=aiohttp.ClientTimeout(total=0.1))
        gate.set()
        async with client.get("/x") as response:
            assert response.status == 200
    assert issuer.calls == 1


async def test_headers() -> None:
    """The vendor's headers go on every call, unless the caller sets them."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        async with client_of(
            Issuer(), url, headers={"accountId": "a1", "Accept": "application/json"}
        ) as client:
            (await client.get("/x")).release()
            (await client.get("/x", headers={"accountid": "a2", "accept": "text/csv"})).release()
    assert [seen.headers["accountId"] for seen in vendor.seen] == ["a1", "a2"]
    assert [seen.headers["Accept"] for seen in vendor.seen] == ["application/json", "text/csv"]


async def test_auth_in_a_session_of_ones_own() -> None:
    """`client.auth` serves a session that the client knows nothing of."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(Issuer(), url) as client:
        async with aiohttp.ClientSession(middlewares=(client.auth,)) as session:
            async with session.get(url) as response:
                assert response.status == 200


async def test_token_and_renew() -> None:
    """token() is a coroutine that gives the current token; renew() asks for another."""
    async with client_of(issuer := Issuer(), URL("https://h")) as client:
        pending = client.token()
        assert inspect.iscoroutine(pending)
        first = await pending
        assert isinstance(first, Token)
        assert await client.token() is first
        assert (await client.renew()).authorization == "Bearer t2"
    assert issuer.calls == 2


async def test_repr_shows_no_secret() -> None:
    """The repr names class, base URL and the token's state."""
    async with client_of(Issuer(), URL("https://h/v1")) as client:
        assert repr(client) == "<VendorClient https://h/v1: <TokenManager test: expired>>"
        await client.token()
        assert repr(client) == "<VendorClient https://h/v1: <TokenManager test: fresh>>"
    assert repr(client) == "<VendorClient https://h/v1: <TokenManager test: closed>>"


@pytest.mark.slow
async def test_client_per_request() -> None:
    """A thousand clients with equal credentials, one after the other, sign in once."""
    store, issuer = MemoryStore(), Issuer(lifetime=timedelta(hours=1))
    key = StoreKey(vendor="test", base_url="https://h", identity="one")
    for _ in range(1000):
        async with client_of(issuer, URL("https://h"), store=store, key=key) as client:
            assert (await client.token()).authorization == "Bearer t1"
    assert issuer.calls == 1


def test_subclasses_keep_their_name() -> None:
    """Users meet the vendor's class."""

    class OtherClient(VendorClient):
        pass

    assert OtherClient.__name__ == "OtherClient"
