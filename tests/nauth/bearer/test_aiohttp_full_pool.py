"""All requests get a 401 at once, on far too few connections: one renewal, and all are served."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import web

from nauth.bearer.aiohttp import BearerAuth
from tests.support.http.vendor import Issuer, Vendor, manager_of, served

_CALLERS, _CONNECTIONS = 500, 5


@pytest.mark.parametrize("size", [10, 2_000_000])
async def test_storm_in_a_small_pool(size: int) -> None:
    """500 callers on five connections, all with a token that was revoked: one renewal, 500 successes.

    The renewal does not end before the last of them has been refused, so a caller that kept its connection while it
    waits would stop all others.
    """
    asyncio.get_running_loop().set_debug(
        False
    )  # it notes a traceback for each callback: most of the test's time
    answer, gate, refused = b"n" * size, asyncio.Event(), 0

    async def refuse(_: web.Request) -> web.Response:
        nonlocal refused
        refused += 1
        if refused == _CALLERS:
            gate.set()
        return web.Response(status=401, body=answer)

    vendor, issuer = Vendor("t2", refusal=refuse), Issuer(gate=gate)
    manager = manager_of(issuer)
    gate.set()
    await manager.token()
    gate.clear()
    async with served(vendor) as url:
        connector = aiohttp.TCPConnector(limit=_CONNECTIONS)
        auth = BearerAuth(manager, [url])
        async with aiohttp.ClientSession(middlewares=(auth,), connector=connector) as session:

            async def call() -> int:
                async with session.post(url, data=b"y" * 10_000) as response:
                    await response.read()
                    return response.status

            async with asyncio.timeout(40):
                statuses = await asyncio.gather(*(call() for _ in range(_CALLERS)))
    assert statuses == [200] * _CALLERS
    assert vendor.tokens == ["Bearer t1"] * _CALLERS + ["Bearer t2"] * _CALLERS
    assert {seen.size for seen in vendor.seen} == {10_000}
    assert issuer.calls == 2
    await manager.aclose()
