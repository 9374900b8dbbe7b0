"""The `Transport` over aiohttp: its own session per loop for token calls, or the client's session for the rest."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import TypeAlias

import aiohttp
from aiohttp import ClientResponse, ClientSession
from aiohttp.client_middlewares import ClientMiddlewareType
from multidict import CIMultiDict

from nauth.clock import Clock
from nauth.errors import ClosedError, ConfigurationError, NauthError
from nauth.origins import check_origin
from nauth.transport.attempt import Attempt
from nauth.transport.base import Answer, Request
from nauth.transport.sessions import LoopSessions

__all__ = ["AiohttpTransport"]

_CONNECT = timedelta(seconds=5)
_TOTAL = timedelta(seconds=15)
_MAX_BODY = 1 << 20
_CONNECTIONS = 8
"""Token calls are rare; this bounds a burst of different credentials, not throughput."""

_Failure: TypeAlias = NauthError | asyncio.CancelledError


class AiohttpTransport:
    """Send requests with aiohttp, and tell "never sent" from "sent, answer lost".

    Without `session` it makes one of its own for each running loop, when first used. That session has no
    middlewares, so a token call cannot wait for the token it is to bring; it follows no redirects, which would carry
    the client secret to another origin; and it never reuses a connection: a kept-alive one that the server has just
    closed would leave it open whether the request was seen.

    Args:
        clock: stamps each attempt.
        user_agent: sent unless the request, or the given session, names its own.
        connect: deadline for DNS, TCP and TLS together.
        total: deadline for everything, reading the answer included.
        max_body: largest answer accepted, in bytes after decompression.
        session: returns the client's own session. It is used as it is and never closed here; what was sent is then
            decided by the type of aiohttp's error alone.
        middlewares: used instead of the session's.

    Raises:
        ConfigurationError: a deadline or `max_body` is not positive.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        user_agent: str,
        connect: timedelta = _CONNECT,
        total: timedelta = _TOTAL,
        max_body: int = _MAX_BODY,
        session: Callable[[], ClientSession] | None = None,
        middlewares: tuple[ClientMiddlewareType, ...] = (),
    ) -> None:
        # before anything can raise: __del__ has nothing to say about a refused setting
        self._sessions = LoopSessions(_open)
        if connect <= timedelta(0) or total <= timedelta(0) or max_body <= 0:
            raise ConfigurationError("connect, total and max_body must be longer than zero")
        self._clock = clock
        self._user_agent = user_agent
        self._connect = connect
        self._total = total
        self._max_body = max_body
        self._given = session
        self._middlewares = middlewares

    def __repr__(self) -> str:
        return f"{type(self).__name__}(sessions={len(self._sessions)})"

    async def send(self, request: Request) -> Answer:
        """Send `request` once; see `nauth.transport.Transport.send`.

        Errors of middlewares that are nauth's own pass through as they are.

        Raises:
            ConfigurationError: the origin is unsafe or the request cannot be written; nothing was sent.
            ClosedError: the given session is closed.
            NotSentError: no connection was made.
            OutcomeUnknownError: the connection broke, or the time ran out, after something may have been sent.
            MalformedResponseError: the answer is too large or not HTTP.
        """
        check_origin(request.url)
        outcome = await self._exchange(request)
        if isinstance(outcome, Answer):
            return outcome
        try:
            # here and not where it was caught: no __context__, and no frame of aiohttp's with headers and body in it
            raise outcome
        finally:
            del outcome

    async def aclose(self) -> None:
        """Close the running loop's session, and forget those whose loop is closed. A later `send` opens a new one."""
        await self._sessions.aclose()

    def __del__(self) -> None:
        # copy.deepcopy and pickle make objects without __init__, and drop them where a lock stops the copying
        if hasattr(self, "_sessions") and self._sessions.abandon():
            warnings.warn(
                f"{type(self).__name__} was left open: await its aclose()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def _usable_session(self) -> ClientSession:
        if self._given is not None:
            session = self._given()
            if session.closed:
                raise ClosedError(
                    "nothing was sent: the session is closed. Make the request before closing it."
                )
            return session
        return self._sessions.here()

    def _headers(self, request: Request, session: ClientSession) -> CIMultiDict[str]:
        headers = CIMultiDict(request.headers)
        if "User-Agent" not in headers and "User-Agent" not in session.headers:
            headers["User-Agent"] = self._user_agent
        return headers

    async def _exchange(self, request: Request) -> Answer | _Failure:
        attempt = Attempt(
            request, self._clock, own=self._given is None, connect=self._connect, total=self._total
        )
        try:
            session = self._usable_session()
            if attempt.own:
                attempt.work.connecting()
            async with session.request(
                request.method,
                request.url,
                headers=self._headers(request, session),
                data=request.body,
                skip_auto_headers=("Content-Type",),
                allow_redirects=False,
                raise_for_status=False,
                auto_decompress=True,
                timeout=aiohttp.ClientTimeout(
                    total=self._total.total_seconds(), connect=self._connect.total_seconds()
                ),
                # ours last: the innermost runs once for each time the request is really sent
                middlewares=(*self._middlewares, attempt),
                trace_request_ctx=attempt if attempt.own else None,
            ) as response:
                attempt.answered(response)
                body = await self._read(response)
                if body is None:
                    return attempt.too_large(self._max_body)
                return Answer(
                    status=response.status,
                    headers=response.headers,
                    body=body,
                    sent_wall=attempt.wall,
                    sent_mono=attempt.mono,
                )
        except NauthError as error:
            return error.with_traceback(None)
        except asyncio.CancelledError as error:
            # the cause of a caller's TimeoutError, so its frames are as public as an error's
            return error.with_traceback(None)
        except (aiohttp.ClientError, OSError) as error:
            return attempt.failed(error)

    async def _read(self, response: ClientResponse) -> bytes | None:
        """Return the decompressed body, or None once it is known to exceed `max_body`."""
        if response.content.at_eof():  # a middleware has read it, and it is small
            return await response.read()
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > self._max_body:
                response.close()
                return None
        return bytes(body)


async def _on_connected(_: ClientSession, context: SimpleNamespace, __: object) -> None:
    attempt: Attempt = context.trace_request_ctx
    attempt.stamp()


async def _on_sent(_: ClientSession, context: SimpleNamespace, __: object) -> None:
    # called just before the bytes are handed to the socket: from here on they may have arrived
    attempt: Attempt = context.trace_request_ctx
    attempt.sent = True
    attempt.work.sending()


def _open() -> ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_create_end.append(_on_connected)
    trace.on_request_headers_sent.append(_on_sent)
    return ClientSession(
        connector=aiohttp.TCPConnector(force_close=True, limit=_CONNECTIONS),
        cookie_jar=aiohttp.DummyCookieJar(),
        middlewares=(),
        trust_env=False,
        trace_configs=[trace],
    )
