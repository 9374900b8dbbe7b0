"""`TypedCalls`: call any endpoint of a vendor, and get the vendor's typed success or its typed error.

One call in four steps: the type to read into is looked at first, so that a type nothing can be read into costs no
request; the request is built inside the client's origins; the transport sends it, again where it may be repeated; the
vendor's reader tells success from failure, whatever the HTTP status said.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import AsyncIterable, Callable, Mapping
from datetime import timedelta
from types import NoneType
from typing import Any, Final, Protocol, TypedDict, TypeVar, cast

import attrs
import cattrs
from aiohttp import ClientError, ClientResponse, FormData, Payload, get_payload
from aiohttp.payload import LookupError as PayloadLookupError
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from nauth.clock import Clock
from nauth.errors import (
    ConfigurationError,
    MalformedResponseError,
    NauthError,
    OutcomeUnknownError,
    VendorUnavailableError,
)
from nauth.origins import Targets, place
from nauth.request_options import Query
from nauth.responses.reply import Reply
from nauth.transport.aiohttp_limits import read_at_most
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.token_calls import ErrorClasses, reading, translate
from nauth.wire.converter import encode, quick_reader, reader_of
from nauth.wire.form_body import form_of, utf8

__all__ = ["CallOptions", "ReadResponse", "TypedCalls", "http_status"]

_E = TypeVar("_E", bound=NauthError)

_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that are sent again by default. PUT and DELETE are repeatable by RFC 9110 section 9.2.2, yet a payment's PUT is
for its author to judge."""

_METHODS = frozenset({*_REPEATABLE, "POST", "PUT", "PATCH", "DELETE"})
"""Those that are written as they are sent."""

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Z-]+")
"""RFC 9110 section 5.6.2, in upper case."""

_NOT_ACTED_ON = frozenset({429, 503})


class CallOptions(TypedDict, total=False):
    """Keyword options of a client's `call`.

    Attributes:
        json: the body: a record (attrs, dataclass, pydantic), a dict, a list or a scalar. A record's fields are written
            by the vendor's rule, without those that are None; a dict goes out as it is, null included. `Decimal`, `UUID`
            and `date` go out as text, an aware `datetime` as ISO 8601 in UTC.
        data: the body as it is: bytes, text, a mapping for a form, or anything that aiohttp can stream. A form with a file
            among its values goes out as multipart.
        params: what goes after the question mark, added to the path's own query.
        headers: added to the client's own; a header of the same name, in any case, takes the place of the client's.
        timeout: deadline for each attempt, reading the response included, longer than zero; 15 seconds by default.
        repeatable: whether the request may be sent again although the vendor may have acted on it. By default GET, HEAD
            and OPTIONS are; say True for a POST with an idempotency key.
    """

    json: object
    data: object
    params: Query
    headers: Mapping[str, str]
    timeout: timedelta | None
    repeatable: bool | None


_OPTIONS: Final = frozenset(CallOptions.__annotations__)


class ReadResponse(Protocol):
    """The vendor's reader: the typed success of a response, or the vendor's error for it."""

    def __call__(self, answer: Answer, into: Any, url: URL, /) -> Reply[Any]:
        """Read `answer` to a request of `url`; `into` is the type of the data, `NoneType` for no data."""
        ...


def _unchanging(headers: Mapping[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(headers))


def http_status(answer: Answer) -> int:
    """Return the status that HTTP says."""
    return answer.status


@attrs.frozen(kw_only=True)
class TypedCalls:
    """What a client's `call`, `open` and `pages` stand on.

    Attributes:
        transport: puts the token on, repeats what may be repeated.
        targets: where paths go, and where absolute addresses may.
        headers: what the vendor wants on every call.
        converter: the vendor's, for bodies that are sent.
        errors: the vendor's class for each kind of error.
        read: the vendor's reader.
        status_of: the status that a response stands for, where a body may say another than HTTP does.
        data_root: how an error calls the place of the data in a response.
        clock: stamps responses that the caller brings.
        max_body: the largest response that is read, in bytes after decompression.
    """

    transport: Transport
    targets: Targets
    headers: CIMultiDictProxy[str] = attrs.field(converter=_unchanging)
    converter: cattrs.Converter
    errors: ErrorClasses
    read: ReadResponse
    status_of: Callable[[Answer], int] = http_status
    data_root: str = "$"
    clock: Clock
    max_body: int

    async def call(self, method: str, path: str | URL, into: Any, options: CallOptions) -> Reply[Any]:
        """Send a request and read its response into `into`, None for a response without data.

        Raises:
            TypeError: an option that `CallOptions` does not have; nothing was sent.
            ConfigurationError: `into` is no type that JSON fits, or an option cannot be sent; nothing was sent.
            OriginError: `path` leaves the client's origins or has dot segments; nothing was sent.
            OutcomeUnknownError: the request is not repeatable, and its response was lost or is a 5xx other than 503.
            NauthError: the vendor's error for the response.
        """
        kind = self.check_readable(into)
        request = self._request(method, path, options)
        failure: NauthError
        try:
            answer = await self.transport.send(request)
        except NauthError as error:
            failure = translate(error, self.errors)
        else:
            return self._opened(answer, kind, request.url, request.method, request.repeatable)
        # outside the handler: the new error has neither cause nor context whose frames could hold the request
        raise failure

    async def open(self, response: ClientResponse, into: Any) -> Reply[Any]:
        """Read an aiohttp response as `call` does, and release it.

        Raises:
            ConfigurationError: `into` is no type that JSON fits.
            OutcomeUnknownError: the response broke off; or it is a 5xx other than 503 to a request that does not repeat.
            NauthError: the vendor's error for the response.
        """
        kind = self.check_readable(into)
        wall, mono = self.clock.wall(), self.clock.monotonic()
        async with response:
            body = await self._body(response)
        answer = Answer(
            status=response.status, headers=response.headers, body=body, sent_wall=wall, sent_mono=mono
        )
        method = response.method.upper()
        return self._opened(answer, kind, response.url, method, method in _REPEATABLE)

    def check_readable(self, into: Any) -> Any:
        """Return the type that stands for `into`.

        Raises:
            ConfigurationError: no JSON fits it.
        """
        kind = NoneType if into is None else into
        try:
            quick_reader(self.converter, kind)
        except TypeError:  # it cannot be remembered, or no more than that
            reader_of(self.converter, kind)
        return kind

    def _request(self, method: str, path: str | URL, options: CallOptions) -> Request:
        if method not in _METHODS:
            method = _as_method(method)
        url = self.targets.get(path) if type(path) is str else None
        if url is None:
            url = self.targets.add(path)
        if not options:
            # by place, for a call by names costs as much again
            return Request(method, url, self.headers, None, None, None, method in _REPEATABLE)
        _check(options)
        if params := options.get("params"):
            url = _with_query(url, params)
        headers = CIMultiDict(self.headers)
        for name in options.get("headers") or {}:
            headers.popall(name, None)
        headers.extend(options.get("headers") or {})
        body, stream, content_type = self._encoded(options)
        if content_type is not None:
            headers.setdefault("Content-Type", content_type)
        repeatable = options.get("repeatable")
        if repeatable and stream is not None:
            raise ConfigurationError(
                f"nothing was sent: a body of type {type(stream).__name__} can be read once only, so the request is not "
                "repeatable. Give the body as bytes, or leave repeatable out"
            )
        return Request(
            method=method,
            url=url,
            headers=headers,
            body=body,
            stream=stream,
            timeout=options.get("timeout"),
            repeatable=(method in _REPEATABLE and stream is None) if repeatable is None else repeatable,
        )

    def _encoded(self, options: CallOptions) -> tuple[bytes | None, object, str | None]:
        """Return the body, or what is streamed instead, and the content type."""
        record, data = options.get("json"), options.get("data")
        if record is not None and data is not None:
            raise ConfigurationError("nothing was sent: json= and data= are two bodies; give one")
        if record is not None:
            try:
                return encode(self.converter, record), None, "application/json"
            except (TypeError, ValueError, cattrs.BaseValidationError) as error:
                problem = str(error)
            raise ConfigurationError(f"nothing was sent: json= cannot be written as JSON: {problem}")
        if isinstance(data, str):
            return utf8(data), None, None
        if isinstance(data, Mapping):
            form = form_of(cast("Mapping[object, object]", data))
            if isinstance(form, FormData):
                return None, form, None
            return form, None, "application/x-www-form-urlencoded"
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(cast("bytes", data)), None, None
        _check_streamed(data)
        return None, data, None

    async def _body(self, response: ClientResponse) -> bytes:
        where, body, broke_off = place(response.url), None, False
        try:
            body = await read_at_most(response, self.max_body)
        except (ClientError, OSError):
            broke_off = True
        if body is not None:
            return body
        response.close()
        if broke_off:
            raise self.error_class(OutcomeUnknownError)(
                f"the response of {where} broke off. The vendor may have acted on the request: look before you send it "
                "again",
                status=response.status,
            )
        raise self.error_class(MalformedResponseError)(
            f"the response of {where} is larger than {self.max_body} bytes and was not read to its end. "
            "A larger limit can be set on the client: max_response_bytes",
            status=response.status,
        )

    def _opened(self, answer: Answer, kind: Any, url: URL, method: str, repeatable: bool) -> Reply[Any]:
        try:
            if not answer.foreign:
                return self.read(answer, kind, url)
            with reading(answer):
                return self.read(answer, kind, url)
        except VendorUnavailableError as error:
            if repeatable or self.status_of(answer) in _NOT_ACTED_ON:
                raise
            doubt = self.error_class(OutcomeUnknownError)(
                f"{method} {url.raw_path} was answered with a fault of the vendor's, and may have been acted on all the "
                "same: look whether it was before you send it again. Say repeatable=True if doing it twice does no harm "
                f"({_said(error)})",
                status=error.status,
                code=error.code,
                detail=error.detail,
                request_id=error.request_id,
            )
        # outside the handler: the new error has neither cause nor context
        raise doubt

    def error_class(self, kind: type[_E]) -> type[_E]:
        """Return the vendor's own class for `kind`, or `kind` itself."""
        return cast("type[_E]", self.errors.get(kind, kind))


_STREAMS = (io.IOBase, AsyncIterable, FormData, Payload, list, tuple)
"""What aiohttp streams; a list holds the pairs of a form."""


def _check_streamed(data: object) -> None:
    if data is None or isinstance(data, _STREAMS):
        return
    with contextlib.suppress(PayloadLookupError):
        get_payload(data)  # a type of the user's, for which aiohttp was given a payload
        return
    raise ConfigurationError(
        f"nothing was sent: data= cannot be of type {type(data).__name__}. Give bytes, text, a mapping for a form, a file, "
        "an async iterable of bytes, aiohttp.FormData or a payload of aiohttp's; for JSON use json="
    )


def _as_method(method: object) -> str:
    found = method.upper() if isinstance(method, str) else ""
    if not _TOKEN.fullmatch(found):
        raise ConfigurationError("nothing was sent: the method must be a word such as GET or POST")
    return found


def _check(options: CallOptions) -> None:
    if not options.keys() <= _OPTIONS:
        # as Python says it for a function that names its keywords: a misspelled one must not be passed over
        names = ", ".join(sorted(options.keys() - _OPTIONS))
        raise TypeError(
            f"nothing was sent: call() has no option {names}. It has: {', '.join(sorted(_OPTIONS))}. "
            "For an option of aiohttp's, send by request() and read by open()"
        )
    if headers := options.get("headers"):
        _check_headers(headers)
    if (timeout := options.get("timeout")) is not None:
        _check_timeout(timeout)


def _with_query(url: URL, params: Query) -> URL:
    problem: str
    try:
        return url.extend_query(params)
    except (TypeError, ValueError):  # its text quotes the value
        problem = "a value, or a list of them, is no text and no finite number"
    raise ConfigurationError(
        f"nothing was sent: params= cannot be written into the URL: {problem}. Leave out what is None, write 'true' for "
        "True, and give dates as text"
    )


def _check_headers(given: object) -> None:
    if not isinstance(given, Mapping):
        raise ConfigurationError(
            f"nothing was sent: headers= must be a mapping of text to text, not {type(given).__name__}"
        )
    for name, value in cast("Mapping[object, object]", given).items():
        if not (isinstance(name, str) and isinstance(value, str)):
            where = f"the header {name}" if isinstance(name, str) else "a header's name"
            raise ConfigurationError(
                f"nothing was sent: {where} must be text, not {type(value if isinstance(name, str) else name).__name__}"
            )


def _check_timeout(timeout: object) -> None:
    # aiohttp would take zero and less for no limit
    if not isinstance(timeout, timedelta) or timeout <= timedelta(0):
        given = "zero or less" if isinstance(timeout, timedelta) else type(timeout).__name__
        raise ConfigurationError(
            f"nothing was sent: timeout= must be a timedelta longer than zero, not {given}"
        )


def _said(error: NauthError) -> str:
    code = f", code {error.code}" if error.code else ""
    return f"HTTP {error.status}{code}" + (f": {error.detail}" if error.detail else "")
