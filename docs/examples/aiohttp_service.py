"""An aiohttp service: python aiohttp_service.py.

One client for the life of the application.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.typedefs import Handler

from nauth import CredentialsRejectedError, VendorUnavailableError
from nombaauth import NombaClient

NOMBA = web.AppKey("nomba", NombaClient)


async def nomba(app: web.Application) -> AsyncIterator[None]:
    """Open the client in the server's event loop; close it when the server stops."""
    async with NombaClient() as client:  # NOMBA_* from the environment
        app[NOMBA] = client
        yield


@web.middleware
async def vendor_errors(
    request: web.Request, handler: Handler
) -> web.StreamResponse:
    """Say of the vendor's failures what our own callers can act on."""
    try:
        return await handler(request)
    except VendorUnavailableError as error:
        seconds = (
            1 if error.retry_after is None else error.retry_after.total_seconds()
        )
        raise web.HTTPServiceUnavailable(
            headers={"Retry-After": str(round(seconds))}
        ) from error
    except CredentialsRejectedError as error:
        raise web.HTTPBadGateway(
            reason="the vendor refuses our credentials"
        ) from error


async def balance(request: web.Request) -> web.Response:
    """Answer with the account's balance."""
    found = await request.app[NOMBA].check()
    return web.json_response(
        {"amount": str(found.amount), "currency": found.currency}
    )


async def ready(request: web.Request) -> web.Response:
    """Answer a readiness probe from memory: no call to the vendor."""
    return web.Response(status=200 if request.app[NOMBA].health.ready() else 503)


def make_app() -> web.Application:
    """Return the application."""
    app = web.Application(middlewares=[vendor_errors])
    app.cleanup_ctx.append(nomba)
    app.add_routes([web.get("/balance", balance), web.get("/ready", ready)])
    return app


async def self_check() -> None:
    """Call the service once."""
    async with TestClient(TestServer(make_app())) as client:
        async with client.get("/balance") as response:
            print(response.status, await response.json())
        async with client.get("/ready") as response:
            print(response.status)


if __name__ == "__main__":
    if "--self-check" in sys.argv:
        asyncio.run(self_check())
    else:
        web.run_app(make_app())
