"""What httpx and httpx2 have in common, the bodies of their answers above all; imports neither until asked."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Mapping, MutableMapping
from functools import cache
from types import ModuleType
from typing import Protocol

from nauth.errors import ConfigurationError

__all__ = ["HttpxRequest", "HttpxResponse", "HttpxUrl", "hold", "kept", "packages", "replayable"]

_NAMES = ("httpx2", "httpx")

_SMALL = 65_536
_SETTLE_S = 2.0
"""Bytes and seconds, as in `nauth.bearer.aiohttp_replay` and for the same reasons."""


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
        """Let go of the connection."""
        ...


@cache
def packages() -> tuple[ModuleType, ...]:
    """Import httpx2 and httpx, as far as they are installed.

    Both, where both are: an object made for one is no use to the other.

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
    """Tell whether sending `hop`, which redirects may have made of `first`, sends the same body again.

    Only bodies held as bytes count: JSON, forms, text. Multipart and generators are streams to httpx.
    """
    # a redirect that keeps the body carries the same stream on, without the bytes read from it
    request = first if hop.stream is first.stream else hop
    try:
        request.content  # noqa: B018 - reading it is the question
    except RuntimeError:  # RequestNotRead, of either package
        return False
    return True


def kept(body: bytes, *, error: Exception | None = None, like: object = None) -> _Stream:
    """Return a stream of either package that gives `body`, any number of times, and belongs to no connection.

    Args:
        body: as it came, not decoded.
        error: raised after it.
        like: the stream it takes the place of; httpx2 asks it for the time it took.
    """
    stream = _kept_class()()
    stream.body, stream.error, stream.elapsed = body, error, getattr(like, "elapsed", None)
    return stream


class _Kept:
    body: bytes
    error: Exception | None
    elapsed: object

    async def __aiter__(self) -> AsyncIterator[bytes]:
        if self.body:
            yield self.body
        if self.error is not None:
            raise self.error

    async def aclose(self) -> None:
        """Do nothing: there is nothing open."""


@cache
def _kept_class() -> type[_Kept]:
    return type("Kept", (_Kept, *(package.AsyncByteStream for package in packages())), {})


async def hold(response: HttpxResponse, *, refused: bool) -> None:
    """Take the body of `response` off its connection and leave it readable, as if it had just come.

    Callers that hold unread answers while they wait for a token can fill a connection pool for good.

    Args:
        response: whose body nobody has read yet; of one that was read, only the connection is let go.
        refused: it is a 401, of which what arrives counts: cut beyond 64 KiB or two seconds, and a failure is the
            end. A compressed one that was cut is dropped, for nobody could read it. Otherwise all of it is read,
            and a failure is kept for the reader.
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
