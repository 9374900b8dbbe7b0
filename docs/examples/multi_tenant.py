"""A service with many tenants, each with credentials of its own.

A tenant has a client only while it is in use.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial

from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web
from aiohttp.test_utils import TestClient, TestServer

from nauth import ClientPool
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox

TENANTS = web.AppKey("tenants", Mapping[str, NombaCredentials])
POOL = web.AppKey("pool", ClientPool[NombaClient, NombaCredentials])


def open_client(
    session: ClientSession, base_url: str, credentials: NombaCredentials
) -> NombaClient:
    """Return the client of one tenant."""
    return NombaClient(credentials, base_url=base_url, session=session)


def make_app(
    tenants: Mapping[str, NombaCredentials], base_url: str
) -> web.Application:
    """Return the application; in yours `tenants` is a secrets manager."""

    async def pool(app: web.Application) -> AsyncIterator[None]:
        connector = TCPConnector(limit=100)
        async with (
            ClientSession(
                connector=connector, cookie_jar=DummyCookieJar()
            ) as session,
            ClientPool(
                partial(open_client, session, base_url), most=100
            ) as clients,
        ):
            app[POOL] = clients
            yield

    app = web.Application()
    app[TENANTS] = tenants
    app.cleanup_ctx.append(pool)
    app.add_routes([web.get("/{tenant}/balance", balance)])
    return app


async def balance(request: web.Request) -> web.Response:
    """Answer with one tenant's balance."""
    credentials = request.app[TENANTS].get(request.match_info["tenant"])
    if credentials is None:
        raise web.HTTPNotFound
    async with request.app[POOL].client(credentials) as nomba:
        found = await nomba.check()
    return web.json_response({"amount": str(found.amount)})


async def self_check() -> None:
    """Serve 50 tenants, four requests each, at the same time."""
    async with NombaSandbox() as sandbox:
        tenants = {
            f"tenant-{number}": sandbox.add_credentials() for number in range(50)
        }
        app = make_app(tenants, sandbox.base_url)
        async with TestClient(TestServer(app)) as client:

            async def ask(tenant: str) -> int:
                async with client.get(f"/{tenant}/balance") as response:
                    return response.status

            statuses = await asyncio.gather(
                *(ask(tenant) for tenant in [*tenants] * 4)
            )
            print(
                len(statuses),
                "requests,",
                {*statuses},
                sandbox.requests["issue"],
                "sign-ins",
            )


if __name__ == "__main__":
    asyncio.run(self_check())
