"""Only a body that is known to go out whole a second time is sent again."""

# ruff: noqa: SIM117 - servers, session and answer are three things, and read best one below the other

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import IO, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.payload import (
    AsyncIterablePayload,
    BufferedReaderPayload,
    BytesPayload,
    JsonPayload,
    StringPayload,
)

from nauth import replay
from nauth.bearer import BearerAuth
from nauth.manager import TokenManager
from nauth.replay import replayable, settle
from tests.fakes.http import Issuer, Vendor, manager_of, served
from tests.fakes.servers import RawServer

_BODY = b"0123456789abcdef" * 20_000
"""More than one chunk of everything on the way."""


@pytest.fixture
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def manager(issuer: Issuer) -> AsyncIterator[TokenManager]:
    manager = manager_of(issuer)
    yield manager
    await manager.aclose()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Return a file whose first bytes have been read already."""
    path = tmp_path / "body"
    path.write_bytes(b"skip" + _BODY)
    with path.open("rb") as file:
        file.seek(4)
        yield file


@pytest.fixture
def pipe() -> Iterator[IO[bytes]]:
    """Return a file that cannot seek."""
    read, write = os.pipe()
    os.write(write, b"x" * 4096)
    os.close(write)
    with os.fdopen(read, "rb") as file:
        yield file


async def _generate() -> AsyncIterator[bytes]:
    yield _BODY[:1000]
    yield _BODY[1000:]


def _form(value: object) -> aiohttp.FormData:
    form = aiohttp.FormData()
    form.add_field("name", "value")
    form.add_field("file", value, filename="body")
    return form


def _multipart(*parts: Any) -> aiohttp.MultipartWriter:
    writer = aiohttp.MultipartWriter("mixed", boundary="frontier")
    for part in parts:
        writer.append(part)
    return writer


# --- what is replayed -----------------------------------------------------------------------------

_WHOLE: dict[str, Callable[[IO[bytes]], dict[str, Any]]] = {
    "none": lambda _: {},
    "empty": lambda _: {"data": b""},
    "json": lambda _: {"json": {"a": [1, 2, 3]}},
    "dict form": lambda _: {"data": {"a": "1", "b": "2"}},
    "bytes": lambda _: {"data": _BODY[:1000]},
    "str": lambda _: {"data": "ü" * 1000},
    "StringIO": lambda _: {"data": io.StringIO("ü" * 1000)},
    "BytesIO": lambda _: {"data": io.BytesIO(_BODY)},
    "file": lambda file: {"data": file},
    "FormData": lambda file: {"data": _form(file)},
    "FormData without a file": lambda _: {"data": _form("text")},
    "nested multipart": lambda file: {"data": _multipart("a", _multipart(b"b", file))},
    "deflate": lambda _: {"data": _BODY[:9000], "compress": "deflate"},
    "compressed file": lambda file: {"data": file, "compress": "gzip"},
    "expect100": lambda _: {"data": _BODY[:9000], "expect100": True},
    "expect100 with a file": lambda file: {"data": file, "expect100": True},
    "chunked": lambda _: {"data": _BODY[:9000], "chunked": True},
}


@pytest.mark.parametrize("kind", _WHOLE)
async def test_whole_body_twice(manager: TokenManager, issuer: Issuer, kind: str, opened: IO[bytes]) -> None:
    """The second attempt sends the same bytes as the first, all of them, and its answer is the caller's."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session,
    ):
        async with session.post(url, **_WHOLE[kind](opened)) as response:
            assert response.status == 200
            size = (await response.json())["size"]
    first, second = vendor.seen
    assert (first.size, first.digest) == (second.size, second.digest)
    assert second.size == size
    assert (size > 0) is (kind not in {"none", "empty"})
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2


async def test_file_from_where_it_stood(manager: TokenManager, opened: IO[bytes]) -> None:
    """A file is sent from its position, both times, and not from its beginning."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session,
    ):
        (await session.post(url, data=opened)).release()
    assert [seen.digest for seen in vendor.seen] == [hashlib.sha256(_BODY).hexdigest()] * 2


# --- what is not ----------------------------------------------------------------------------------


def _stream() -> aiohttp.StreamReader:
    return replay._refilled(_BODY[:1000])


_ONCE: dict[str, Callable[[IO[bytes]], Any]] = {
    "async generator": lambda _: _generate(),
    "StreamReader": lambda _: _stream(),
    "unseekable file": lambda pipe: pipe,
    "multipart with a generator": lambda _: _multipart("a", AsyncIterablePayload(_generate())),
    "FormData with an unseekable file": _form,
    "nested multipart with an unseekable file": lambda pipe: _multipart("a", _multipart(pipe)),
}


@pytest.mark.parametrize("kind", _ONCE)
async def test_one_shot_body(manager: TokenManager, issuer: Issuer, kind: str, pipe: IO[bytes]) -> None:
    """A body that can be sent once is: the 401 comes back with its body, and the next call has a new token."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session,
    ):
        async with session.post(url, data=_ONCE[kind](pipe)) as response:
            assert response.status == 401
            assert await response.json() == {"no": 1}
        assert len(vendor.seen) == 1
        assert vendor.seen[0].size > 0
        async with session.get(url) as response:
            assert response.status == 200
    assert vendor.tokens == ["Bearer t1", "Bearer t2"]
    assert issuer.calls == 2


# --- replayable() ---------------------------------------------------------------------------------


async def test_replayable_types(opened: IO[bytes], pipe: IO[bytes]) -> None:
    """Known types are replayable, and only those."""
    for body in (
        b"",
        b"x",
        BytesPayload(b"x"),
        StringPayload("x"),
        JsonPayload({}),
        BufferedReaderPayload(opened),
    ):
        assert replayable(body)
    one_shot = BufferedReaderPayload(pipe)
    others = (None, "x", object(), one_shot, _multipart(one_shot), AsyncIterablePayload(_generate()))
    assert [replayable(body) for body in others] == [False] * 6


async def test_consumed_is_final(opened: IO[bytes]) -> None:
    """What says that it is consumed is believed, whatever its type."""
    payload = BufferedReaderPayload(opened)
    writer = _multipart("a")
    assert replayable(writer)
    payload._consumed = writer._consumed = True
    assert not replayable(payload)
    assert not replayable(writer)


def test_strange_files(tmp_path: Path) -> None:
    """A closed file, or something that is no file, is not replayable."""
    file = (tmp_path / "x").open("w+b")
    payload = BufferedReaderPayload(file)
    file.close()
    assert not replayable(payload)
    payload._value = object()  # type: ignore[assignment]  # what a subclass may hold
    assert not replayable(payload)


async def test_body_spent_while_settling(manager: TokenManager, issuer: Issuer, opened: IO[bytes]) -> None:
    """A body found to be spent after the first attempt was stopped is not sent again; the 401 stays readable."""

    async def spend(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        close = request.close

        async def close_late() -> None:
            await close()
            request.body._consumed = True  # type: ignore[union-attr]  # a payload: it was given a file

        request.close = close_late  # type: ignore[method-assign]  # what a writer still running would do
        return response

    vendor = Vendor("t2")
    async with served(vendor) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]), spend)) as session:
            async with session.post(url, data=opened) as response:
                assert response.status == 401
                assert await response.json() == {"no": 1}
            assert (await manager.token()).authorization == "Bearer t2"
    assert len(vendor.seen) == 1
    assert issuer.calls == 2


# --- settle() -------------------------------------------------------------------------------------


class _Settling:
    """A middleware that settles every answer and hands it back."""

    def __init__(self) -> None:
        self.released: bool | None = None

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        await settle(request, response)
        self.released = response.connection is None
        return response


async def _settled(handler: Callable[[web.Request], Any], **options: Any) -> tuple[bytes, int]:
    """Return what is readable of an answer that was settled, and how many connections two such took."""
    ports, body = set(), b""

    async def count(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        ports.add(request.transport.get_extra_info("peername"))
        answer: web.StreamResponse = await handler(request)
        return answer

    settling = _Settling()
    async with served(count) as url, aiohttp.ClientSession(middlewares=(settling,)) as session:
        for _ in range(2):
            async with session.get(url, **options) as response:
                assert settling.released
                body = await response.read()
        return body, len(ports)


async def test_small_answer_keeps_its_connection() -> None:
    """A small answer is read whole, stays readable, and its connection serves the next request."""

    async def small(_: web.Request) -> web.Response:
        return web.Response(status=401, body=b"x" * 1000)

    assert await _settled(small) == (b"x" * 1000, 1)


async def test_chunked_answer_keeps_its_connection() -> None:
    """So does one that does not say how long it is."""

    async def chunked(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=401)
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(b"one ")
        await response.write(b"two")
        await response.write_eof()
        return response

    assert await _settled(chunked) == (b"one two", 1)


async def test_empty_answer() -> None:
    """There need be nothing to read."""

    async def empty(_: web.Request) -> web.Response:
        return web.Response(status=401)

    assert await _settled(empty) == (b"", 1)


async def test_large_answer_is_cut() -> None:
    """Of a large answer the first 64 KiB stay, and the connection goes."""

    async def large(_: web.Request) -> web.Response:
        return web.Response(status=401, body=b"x" * 2_000_000)

    assert await _settled(large) == (b"x" * 65_536, 2)


async def test_every_way_of_reading() -> None:
    """A settled answer can be read as text, as JSON, and as a stream."""

    async def refuse(_: web.Request) -> web.Response:
        return web.json_response({"no": "ü"}, status=401)

    async with served(refuse) as url, aiohttp.ClientSession(middlewares=(_Settling(),)) as session:
        async with session.get(url) as response:
            assert not response.content.at_eof()
            assert await response.json() == {"no": "ü"}
            assert await response.text() == '{"no": "\\u00fc"}'
            assert response.content.at_eof()
        async with session.get(url) as response:
            assert b"".join([chunk async for chunk in response.content.iter_any()]) == b'{"no": "\\u00fc"}'
        with pytest.raises(aiohttp.ClientResponseError):
            await session.get(url, raise_for_status=True)


async def test_body_already_read() -> None:
    """An answer whose body a vendor's own check has read stays readable."""

    class Reading(_Settling):
        async def __call__(
            self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            async def read(inner: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
                response = await handler(inner)
                await response.read()
                return response

            return await super().__call__(request, read)

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, text="no")

    async with served(refuse) as url, aiohttp.ClientSession(middlewares=(Reading(),)) as session:
        async with session.get(url) as response:
            assert response.content.at_eof()
            assert await response.read() == b"no"


async def test_endless_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that never ends is waited for no longer than the deadline; what came of it stays readable."""
    monkeypatch.setattr(replay, "_SETTLE_S", 0.05)
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    async with (
        RawServer(reply, hang=True) as server,
        aiohttp.ClientSession(middlewares=(_Settling(),)) as session,
    ):
        async with session.get(server.url()) as response:
            assert response.status == 401
            assert await response.read() == b"some"


async def test_answer_that_breaks() -> None:
    """An answer that breaks off is a 401 all the same."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    async with RawServer(reply) as server, aiohttp.ClientSession(middlewares=(_Settling(),)) as session:
        async with session.get(server.url()) as response:
            assert response.status == 401
            assert await response.read() in {b"", b"some"}  # aiohttp drops what arrives together with the end


async def test_callers_timeout_is_the_callers() -> None:
    """The caller's own deadline, met while settling, ends the request; it is not taken for ours."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    timeout = aiohttp.ClientTimeout(total=0.1)
    reached: list[str] = []

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await _Settling()(request, handler)
        reached.append("settled")
        return response

    async with RawServer(reply, hang=True) as server, aiohttp.ClientSession(middlewares=(note,)) as session:
        with pytest.raises(TimeoutError):
            await session.get(server.url(), timeout=timeout)
    assert reached == []


async def test_cancelled_while_settling() -> None:
    """A caller cancelled while settling leaves no connection behind."""
    reply = b"HTTP/1.1 401 No\r\nContent-Length: 100\r\n\r\nsome"
    waiting = asyncio.Event()

    async def note(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        waiting.set()
        await settle(request, response)
        raise AssertionError("settled")

    async with RawServer(reply, hang=True) as server, aiohttp.ClientSession(middlewares=(note,)) as session:
        task = asyncio.ensure_future(session.request("GET", server.url()))
        await waiting.wait()
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.connector is not None
        assert not session.connector._acquired


@pytest.mark.parametrize("small", [True, False])
async def test_upload_still_running(small: bool) -> None:
    """An upload still running when the 401 comes is stopped, and the same body can be sent whole at once."""
    body = b"x" * 8_000_000
    sizes: list[int] = []

    async def handler(request: web.Request) -> web.Response:
        if not sizes:
            sizes.append(0)
            return web.Response(
                status=401, body=b"n" * (10 if small else 200_000)
            )  # without reading the request
        sizes.append(len(await request.read()))
        return web.Response()

    async def twice(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        first = await handler(request)
        assert first.status == 401
        await settle(request, first)
        return await handler(request)

    async with served(handler) as url, aiohttp.ClientSession(middlewares=(twice,)) as session:
        async with asyncio.timeout(20), session.post(url, data=io.BytesIO(body)) as response:
            assert response.status == 200
    assert sizes == [0, len(body)]
