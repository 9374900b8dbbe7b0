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

from nauth.bearer import aiohttp_replay as replay
from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.aiohttp_replay import replayable
from nauth.manager.token_manager import TokenManager
from tests.support.http.vendor import Issuer, Vendor, served

_BODY = b"0123456789abcdef" * 20_000
"""More than one chunk of everything on the way."""


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
    "compressed JSON": lambda _: {"json": {"a": [1, 2, 3]}, "compress": True},
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


@pytest.fixture
def large(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Return a file of eight megabytes: more than fits into the buffers on the way."""
    path = tmp_path / "large"
    path.write_bytes(_BODY * 25)
    with path.open("rb") as file:
        yield file


@pytest.mark.parametrize("kind", ["BytesIO", "file", "multipart"])
async def test_401_before_the_upload_ends(manager: TokenManager, large: IO[bytes], kind: str) -> None:
    """A vendor that refuses without reading gets the whole body the second time, and never a cut one."""
    content, whole = _BODY * 25, []

    async def impatient(request: web.Request) -> web.Response:
        if request.headers["Authorization"] == "Bearer t1":
            return web.Response(status=401)
        whole.append(content in await request.read())
        return web.Response()

    body = {"BytesIO": io.BytesIO(content), "file": large, "multipart": _multipart(large)}[kind]
    async with served(impatient) as url:
        async with aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session:
            async with asyncio.timeout(20), session.post(url, data=body) as response:
                assert response.status == 200
    assert whole == [True]


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
_HOW: dict[str, dict[str, Any]] = {
    "plain": {},
    "compressed": {"compress": "deflate"},
    "expect100": {"expect100": True},
}


@pytest.mark.parametrize("how", _HOW)
@pytest.mark.parametrize("kind", _ONCE)
async def test_one_shot_body(
    manager: TokenManager, issuer: Issuer, kind: str, how: str, pipe: IO[bytes]
) -> None:
    """A body that can be sent once is: the 401 comes back with its body, and the next call has a new token."""
    vendor = Vendor("t2")
    async with (
        served(vendor) as url,
        aiohttp.ClientSession(middlewares=(BearerAuth(manager, [url]),)) as session,
    ):
        async with session.post(url, data=_ONCE[kind](pipe), **_HOW[how]) as response:
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
