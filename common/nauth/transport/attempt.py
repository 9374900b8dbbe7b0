"""One attempt through aiohttp: when it was sent, whether it was sent at all, and what its failure means."""

from __future__ import annotations

import errno
from datetime import timedelta

import aiohttp
from aiohttp import ClientRequest, ClientResponse
from aiohttp.client_middlewares import ClientHandlerType
from aiohttp.http_exceptions import ContentEncodingError

from nauth.clock import Clock
from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
)
from nauth.origins import place
from nauth.tasks import Work, current_work
from nauth.transport.base import Request, request_id_of

__all__ = ["Attempt"]

_SAW_NOTHING = "The vendor has seen nothing of this request, so trying again is safe."
_MAY_HAVE_ACTED = (
    "The vendor may or may not have acted on the request: "
    "send it again only where doing it twice does no harm, else look at the vendor's side first."
)


class Attempt:
    """What is known of one request on its way. Also the innermost middleware, and the trace's context.

    Args:
        request: what is being sent.
        clock: stamps it.
        own: it goes through the transport's own session, whose trace reports to this object. Where no trace does,
            it counts as sent unless the error's type proves the contrary.
        connect: the deadline for a connection, for the error's text.
        total: the deadline for everything, likewise.

    Attributes:
        wall, mono: the clocks just before sending.
        sent: something may have reached the vendor.
        work: the owned work that this is part of, which is not cut short once something was sent.
    """

    def __init__(
        self, request: Request, clock: Clock, *, own: bool, connect: timedelta, total: timedelta
    ) -> None:
        self.own = own
        self._clock = clock
        self._place = place(request.url)
        self._connect = connect
        self._total = total
        self.sent: bool = not own
        self.work: Work = current_work()
        self._status: int | None = None
        self.wall: float
        self.mono: float
        self._request_id: str | None = None
        self.stamp()

    def stamp(self) -> None:
        """Read both clocks: the vendor's own clock for the token cannot have started earlier."""
        self.wall, self.mono = self._clock.wall(), self._clock.monotonic()

    def answered(self, response: ClientResponse) -> None:
        """Note whose body is about to be read."""
        self._status, self._request_id = response.status, request_id_of(response.headers)

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send, and keep aiohttp from sending a GET a second time on its own authority."""
        self.stamp()
        failure: NauthError
        try:
            return await handler(request)
        except aiohttp.ClientError as error:
            # on the client's session a reused connection may just have been closed: there, one repeat is right
            if not self.own:
                raise
            failure = self.failed(error)
        except ValueError:
            failure = ConfigurationError(
                f"nothing was sent to {self._place}: a header holds a line break or another character that HTTP "
                "does not allow. Check the credential for a stray line end."
            )
        raise failure

    def too_large(self, limit: int) -> MalformedResponseError:
        """Describe an answer beyond `limit` bytes."""
        return self._malformed(
            f"the answer of {self._place} is larger than {limit} bytes and was not read to its end"
        )

    def failed(self, error: Exception) -> NauthError:
        """Turn what aiohttp raised into our error. Takes names and numbers from it, never its text."""
        name = type(error).__name__
        cause = _before_sending(error)
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            cause = f"no connection within {self._connect.total_seconds():g} s"
        if cause is not None:
            return self._not_sent(f"{cause} ({name})")
        if isinstance(error, aiohttp.ClientResponseError) or _badly_encoded(error):
            return self._malformed(f"the answer of {self._place} is not well-formed HTTP ({name})")
        what = "the connection broke"
        if isinstance(error, TimeoutError):
            what = f"no complete answer within {self._total.total_seconds():g} s"
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
            "If it keeps failing, check host name, network, firewall and certificates."
        )

    def _malformed(self, what: str) -> MalformedResponseError:
        return MalformedResponseError(
            f"{what}. The request was received, by the vendor or by something on the way that answers in its place. "
            "Check the base URL and any proxy; if they are right, report it to the vendor.",
            status=self._status,
            request_id=self._request_id,
        )


def _before_sending(error: Exception) -> str | None:
    """Say what kept the connection from being made; None if `error` does not show that it was never made."""
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
            return f"the proxy answered {error.status}"
        case aiohttp.ClientConnectorError():
            return f"no connection: {errno.errorcode.get(error.errno or 0, 'unreachable')}"
        case _:
            return None


def _openssl_reason(error: aiohttp.ClientConnectorError) -> str:
    return str(getattr(error.os_error, "reason", ""))


def _badly_encoded(error: Exception) -> bool:
    """Tell a body that is wrong from one that was cut: aiohttp uses one class for both."""
    return isinstance(error, aiohttp.ClientPayloadError) and isinstance(error.__cause__, ContentEncodingError)
