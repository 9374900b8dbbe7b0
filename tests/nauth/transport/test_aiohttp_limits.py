"""The response class that bounds interim responses is aiohttp's in all else."""

from __future__ import annotations

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from nauth.transport.aiohttp_limits import BoundedResponse


async def test_a_body_waits_for_100_continue() -> None:
    """A request that asks first sends its body once the server has said "100 Continue", and is answered."""

    async def answer(request: web.Request) -> web.Response:
        return web.Response(body=await request.read())

    app = web.Application()
    app.router.add_post("/", answer)
    async with (
        TestServer(app) as server,
        aiohttp.ClientSession(response_class=BoundedResponse) as session,
        session.post(server.make_url("/"), data=b"body", expect100=True) as response,
    ):
        assert await response.read() == b"body"
