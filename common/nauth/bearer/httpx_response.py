"""`HttpxResponseView`: a response of httpx or httpx2 with the attributes that a `Hidden401` reads."""

from __future__ import annotations

from nauth.bearer.httpx_replay import HttpxRequest, HttpxResponse, hold, hold_short, packages

__all__ = ["HttpxResponseView"]


class HttpxResponseView:
    """Give an httpx response the attributes of aiohttp's ``ClientResponse`` that a `Hidden401` reads."""

    def __init__(self, response: HttpxResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """HTTP status."""
        return self._response.status_code

    @property
    def content_type(self) -> str:
        """Type and subtype in lower case, without parameters."""
        return self._response.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """The ``Content-Length`` header in bytes; None if it is missing or not a number."""
        text = self._response.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def request_info(self) -> HttpxRequest:
        """The request that was answered, with the headers it carried."""
        return self._response.request

    async def short_body(self, most: int) -> bytes | None:
        """Return the decoded body if at most `most` bytes are sent for it, else None; see `nauth.bearer.short_body`."""
        known = self.content_length
        short = await hold_short(self._response, most) if known is None else known <= most
        return await self.read() if short else None

    async def read(self) -> bytes:
        """Return the decoded body and leave it readable; empty if it breaks off, as the caller will see too."""
        response = self._response
        await hold(response, refused=False)
        package = next(package for package in packages() if isinstance(response, package.Response))
        try:
            if response.is_stream_consumed:
                return response.content
            twin = package.Response(response.status_code, headers=response.headers, stream=response.stream)
            body: bytes = await twin.aread()
        except (package.RequestError, RuntimeError):  # RuntimeError: the body was read before and not kept
            return b""
        return body
