"""Requests a second with `BearerAuth`, against a session with a static header.

    uv run python tests/bench/requests_per_second.py

Both send over loopback to a server in a process of its own. Machines are noisy, so blocks of requests run in pairs and the
median of the pairs' ratios is compared. Exits 1 if the bar is missed. `tests.bench.instructions` counts the same request in
instructions, which no other process disturbs.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import subprocess
import sys
import time
from datetime import timedelta

from aiohttp import ClientSession, web
from aiohttp.hdrs import AUTHORIZATION
from yarl import URL

from nauth import Secret, Token, TokenManager
from nauth.bearer.aiohttp import BearerAuth
from nauth.stores import MemoryStore, StoreKey

BAR_RATIO = 0.98
BLOCK, PAIRS, WORKERS = 1_000, 41, 16
"""Requests in a block, pairs of blocks, and how many requests are under way at once."""

_KEY = StoreKey(vendor="bench", base_url="https://bench.invalid", identity="0")
_TOKEN = Token(access_token=Secret("t" * 400), lifetime=timedelta(hours=1))
_STATIC = f"Bearer {'t' * 400}"


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
    """Print the figures; return the median of the pairs' ratios."""
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
    command = [sys.executable, __file__, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdout is not None
        ratio = asyncio.run(_throughput(int(server.stdout.readline())))
        server.communicate()
    return 0 if ratio >= BAR_RATIO else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_serve())
    else:
        sys.exit(main())
