"""Time for 10,000 cold callers of `token()` against 10,000 coroutines that await one bare future.

    uv run python tests/bench/waiters.py

Both are run in turns in one process, and the medians are compared: machines are noisy, ratios less so. Exits 1 above
the bar.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import sys
import time
from datetime import timedelta

from nauth import Secret, Token, TokenManager
from nauth.stores import MemoryStore, StoreKey

BAR = 1.3
WAITERS, ROUNDS = 10_000, 41

_KEY = StoreKey(vendor="bench", base_url="https://bench.invalid", identity="0")


class _Issuer:
    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.calls = 0

    async def issue(self) -> Token:
        self.calls += 1
        await self.gate.wait()
        return Token(access_token=Secret("t"), lifetime=timedelta(hours=1))

    async def refresh(self, token: Token) -> Token:
        return token

    async def revoke(self, token: Token) -> None:
        return None


async def _floor() -> float:
    future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def wait() -> None:
        await future

    started = time.perf_counter()
    tasks = [asyncio.create_task(wait()) for _ in range(WAITERS)]
    await asyncio.sleep(0)
    future.set_result(None)
    for task in tasks:
        await task
    return time.perf_counter() - started


async def _ours() -> float:
    issuer = _Issuer()
    manager = TokenManager(issuer, key=_KEY, store=MemoryStore())
    started = time.perf_counter()
    tasks = [asyncio.create_task(manager.token()) for _ in range(WAITERS)]
    await asyncio.sleep(0)
    issuer.gate.set()
    for task in tasks:
        await task
    took = time.perf_counter() - started
    if issuer.calls != 1:
        raise SystemExit(f"{issuer.calls} calls instead of one")
    await manager.aclose()
    return took


def main() -> int:
    """Measure in turns, print, judge."""
    floor: list[float] = []
    ours: list[float] = []
    for _ in range(ROUNDS):
        for times, measured in ((floor, _floor), (ours, _ours)):
            gc.collect()
            times.append(asyncio.run(measured()))
    base, mine = statistics.median(floor), statistics.median(ours)
    print(f"{WAITERS} coroutines on one bare future   {base * 1e3:7.1f} ms (median of {ROUNDS})")
    print(
        f"{WAITERS} cold callers of token()         {mine * 1e3:7.1f} ms  ratio {mine / base:.2f} (bar {BAR})"
    )
    return 0 if mine / base <= BAR else 1


if __name__ == "__main__":
    sys.exit(main())
