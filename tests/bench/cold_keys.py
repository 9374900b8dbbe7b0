"""Many cold keys on one store: ``uv run python -m tests.bench.cold_keys [number] [redis|sqlite]``.

Ten thousand managers ask for their first token at once, while another `RedisStore` hears of every renewal (nothing is pushed
by a `SQLiteStore`). Prints the processor time, the longest wait, and the errors, of which there must be none.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path

from nauth import Secret, Token
from nauth.manager import TokenManager
from nauth.stores import RedisStore, SQLiteStore, StoreKey
from nauth.stores.base import TokenStore
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
    """Return how many failed on Redis."""
    heard: list[object] = []
    async with RedisStore(url) as store, RedisStore(url) as sibling:
        for one in range(number):
            sibling.subscribe(_key(one), heard.append)
        began = time.monotonic()
        failed = await herd(store, number)
        took_s = time.monotonic() - began
        while len(heard) < number and time.monotonic() - began - took_s < _PATIENCE_S:  # noqa: ASYNC110 - listeners of another process
            await asyncio.sleep(0.05)
        print(f"a sibling has heard of {len(heard)} after {time.monotonic() - began:.1f} s")
    return failed


async def on_sqlite(number: int) -> int:
    """Return how many failed on SQLite."""
    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "tokens.db")
        failed = await herd(store, number)
        await store.aclose()
    return failed


async def herd(store: TokenStore, number: int) -> int:
    """Let `number` managers of as many keys ask for their first token at once; return how many failed."""
    managers = [TokenManager(_Vendor(), key=_key(one), store=store) for one in range(number)]
    began, began_cpu = time.monotonic(), time.process_time()
    outcomes = await asyncio.gather(*map(_first, managers))
    took_s, took_cpu_s = time.monotonic() - began, time.process_time() - began_cpu
    counted = Counter(what for what, _ in outcomes)
    print(f"{number} cold keys: {took_s:.1f} s, processor {took_cpu_s:.1f} s")
    print(f"longest wait {max(waited for _, waited in outcomes):.1f} s; {dict(counted)}")
    await asyncio.gather(*(manager.aclose() for manager in managers))
    return number - counted["tokens"]


if __name__ == "__main__":
    how_many = int(next((word for word in sys.argv[1:] if word.isdecimal()), "10000"))
    if "sqlite" in sys.argv[1:]:
        sys.exit(bool(asyncio.run(on_sqlite(how_many))))
    assert VALKEY is not None
    with Server(VALKEY) as server:
        sys.exit(bool(asyncio.run(main(server.url, how_many))))
