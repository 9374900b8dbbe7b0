"""The parts of httpx and httpx2 used here, and how bodies are kept and sent again; imports both only when needed."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping, MutableMapping
from functools import cache
from types import ModuleType
from typing import Protocol

from nauth.errors import ConfigurationError

__all__ = [
    "HttpxRequest",
    "HttpxResponse",
    "HttpxUrl",
    "hold",
    "hold_short",
    "kept",
    "packages",
    "replayable",
]

_NAMES = ("httpx2", "httpx")

_SMALL = 65_536
_SETTLE_S = 2.0
"""Limits in bytes and seconds, as in `nauth.bearer.aiohttp_replay`."""


class HttpxUrl(Protocol):
    """The part of their ``URL`` that is used here."""

    scheme: str
    raw_host: bytes
    port: int | None
    path: str
    username: str
    password: str


class HttpxRequest(Protocol):
    """The part of their ``Request`` that is used here."""

    method: str
    url: HttpxUrl
    headers: MutableMapping[str, str]
    extensions: Mapping[str, object]
    stream: object
    content: bytes


class _Stream(Protocol):
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    async def aclose(self) -> None: ...


class HttpxResponse(Protocol):
    """The part of their ``Response`` that is used here."""

    status_code: int
    request: HttpxRequest
    headers: Mapping[str, str]
    stream: _Stream
    content: bytes
    is_stream_consumed: bool

    async def aclose(self) -> None:
        """Release the connection."""
        ...


@cache
def packages() -> tuple[ModuleType, ...]:
    """Import httpx2 and httpx, as far as they are installed.

    If both are installed, both are returned: an ``Auth`` made for one does not work with the other.

    Raises:
        ConfigurationError: neither is installed.
    """
    found: list[ModuleType] = []
    for name in _NAMES:
        try:
            found.append(importlib.import_module(name))
        except ModuleNotFoundError as missing:
            if type(missing) is not ModuleNotFoundError or missing.name != name:
                raise  # installed, but something that it needs is not
    if not found:
        raise ConfigurationError("neither httpx2 nor httpx is installed: pip install nauth[httpx]")
    # httpx2.alias_httpx() makes the two names one module
    return tuple(dict.fromkeys(found))


def replayable(hop: HttpxRequest, first: HttpxRequest) -> bool:
    """Tell whether sending `hop`, the request after redirects from `first`, sends the same body again.

    Only bodies held as bytes count: JSON, forms, text. Multipart and generators are streams to httpx.
    """
    # a redirect that keeps the body reuses the stream object, but not the bytes read from it
    request = first if hop.stream is first.stream else hop
    try:
        request.content  # noqa: B018 - reading it raises if there are no bytes
    except RuntimeError:  # RequestNotRead, of either package
        return False
    return True


def kept(body: bytes, *, error: Exception | None = None, like: object = None) -> _Kept:
    """Return a stream for both packages that yields `body` each time it is read and belongs to no connection.

    Args:
        body: as received, not decoded.
        error: raised after the body.
        like: the stream it replaces; httpx2 reads the elapsed time from it.
    """
    stream = _kept_class()()
    stream.body, stream.error, stream.elapsed = body, error, getattr(like, "elapsed", None)
    return stream


class _Kept:
    body: bytes
    error: Exception | None
    elapsed: object
    rest: AsyncIterator[bytes] | None = None
    source: _Stream | None = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.body:
            yield self.body
        if self.rest is not None:
            async for chunk in self.rest:
                yield chunk
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        """Close what the rest comes from, if anything is left."""
        if self.source is not None:
            await self.source.aclose()


@cache
def _kept_class() -> type[_Kept]:
    return type("Kept", (_Kept, *(package.AsyncByteStream for package in packages())), {})


async def hold(response: HttpxResponse, *, refused: bool) -> None:
    """Read the body of `response`, release its connection, and leave the body readable.

    Callers that hold unread responses while they wait for a token could fill the connection pool and wait for ever.

    Args:
        response: if its body was read before, only its connection is released.
        refused: true for a 401: its body is cut at 64 KiB, after two seconds or at a transport error; a compressed
            body that was cut is dropped, because it cannot be decoded. False: the whole body is read, and a transport
            error is raised to the reader.
    """
    source = response.stream
    if response.is_stream_consumed:
        await response.aclose()
        return
    body, error, whole = bytearray(), None, False
    try:
        async with asyncio.timeout(_SETTLE_S if refused else None):
            async for chunk in source:
                body += chunk
                if refused and len(body) > _SMALL:
                    break
            else:
                whole = True
    except TimeoutError:
        pass
    except tuple(package.TransportError for package in packages()) as lost:
        error = lost
    await source.aclose()
    if refused:
        raw = b"" if not whole and "content-encoding" in response.headers else bytes(body[:_SMALL])
        response.stream = kept(raw, like=source)
    else:
        response.stream = kept(bytes(body), error=error, like=source)


async def hold_short(response: HttpxResponse, most: int) -> bool:
    """Read the body of `response` if it has at most `most` bytes as it is sent, and tell whether it has.

    Either way it stays readable: a transport error is raised to the reader, and of a longer body what was read comes first.
    """
    if response.is_stream_consumed:
        return True
    source = response.stream
    chunks, body, error = aiter(source), bytearray(), None
    try:
        while len(body) <= most:
            body += await anext(chunks)
    except StopAsyncIteration:
        pass
    except tuple(package.TransportError for package in packages()) as lost:
        error = lost
    else:
        more = kept(bytes(body), like=source)
        more.rest, more.source = chunks, source
        response.stream = more
        return False
    await source.aclose()
    response.stream = kept(bytes(body), error=error, like=source)
    return True
