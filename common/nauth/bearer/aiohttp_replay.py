"""Decide whether a request body can be sent again; read and release the refused response before waiting for a token."""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, ClientRequest, ClientResponse, MultipartWriter, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.payload import BytesPayload, IOBasePayload

from nauth.transport.aiohttp_private import seekable

__all__ = ["replayable", "settle"]

_SMALL = 65_536
"""Bytes of a refused answer worth reading, to keep them and the connection; a larger one is cut and closed."""

_SETTLE_S = 2.0
"""Seconds a refused answer gets to arrive; one that trickles is cut and closed."""


def replayable(body: object) -> bool:
    """Tell whether sending `body` again sends the same bytes.

    Only types known to replay count. Everything else, async generators and streams above all, would send nothing or
    only the rest the second time, and the server might answer 200 to that.
    """
    if isinstance(body, BytesPayload | bytes):
        return True
    if isinstance(body, IOBasePayload):
        return not body.consumed and seekable(body)
    if isinstance(body, MultipartWriter):
        return not body.consumed and all(replayable(part) for part, _, _ in body)
    return False


async def settle(request: ClientRequest, response: ClientResponse) -> None:
    """Let go of the connection of an attempt that was answered 401, and keep its body for whoever gets to see it.

    Callers that hold unread answers while they wait for a token can fill a connection pool for good; an upload still
    running when the answer came must be stopped before the same body is sent again.

    The answer may yet be handed back, so what has arrived stays readable in every way, as if it had just come; beyond
    64 KiB, or two seconds, it is cut.

    Raises:
        TimeoutError: the caller's own time is up.
    """
    body = bytearray()
    ours = asyncio.timeout(_SETTLE_S)
    try:
        async with ours:
            while len(body) < _SMALL and (chunk := await response.content.readany()):
                body += chunk
    except ClientError:  # lost on the way: the status is known, and the rest hardly matters
        response.close()
    except TimeoutError:
        response.close()
        if not ours.expired():
            raise
    except BaseException:
        response.close()
        raise
    if not response.content.at_eof():
        response.close()
    await request.close()
    response.content = _refilled(bytes(body[:_SMALL]))


def _refilled(body: bytes) -> StreamReader:
    """Return a stream that holds `body` and belongs to no connection."""
    loop = asyncio.get_running_loop()
    stream = StreamReader(BaseProtocol(loop), limit=_SMALL, loop=loop)
    stream.feed_data(body)
    stream.feed_eof()
    return stream
