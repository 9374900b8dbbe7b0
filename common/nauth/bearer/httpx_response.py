"""`HttpxAnswer`: an answer of httpx or httpx2 in the words that a `Hidden401` asks in."""

from __future__ import annotations

from nauth.bearer.httpx_replay import HttpxRequest, HttpxResponse, hold, packages

__all__ = ["HttpxAnswer"]


class HttpxAnswer:
    """Show an answer the way aiohttp's ``ClientResponse`` does, as far as a `Hidden401` asks."""

    def __init__(self, response: HttpxResponse) -> None:
        self._response = response

    @property
    def status(self) -> int:
        """The status."""
        return self._response.status_code

    @property
    def content_type(self) -> str:
        """Type and subtype in lower case, without parameters."""
        return self._response.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """What the header says, in bytes; None where it says nothing of use."""
        text = self._response.headers.get("content-length", "")
        return int(text) if text.isascii() and text.isdigit() else None

    @property
    def request_info(self) -> HttpxRequest:
        """The request that was answered, with the headers it carried."""
        return self._response.request

    async def read(self) -> bytes:
        """Return the body, decoded, and leave it readable; nothing where it breaks off, which the caller will meet."""
        response = self._response
        await hold(response, refused=False)
        package = next(package for package in packages() if isinstance(response, package.Response))
        try:
            if response.is_stream_consumed:
                return response.content
            twin = package.Response(response.status_code, headers=response.headers, stream=response.stream)
            body: bytes = await twin.aread()
        except (package.RequestError, RuntimeError):  # RuntimeError: somebody has read it and kept nothing
            return b""
        return body
