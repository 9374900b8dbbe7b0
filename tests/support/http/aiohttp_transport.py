"""What the tests of `AiohttpTransport` share: one of them, and a server that says what came in."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from yarl import URL

from nauth.clock import SystemClock
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Request

__all__ = ["CANARY", "adapter", "echo", "post", "reply"]

CANARY = "canary-9b27"


def adapter(**options: Any) -> AiohttpTransport:
    """Make a transport with the machine's clock."""
    options.setdefault("clock", SystemClock())
    return AiohttpTransport(user_agent="nauth/test", **options)


def post(url: URL, *, body: bytes | None = b"{}", **headers: str) -> Request:
    """Make a request whose header and query are secrets."""
    return Request(
        method="POST", url=url.with_query(q=CANARY), headers={"Authorization": CANARY} | headers, body=body
    )


async def echo(request: web.Request) -> web.Response:
    """Answer with what came in."""
    return web.json_response(
        {
            "method": request.method,
            "headers": dict(request.headers),
            "body": (await request.read()).decode(),
        },
        headers={"X-Request-Id": "r1", "Set-Cookie": "session=1"},
    )


async def reply(transport: AiohttpTransport, request: Request) -> dict[str, Any]:
    """Send and decode what `echo` answered."""
    answer = await transport.send(request)
    decoded: dict[str, Any] = json.loads(answer.body)
    return decoded
