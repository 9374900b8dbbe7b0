"""Read what a request to a sandbox carries. A body that cannot be read is the caller's fault, never a 500."""

from __future__ import annotations

import json
from collections.abc import Mapping

from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

__all__ = ["body_of", "form_fields", "json_document", "parsed"]

_FORM = "application/x-www-form-urlencoded"


async def body_of(request: web.Request) -> bytes:
    """Return the body; empty if its coding or its chunks are broken."""
    try:
        return await request.read()
    except RequestPayloadError:
        return b""


async def json_document(request: web.Request) -> object:
    """Return the body's JSON document; None if there is none, or if it nests too deep to be read."""
    return parsed(await body_of(request))


def parsed(body: bytes) -> object:
    """Return the JSON document in `body`; None if there is none, or if it nests too deep to be read."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


async def form_fields(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a form as RFC 6749 appendix B has it; none for a body of any other kind."""
    if request.content_type != _FORM:
        return {}
    try:
        fields = await request.post()
    except (
        ValueError,
        LookupError,
        RequestPayloadError,
    ):  # not of its charset; no such charset; broken chunks
        return {}
    return {name: value for name, value in fields.items() if isinstance(value, str)}
