"""`HopGuard`: check each redirect of an httpx request as it is sent; httpx calls an `Auth` only before the first."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Generator, Iterable, MutableMapping
from typing import Protocol, TypeAlias, cast

from nauth.errors import OriginError
from nauth.origins import AS_HTTP, OriginKey, unverified

__all__ = ["HopGuard", "Trace", "hop_key"]

Trace: TypeAlias = Callable[[str, dict[str, object]], Awaitable[None]]
"""httpx's request extension of this name: https://www.python-httpx.org/advanced/extensions/#trace"""

_UNAUTHORIZED = 401
_PORTS = {"http": 80, "https": 443}
_CONNECTED = (".connect_tcp.complete", ".connect_unix_socket.complete")


class _Url(Protocol):
    scheme: bytes
    host: bytes
    port: int | None


class _Request(Protocol):
    url: _Url
    headers: list[tuple[bytes, bytes]]


class _Stream(Protocol):
    async def aclose(self) -> None: ...


def hop_key(scheme: str, host: bytes, port: int | None) -> OriginKey:
    """Return the `origin_key` of a URL given in httpx's parts."""
    scheme = AS_HTTP.get(scheme, scheme)
    return scheme, host.decode("ascii"), _PORTS.get(scheme) if port is None else port


class HopGuard:
    """Remove our headers from a request to another origin, and refuse TLS without verification.

    A `trace` extension: redirects inherit it, and httpx's own transports call it with the headers that are about to
    be sent. httpx itself removes no header but ``Authorization`` on a redirect to another origin, and not even that
    one on the way from http to https. Other transports, such as mocks, do not call it.

    Args:
        origins: the origins that may get the headers.
        inner: the caller's own extension, called after this one.
    """

    __slots__ = ("_origins", "_ours", "_signed", "_status", "_stream", "inner")

    def __init__(self, origins: frozenset[OriginKey], inner: Trace | None) -> None:
        self._origins = origins
        self._ours: set[tuple[str, str]] = set()
        self._stream: _Stream | None = None
        self._signed = False
        self._status: int | None = None
        self.inner: Trace | None = inner

    def put(self, headers: MutableMapping[str, str], name: str, value: str) -> None:
        """Set a header and remember it as ours."""
        headers[name] = value
        self._ours.add((name.lower(), value))

    def undo(self, headers: MutableMapping[str, str]) -> None:
        """Remove our headers from a request that is sent again, so that they are not taken for the caller's."""
        for name, value in self._ours:
            if headers.get(name) == value:
                del headers[name]

    @contextlib.contextmanager
    def unseen_401(self, note: Callable[[], None]) -> Generator[None]:
        """Around the `yield` of an auth flow: call `note` where the flow ends behind a 401 that it never got to see.

        An event hook has raised then, or the caller was cancelled; httpx closes the flow and does not say why.
        """
        try:
            yield
        except GeneratorExit:
            if self._status == _UNAUTHORIZED:
                note()
            raise

    async def __call__(self, event: str, info: dict[str, object]) -> None:
        """Handle one trace event of httpx.

        Raises:
            OriginError: TLS verification is switched off. Nothing was sent.
        """
        if event.endswith(".send_request_headers.started"):
            self._status = None
            self._signed = self._clean(cast("_Request", info["request"]))
        elif event.endswith(".receive_response_headers.complete"):
            self._status = _status(info["return_value"]) if self._signed else None
        elif event.endswith(_CONNECTED):
            self._stream = cast("_Stream", info["return_value"])
        elif event.endswith(".start_tls.started") and unverified(info["ssl_context"]):
            if self._stream is not None:
                await self._stream.aclose()  # httpx does not close it after an error here
            raise OriginError(
                "the client switches TLS verification off (verify=False, or a context that demands no certificate or "
                "compares no host name); a token is never sent that way. For a private certificate authority use a context "
                "that trusts it"
            )
        if self.inner is not None:
            await self.inner(event, info)

    def _clean(self, request: _Request) -> bool:
        """Take our headers off where they do not belong; tell whether `request` keeps our `Authorization`."""
        url = request.url
        if hop_key(url.scheme.decode("ascii"), url.host, url.port) not in self._origins:
            request.headers = list(self._foreign(request.headers))
            return False
        return any(
            name.lower() == b"authorization" and ("authorization", value.decode("latin-1")) in self._ours
            for name, value in request.headers
        )

    def _foreign(self, headers: Iterable[tuple[bytes, bytes]]) -> Iterable[tuple[bytes, bytes]]:
        for name, value in headers:
            if (name.decode("latin-1").lower(), value.decode("latin-1")) not in self._ours:
                yield name, value


def _status(returned: object) -> int | None:
    """Return the status from what httpcore reports of a response's head: of HTTP/1.1 with the version first, of HTTP/2 not."""
    parts = cast("tuple[object, ...]", returned)
    return next((part for part in parts if isinstance(part, int)), None)
