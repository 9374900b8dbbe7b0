"""What `client.call` costs over `client.get` and `response.json()`, in the client's processor time for one request.

    uv run python tests/bench/typed_calls.py

The server, Nomba's sandbox, runs in a process of its own. All are run in turns, and medians of blocks are printed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import statistics
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection

from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.bench.rows import ROW, Row

ROWS = (1, 20, 200)
BLOCK, ROUNDS = 50, 9


async def _serve(pipe: Connection) -> None:
    async with NombaSandbox() as sandbox:
        for count in ROWS:
            sandbox.answer("GET", f"/v1/rows/{count}", [ROW] * count)
        pipe.send(sandbox.base_url)
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)


def _server(pipe: Connection) -> None:
    asyncio.run(_serve(pipe))


async def _block_us(once: Callable[[], Awaitable[object]]) -> float:
    started = time.process_time()
    for _ in range(BLOCK):
        await once()
    return (time.process_time() - started) / BLOCK * 1e6


async def _measure(base_url: str) -> None:
    async with NombaClient(NombaSandbox.credentials, base_url=base_url) as client:
        print("rows    get+json  call object  call attrs   (us)")
        for count in ROWS:
            path = f"/v1/rows/{count}"

            async def plain(path: str = path) -> object:
                async with client.get(path) as response:
                    return await response.json()

            async def loose(path: str = path) -> object:
                return await client.call("GET", path, object)

            async def typed(path: str = path) -> object:
                return await client.call("GET", path, list[Row])

            found: dict[str, list[float]] = {"plain": [], "loose": [], "typed": []}
            for _ in range(ROUNDS):
                for name, once in (("plain", plain), ("loose", loose), ("typed", typed)):
                    found[name].append(await _block_us(once))
            medians = [statistics.median(found[name]) for name in ("plain", "loose", "typed")]
            print(f"{count:4}  {medians[0]:10.0f}  {medians[1]:11.0f}  {medians[2]:10.0f}")


def main() -> None:
    """Start the server, measure, stop it."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_server, args=(theirs,))
    server.start()
    try:
        asyncio.run(_measure(ours.recv()))
    finally:
        ours.send(None)
        server.join()


if __name__ == "__main__":
    main()
