"""With httpx too, a 401 costs one renewal, and only what is the same twice is sent twice."""

# ruff: noqa: SIM117 - servers, client and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import gzip
import io
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from nauth.bearer.httpx_response import HttpxResponseView
from nauth.errors import NotSentError
from nauth.events import Event, RequestReplayed
from nauth.testing import FakeClock
from nauth.token import RenewalPolicy
from nombaauth import NombaClient
from nombaauth.responses import hidden_401
from tests.support.http.httpx_kits import auth_of, client_of
from tests.support.http.servers import RawServer
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_LARGE = 2_000_000


async def _generate() -> AsyncIterator[bytes]:
    yield b"once"


def _refuse(body: bytes, **headers: str) -> Callable[[web.Request], Any]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, body=body, headers=headers)

    return refuse


_WHOLE: list[dict[str, Any]] = [
    {},
    {"json": {"a": 1}},
    {"data": {"a": "1"}},
    {"content": b"bytes"},
    {"content": "text"},
    {"content": b"y" * _LARGE},
]
_STREAMS: list[Callable[[], dict[str, Any]]] = [
    lambda: {"content": _generate()},
    lambda: {"files": {"file": ("a.txt", io.BytesIO(b"file"))}, "data": {"a": "1"}},
]


@pytest.mark.parametrize("body", _WHOLE, ids=lambda body: "".join(body) or "none")
async def test_whole_bodies_are_replayed(kit: str, body: dict[str, Any]) -> None:
    """Bodies held as bytes are sent twice, the same both times, and the observer hears of it."""
    events: list[Event] = []
    vendor, issuer = Vendor("t2"), Issuer()
    manager = manager_of(issuer)
    async with (
        served(vendor) as url,
        client_of(kit, auth_of(manager, url, observer=events.append)) as http,
    ):
        answer = await http.post(str(url), **body)
    assert answer.status_code == 200
    assert [seen.headers.getall("Authorization") for seen in vendor.seen] == [["Bearer t1"], ["Bearer t2"]]
    assert len({(seen.size, seen.digest) for seen in vendor.seen}) == 1
    assert events == [RequestReplayed(method="POST", status=200)]
    assert [past.status_code for past in answer.history] == [401]
    assert issuer.calls == 2
    await manager.aclose()


@pytest.mark.parametrize("body", _STREAMS, ids=["generator", "multipart"])
async def test_streams_are_not_replayed(kit: str, body: Callable[[], dict[str, Any]]) -> None:
    """After a 401 on a stream the caller gets it, readable; the next one goes out with a new token."""
    vendor, issuer = Vendor("t2"), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        refused = await http.post(str(url), **body())
        assert (refused.status_code, refused.json()) == (401, {"no": 1})
        assert (await http.post(str(url), **body())).status_code == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2
    await manager.aclose()


@pytest.mark.parametrize("size", [10, _LARGE])
@pytest.mark.slow
async def test_storm_in_a_small_pool(kit: str, size: int) -> None:
    """100 callers on five connections all meet a 401, large or small: one renewal, and all succeed."""
    vendor, issuer = Vendor("t2", refusal=_refuse(b"n" * size)), Issuer()
    manager = manager_of(issuer)
    limits = __import__(kit).Limits(max_connections=5)
    async with (
        served(vendor) as url,
        client_of(kit, auth_of(manager, url), limits=limits, timeout=40) as http,
    ):
        async with asyncio.timeout(40):
            answers = await asyncio.gather(*(http.post(str(url), content=b"y" * 10_000) for _ in range(100)))
    assert [answer.status_code for answer in answers] == [200] * 100
    assert issuer.calls == 2
    await manager.aclose()


async def test_endless_401(kit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 whose body never ends does not hold the renewal up for longer than the deadline."""
    monkeypatch.setattr("nauth.bearer.httpx_replay._SETTLE_S", 0.05)
    manager = manager_of(Issuer())
    reply = b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n"
    async with RawServer(reply, hang=True) as server:
        async with client_of(kit, auth_of(manager, server.url()), timeout=5) as http:
            async with asyncio.timeout(5), http.stream("GET", str(server.url())) as answer:
                assert answer.status_code == 401
        assert len(server.received) == 2
    await manager.aclose()


async def test_401_that_breaks_off(kit: str) -> None:
    """A 401 lost on the way is a 401: what has arrived of it is its body."""
    manager = manager_of(Issuer(same=True))
    async with RawServer(b"HTTP/1.1 401 No\r\nContent-Length: 50\r\n\r\nsome") as server:
        async with client_of(kit, auth_of(manager, server.url())) as http:
            answer = await http.get(str(server.url()))
            assert (answer.status_code, answer.content) == (401, b"some")
    await manager.aclose()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("size", [10, _LARGE])
async def test_401_during_the_cool_down_is_readable(kit: str, size: int, packed: bool) -> None:
    """While renewals are paused the 401 comes back at once, and what was kept of its body can be read."""
    body = bytes(number * number % 251 for number in range(size)) if packed else b"n" * size
    wire = gzip.compress(body, 0) if packed else body
    headers = {"Content-Encoding": "gzip"} if packed else {}
    vendor, issuer = Vendor(refusal=_refuse(wire, **headers)), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        await http.get(str(url))
        answer = await http.get(str(url))
    assert answer.status_code == 401
    assert answer.content == (body if size == 10 else b"" if packed else body[:65_536])
    assert answer.elapsed > timedelta(0)
    assert (issuer.calls, len(vendor.seen)) == (2, 3)
    await manager.aclose()


async def test_401_in_an_encoding_that_cannot_be_read(kit: str) -> None:
    """A first response that cannot be decoded does not prevent the replay."""
    manager = manager_of(Issuer())
    vendor = Vendor("t2", refusal=_refuse(b"not gzip", **{"Content-Encoding": "gzip"}))
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        assert (await http.get(str(url))).status_code == 200
    await manager.aclose()


async def test_401_that_a_hook_has_read(kit: str) -> None:
    """A caller's own hook may have read or closed the answer before."""
    manager = manager_of(Issuer())

    async def read(response: Any) -> None:
        await response.aread()

    vendor = Vendor("t2")
    async with served(vendor) as url:
        async with client_of(kit, auth_of(manager, url), event_hooks={"response": [read]}) as http:
            answer = await http.get(str(url))
    assert answer.status_code == 200
    assert answer.history[0].json() == {"no": 1}
    await manager.aclose()


async def test_always_401(kit: str) -> None:
    """A vendor that refuses everything sees two token calls for any number of requests; each caller gets the 401."""
    vendor, issuer = Vendor(), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        for _ in range(5):
            answers = await asyncio.gather(*(http.get(str(url)) for _ in range(20)))
            assert [(answer.status_code, answer.json()) for answer in answers] == [(401, {"no": 1})] * 20
    assert issuer.calls == 2
    await manager.aclose()


async def test_always_401_streams(kit: str) -> None:
    """So does one that refuses streams; after the cool-down it gets one more."""
    clock, vendor, issuer = FakeClock(), Vendor(), Issuer()
    manager = manager_of(issuer, clock=clock, policy=RenewalPolicy(cooldown=timedelta(seconds=10)))
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        for calls in (2, 3):
            for _ in range(20):
                assert (await http.post(str(url), content=_generate())).status_code == 401
            assert issuer.calls == calls
            clock.advance(11)
    await manager.aclose()


@pytest.mark.parametrize("status, calls", [(200, 3), (500, 2)])
async def test_streams_after_an_answer(kit: str, status: int, calls: int) -> None:
    """A token that worked may be renewed again when it dies; a 500 does not prove that it worked."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status)

    vendor, issuer = Vendor(answer=answer), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        for good in ("none", "t2", "none", "none"):
            vendor.good = {f"Bearer {good}"}
            await http.post(str(url), content=_generate())
    assert issuer.calls == calls
    await manager.aclose()


async def test_failed_renewal_is_raised_once(kit: str) -> None:
    """A renewal that fails reaches the caller as its typed error, and its connection is free again."""
    vendor, issuer = Vendor(), Issuer(error=NotSentError("down"), after=1)
    manager = manager_of(issuer)
    limits = __import__(kit).Limits(max_connections=1)
    async with served(vendor) as url, client_of(kit, auth_of(manager, url), limits=limits) as http:
        for _ in range(2):
            with pytest.raises(NotSentError, match="down"):
                await http.get(str(url))
        assert (await http.get(str(url), auth=("me", "pw"))).status_code == 401
    assert (issuer.calls, len(vendor.seen)) == (2, 2)
    await manager.aclose()


async def test_cancelled_while_waiting_for_the_new_token(kit: str) -> None:
    """A caller that gives up does not stop the renewal; its token serves the next."""
    gate = asyncio.Event()
    gate.set()
    vendor, issuer = Vendor("t2"), Issuer(gate=gate)
    manager = manager_of(issuer)
    await manager.token()
    gate.clear()
    async with served(vendor) as url, client_of(kit, auth_of(manager, url)) as http:
        issuer.started.clear()
        call = asyncio.ensure_future(http.get(str(url)))
        await issuer.started.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        gate.set()
        assert (await http.get(str(url))).status_code == 200
    assert issuer.calls == 2
    await manager.aclose()


# --- refusals that look like a success ------------------------------------------------------------


def _hide(body: bytes, **headers: str) -> Callable[[web.Request], Any]:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=202, body=body, headers={"Content-Type": "application/json"} | headers)

    return refuse


@pytest.mark.parametrize("packed", [False, True])
async def test_hidden_401(kit: str, packed: bool) -> None:
    """A refusal that comes with a status of success is renewed and replayed like a 401, compressed or not."""
    wire = b'{"code": "401"}'
    refusal = _hide(gzip.compress(wire), **{"Content-Encoding": "gzip"}) if packed else _hide(wire)
    vendor, issuer = Vendor("t2", refusal=refusal), Issuer()
    manager = manager_of(issuer)
    async with served(vendor) as url:
        async with client_of(kit, auth_of(manager, url, hidden_401=hidden_401)) as http:
            assert (await http.get(str(url))).status_code == 200
            assert (await http.get(str(url))).json() == {"size": 0}
    assert vendor.tokens == ["Bearer t1", "Bearer t2", "Bearer t2"]
    await manager.aclose()


async def test_always_hidden_401(kit: str) -> None:
    """Refusing everything in disguise costs two token calls, and the answer stays readable in every way."""
    vendor, issuer = Vendor(refusal=_hide(b'{"code": "401"}')), Issuer()
    manager = manager_of(issuer, clock=FakeClock())
    async with served(vendor) as url:
        async with client_of(kit, auth_of(manager, url, hidden_401=hidden_401)) as http:
            for _ in range(5):
                assert (await http.get(str(url))).json() == {"code": "401"}
            async with http.stream("GET", str(url)) as answer:
                assert [chunk async for chunk in answer.aiter_raw()] == [b'{"code": "401"}']
    assert issuer.calls == 2
    await manager.aclose()


@pytest.mark.parametrize("kind", ["broken", "undecodable"])
async def test_answer_that_cannot_be_looked_at(kit: str, kind: str) -> None:
    """A success whose body fails while looking is no 401; the caller meets the same failure."""
    coding = b"Content-Encoding: gzip\r\n" if kind == "undecodable" else b""
    length = b"8" if kind == "undecodable" else b"50"
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: " + length + b"\r\n" + coding
    )
    manager = manager_of(Issuer())
    package = __import__(kit)
    error = package.DecodingError if kind == "undecodable" else package.RemoteProtocolError
    async with RawServer(head + b"\r\nnot gzip") as server:
        async with client_of(kit, auth_of(manager, server.url(), hidden_401=hidden_401)) as http:
            with pytest.raises(error):
                await http.get(str(server.url()))
    await manager.aclose()


@pytest.mark.parametrize("kept", [False, True])
async def test_answer_that_a_hook_has_read(kit: str, kept: bool) -> None:
    """What a caller's own hook has read is looked at as far as it kept it."""

    async def read(response: Any) -> None:
        if kept:
            await response.aread()
        else:
            async for _ in response.aiter_raw():
                pass

    seen: list[bytes] = []

    async def look(answer: Any) -> bool:
        seen.append(await answer.read())
        return False

    manager = manager_of(Issuer())
    async with served(Vendor("t1")) as url:
        auth = auth_of(manager, url, hidden_401=look)
        async with client_of(kit, auth, event_hooks={"response": [read]}) as http:
            async with http.stream("GET", str(url)) as answer:
                assert answer.status_code == 200
    assert seen == [b'{"size": 0}' if kept else b""]
    await manager.aclose()


@pytest.mark.parametrize(
    "headers, kind, length",
    [
        ({}, "", None),
        ({"content-type": "Application/JSON; charset=utf-8", "content-length": "12"}, "application/json", 12),
        ({"content-length": "-1"}, "", None),
    ],
)
async def test_answer_in_aiohttps_words(
    kit: str, headers: dict[str, str], kind: str, length: int | None
) -> None:
    """Type and length are read from the headers as aiohttp reads them."""
    package = __import__(kit)
    request = package.Request("GET", "https://h", headers={"Authorization": "Bearer t1"})
    answer = HttpxResponseView(package.Response(202, headers=headers, request=request))
    assert (answer.status, answer.content_type, answer.content_length) == (202, kind, length)
    assert answer.request_info.headers["Authorization"] == "Bearer t1"


async def test_nomba(kit: str) -> None:
    """A vendor's own client signs, renews and replays with httpx."""
    from nombaauth.sandbox import NombaSandbox  # noqa: PLC0415 - only this test needs it

    async with NombaSandbox() as sandbox:
        async with NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba:
            async with client_of(kit, nomba.httpx_auth(), base_url=sandbox.base_url) as http:
                answer = await http.get("/v1/accounts/balance")
                assert answer.status_code == 200
                assert answer.request.headers["accountId"] == sandbox.credentials.account_id
