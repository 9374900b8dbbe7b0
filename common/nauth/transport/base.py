"""The seam to HTTP for everything that is not the user's own request: bytes in, bytes out.

An implementation of `Transport` decides nothing about meaning: any status is an `Answer`, and what it means is the
vendor's. A failure is told apart by one question only, *may the vendor have seen the request?*
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Protocol, runtime_checkable

import attrs
from multidict import CIMultiDict, CIMultiDictProxy, istr
from yarl import URL

from nauth.origins import place

__all__ = ["Answer", "Request", "Transport", "request_id_of"]

# a name that is a `str` costs more than twice as much to look up
_REQUEST_IDS = tuple(map(istr, ("x-request-id", "x-cloud-trace-context", "x-correlation-id")))
_REQUEST_ID_LENGTH = 200
"""Longest request id kept, in characters: it goes into errors and logs, and the other side chose it."""


def _multidict(headers: Mapping[str, str]) -> CIMultiDictProxy[str]:
    # what cannot be changed need not be copied
    return headers if isinstance(headers, CIMultiDictProxy) else CIMultiDictProxy(CIMultiDict(headers))


def _no_headers() -> CIMultiDictProxy[str]:
    return _multidict({})


def _names_only(headers: Mapping[str, str]) -> str:
    return f"<{', '.join(sorted({name.lower() for name in headers}))}>"


def _size_only(body: bytes | None) -> str:
    return "None" if body is None else f"<{len(body)} bytes>"


def _kind_only(stream: object) -> str:
    return "None" if stream is None else f"<{type(stream).__name__}>"


def _without_query(url: URL) -> str:
    return f"<{url.scheme}://{place(url)}{url.raw_path}>"


# Both are made for each call: slots that are frozen are slow to fill, and so is a class that is called with names.


@attrs.frozen(slots=False)
class Request:
    """One HTTP request, complete. Its repr shows neither header values nor query nor body.

    Attributes:
        method: `GET`, `POST` and so on.
        url: absolute; https, or http to this machine.
        headers: names are case-insensitive.
        body: what is sent, byte for byte.
        stream: sent instead of `body`: anything that aiohttp can stream. The request is then not repeatable.
        timeout: deadline for each attempt, the transport's own if None.
        repeatable: may be sent again although the vendor may have acted on it. Issuing a token is; spending a
            refresh token that rotates is for the vendor's authenticator to decide.
    """

    method: str
    url: URL = attrs.field(repr=_without_query)
    headers: Mapping[str, str] = attrs.field(
        factory=_no_headers, converter=_multidict, repr=_names_only, hash=False
    )
    body: bytes | None = attrs.field(default=None, repr=_size_only)
    stream: object = attrs.field(default=None, repr=_kind_only)
    timeout: timedelta | None = None
    repeatable: bool = False


@attrs.frozen(slots=False)
class Answer:
    """What came back, complete. Its repr shows neither header values nor body.

    Attributes:
        status: the HTTP status, whatever it is.
        sent_wall: `Clock.wall` just before this attempt was sent.
        sent_mono: `Clock.monotonic` just before this attempt was sent. Lifetimes count from here.
        headers: names are case-insensitive.
        body: decompressed.
        foreign: the request carried an `Authorization` of the session's own, or none, in place of the client's token.
    """

    status: int
    sent_wall: float
    sent_mono: float
    headers: CIMultiDictProxy[str] = attrs.field(
        factory=_no_headers, converter=_multidict, repr=_names_only, hash=False
    )
    body: bytes = attrs.field(default=b"", repr=_size_only)
    foreign: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is one of the 200s."""
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 §15.3: these are the bounds of "successful"

    @property
    def content_type(self) -> str:
        """The media type in lower case, without parameters; empty if the vendor named none."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def request_id(self) -> str | None:
        """What the vendor calls this exchange in its own logs, if it said so."""
        return request_id_of(self.headers)


@runtime_checkable
class Transport(Protocol):
    """Sends one request once, and says precisely what became of it."""

    async def send(self, request: Request) -> Answer:
        """Send `request` and return the complete answer, whatever its status.

        Raises:
            ConfigurationError: the request is unsafe or impossible; nothing was sent.
            NotSentError: no connection was made; the vendor has seen nothing.
            OutcomeUnknownError: the request may have gone out, and no complete answer came.
            MalformedResponseError: something answered that is not HTTP, or is too large.
        """
        ...

    async def aclose(self) -> None:
        """Let go of connections. Closing twice is allowed."""
        ...


def request_id_of(headers: Mapping[str, str]) -> str | None:
    """Return the vendor's id of an exchange from its (case-insensitive) answer `headers`, or None.

    Only printable ASCII survives, and no more than 200 characters: the text ends up in terminals and logs.
    """
    for name in _REQUEST_IDS:
        given = headers.get(name)
        if given is None:
            continue
        plain = given.isascii() and given.isprintable()  # as nearly all are
        text = (
            given if plain else "".join(char for char in given if char.isascii() and char.isprintable())
        ).strip()
        if text:
            return text[:_REQUEST_ID_LENGTH]
    return None
