"""Read a body that is short, of a response of aiohttp or httpx, and leave every other to its reader."""

from __future__ import annotations

import asyncio

from nauth.bearer.httpx_response import HttpxResponseView
from nauth.bearer.unauthorized import Answered
from nauth.transport.aiohttp_private import more_of

__all__ = ["short_body"]

_PATIENCE_S = 2.0
"""Seconds that the end of a body of unknown length may take to come. It is taken for a long one then."""


async def short_body(response: Answered, most: int) -> bytes | None:
    """Return the body of `response` if it has at most `most` bytes; it stays readable either way.

    A body without `Content-Length`, as servers send that write while they work, is short if its end comes before more bytes
    than that.

    Returns:
        None for a longer body, of which nothing was read.

    Raises:
        aiohttp.ClientError, OSError: the body broke off.
    """
    if isinstance(response, HttpxResponseView):
        return await response.short_body(most)
    known = response.content_length
    if known is None:
        content = response.content
        try:
            async with asyncio.timeout(_PATIENCE_S):
                while not content.is_eof() and content.total_bytes <= most:
                    await more_of(content)
        except TimeoutError:  # ours, or the caller's, who meets it again when reading
            return None
        known = content.total_bytes
    return await response.read() if known <= most else None
