"""What `BearerAuth` costs: beside a middleware that only sets a header, and beside a session with a static header.

    uv run python tests/bench/middleware.py

Machines are noisy: all is run in turns in one process, and medians are compared. The first part awaits middlewares
over a handler that returns at once, with requests as aiohttp makes them. The second sends them, over loopback, to a
server in a process of its own, in pairs of blocks. Exits 1 if either bar is missed.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientSession, web
from aiohttp.hdrs import AUTHORIZATION
from yarl import URL

from nauth import Secret, Token, TokenManager
from nauth.bearer.aiohttp import BearerAuth
from nauth.stores import MemoryStore, StoreKey

BAR_US, BAR_RATIO = 1.0, 0.98
BATCH, BATCHES, ROUNDS = 20, 100, 61
"""Of the first part, for each of its subjects."""
BLOCK, PAIRS, WORKERS = 1_000, 41, 16
"""Of the second: requests in a block, pairs of blocks, and how many requests are under way at once."""

_KEY = StoreKey(vendor="bench", base_url="https://bench.invalid", identity="0")
_TOKEN = Token(access_token=Secret("t" * 400), lifetime=timedelta(hours=1))
_STATIC = f"Bearer {'t' * 400}"

_Middleware = Callable[[ClientRequest, ClientHandlerType], Awaitable[ClientResponse]]


class _Issuer:
    async def issue(self) -> Token:
        return _TOKEN

    async def refresh(self, token: Token) -> Token:
        return token

    async def revoke(self, token: Token) -> None:
        return None


async def _auth(origin: URL) -> BearerAuth:
    manager = TokenManager(_Issuer(), key=_KEY, store=MemoryStore())
    await manager.token()
    return BearerAuth(manager, [origin])


# --- over a handler that returns at once ----------------------------------------------------------


class _Answer:
    status, ok = 200, True


async def _at_once(_: ClientRequest) -> Any:
    return _Answer


async def _only_sets(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    request.headers[AUTHORIZATION] = _STATIC
    return await handler(request)


async def _over_handler(session: ClientSession, middleware: _Middleware | None) -> float:
    """Return µs for each request."""
    loop = asyncio.get_running_loop()
    took = 0.0
    gc.collect()
    gc.disable()
    for batch in range(BATCHES):
        # few at a time: as fresh in the processor's cache as they are when aiohttp runs its middlewares
        requests = [
            ClientRequest(
                "GET", URL(f"https://bench.invalid/v1/{batch}/{number}"), loop=loop, session=session
            )
            for number in range(BATCH)
        ]
        started = time.perf_counter()
        if middleware is None:
            for request in requests:
                await _at_once(request)
        else:
            for request in requests:
                await middleware(request, _at_once)
        took += time.perf_counter() - started
    gc.enable()
    return took / (BATCH * BATCHES) * 1e6


async def _overhead() -> float:
    """Print the figures of the first part; return the µs that `BearerAuth` adds."""
    auth = await _auth(URL("https://bench.invalid"))
    subjects: dict[str, _Middleware | None] = {"none": None, "sets a header": _only_sets, "BearerAuth": auth}
    times: dict[str, list[float]] = {name: [] for name in subjects}
    async with ClientSession() as session:
        for _ in range(ROUNDS):
            for name, middleware in subjects.items():
                times[name].append(await _over_handler(session, middleware))
    floor, header, ours = (statistics.median(times[name]) for name in subjects)
    print(
        f"handler that returns at once            {floor:6.2f} µs (medians of {ROUNDS} x {BATCH * BATCHES})"
    )
    print(f"middleware that only sets a header adds {header - floor:6.2f} µs")
    print(
        f"BearerAuth adds                         {ours - floor:6.2f} µs (bar {BAR_US}): "
        f"{ours - header:.2f} µs more, {(ours - floor) / (header - floor):.2f} times as much"
    )
    return ours - floor


# --- over loopback --------------------------------------------------------------------------------


async def _serve() -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=200 if request.headers.get(AUTHORIZATION) == _STATIC else 401, text="{}")

    app = web.Application()
    app.router.add_get("/v1/{number}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


async def _block(session: ClientSession, url: URL) -> float:
    """Return requests a second."""
    numbers = iter(range(BLOCK))

    async def work() -> None:
        for number in numbers:
            async with session.get(url / str(number)) as response:
                await response.read()
                if response.status != 200:
                    raise SystemExit(f"the server answered {response.status}")

    gc.collect()
    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(WORKERS)))
    return BLOCK / (time.perf_counter() - started)


async def _throughput(port: int) -> float:
    """Print the figures of the second part; return the median of the pairs' ratios."""
    url = URL(f"http://127.0.0.1:{port}/v1")
    plain: list[float] = []
    ours: list[float] = []
    async with (
        ClientSession(headers={AUTHORIZATION: _STATIC}) as static,
        ClientSession(middlewares=(await _auth(url),)) as signed,
    ):
        turns = [(plain, static), (ours, signed)]
        for _ in range(PAIRS + 1):
            for speeds, session in turns:
                speeds.append(await _block(session, url))
            turns.reverse()
    ratio = statistics.median(mine / base for base, mine in zip(plain[1:], ours[1:], strict=True))
    print(
        f"session with a static header            {statistics.median(plain[1:]):6.0f} requests/s over loopback"
    )
    print(
        f"session with BearerAuth                 {statistics.median(ours[1:]):6.0f} requests/s "
        f"({PAIRS} pairs of {BLOCK}): ratio {ratio:.3f} (bar {BAR_RATIO})"
    )
    return ratio


def main() -> int:
    """Measure in turns, print, judge."""
    added = asyncio.run(_overhead())
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdout is not None
        ratio = asyncio.run(_throughput(int(server.stdout.readline())))
        server.communicate()
    return 0 if added <= BAR_US and ratio >= BAR_RATIO else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_serve())
    else:
        sys.exit(main())
