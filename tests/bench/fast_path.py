"""Instructions of `await client.token()` against awaiting a coroutine that returns at once.

    uv run python tests/bench/fast_path.py

Counts instructions with valgrind's callgrind: the same every time, whatever else the machine does. Each figure is
the difference between two loop counts, so that start-up does not count. Exits 1 above the bar, 77 without valgrind.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from nauth import RenewalPolicy, Secret, Token, TokenManager
from nauth.stores import StoreKey
from nombaauth import NombaClient, NombaCredentials

BAR = 2.0
FEW, MANY = 2_000, 22_000
NO_VALGRIND = 77

_TOKEN = Token(access_token=Secret("t" * 400), lifetime=timedelta(minutes=30))


class _Issuer:
    async def issue(self) -> Token:
        return _TOKEN

    async def refresh(self, token: Token) -> Token:
        return token

    async def revoke(self, token: Token) -> None:
        return None


async def _at_once() -> None:
    return None


def _manager() -> TokenManager:
    key = StoreKey(vendor="bench", base_url="https://bench.invalid", identity="0")
    return TokenManager(_Issuer(), key=key, policy=RenewalPolicy())


async def _subject(name: str) -> TokenManager | NombaClient:
    manager = _manager()
    await manager.token()
    if name == "manager":
        return manager
    credentials = NombaCredentials(client_id="id", client_secret=Secret("secret"), account_id="account")
    client = NombaClient(credentials, environment="sandbox")
    client._manager, client._cache = manager, manager.cache  # a token without a sign-in
    return client


async def _loop(name: str, rounds: int) -> None:
    subject = await _subject(name)
    if name == "floor":
        for _ in range(rounds):
            await _at_once()
    else:
        for _ in range(rounds):
            await subject.token()


def _instructions(name: str, rounds: int) -> int:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, __file__, name,
            str(rounds),
        ]  # fmt: skip
        environment = os.environ | {"PYTHONHASHSEED": "0"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)  # noqa: S603 - our own script
        counted = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
        if counted is None:
            raise SystemExit(done.stderr)
        return int(counted[1])


def _per_call(name: str) -> float:
    return (_instructions(name, MANY) - _instructions(name, FEW)) / (MANY - FEW)


def main() -> int:
    """Measure, print, judge."""
    if shutil.which("valgrind") is None:
        print(f"skipped: valgrind is not installed ({Path(__file__).name} counts instructions with it)")
        return NO_VALGRIND
    floor = _per_call("floor")
    print(f"{'awaiting a coroutine that returns at once':45} {floor:8.0f} instructions")
    worst = 0.0
    for name, what in (("manager", "await manager.token()"), ("client", "await client.token()")):
        each = _per_call(name)
        worst = max(worst, each / floor)
        print(f"{what:45} {each:8.0f} instructions  ratio {each / floor:.2f} (bar {BAR})")
    return 0 if worst <= BAR else 1


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_loop(sys.argv[1], int(sys.argv[2])))
    else:
        sys.exit(main())
