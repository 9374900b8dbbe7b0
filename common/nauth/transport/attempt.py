"""One attempt through aiohttp: when it was sent, whether it was sent at all, and what its failure means."""

from __future__ import annotations

import asyncio
import errno
import re
import ssl
from collections.abc import Awaitable
from datetime import timedelta
from typing import Self

import aiohttp
from aiohttp import ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.http_exceptions import ContentEncodingError, LineTooLong
from yarl import URL

from nauth.clock import Clock
from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.origins import place
from nauth.owned_tasks import Work, current_work
from nauth.transport.aiohttp_limits import FIELD_SIZE, INTERIM, TooManyInterimResponses
from nauth.transport.base import Request, request_id_of

__all__ = ["PROXY_WANTS_PASSWORD", "Attempt"]

_SAW_NOTHING = "The vendor has seen nothing of this request, so trying again is safe."
_MAY_HAVE_ACTED = (
    "The vendor may or may not have acted on the request: "
    "send it again only where doing it twice does no harm, else look at the vendor's side first."
)
PROXY_WANTS_PASSWORD = 407

QUEUE_S = 60.0
"""Seconds an attempt waits for a free connection, before its own deadlines begin. The renewal's deadline is shorter."""


class Attempt:
    """What is known of one request on its way. Also the innermost middleware, and the trace's context.

    Args:
        request: what is being sent.
        clock: stamps it.
        connect: the deadline for DNS, TCP and TLS together.
        total: the deadline for everything.

    Attributes:
        own: it goes through a session for token calls, whose trace reports to this object. Where no trace does,
            it counts as sent unless the error's type proves the contrary. Set by `begin`.
        wall, mono: the clocks just before sending.
        sent: something may have reached the vendor.
        deadline: ends the attempt; moved on as it proceeds, so that waiting for a free connection costs none of its time.
            Entered by the transport; None where aiohttp measures.
        response: the one whose body is being read.
        foreign: the request carried an `Authorization` of the session's own, or none because the session took it off.
        work: the owned work that this is part of, which is not cut short once something was sent. Set by `begin`.
    """

    # One is made for each call: what most calls leave as it is stands here.
    own: bool = False
    sent: bool = False
    foreign: bool = False
    deadline: asyncio.Timeout | None = None
    response: ClientResponse | None = None
    work: Work
    wall: float
    mono: float
    _handler: ClientHandlerType
    _outer: ClientMiddlewareType
    _brought: str | None = None
    _signed: str | None = None
    _after_ours = False
    _wait = "queue"
    _started_s = 0.0
    _proxy: URL | None = None
    _request: ClientRequest | None = None
    _earlier: ClientResponse | None = None

    def __init__(self, request: Request, clock: Clock, connect: timedelta, total: timedelta) -> None:
        self._url = request.url
        self._clock = clock
        self._connect = connect
        self._total = total

    def __deepcopy__(self, memo: object) -> Self:
        """Stay one: aioresponses copies all that a request was made with, and a deadline holds its event loop."""
        return self

    def stamp(self) -> None:
        """Read both clocks: the vendor's own clock for the token cannot have started earlier."""
        self.wall, self.mono = self._clock.wall(), self._clock.monotonic()

    def begin(self) -> asyncio.Timeout:
        """Return the deadline to enter: an attempt through a session for token calls is about to connect."""
        self.own = True
        self.stamp()
        self.work = current_work()
        self.work.connecting()
        self.deadline = asyncio.timeout(QUEUE_S)
        return self.deadline

    def connecting(self) -> None:
        """Start the attempt's own time: there is room for its connection."""
        self._started_s, self._wait = asyncio.get_running_loop().time(), "connection"
        self._move(min(self._connect, self._total))

    def connected(self) -> None:
        """Note that the connection is made."""
        self.stamp()
        self._wait = "response"
        self._move(self._total)

    def _move(self, after: timedelta) -> None:
        assert self.deadline is not None  # noqa: S101 - only a session for token calls has a trace that comes here
        self.deadline.reschedule(self._started_s + after.total_seconds())

    async def outermost(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Note, before the client's own middleware, which `Authorization` the session brings."""
        self.brings(request.headers.get(AUTHORIZATION))
        return await handler(request)

    def brings(self, authorization: str | None) -> None:
        """Note the `Authorization` that the request has before the client's own middleware."""
        self._brought = authorization

    async def signed(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Note, behind the client's own middleware, which `Authorization` the session's middlewares get to see."""
        self._signed, self._after_ours = request.headers.get(AUTHORIZATION), True
        return await handler(request)

    def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> Awaitable[ClientResponse]:
        """Note that `request` is being sent, and send it."""
        self._handler = handler
        if self.own:
            self.stamp()
            self._proxy = request.proxy
            return self._once(request, handler)
        return self._pass_on(request)

    def inside(self, outer: ClientMiddlewareType) -> ClientMiddlewareType:
        """Return `outer` and this as one middleware: aiohttp wraps each of several into a coroutine of its own."""
        self._outer = outer
        return self._both

    def _both(self, request: ClientRequest, handler: ClientHandlerType) -> Awaitable[ClientResponse]:
        self._handler = handler
        return self._outer(request, self._pass_on)

    def _pass_on(self, request: ClientRequest) -> Awaitable[ClientResponse]:
        self.wall, self.mono = self._clock.wall(), self._clock.monotonic()
        self._proxy = request.proxy
        # On the client's session no coroutine stands around the sending. A reused connection may just have been closed:
        # there, aiohttp's one repeat is right.
        self.sent, self._request, self._earlier = True, request, request.response
        if self._brought is not None or self._after_ours:
            sent = request.headers.get(AUTHORIZATION)
            self.foreign = sent == self._brought or (self._after_ours and sent != self._signed)
        return self._handler(request)

    async def _once(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send, and keep aiohttp from sending a GET a second time on its own authority."""
        failure: NauthError
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            failure = self.failed(error)
        except ValueError:
            failure = self.unwritable()
        raise failure

    @property
    def unwritten(self) -> bool:
        """Whether the request was being written. A ValueError raised then is aiohttp's; one of any other time is not."""
        return self._request is not None and self._request.response is self._earlier

    def unwritable(self) -> ConfigurationError:
        """Describe a request that aiohttp refused to write."""
        return ConfigurationError(
            f"nothing was sent to {self._place}: the method or a header holds a line break or another character that HTTP "
            "does not allow. Check the credential for a stray line end."
        )

    def too_large(self, limit: int) -> MalformedResponseError:
        """Describe an answer beyond `limit` bytes."""
        # the limit of token calls is no setting
        settable = "" if self.own else ". A larger limit can be set on the client: max_response_bytes"
        return self._malformed(
            f"the answer of {self._place} is larger than {limit} bytes and was not read to its end{settable}"
        )

    def timed_out(self) -> NauthError:
        """Describe the end of `deadline`."""
        if self._wait == "queue":
            return self._not_sent(
                f"no connection was free within {QUEUE_S:g} s, for as many calls as are allowed at once are under way"
            )
        if self._wait == "connection" and self._connect <= self._total:
            return self._not_sent(f"no connection within {self._connect.total_seconds():g} s (TimeoutError)")
        return self._lost(f"no complete answer within {self._total.total_seconds():g} s", "TimeoutError")

    def failed(self, error: Exception) -> NauthError:
        """Turn what aiohttp raised into our error. Takes names and numbers from it, never its text."""
        name = type(error).__name__
        if isinstance(error, aiohttp.ClientHttpProxyError) and error.status == PROXY_WANTS_PASSWORD:
            return self.proxy_refused()
        cause = _before_sending(error, self._via)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            cause = f"no connection within {self._connect.total_seconds():g} s"
        if cause is None and (alert := _certificate_alert(error)):
            cause = (
                f"the server refused the TLS handshake: {alert}. It wants a client certificate, or another than it was "
                "shown: ssl_context= with load_cert_chain(...)"
            )
        if cause is not None:
            return self._not_sent(f"{cause} ({name})")
        if self._proxy is not None and not self.sent and isinstance(error, aiohttp.ClientResponseError):
            return self._not_sent(f"the proxy{self._via} did not answer in HTTP ({name})")
        if isinstance(error, aiohttp.ClientResponseError) or _badly_encoded(error):
            return self._malformed(_not_http(error, f"the answer of {self._place}", name))
        if isinstance(error, TimeoutError):
            return self._lost(f"no complete answer within {self._total.total_seconds():g} s", name)
        return self._lost("the connection broke", name)

    @property
    def without_tunnel(self) -> bool:
        """Whether a proxy has read the request, and may have answered it itself."""
        return self._proxy is not None and self._url.scheme != "https"

    def proxy_refused(self) -> ConfigurationError:
        """Describe a proxy that wants a password, or another one. Not to be repeated: accounts are locked for that."""
        return ConfigurationError(
            f"nothing was sent to {self._place}: the proxy{self._via} answered 407. It wants a user name and password, or "
            "refuses those given: http://user:password@proxy:3128, with special characters percent-encoded",
            status=PROXY_WANTS_PASSWORD,
        )

    @property
    def _place(self) -> str:
        return place(self._url)

    @property
    def _status(self) -> int | None:
        return None if self.response is None else self.response.status

    @property
    def _request_id(self) -> str | None:
        return None if self.response is None else request_id_of(self.response.headers)

    @property
    def _via(self) -> str:
        return "" if self._proxy is None else f" {place(self._proxy)}"

    def _lost(self, what: str, name: str) -> NauthError:
        if not self.sent:
            return self._not_sent(f"{what}, before anything was sent ({name})")
        phase = "waiting for the answer" if self._status is None else "reading the answer"
        return OutcomeUnknownError(
            f"the answer of {self._place} was lost: {what} while {phase} ({name}). {_MAY_HAVE_ACTED}",
            status=self._status,
            request_id=self._request_id,
        )

    def _not_sent(self, what: str) -> NotSentError:
        return NotSentError(
            f"nothing was sent to {self._place}: {what}. {_SAW_NOTHING} "
            "If it keeps failing, check host name, network, firewall, proxy and certificates."
        )

    def _malformed(self, what: str) -> MalformedResponseError:
        return MalformedResponseError(
            f"{what}. The request was received, by the vendor or by something on the way that answers in its place. "
            "Check the base URL and any proxy; if they are right, report it to the vendor.",
            status=self._status,
            request_id=self._request_id,
        )


def _before_sending(error: Exception, via: str) -> str | None:
    """Say what kept the connection from being made; None if `error` does not show that it was never made.

    `via` is the proxy's address after a space, or nothing.
    """
    match error:
        case aiohttp.ClientConnectorCertificateError():
            reason = getattr(error.certificate_error, "verify_message", "")
            return f"TLS certificate not trusted: {reason}"
        case aiohttp.ServerFingerprintMismatch():
            return "TLS certificate not trusted: another fingerprint than the one pinned"
        case aiohttp.ClientConnectorSSLError():
            return f"TLS handshake failed: {_openssl_reason(error)}"
        case aiohttp.ClientConnectorDNSError():
            return "host name not found"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy{via} answered {error.status}"
        case aiohttp.ClientProxyConnectionError():
            return f"no connection to the proxy{via}: {_errno(error)}"
        case aiohttp.ClientConnectorError():
            return f"no connection: {_errno(error)}"
        case _:
            return None


def _errno(error: aiohttp.ClientConnectorError) -> str:
    if isinstance(error.os_error, ConnectionResetError):
        # a port that takes no connections refuses them: this one took it and hung up
        return "closed by the other side during the TLS handshake, as where it wants a client certificate or another TLS version"
    return errno.errorcode.get(error.errno or 0, "unreachable")


_OF_A_CERTIFICATE = re.compile(r"ALERT_(?:\w*CERTIFICATE\w*|UNKNOWN_CA)", re.ASCII)


def _certificate_alert(error: Exception) -> str | None:
    """Return the name of the TLS alert by which a server refuses the client's certificate; None if `error` is not that.

    TLS 1.3 tells a client so only after the handshake is done on its side, when it has begun to send: the server drops that
    unread.
    """
    cause = error.__cause__
    reason = str(cause.reason) if isinstance(cause, ssl.SSLError) else ""
    return reason if _OF_A_CERTIFICATE.search(reason) else None


def _not_http(error: Exception, what: str, name: str) -> str:
    """Say what is wrong with the response. Its own words are not shown: they may quote a cookie."""
    cause = error.__cause__  # what the parser raised, or aiohttp's own around it
    match cause if cause is None or cause.__cause__ is None else cause.__cause__:
        case LineTooLong():
            return f"{what} has a header, or a status line, of more than {FIELD_SIZE} bytes ({name})"
        case TooManyInterimResponses():
            return f"{what} did not come: only interim responses did, over {INTERIM} of them ({name})"
        case _:
            return f"{what} is not well-formed HTTP ({name})"


def _openssl_reason(error: aiohttp.ClientConnectorError) -> str:
    return str(getattr(error.os_error, "reason", ""))


def _badly_encoded(error: Exception) -> bool:
    """Tell a body that is wrong from one that was cut: aiohttp uses one class for both."""
    return isinstance(error, aiohttp.ClientPayloadError) and isinstance(error.__cause__, ContentEncodingError)
