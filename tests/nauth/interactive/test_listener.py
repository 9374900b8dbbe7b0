"""What the loopback listener answers to each request, seen on raw sockets, and what it leaves behind."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from datetime import timedelta

import attrs
import pytest

from nauth.errors import ConfigurationError, InteractionRequiredError
from nauth.interactive import LoopbackListener, SignInTimeoutError, loopback_host
from nauth.secret import Secret

_STATE = Secret("the-state")
_RIGHT = "/callback?code=CANARY-code&state=the-state"


@attrs.define
class _Stage:
    listener: LoopbackListener
    waiting: asyncio.Task[Secret]

    async def raw(self, text: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port)
        writer.write(text.encode())
        answer = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
        return int(answer.split()[1]), answer

    async def ask(
        self, path: str, *, method: str = "GET", host: str | None = None, **headers: str
    ) -> tuple[int, str]:
        host = host or f"127.0.0.1:{self.listener.port}"
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}", "Connection: close"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return await self.raw("\r\n".join([*lines, "", ""]))


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    """A listener that waits for `_STATE`."""
    # in debug mode aiohttp's server formats a traceback for each bad line, from files that it reads in the loop
    asyncio.get_running_loop().set_debug(False)
    async with LoopbackListener(timeout=timedelta(seconds=20)) as listener:
        waiting = asyncio.create_task(listener.callback(state=_STATE))
        await asyncio.sleep(0)
        yield _Stage(listener, waiting)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_the_right_one(stage: _Stage) -> None:
    """A visit of the path with the state: a page that loads nothing, and the address is handed over."""
    status, page = await stage.ask(_RIGHT)
    assert status == 200
    assert "You can close this window" in page
    for header in ("Cache-Control: no-store", "Referrer-Policy: no-referrer", "Connection: close"):
        assert header in page
    policy = page.partition("Content-Security-Policy: ")[2].partition("\r\n")[0]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert not re.search(r"src=|href=|url\(|@import|CANARY", page.partition("\r\n\r\n")[2])
    assert "prefers-color-scheme:dark" in page
    callback = await stage.waiting
    assert callback.reveal() == f"http://127.0.0.1:{stage.listener.port}{_RIGHT}"


@pytest.mark.parametrize(
    "status, path, more",
    [
        (404, "/favicon.ico", {}),
        (404, "/other?code=c&state=the-state", {}),
        (404, "/callback/?code=c&state=the-state", {}),
        (200, _RIGHT, {"method": "HEAD"}),
        (404, "/", {"method": "HEAD"}),
        (405, _RIGHT, {"method": "POST"}),
        (405, _RIGHT, {"method": "OPTIONS"}),
        (421, _RIGHT, {"host": "evil.example"}),
        (421, _RIGHT, {"host": "localhost:80"}),
        (421, _RIGHT, {"host": "127.0.0.1"}),
        (400, "/callback?code=c&state=wrong", {}),
        (400, "/callback?code=c", {}),
        (400, "/callback?code=c&state=the-state&state=the-state", {}),
        (400, "/callback?error=access_denied", {}),
        (400, "/callback?error=access_denied&state=wrong", {}),
        (400, "/callback?state=the-state", {}),
        (503, _RIGHT, {"Sec_Purpose": "prefetch;prerender"}),
        (503, _RIGHT, {"Purpose": "prefetch"}),
        (403, _RIGHT, {"Sec_Fetch_Dest": "image"}),
        (403, _RIGHT, {"Sec_Fetch_Dest": "iframe"}),
        (403, _RIGHT, {"Sec_Fetch_Dest": "empty"}),
    ],
)
async def test_others_are_turned_away(stage: _Stage, status: int, path: str, more: dict[str, str]) -> None:
    """None of these counts, and the right one is still taken afterwards."""
    got, answer = await stage.ask(path, **more)
    assert got == status, answer
    assert "CANARY" not in answer
    await asyncio.sleep(0)
    assert not stage.waiting.done()
    assert (await stage.ask(_RIGHT, Sec_Fetch_Dest="document", Sec_Fetch_Site="same-site"))[0] == 200
    await stage.waiting


async def test_two_hosts_or_none(stage: _Stage) -> None:
    """The server itself refuses them."""
    assert (await stage.raw(f"GET {_RIGHT} HTTP/1.1\r\nConnection: close\r\n\r\n"))[0] in {400, 421}
    two = f"GET {_RIGHT} HTTP/1.1\r\nHost: 127.0.0.1:{stage.listener.port}\r\nHost: evil\r\nConnection: close\r\n\r\n"
    assert (await stage.raw(two))[0] in {400, 421}
    assert not stage.waiting.done()


async def test_the_same_again(stage: _Stage) -> None:
    """A second callback is told so, also an error after the code."""
    await stage.ask(_RIGHT)
    assert (await stage.ask(_RIGHT))[0] == 409
    assert (await stage.ask("/callback?error=access_denied&state=the-state"))[0] == 409
    assert "CANARY-code" in (await stage.waiting).reveal()


async def test_a_denial_counts(stage: _Stage) -> None:
    """With our state, an error is an answer: its words are not shown."""
    status, page = await stage.ask("/callback?error=access_denied&error_description=CANARY&state=the-state")
    assert (status, "You have not signed in" in page, "CANARY" in page) == (200, True, False)
    assert "error=access_denied" in (await stage.waiting).reveal()


async def test_long_addresses(stage: _Stage) -> None:
    """Sixty thousand characters are taken, which two JWTs may need; far more is refused."""
    assert (await stage.ask(f"/callback?code={'x' * 90_000}&state=the-state"))[0] == 400
    assert (await stage.ask(f"/callback?code={'x' * 60_000}&state=the-state"))[0] == 200
    assert len((await stage.waiting).reveal()) > 60_000


async def test_nothing_is_logged(stage: _Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Not a malformed line, not one that is too long, not the visit itself; and no repr holds the path."""
    with caplog.at_level(logging.DEBUG):
        await stage.raw("GET /callback?code=CANARY\x00&state HTTP/1.1\r\nHost: x\r\n\r\n")
        await stage.raw("CANARY\r\n\r\n")
        await stage.ask(f"/callback?code=CANARY{'x' * 90_000}")
        await stage.ask(_RIGHT)
        await stage.waiting
    assert "CANARY" not in caplog.text
    assert [record for record in caplog.records if record.name.startswith("aiohttp")] == []
    assert "callback" not in repr(stage.listener)


async def test_the_path_is_the_secret() -> None:
    """Without a state the path must be right, and a token in the query."""
    async with LoopbackListener(path="/s3cret-path") as listener:
        waiting = asyncio.create_task(listener.callback(state=None))
        await asyncio.sleep(0)
        stage = _Stage(listener, waiting)
        assert (await stage.ask("/other?azure_token=t"))[0] == 404
        assert (await stage.ask("/s3cret-path?authCallback=1"))[0] == 400
        assert (await stage.ask("/s3cret-path?azure_token=t&authCallback=1"))[0] == 200
        assert (await waiting).reveal().endswith("?azure_token=t&authCallback=1")


async def test_time_is_up() -> None:
    """A closed browser: an error in words that says what to do, and the port is free."""
    async with LoopbackListener(timeout=timedelta(milliseconds=20)) as listener:
        port = listener.port
        with pytest.raises(SignInTimeoutError, match="no browser came back") as caught:
            await listener.callback(state=_STATE)
        assert isinstance(caught.value, InteractionRequiredError)
    async with LoopbackListener(port=port) as again:
        assert again.port == port


async def test_before_anyone_waits() -> None:
    """A browser that is back before the wait has begun is turned away and may come again."""
    async with LoopbackListener() as listener:
        stage = _Stage(listener, asyncio.create_task(asyncio.sleep(0, Secret(""))))
        assert (await stage.ask(_RIGHT))[0] == 400


async def test_a_port_in_use() -> None:
    """Refused at once, before anything is shown, by a message that names the port and the way out."""
    async with LoopbackListener() as listener:
        with pytest.raises(ConfigurationError, match=f"port {listener.port} .* is taken by another program"):
            async with LoopbackListener(port=listener.port):
                pass
    with pytest.raises(ConfigurationError, match="cannot listen on"):
        async with LoopbackListener(host="203.0.113.7"):
            pass
    await listener.aclose()


async def test_a_half_sent_request_holds_nothing(stage: _Stage) -> None:
    """An idle connection and half a request block neither the right one nor the end."""
    idle = await asyncio.open_connection("127.0.0.1", stage.listener.port)
    half = await asyncio.open_connection("127.0.0.1", stage.listener.port)
    half[1].write(b"GET /callback?code=")
    assert (await stage.ask(_RIGHT))[0] == 200
    async with asyncio.timeout(5):
        await stage.waiting
        await stage.listener.aclose()
    for _, writer in (idle, half):
        writer.close()


async def test_the_other_family() -> None:
    """On ::1 the address has brackets; behind a published port the address is the one outside."""
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        async with LoopbackListener(host="::1") as listener:
            assert listener.redirect_uri == f"http://[::1]:{listener.port}/callback"
    except ConfigurationError:
        pytest.skip("this machine has no loopback in IPv6")
    async with LoopbackListener(host="0.0.0.0", address="127.0.0.1:8700") as listener:  # noqa: S104 - what is tested
        assert listener.redirect_uri == "http://127.0.0.1:8700/callback"


async def test_a_server_that_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The port is freed."""
    from aiohttp import web  # noqa: PLC0415 - to be patched

    async def broken(self: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(web.AppRunner, "setup", broken)
    listener = LoopbackListener()
    with pytest.raises(RuntimeError):
        await listener.__aenter__()
    assert listener._socket is None


@pytest.mark.parametrize(
    "uri, host",
    [
        ("http://127.0.0.1/cb", "127.0.0.1"),
        ("http://127.0.0.1:7/cb", "127.0.0.1"),
        ("http://[::1]/cb", "::1"),
        ("http://localhost/cb", None),
        ("https://127.0.0.1/cb", None),
        ("https://app.example/cb", None),
        ("", None),
    ],
)
def test_what_is_loopback(uri: str, host: str | None) -> None:
    """Literal addresses over http; the name localhost may be another program's."""
    assert loopback_host(uri) == host
