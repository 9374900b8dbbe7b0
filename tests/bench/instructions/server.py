"""The server of the counted requests, in a process of its own: Nomba's sandbox, and a host that answers any path."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Generator

import attrs
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

from naoauth.converter import snake
from nombaauth.sandbox import NombaSandbox
from tests.bench.rows import ROW

__all__ = ["Addresses", "serving"]

_ANSWER = json.dumps(
    {
        "code": "00",
        "description": "Success",
        "data": {"id": "t-1", "amount": "1500.10", "bankCode": "090001", "status": "OK"},
    }
).encode()
"""Some 130 bytes, as short answers of Nomba's have."""


_LISTS = {
    "/v1/list/camel": json.dumps([ROW]).encode(),
    "/v1/list/snake": json.dumps([{snake(name): value for name, value in ROW.items()}]).encode(),
    "/v1/list/enveloped": json.dumps({"code": "00", "description": "Success", "data": [ROW]}).encode(),
}
"""One row, as typed calls read it: in Nomba's envelope, and as the others send it."""


@attrs.frozen
class Addresses:
    """Where the two servers listen."""

    sandbox: str
    host: str


async def _answer(request: web.Request) -> web.Response:
    if AUTHORIZATION not in request.headers:
        return web.Response(status=401)
    body = next((body for path, body in _LISTS.items() if request.path.endswith(path)), _ANSWER)
    return web.Response(body=body, content_type="application/json")


async def _serve() -> None:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", _answer)
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with NombaSandbox() as sandbox:
        sandbox.answer("GET", "/v1/rows/1", [ROW])
        print(json.dumps([sandbox.base_url, f"http://127.0.0.1:{runner.addresses[0][1]}"]), flush=True)
        await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextlib.contextmanager
def serving() -> Generator[Addresses]:
    """Start the servers; stop them at the end."""
    command = [sys.executable, "-m", "tests.bench.instructions.server"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - our own script
        assert server.stdout is not None
        try:
            yield Addresses(*json.loads(server.stdout.readline()))
        finally:
            server.communicate()


if __name__ == "__main__":
    asyncio.run(_serve())
