"""httpx follows redirects without asking again; even so another origin gets neither token nor headers."""

from __future__ import annotations

import ssl
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from nauth.bearer.httpx_redirects import HopGuard
from nauth.errors import OriginError
from nauth.manager.token_manager import TokenManager
from tests.support.http.httpx_kits import auth_of, client_of
from tests.support.http.vendor import Issuer, Vendor, served

_KINDS = [301, 302, 303, 307, 308]
_HEADERS = {"accountId": "a1", "X-Api-Key": "hunter2"}


class _Redirecting(Vendor):
    """Sends those with a good token from one path to the next, as `table` says."""

    def __init__(self, status: int, *good: str) -> None:
        super().__init__(*(good or ("t1",)), answer=self._move)
        self.table: dict[str, str] = {}
        self._status = status

    async def _move(self, request: web.Request) -> web.Response:
        if request.path not in self.table:
            return web.Response(text="here")
        return web.Response(status=self._status, headers={"Location": self.table[request.path]})


def _is_clean(vendor: Vendor) -> bool:
    return not any(
        name in seen.headers for seen in vendor.seen for name in ("Authorization", "accountId", "X-Api-Key")
    )


@pytest.mark.parametrize("place", ["port", "host"])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", _KINDS)
async def test_other_origin(
    *, kit: str, manager: TokenManager, issuer: Issuer, status: int, method: str, place: str
) -> None:
    """Another port or host sees neither the token nor the vendor's headers, and its 401 renews nothing."""
    vendor, other = _Redirecting(status), Vendor()
    async with served(vendor) as url, served(other) as foreign:
        target = foreign if place == "port" else foreign.with_host("localhost")
        vendor.table["/start"] = str(target / "end")
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS), follow_redirects=True) as http:
            answer = await http.request(method, str(url / "start"))
    assert answer.status_code == 401
    assert vendor.tokens == ["Bearer t1"]
    assert len(other.seen) == 1
    assert _is_clean(other)
    assert issuer.calls == 1


@pytest.mark.parametrize("status", _KINDS)
async def test_callers_authorization_is_not_replaced_by_ours(
    kit: str, manager: TokenManager, status: int
) -> None:
    """A caller's own header is gone at the stranger's, and the token does not take its place back home."""
    vendor, other = _Redirecting(status), _Redirecting(status)
    vendor.good = {"Mine own", None}  # type: ignore[arg-type]  # lets those without a token in as well
    other.good = {None}  # type: ignore[arg-type]  # as there
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS), follow_redirects=True) as http:
            await http.get(str(url / "start"), headers={"Authorization": "Mine own"})
    assert vendor.tokens == ["Mine own", None]
    assert len(other.seen) == 1
    assert _is_clean(other)


@pytest.mark.parametrize("status", _KINDS)
async def test_same_origin(kit: str, manager: TokenManager, status: int) -> None:
    """A redirect inside the origin keeps token and headers, written relative or absolute."""
    vendor = _Redirecting(status)
    async with served(vendor) as url:
        vendor.table = {"/start": "/middle", "/middle": str(url / "end")}
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS), follow_redirects=True) as http:
            assert (await http.get(str(url / "start"))).text == "here"
    assert vendor.tokens == ["Bearer t1"] * 3
    assert [seen.headers["accountId"] for seen in vendor.seen] == ["a1"] * 3


@pytest.mark.parametrize("status", _KINDS)
async def test_there_and_back(kit: str, manager: TokenManager, issuer: Issuer, status: int) -> None:
    """A to B to A: B never sees the token; A, asked without one, answers 401, which is handed back."""
    vendor, other = _Redirecting(status), _Redirecting(status)
    other.good = {None}  # type: ignore[arg-type]  # moves those without a token on
    async with served(vendor) as url, served(other) as foreign:
        vendor.table["/start"] = str(foreign / "middle")
        other.table["/middle"] = str(url / "end")
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS), follow_redirects=True) as http:
            assert (await http.get(str(url / "start"))).status_code == 401
    assert vendor.tokens == ["Bearer t1", None]
    assert _is_clean(other)
    assert issuer.calls == 1


@pytest.mark.parametrize("status", _KINDS)
async def test_to_plain_http(
    kit: str, manager: TokenManager, tls: ssl.SSLContext, trusting: ssl.SSLContext, status: int
) -> None:
    """From https to http is another origin, on the same host too."""
    vendor, plain = _Redirecting(status), Vendor()
    async with served(vendor, tls=tls) as url, served(plain) as bare:
        vendor.table["/start"] = str(bare / "end")
        auth = auth_of(manager, url, headers=_HEADERS)
        async with client_of(kit, auth, follow_redirects=True, verify=trusting) as http:
            await http.get(str(url / "start"))
    assert vendor.tokens == ["Bearer t1"]
    assert len(plain.seen) == 1
    assert _is_clean(plain)


async def test_from_plain_http_to_https() -> None:
    """The token that httpx leaves on a redirect from http to https of the same host goes off as well."""
    guard = HopGuard(frozenset({("http", "127.0.0.1", 80)}), None)
    guard.put({}, "Authorization", "Bearer t1")
    wire = [(b"authorization", b"Bearer t1"), (b"Accept", b"*/*"), (b"Authorization", b"Mine own")]

    async def clean(scheme: bytes) -> list[Any]:
        request = SimpleNamespace(
            url=SimpleNamespace(scheme=scheme, host=b"127.0.0.1", port=None), headers=wire
        )
        await guard("http2.send_request_headers.started", {"request": request})
        headers: list[Any] = request.headers
        return headers

    assert await clean(b"http") == wire
    assert await clean(b"https") == wire[1:]


async def test_unverified_connection_opened_unseen() -> None:
    """The handshake is refused even where the connection's opening was not told."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with pytest.raises(OriginError):
        await HopGuard(frozenset(), None)("proxy.start_tls.started", {"ssl_context": context})


@pytest.mark.parametrize("status", _KINDS)
async def test_redirect_after_a_401(kit: str, manager: TokenManager, status: int) -> None:
    """The token renewed on one hop is the next hop's, and a stranger's 401 renews nothing."""
    vendor, other = _Redirecting(status, "t2"), Vendor()
    async with served(vendor) as url, served(other) as foreign:
        vendor.table = {"/start": "/middle", "/middle": str(foreign / "end")}
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS), follow_redirects=True) as http:
            assert (await http.get(str(url / "start"))).status_code == 401
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2"]
    assert len(other.seen) == 1
    assert _is_clean(other)


@pytest.mark.parametrize("status, size", [(301, 0), (302, 0), (303, 0), (307, 3), (308, 3)])
async def test_401_after_a_redirect(kit: str, manager: TokenManager, status: int, size: int) -> None:
    """Where the redirect's target refuses the token, that request alone is sent again, not the one before it."""

    class Forgetful(_Redirecting):
        async def _move(self, request: web.Request) -> web.Response:
            self.good = {"Bearer t2"}
            return await super()._move(request)

    vendor = Forgetful(status)
    async with served(vendor) as url:
        vendor.table = {"/start": "/end"}
        async with client_of(kit, auth_of(manager, url), follow_redirects=True) as http:
            assert (await http.post(str(url / "start"), content=b"abc")).text == "here"
    assert [(seen.path, seen.size) for seen in vendor.seen] == [
        ("/start", 3),
        ("/end", size),
        ("/end", size),
    ]
    assert vendor.tokens == ["Bearer t1", "Bearer t1", "Bearer t2"]


async def test_redirects_off(kit: str, manager: TokenManager) -> None:
    """A redirect handed back can be followed by hand: home with a token, to a stranger without anything of ours."""
    vendor, other = _Redirecting(302), Vendor()
    async with served(vendor) as url, served(other) as foreign:
        vendor.table = {"/start": "/middle", "/middle": str(foreign / "end")}
        async with client_of(kit, auth_of(manager, url, headers=_HEADERS)) as http:
            answer = await http.get(str(url / "start"))
            while answer.next_request is not None:
                answer = await http.send(answer.next_request)
    assert vendor.tokens == ["Bearer t1"] * 2
    assert len(other.seen) == 1
    assert _is_clean(other)
