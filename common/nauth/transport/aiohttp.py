"""The `Transport` over aiohttp: a session of its own per loop for token calls, or the client's session for the rest."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import aiohttp
from aiohttp import ClientSession
from aiohttp.client_middlewares import ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION, CONTENT_TYPE, METH_GET, USER_AGENT
from multidict import CIMultiDict
from yarl import URL

from nauth.clock import Clock
from nauth.errors import ClosedError, ConfigurationError, NauthError
from nauth.origins import check_origin
from nauth.request_options import PendingResponse
from nauth.transport.aiohttp_limits import FIELD_SIZE, read_at_most
from nauth.transport.aiohttp_private import session_middlewares
from nauth.transport.aiohttp_session import token_session
from nauth.transport.attempt import PROXY_WANTS_PASSWORD, Attempt
from nauth.transport.base import Answer, Request
from nauth.transport.connectors import Use, lease_for
from nauth.transport.loop_sessions import LoopSessions
from nauth.transport.network import Network
from nauth.transport.proxies import ThroughProxy

__all__ = ["AiohttpTransport"]

_CONNECT = timedelta(seconds=5)
_TOTAL = timedelta(seconds=15)
_MAX_BODY = 1 << 20
_UNTIMED = aiohttp.ClientTimeout(total=None)

_Failure: TypeAlias = NauthError | asyncio.CancelledError


class AiohttpTransport:
    """Send requests with aiohttp, and tell "never sent" from "sent, answer lost".

    Without `session` it makes one of its own for each running loop, when first used. That session has no
    middlewares, so a token call cannot wait for the token it is to bring; it follows no redirects, which would carry
    the client secret to another origin; and it never reuses a connection: a kept-alive one that the server has just
    closed would leave it open whether the request was seen. It leaves this machine by `network`: on a connector that it
    shares with all others of the same network, or on that of the user's session.

    Args:
        clock: stamps each attempt.
        user_agent: sent unless the request, or the given session, names its own.
        connect: deadline for DNS, TCP and TLS together; with `session`, for TCP and TLS each.
        total: deadline for everything, unless the request has its own: reading the answer included. Neither counts the wait for a free connection,
            which ends after a minute; with `session`, `total` does.
        max_body: largest answer accepted, in bytes after decompression.
        network: proxy, trust and client certificate of the sessions made here.
        session: returns the client's own session. It is used as it is and never closed here; what was sent is then
            decided by the type of aiohttp's error alone.
        middlewares: chooses those that a request passes, for the session that it is sent through; the session's own if None.
        bare: whether the session given is of nauth's making: it brings no `Authorization` of its own, and its middleware the
            `User-Agent`.

    Raises:
        ConfigurationError: a deadline or `max_body` is not positive.
    """

    # each client has one for its token calls, and thousands of clients may wait for their first
    __slots__ = (
        "_bare",
        "_checked",
        "_clock",
        "_connect",
        "_given",
        "_max_body",
        "_middlewares",
        "_network",
        "_sessions",
        "_timeout",
        "_total",
        "_user_agent",
    )

    def __init__(
        self,
        *,
        clock: Clock,
        user_agent: str,
        connect: timedelta = _CONNECT,
        total: timedelta = _TOTAL,
        max_body: int = _MAX_BODY,
        network: Network | None = None,
        session: Callable[[], ClientSession] | None = None,
        middlewares: Callable[[ClientSession], tuple[ClientMiddlewareType, ...]] | None = None,
        bare: bool = False,
    ) -> None:
        # before anything can raise: __del__ has nothing to say about a refused setting
        self._network = network or Network()
        self._sessions = LoopSessions(partial(lease_for, Use.TOKEN_CALLS, self._network), token_session)
        if connect <= timedelta(0) or total <= timedelta(0) or max_body <= 0:
            raise ConfigurationError("connect, total and max_body must be longer than zero")
        self._clock = clock
        self._user_agent = user_agent
        self._connect = connect
        self._total = total
        self._max_body = max_body
        self._given = session
        self._middlewares = middlewares or session_middlewares
        self._bare = bare
        self._checked: URL | None = None
        """The last address that may be sent to, and has no user of which aiohttp would make an `Authorization`. A client gives
        the same object for the same path again."""
        self._timeout: aiohttp.ClientTimeout | None = None

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
        if request.url is not self._checked:
            check_origin(request.url)
            self._checked = request.url if _has_no_user(request.url) else None
        given = self._given
        attempt = Attempt(request, self._clock, self._connect, request.timeout or self._total)
        outcome: Answer | _Failure
        try:
            # no local holds the response: its repr shows headers, and an error leaves this frame
            if given is None:
                async with attempt.begin(), self._on_own_session(request, attempt) as attempt.response:
                    outcome = self._outcome(await read_at_most(attempt.response, self._max_body), attempt)
            else:
                async with self._on_clients_session(given, request, attempt) as attempt.response:
                    outcome = self._outcome(await read_at_most(attempt.response, self._max_body), attempt)
        except NauthError as error:
            outcome = error.with_traceback(None)
        except asyncio.CancelledError as error:
            # the cause of a caller's TimeoutError, so its frames are as public as an error's
            outcome = error.with_traceback(None)
        except (aiohttp.ClientError, OSError) as error:
            late = attempt.deadline is not None and attempt.deadline.expired()
            outcome = (
                attempt.timed_out() if late and isinstance(error, TimeoutError) else attempt.failed(error)
            )
        except ValueError:
            if not attempt.unwritten:  # a middleware's of the user's
                raise
            outcome = attempt.unwritable()
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

    def _headers(self, request: Request, session: ClientSession) -> Mapping[str, str]:
        # a client's own middleware puts it on
        if self._bare or USER_AGENT in request.headers or USER_AGENT in session.headers:
            return request.headers
        headers = CIMultiDict(request.headers)
        headers[USER_AGENT] = self._user_agent
        return headers

    def _on_own_session(self, request: Request, attempt: Attempt) -> PendingResponse:
        self._network.check()
        session, pick = self._sessions.here(), self._network.pick_proxy()
        middlewares = () if pick is None else (ThroughProxy(pick),)
        return self._asked(session, request, attempt, middlewares, _UNTIMED)  # the attempt measures by itself

    def _on_clients_session(
        self, given: Callable[[], ClientSession], request: Request, attempt: Attempt
    ) -> PendingResponse:
        session = given()
        if not self._bare and session.closed:  # one of nauth's making was looked at a moment ago
            raise ClosedError("nothing was sent: the session is closed. Make the request before closing it.")
        middlewares = self._middlewares(session)
        timeout = self._timeout if request.timeout is None else None
        if timeout is None:
            timeout = self._timeout_of(request)
        if not self._bare or request.url is not self._checked:
            ours, others = middlewares[:1], middlewares[1:]
            # the session's own stand inside ours, and may put another `Authorization` in the token's place
            seen = (
                (attempt.outermost, *ours, attempt.signed, *others) if others else (attempt.outermost, *ours)
            )
            return self._asked(session, request, attempt, seen, timeout)
        if request.headers:
            attempt.brings(request.headers.get(AUTHORIZATION))
        if (
            len(middlewares) != 1
            or request.method != METH_GET
            or not (request.body is None is request.stream)
        ):
            return self._asked(session, request, attempt, middlewares, timeout)
        # most calls: what is not named here is as `_asked` names it, for the session is of our own making
        return session.request(
            request.method,
            request.url,
            headers=request.headers,
            allow_redirects=False,
            timeout=timeout,
            middlewares=(attempt.inside(middlewares[0]),),
        )

    def _timeout_of(self, request: Request) -> aiohttp.ClientTimeout:
        timeout = aiohttp.ClientTimeout(
            total=(request.timeout or self._total).total_seconds(),
            # not `connect`, which counts the wait for a free connection too
            sock_connect=self._connect.total_seconds(),
        )
        if request.timeout is None:
            self._timeout = timeout
        return timeout

    def _asked(
        self,
        session: ClientSession,
        request: Request,
        attempt: Attempt,
        middlewares: tuple[ClientMiddlewareType, ...],
        timeout: aiohttp.ClientTimeout,
    ) -> PendingResponse:
        return session.request(
            request.method,
            request.url,
            headers=self._headers(request, session),
            data=request.body if request.stream is None else request.stream,
            # a stream brings its own type, such as a multipart's with its boundary
            skip_auto_headers=None
            if request.stream is not None
            or CONTENT_TYPE in request.headers
            or (request.method == METH_GET and request.body is None)
            else (CONTENT_TYPE,),
            allow_redirects=False,
            raise_for_status=False,
            auto_decompress=True,
            timeout=timeout,
            # ours last: the innermost runs once for each time the request is really sent
            middlewares=(*middlewares, attempt),
            max_line_size=FIELD_SIZE,
            max_field_size=FIELD_SIZE,
            trace_request_ctx=attempt if attempt.own else None,
        )

    def _outcome(self, body: bytes | None, attempt: Attempt) -> Answer | NauthError:
        response = attempt.response
        assert response is not None  # noqa: S101 - its body was read a moment ago
        if body is None:
            return attempt.too_large(self._max_body)
        if not attempt.sent:  # the session's requests are mocked, and no middleware was passed
            attempt.stamp()
        if response.status == PROXY_WANTS_PASSWORD and attempt.without_tunnel:
            return attempt.proxy_refused()
        return Answer(response.status, attempt.wall, attempt.mono, response.headers, body, attempt.foreign)


def _has_no_user(url: URL) -> bool:
    return url.raw_user is None and url.raw_password is None
