"""What a user's module looks like: a client made at import, kept for the life of the process, used from everywhere.

Told by the environment: ``VENDOR_URL``, and ``STORE``, which is "memory", a path, or a redis:// address.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

import aiohttp
from asgiref.sync import async_to_sync
from yarl import URL

from nauth import BearerAuth, RenewalPolicy, TokenManager
from nauth.oauth2 import AuthorizationCode, TokenEndpoint
from nauth.stores.base import TokenStore
from nauth.stores.redis import RedisStore
from nauth.stores.sqlite import SQLiteStore

__all__ = ["asgi", "manager", "request", "wsgi"]

_VENDOR = os.environ["VENDOR_URL"]
_POLICY = RenewalPolicy(
    margin=timedelta(seconds=1),
    jitter=timedelta(0),
    backoff=timedelta(seconds=0.5),
    cooldown=timedelta(seconds=1),
    deadline=timedelta(seconds=8),
)


def _store() -> TokenStore | None:
    where = os.environ["STORE"]
    if where == "memory":
        return None
    if "://" not in where:
        return SQLiteStore(where)
    return RedisStore(where, prefix=os.environ["STORE_PREFIX"])  # an address: it serves each loop


_endpoint = TokenEndpoint(f"{_VENDOR}/token", client_id="id", client_secret="secret", policy=_POLICY)
_grant = AuthorizationCode(_endpoint, authorization_url=f"{_VENDOR}/authorize", refresh_token="seed")
manager = TokenManager(_grant, key=_endpoint.key("rotating"), store=_store(), policy=_POLICY)


async def request() -> int:
    """Make one request of the vendor's API and return its status."""
    bearer = BearerAuth(manager, [URL(_VENDOR)])
    async with (
        aiohttp.ClientSession(middlewares=(bearer,)) as session,
        session.get(f"{_VENDOR}/api") as answer,
    ):
        return answer.status


async def asgi(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    """Serve as an ASGI application does: one request of the vendor's for each of one's own."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        # uvicorn raises the signal again when it has shut down: what is under way then dies with the process
        await manager.aclose()
        await send({"type": "lifespan.shutdown.complete"})
        return
    try:
        status, said = await request(), b""
    except Exception as error:  # noqa: BLE001 - told to the test
        status, said = 500, repr(error).encode()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": said})


def wsgi(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Serve as a WSGI application does, each request in a loop of its own."""
    run = async_to_sync(request) if environ["PATH_INFO"] == "/asgiref" else lambda: asyncio.run(request())
    try:
        status, said = run(), b""
    except Exception as error:  # noqa: BLE001 - told to the test
        status, said = 500, repr(error).encode()
    start_response(f"{status} .", [])
    return [said]
