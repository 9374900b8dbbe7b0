"""Managers and clients by the hundred thousand, each made, used once and closed.

    uv run python -m tests.bench.many_clients              # 100,000 of each: some minutes
    uv run python -m tests.bench.many_clients --managers 0 --clients 20000

Every one has a credential of its own. The server is in a process of its own. Prints the processor time of each tenth
(equal if time is linear), and what is left at the end: timers, tasks, descriptors, threads. Exits 1 if anything is left,
or more sockets were open than requests under way.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Generator
from datetime import timedelta
from pathlib import Path

import attrs
from aiohttp import web

from nauth import Secret, Token, TokenManager
from nauth.client import VendorClient
from nauth.stores import MemoryStore, StoreKey
from nombaauth import NombaClient, NombaCredentials

_TENTHS = 10
_OWN_SOCKETS = 4
"""What the process has open beside its requests: the loop's own, and pipes."""


class _Issuer:
    async def issue(self) -> Token:
        return Token(access_token=Secret("t" * 40), lifetime=timedelta(hours=1))

    async def refresh(self, token: Token) -> Token:
        return token

    async def revoke(self, token: Token) -> None:
        return None


async def _serve() -> None:
    """Sign in each credential, answer each request, remember none of them."""

    def success(data: object) -> web.Response:
        return web.json_response({"code": "00", "description": "Success", "data": data})

    async def issue(request: web.Request) -> web.Response:
        await request.read()
        return success({"access_token": "t" * 40, "refresh_token": "r" * 40, "expires_in": 1800})

    async def answer(request: web.Request) -> web.Response:
        return success({"id": request.path})

    app = web.Application()
    app.router.add_post("/v1/auth/token/issue", issue)
    app.router.add_get("/v1/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextlib.contextmanager
def _serving() -> Generator[str]:
    command = [sys.executable, "-m", "tests.bench.many_clients", "--serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def _links() -> list[str]:
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - counted
        with contextlib.suppress(OSError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))  # noqa: PTH115 - as above
    return found


def _sockets() -> int:
    return sum(link.startswith("socket:") for link in _links())


def _rss_mib() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


@attrs.define
class _Left:
    """What a loop and its process hold."""

    timers: int
    tasks: int
    descriptors: int
    threads: int
    objects: int

    @classmethod
    def now(cls) -> _Left:
        gc.collect()
        loop = asyncio.get_running_loop()
        scheduled = getattr(loop, "_scheduled", [])
        return cls(
            timers=sum(not timer.cancelled() for timer in scheduled),
            tasks=len(asyncio.all_tasks()),
            descriptors=len(_links()),
            threads=threading.active_count(),
            objects=sum(isinstance(one, (TokenManager, VendorClient)) for one in gc.get_objects()),
        )


async def _many(number: int, workers: int, use: Callable[[int], Awaitable[None]]) -> tuple[list[float], int]:
    """Return the processor time of each tenth in µs a piece, and the most sockets that were open."""
    tenths: list[float] = []
    sockets = 0
    for tenth in range(_TENTHS):
        numbers = iter(range(tenth * number // _TENTHS, (tenth + 1) * number // _TENTHS))

        async def work(numbers: object = numbers) -> None:
            nonlocal sockets
            for one in numbers:  # type: ignore[attr-defined]  # an iterator of int, bound to this tenth
                await use(one)
                if one % 97 == 0:
                    sockets = max(sockets, _sockets())

        began = time.process_time()
        await asyncio.gather(*(work() for _ in range(workers)))
        tenths.append((time.process_time() - began) / (number / _TENTHS) * 1e6)
    return tenths, sockets


async def _run(what: str, number: int, workers: int, use: Callable[[int], Awaitable[None]]) -> bool:
    """Warm up, measure, print; say whether the promises were kept."""
    await _many(workers * _TENTHS, workers, use)
    await asyncio.sleep(0.5)
    before, rss = _Left.now(), _rss_mib()
    began = time.monotonic()
    tenths, sockets = await _many(number, workers, use)
    took = time.monotonic() - began
    await asyncio.sleep(0.5)  # what closes itself a moment later
    after = _Left.now()
    print(f"{number} {what}: {took:.0f} s, load {os.getloadavg()[0]:.1f}", flush=True)
    print(f"  processor time of each tenth, µs a piece: {' '.join(f'{one:.0f}' for one in tenths)}")
    print(
        f"  sockets: at most {sockets} with {workers} under way; resident: {rss:.0f} MiB before, {_rss_mib():.0f} after"
    )
    print(
        f"  left: {json.dumps(attrs.asdict(after))}; before: {json.dumps(attrs.asdict(before))}", flush=True
    )
    left = attrs.asdict(after)
    return (
        all(left[name] <= value for name, value in attrs.asdict(before).items())
        and sockets <= 2 * workers + _OWN_SOCKETS
    )


async def _managers(number: int) -> bool:
    store = MemoryStore()

    async def use(one: int) -> None:
        key = StoreKey(vendor="bench", base_url="https://bench.invalid", identity=str(one))
        manager = TokenManager(_Issuer(), key=key, store=store)
        await manager.token()
        await manager.aclose()

    return await _run("managers on one MemoryStore", number, 50, use)


async def _clients(number: int, url: str) -> bool:
    async def use(one: int) -> None:
        key = NombaCredentials(
            client_id=f"client-{one}", client_secret=Secret("s" * 88), account_id=f"a-{one}"
        )
        async with NombaClient(key, base_url=url) as nomba, nomba.get("/v1/rows/1") as response:
            await response.read()
            if response.status != web.HTTPOk.status_code:
                raise SystemExit(f"the server answered {response.status}")

    return await _run("clients, one request each", number, 50, use)


async def _all(managers: int, clients: int, url: str) -> int:
    good = not managers or await _managers(managers)
    return 0 if (not clients or await _clients(clients, url)) and good else 1


def main(arguments: list[str]) -> int:
    """Serve, or measure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--managers", type=int, default=100_000)
    parser.add_argument("--clients", type=int, default=100_000)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.serve:
        asyncio.run(_serve())
        return 0
    # one event is told in each turn of the loop, and managers without a network make more: the log drops some, and says so
    logging.getLogger("nauth").setLevel(logging.ERROR)
    with _serving() as url:
        return asyncio.run(_all(options.managers, options.clients, url))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
