"""Decide whether a body can be sent again; read and release a refused response before waiting for a token."""

from __future__ import annotations

import asyncio

from aiohttp import ClientError, ClientRequest, ClientResponse, MultipartWriter, StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.hdrs import EXPECT
from aiohttp.payload import BytesPayload, IOBasePayload

from nauth.transport.aiohttp_private import seekable

__all__ = ["expect_again", "replayable", "settle"]

_SMALL = 65_536
"""Bytes of a refused response that are read and kept. A longer body is cut and its connection closed."""

_SETTLE_S = 2.0
"""Seconds a refused response may take to arrive. After that it is cut and its connection closed."""


def replayable(body: object) -> bool:
    """Tell whether sending `body` again sends the same bytes.

    Only types known to be repeatable count. Anything else, such as an async generator or a stream, would send nothing
    or only its rest the second time, and the server might answer 200 to that.
    """
    if isinstance(body, BytesPayload | bytes):
        return True
    if isinstance(body, IOBasePayload):
        return not body.consumed and seekable(body)
    if isinstance(body, MultipartWriter):
        return not body.consumed and all(replayable(part) for part, _, _ in body)
    return False


def expect_again(request: ClientRequest) -> None:
    """Let `request` wait for "100 Continue" anew when it is sent again, if it waits for it at all.

    The first attempt's wait ended with its 401: cancelled where that came in the place of the 100.
    """
    if request.headers.get(EXPECT, "").lower() == "100-continue":
        request.update_expect_continue()


async def settle(request: ClientRequest, response: ClientResponse) -> None:
    """Read a 401 response and release its connection; its body stays readable for the caller.

    Callers that hold unread responses while they wait for a token could fill the connection pool and wait for ever. An
    upload that is still running must be stopped before the same body is sent again.

    The caller may get this response, so what has arrived can be read as usual. Beyond 64 KiB or two seconds it is cut.

    Raises:
        TimeoutError: the caller's timeout has passed.
    """
    body = bytearray()
    ours = asyncio.timeout(_SETTLE_S)
    try:
        async with ours:
            while len(body) < _SMALL and (chunk := await response.content.readany()):
                body += chunk
    except ClientError:  # the connection broke: the status is known, and the body matters little
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
