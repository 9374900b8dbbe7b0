"""May this request be sent a second time? And: settle the first attempt before anybody waits."""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, ClientRequest, ClientResponse, MultipartWriter
from aiohttp.payload import BytesPayload, IOBasePayload

__all__ = ["replayable", "settle"]

_SMALL = 65_536
"""Bytes of a refused answer worth reading to keep its connection; a larger one is closed."""

_SETTLE_S = 2.0
"""Seconds an answer of a known small size gets to arrive; one that trickles is closed."""


def replayable(body: object) -> bool:
    """Tell whether sending `body` again sends the same bytes.

    Only types known to replay count. Everything else, async generators and streams above all, would send nothing or
    only the rest the second time, and the server might answer 200 to that.
    """
    if isinstance(body, BytesPayload | bytes):
        return True
    if isinstance(body, IOBasePayload):
        return not body.consumed and _seekable(body)
    if isinstance(body, MultipartWriter):
        return not body.consumed and all(replayable(part) for part, _, _ in body)
    return False


def _seekable(body: IOBasePayload) -> bool:
    try:
        return body._value.seekable()  # noqa: SLF001 - aiohttp has no public way to the file it was given
    except (AttributeError, ValueError):  # not a real file, or closed
        return False


async def settle(request: ClientRequest, response: ClientResponse) -> None:
    """Let go of the connection of an attempt that was answered 401.

    Callers that hold unread answers while they wait for a token can fill a connection pool for good; an upload still
    running when the answer came must be stopped before the same body is sent again.
    """
    length = response.content_length
    if length is not None and length <= _SMALL:
        try:
            async with asyncio.timeout(_SETTLE_S):
                await response.read()
        except (TimeoutError, ClientError, OSError):
            response.close()
    else:
        response.close()
    await request.close()
