"""Many cold keys on one `RedisStore`: ``uv run python -m tests.bench.cold_keys [number]``.

Ten thousand managers ask for their first token at once, while another store hears of every renewal. Prints the processor
time, the longest wait, and the errors, of which there must be none.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from datetime import timedelta

from nauth import Secret, Token
from nauth.manager import TokenManager
from nauth.stores import RedisStore, StoreKey
from tests.support.redis.servers import VALKEY, Server

_PATIENCE_S = 60.0


class _Vendor:
    """Signs in within 50 ms."""

    async def issue(self) -> Token:
        await asyncio.sleep(0.05)
        return Token(access_token=Secret("t"), refresh_token=Secret("r"), lifetime=timedelta(hours=1))

    async def refresh(self, token: Token) -> Token:
        return await self.issue()

    async def revoke(self, token: Token) -> None:
        """Do nothing."""


def _key(number: int) -> StoreKey:
    return StoreKey(vendor="v", base_url="https://127.0.0.1", identity=str(number))


async def _first(manager: TokenManager) -> tuple[str, float]:
    began = time.monotonic()
    try:
        await manager.token()
    except Exception as error:  # noqa: BLE001 - they are counted
        return f"{type(error).__name__}: {error}"[:100], time.monotonic() - began
    return "tokens", time.monotonic() - began


async def main(url: str, number: int) -> int:
    """Return how many failed."""
    heard: list[object] = []
    async with RedisStore(url) as store, RedisStore(url) as sibling:
        for one in range(number):
            sibling.subscribe(_key(one), heard.append)
        managers = [TokenManager(_Vendor(), key=_key(one), store=store) for one in range(number)]
        began, began_cpu = time.monotonic(), time.process_time()
        outcomes = await asyncio.gather(*map(_first, managers))
        took_s, took_cpu_s = time.monotonic() - began, time.process_time() - began_cpu
        while len(heard) < number and time.monotonic() - began - took_s < _PATIENCE_S:  # noqa: ASYNC110 - listeners of another process
            await asyncio.sleep(0.05)
        all_heard_s = time.monotonic() - began
    counted = Counter(what for what, _ in outcomes)
    print(f"{number} cold keys: {took_s:.1f} s, processor {took_cpu_s:.1f} s")
    print(f"longest wait {max(waited for _, waited in outcomes):.1f} s; {dict(counted)}")
    print(f"a sibling has heard of {len(heard)} after {all_heard_s:.1f} s")
    return number - counted["tokens"]


if __name__ == "__main__":
    assert VALKEY is not None
    with Server(VALKEY) as server:
        sys.exit(bool(asyncio.run(main(server.url, int((sys.argv[1:] or ["10000"])[0])))))
