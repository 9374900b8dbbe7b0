"""What aiohttp itself does not bound, or not as token calls need it: headers, interim responses, kept connections."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from math import inf

from aiohttp import ClientRequest, ClientResponse, ClientResponseError
from aiohttp.client_reqrep import ConnectionKey
from aiohttp.connector import Connection
from aiohttp.hdrs import CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING
from aiohttp.http_exceptions import BadHttpMessage

from nauth.owned_tasks import hidden

__all__ = [
    "FIELD_SIZE",
    "INTERIM",
    "BoundedResponse",
    "TokenRequest",
    "TooManyInterimResponses",
    "read_at_most",
]

FIELD_SIZE = 65_536
"""Bytes that one response header, or the status line, may take. aiohttp's 8,190 are too few for some gateways' cookies."""

INTERIM = 1_000
"""Interim responses (103 Early Hints, 102 Processing) read before the final one: a server may send one each second."""

_DIGITS = 15
"""Of a size in bytes that is believed."""


class TooManyInterimResponses(BadHttpMessage):
    """The server goes on sending interim responses."""

    def __init__(self) -> None:
        super().__init__(f"more than {INTERIM} interim responses")


class BoundedResponse(ClientResponse):
    """A response before which no endless row of interim responses is read.

    aiohttp asks after each interim response whether the request waits for "100 Continue", in `_continue`, and has no setting for
    how many there may be. A function around its reading would cost each request one percent more.
    """

    _interim = 0
    _waiting: asyncio.Future[bool] | None = None

    @property
    def _continue(self) -> asyncio.Future[bool] | None:  # pyright: ignore[reportIncompatibleVariableOverride]  # aiohttp's
        self._interim += 1
        if self._interim > INTERIM:
            message = str(TooManyInterimResponses())
            raise ClientResponseError(
                self.request_info, self.history, message=message
            ) from TooManyInterimResponses()
        return self._waiting

    @_continue.setter
    def _continue(self, waiting: asyncio.Future[bool] | None) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._waiting = waiting


class TokenRequest(ClientRequest):
    """A request on a connection that carries nothing else, also where the connector keeps connections.

    One that was kept, and that the server has just closed, would leave open whether the request was seen.
    """

    @property
    def connection_key(self) -> ConnectionKey:
        """A key of no connection that the pool has kept."""
        key = super().connection_key
        return key._replace(proxy_headers_hash=hash(("token call", key.proxy_headers_hash)))

    async def send(self, conn: Connection) -> ClientResponse:
        """Send, and let the connection be closed afterwards.

        Before Python 3.12 aiohttp writes the body in a task that begins a turn later. A program that cancels all tasks in
        between would cancel it before its first step, and the server would wait for the body, and the renewal for the server.
        """
        assert conn.protocol is not None  # noqa: S101 - the connection was made a moment ago
        conn.protocol.force_close()
        self.headers.setdefault(CONNECTION, "close")
        response = await super().send(conn)
        # aiohttp keeps the name for classes such as this one
        writer = self._writer
        if writer is not None:
            hidden(writer)
        return response


def read_at_most(response: ClientResponse, most: int) -> Awaitable[bytes | None]:
    """Return the decompressed body, or close `response` and return None once it is known to exceed `most` bytes.

    Raises:
        aiohttp.ClientError, OSError: when awaited: the body broke off.
    """
    # no coroutine of ours around aiohttp's where it was read before, by a middleware or the caller, or is known to be short
    content = response.content
    known = content.total_bytes if content.at_eof() else _announced(response.headers)
    return response.read() if known <= most else _counted(response, most)


def _announced(headers: Mapping[str, str]) -> float:
    """Return the size of the body where aiohttp's parser holds the server to it, else infinity."""
    length = headers.get(CONTENT_LENGTH, "")
    if CONTENT_ENCODING in headers or TRANSFER_ENCODING in headers or len(length) > _DIGITS:
        return inf
    return int(length) if length.isdecimal() else inf


async def _counted(response: ClientResponse, most: int) -> bytes | None:
    if response.content.at_eof():  # what was read before is too much
        response.close()
        return None
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            response.close()
            return None
    return bytes(body)
