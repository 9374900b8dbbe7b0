"""httpx and httpx2 get the token for the configured origins and for nothing else; a caller's own header wins."""

# ruff: noqa: SIM117 - servers, client and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import importlib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from nauth.bearer import httpx as module
from nauth.bearer import httpx_replay as httpx_body
from nauth.bearer.httpx import httpx_auth
from nauth.bearer.httpx_redirects import hop_key
from nauth.errors import ConfigurationError, NotSentError, OriginError
from nauth.events import Event, OriginRefused
from nauth.manager.token_manager import TokenManager
from tests.support.http.httpx_kits import KITS, auth_of, client_of
from tests.support.http.vendor import Issuer, Vendor, manager_of, served
from tests.support.http.vendor import client_of as vendor_client_of


async def test_token_and_headers(kit: str, manager: TokenManager, issuer: Issuer) -> None:
    """Requests to the origin carry the token and the vendor's headers; one sign-in serves them all."""
    vendor = Vendor("t1")
    async with (
        served(vendor) as url,
        client_of(kit, auth_of(manager, url, headers={"accountId": "a1"})) as http,
    ):
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"):
            assert (await http.request(method, str(url / "x"))).status_code == 200
    assert vendor.tokens == ["Bearer t1"] * 7
    assert {seen.headers["accountId"] for seen in vendor.seen} == {"a1"}
    assert issuer.calls == 1


async def test_one_object_for_both_packages() -> None:
    """A vendor client hands out one object, which httpx and httpx2 take at the same time."""
    vendor = Vendor("t1")
    async with served(vendor) as url, vendor_client_of(Issuer(), url, headers={"accountId": "a1"}) as client:
        auth = client.httpx_auth()
        assert auth is client.httpx_auth()
        async with client_of("httpx", auth) as one, client_of("httpx2", auth) as two:
            answers = await asyncio.gather(
                *(http.get(str(url / str(n))) for n in range(20) for http in (one, two))
            )
    assert {answer.status_code for answer in answers} == {200}
    assert vendor.tokens == ["Bearer t1"] * 40
    assert {seen.headers["accountId"] for seen in vendor.seen} == {"a1"}


async def test_vendors_accept_replaces_httpxs(kit: str, manager: TokenManager) -> None:
    """The vendor's header replaces one that httpx adds by default; a header that the caller sets stays."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        auth = auth_of(
            manager,
            url,
            headers={"Accept": "application/json", "User-Agent": "nauth-test", "accountId": "a1"},
        )
        async with client_of(kit, auth) as http:
            await http.get(str(url))
            await http.get(
                str(url), headers={"accept": "text/csv", "user-agent": "mine", "ACCOUNTID": "my own"}
            )
            del http.headers["user-agent"]
            await http.get(str(url))
    first, second, third = (seen.headers for seen in vendor.seen)
    assert (first["Accept"], first["User-Agent"]) == ("application/json", "nauth-test")
    assert (second["Accept"], second["User-Agent"]) == ("text/csv", "mine")
    assert second.getall("accountId") == ["my own"]
    assert (third.getall("Accept"), third.getall("User-Agent")) == (["application/json"], ["nauth-test"])


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
async def test_callers_authorization_wins(kit: str, manager: TokenManager, issuer: Issuer, name: str) -> None:
    """A caller's own Authorization is sent alone, is never replaced after a 401, and costs no sign-in."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        assert (await http.get(str(url), headers={name: "Mine own"})).status_code == 401
    assert [seen.headers.getall("Authorization") for seen in vendor.seen] == [["Mine own"]]
    assert issuer.calls == 0


async def test_user_info_is_the_callers_authorization(kit: str, manager: TokenManager) -> None:
    """A user name in the URL is sent as Basic and wins over the token, but not over a header."""
    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        target = str(url.with_user("me").with_password("p:ü"))
        await http.get(target)
        await http.get(target, headers={"Authorization": "Mine own"})
    assert vendor.tokens == ["Basic bWU6cDrDvA==", "Mine own"]


async def test_foreign_origin_passes_through(kit: str, manager: TokenManager, issuer: Issuer) -> None:
    """A foreign origin gets the request, without token and without the vendor's headers."""
    events: list[Event] = []
    vendor, other = Vendor("t1"), Vendor("t1")
    async with served(vendor) as url, served(other) as foreign:
        auth = auth_of(
            manager, url, headers={"accountId": "a1", "User-Agent": "nauth-test"}, observer=events.append
        )
        async with client_of(kit, auth) as http:
            for target in (
                foreign / "x",
                url.with_host("localhost"),
                foreign.with_user("127.0.0.1"),
                f"http://{url.host}:{url.port}@{foreign.authority}/x",
                f"http://{url.host}:{url.port}\\@{foreign.authority}/x",
            ):
                assert (await http.get(str(target))).status_code == 401
            assert (await http.get(f"HTTP://{url.authority}/%2e%2e/X")).status_code == 200
    for seen in (*other.seen, vendor.seen[0]):
        assert "Bearer" not in (seen.authorization or "")
        assert "accountId" not in seen.headers
        assert seen.headers["User-Agent"].startswith(f"python-{kit}/")
    assert len(other.seen) == 4
    assert vendor.tokens == [None, "Bearer t1"]
    assert events[0] == OriginRefused(origin=f"http://127.0.0.1:{foreign.port}")
    assert [type(event) for event in events] == [OriginRefused] * 5
    assert issuer.calls == 1


async def test_foreign_origin_without_observer(kit: str, manager: TokenManager) -> None:
    """An observer is optional."""
    other = Vendor()
    async with served(other) as foreign, client_of(kit, auth_of(manager, URL("https://h"))) as http:
        await http.get(str(foreign))
    assert other.tokens == [None]


@pytest.mark.parametrize(
    "target, same",
    [
        ("HTTPS://Müller.DE:443/x", True),
        ("https://xn--mller-kva.de", True),
        ("https://u:p@müller.de", True),
        ("wss://müller.de", True),
        ("https://müller.de.", False),
        ("https://api%2eexample", False),
        ("https://API.example", True),
        ("https://müller.de:80", False),
        ("http://müller.de", False),
        ("https://www.müller.de", False),
        ("https://müller.de@evil.example", False),
        ("https://müller.de\\@evil.example", False),
        ("http://[::1]:8080", True),
        ("http://[::1]", False),
        ("http://[::2]:8080", False),
        ("mailto:me", False),
    ],
)
async def test_origins_are_compared_as_they_are_connected(
    kit: str, manager: TokenManager, target: str, same: bool
) -> None:
    """Scheme, host and port decide, normalised as httpx does it; whatever is in doubt is foreign."""
    package: Any = importlib.import_module(kit)
    auth: Any = auth_of(
        manager, URL("https://müller.de"), URL("https://api.example"), URL("http://[::1]:8080")
    )
    flow = auth.async_auth_flow(package.Request("GET", target))
    sent = await anext(flow)
    await flow.aclose()
    assert (sent.headers.get("Authorization", "").startswith("Bearer") or "u:p" in target) is same


def test_default_ports() -> None:
    """A port left out is the scheme's; an unknown scheme has none."""
    assert hop_key("ws", b"h", None) == ("http", "h", 80)
    assert hop_key("wss", b"h", None) == ("https", "h", 443)
    assert hop_key("https", b"h", 80) == ("https", "h", 80)
    assert hop_key("ftp", b"h", None) == ("ftp", "h", None)


# --- TLS ------------------------------------------------------------------------------------------


def _lax() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


async def test_https(kit: str, manager: TokenManager, tls: ssl.SSLContext, trusting: ssl.SSLContext) -> None:
    """The token goes over verified TLS."""
    vendor = Vendor("t1")
    async with served(vendor, tls=tls) as url:
        async with client_of(kit, auth_of(manager, url), verify=trusting) as http:
            assert (await http.get(str(url))).status_code == 200
    assert vendor.tokens == ["Bearer t1"]


@pytest.mark.parametrize("own", [False, True])
@pytest.mark.parametrize("verify", ["off", "context"])
async def test_no_verification_no_token(
    kit: str, manager: TokenManager, tls: ssl.SSLContext, verify: str, own: bool
) -> None:
    """Where verification is switched off nothing is sent, not even a caller's own header."""
    vendor = Vendor("t1")
    async with served(vendor, tls=tls) as url:
        setting = False if verify == "off" else _lax()
        async with client_of(kit, auth_of(manager, url), verify=setting) as http:
            for _ in range(2):
                with pytest.raises(OriginError, match="verification off"):
                    await http.get(str(url), headers={"Authorization": "Mine own"} if own else {})
    assert vendor.seen == []


async def test_verification_off_for_others(kit: str, manager: TokenManager, tls: ssl.SSLContext) -> None:
    """A foreign origin gets no token, so its TLS is the user's own affair."""
    other = Vendor()
    async with served(other, tls=tls) as foreign:
        async with client_of(kit, auth_of(manager, URL("https://h")), verify=False) as http:
            await http.get(str(foreign))
    assert other.tokens == [None]


async def test_callers_own_trace(kit: str, manager: TokenManager) -> None:
    """A `trace` extension of the caller's keeps working, once, however often the request is sent."""
    events: list[str] = []

    async def trace(event: str, info: dict[str, Any]) -> None:
        events.append(event)

    vendor = Vendor("t1")
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        request = http.build_request("GET", str(url), extensions={"trace": trace})
        for _ in range(2):
            await http.send(request)
    assert events.count("http11.send_request_headers.started") == 2
    assert events.count("connection.connect_tcp.complete") == 1


async def test_request_sent_twice(kit: str, manager: TokenManager) -> None:
    """The token of the first sending does not pass for the caller's own at the second."""
    vendor = Vendor("t1")
    async with served(vendor) as url:
        async with client_of(kit, auth_of(manager, url, headers={"accountId": "a1"})) as http:
            request = http.build_request("GET", str(url))
            await http.send(request)
            vendor.good = {"Bearer t2"}
            assert (await http.send(request)).status_code == 200
            request.headers["accountId"] = "mine"
            assert (await http.send(request)).status_code == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t1", "Bearer t2", "Bearer t2"]
    assert [seen.headers["accountId"] for seen in vendor.seen] == ["a1", "a1", "a1", "mine"]


# --- what it is -----------------------------------------------------------------------------------


async def test_failed_sign_in_is_raised_once(kit: str) -> None:
    """A sign-in that fails reaches the caller as its typed error, and nothing reaches the vendor."""
    vendor, issuer = Vendor(), Issuer(error=NotSentError("down"))
    manager = manager_of(issuer)
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        with pytest.raises(NotSentError, match="down"):
            await http.get(str(url))
    assert (issuer.calls, vendor.seen) == (1, [])
    await manager.aclose()


def test_synchronous_client(kit: str) -> None:
    """A synchronous client gets an error that says what to use, and sends nothing."""
    auth = auth_of(manager_of(Issuer()), URL("http://127.0.0.1:1"))
    package: Any = importlib.import_module(kit)
    with package.Client(auth=auth, transport=package.MockTransport(pytest.fail)) as http:
        with pytest.raises(ConfigurationError, match="use AsyncClient"):
            http.get("http://127.0.0.1:1/")


def test_plain_callable() -> None:
    """A client that calls it as a function gets an error, not an unsigned request."""
    with pytest.raises(ConfigurationError, match=r"httpx\.AsyncClient and httpx2\.AsyncClient only"):
        auth_of(manager_of(Issuer()))("request")


async def test_repr(manager: TokenManager) -> None:
    """The repr shows how many origins, and nothing secret."""
    await manager.token()
    auth = auth_of(manager, URL("https://h"), URL("https://i"), headers={"X-Api-Key": "hunter2"})
    assert repr(auth) == "<HttpxAuth for 2 origins>"


@pytest.fixture
def unknown() -> Iterator[None]:
    """Forget which packages are installed, before and after."""
    found = (httpx_body.packages, httpx_body._kept_class, module._auth_class)
    for one in found:
        one.cache_clear()
    yield
    for one in found:
        one.cache_clear()


async def test_neither_installed(unknown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without both packages the error says what to install, again at each call."""
    for name in KITS:
        monkeypatch.setitem(sys.modules, name, None)
    async with vendor_client_of(Issuer(), URL("https://h")) as client:
        for _ in range(2):
            with pytest.raises(ConfigurationError, match=r"pip install nauth\[httpx\]"):
                client.httpx_auth()


async def test_one_installed(unknown: None, monkeypatch: pytest.MonkeyPatch, kit: str) -> None:
    """One package is enough."""
    for name in set(KITS) - {kit}:
        monkeypatch.setitem(sys.modules, name, None)
    vendor = Vendor("t1")
    async with served(vendor) as url, vendor_client_of(Issuer(), url) as client:
        async with client_of(kit, client.httpx_auth()) as http:
            assert (await http.get(str(url))).status_code == 200


def test_broken_installation(unknown: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A package that lacks one of its dependencies does not count as not installed."""
    (tmp_path / "httpx2.py").write_text("import nothing_of_this_name\n")
    monkeypatch.delitem(sys.modules, "httpx2", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        auth_of(manager_of(Issuer()))


async def test_httpx2_in_httpxs_place(unknown: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where httpx2 answers to both names, as `httpx2.alias_httpx` arranges, it is one package."""
    monkeypatch.setitem(sys.modules, "httpx", importlib.import_module("httpx2"))
    vendor = Vendor("t1")
    async with served(vendor) as url, vendor_client_of(Issuer(), url) as client:
        async with client_of("httpx2", client.httpx_auth()) as http:
            assert (await http.get(str(url))).status_code == 200


def test_neither_is_imported_before() -> None:
    """Importing a client imports neither package."""
    code = (
        "import sys, nauth.bearer.httpx, nombaauth; "
        "sys.exit(' '.join(name for name in ('httpx', 'httpx2') if name in sys.modules) or 0)"
    )
    path = [str(path) for path in sys.path]
    program = f"import sys; sys.path[:0] = {path!r}; {code}"
    # our own interpreter on our own text
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)  # noqa: S603
    assert (done.returncode, done.stderr) == (0, "")


def test_httpx_auth_is_what_both_expect() -> None:
    """The object is an `Auth` of both packages, of one class however often it is made."""
    one, two = (httpx_auth(manager_of(Issuer()), [URL("https://h")]) for _ in range(2))
    assert type(one) is type(two)
    assert all(isinstance(one, importlib.import_module(name).Auth) for name in KITS)
