"""Keyword options of a request: aiohttp's, typed, without those that would weaken the token's protection."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from types import SimpleNamespace, TracebackType
from typing import Protocol, TypeAlias, TypedDict

from aiohttp import ClientMiddlewareType, ClientResponse, ClientTimeout
from yarl import URL

__all__ = ["PendingResponse", "Query", "RequestOptions"]

_Scalar: TypeAlias = str | int | float
Query: TypeAlias = str | Mapping[str, _Scalar | Sequence[_Scalar]] | Sequence[tuple[str, _Scalar]]
"""The query of a URL: text, a mapping, or pairs of name and value."""


class RequestOptions(TypedDict, total=False):
    """Keyword options of `VendorClient.request`; each means what it means in ``aiohttp.ClientSession.request``.

    There is no ``ssl``: verification cannot be switched off. For a private certificate authority give the client
    ``ssl_context=``, or set ``SSL_CERT_FILE``.
    """

    params: Query
    data: object
    json: object
    cookies: Mapping[str, str]
    headers: Mapping[str, str]
    skip_auto_headers: Iterable[str]
    allow_redirects: bool
    max_redirects: int
    compress: str | bool
    chunked: bool
    expect100: bool
    raise_for_status: bool
    read_until_eof: bool
    proxy: str | URL
    timeout: ClientTimeout
    trace_request_ctx: SimpleNamespace
    read_bufsize: int
    auto_decompress: bool
    max_line_size: int
    max_field_size: int
    middlewares: Sequence[ClientMiddlewareType]


class PendingResponse(Protocol):
    """A request that is sent when it is awaited or entered, like aiohttp's."""

    def __await__(self) -> Generator[object, None, ClientResponse]:
        """Send the request and return the response; the caller releases it."""
        ...

    async def __aenter__(self) -> ClientResponse:
        """Send the request and return the response."""
        ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Release the response."""
        ...
