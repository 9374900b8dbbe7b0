"""The token server and the API of the comparison, in a process of its own, told by `Control` how to behave.

It listens on two ports, so that a redirect can lead to another origin. Every form of token call that a peer makes is
answered: OAuth 2.0, Azure's tenant, and the container metadata of Amazon.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Generator
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
from aiohttp import web
from aiohttp.hdrs import AUTHORIZATION

__all__ = ["Control", "serving"]

_LATE_S, _EARLY_S = 0.4, 0.02
"""When the refusals of a storm are answered: one half soon, the other after the renewal that the first half asks for."""


@attrs.define
class _State:
    lifetime_s: int = 3600
    down: bool = False
    gate: bool = False
    delay_s: float = 0.0
    storm: bool = False
    refresh_token: str = ""
    """What the next refresh must bring; empty where refresh tokens are not looked at."""
    calls: int = 0
    answered: int = 0
    leaked: int = 0
    revoked: list[str] = attrs.field(factory=list[str])
    made: list[str] = attrs.field(factory=list[str])
    bodies: list[list[int]] = attrs.field(factory=list[list[int]])
    """Of each POST to the API: its status and how many bytes came."""


class _Server:
    def __init__(self) -> None:
        self.state = _State()
        self.open = asyncio.Event()
        self.refused = 0
        self.here = self.elsewhere = ""

    async def token(self, request: web.Request) -> web.Response:
        state = self.state
        state.calls += 1
        form = dict(await request.post())
        if state.refresh_token and form.get("grant_type") == "refresh_token":
            if form.get("refresh_token") != state.refresh_token:
                return web.json_response({"error": "invalid_grant"}, status=400)
            state.refresh_token += "+"
        down = state.down
        if state.gate:
            await self.open.wait()
        if state.delay_s:
            await asyncio.sleep(state.delay_s)
        if down:
            return web.json_response({"error": "temporarily_unavailable"}, status=503)
        made = f"t-{len(state.made)}-{'x' * 40}"
        state.made.append(made)
        state.answered += 1
        ends = datetime.now(UTC) + timedelta(seconds=state.lifetime_s)
        return web.json_response(
            {
                "access_token": made,
                "token_type": "bearer",
                "expires_in": state.lifetime_s,
                "scope": "*",
                **({"refresh_token": state.refresh_token} if state.refresh_token else {}),
                "AccessKeyId": "id",
                "SecretAccessKey": "secret",
                "Token": made,
                "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        )

    async def configuration(self, request: web.Request) -> web.Response:
        """Answer the look that msal takes at a tenant before its first token call."""
        tenant = f"https://{request.host}/{request.match_info['tenant']}"
        return web.json_response(
            {
                "token_endpoint": f"{tenant}/oauth2/v2.0/token",
                "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
                "issuer": f"{tenant}/v2.0",
            }
        )

    async def api(self, request: web.Request) -> web.Response:
        state = self.state
        given = request.headers.get(AUTHORIZATION, "")
        if f"http://{request.host}" == self.elsewhere:
            state.leaked += "t-" in given
            return web.json_response({})
        size = len(await request.read())
        status = 200 if given[7:] in state.made and given[7:] not in state.revoked else 401
        if request.method == "POST":
            state.bodies.append([status, size])
        if status == 401 and state.storm:
            self.refused += 1
            await asyncio.sleep(_EARLY_S if self.refused % 2 else _LATE_S)
        challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'} if status == 401 else {}
        return web.json_response({"rows": []}, status=status, headers=challenge)

    async def away(self, request: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect(f"{self.elsewhere}/rows")

    async def control(self, request: web.Request) -> web.Response:
        told: dict[str, Any] = await request.json()
        if told.pop("reset", False):
            self.open.set()
            self.open, self.state, self.refused = asyncio.Event(), _State(), 0
        if told.pop("revoke", False):
            self.state.revoked = list(self.state.made)
        if told.pop("release", False):
            self.state.gate = False
            self.open.set()
            self.open = asyncio.Event()
        for name, value in told.items():
            setattr(self.state, name, value)
        return web.json_response(attrs.asdict(self.state))


async def _serve() -> None:
    server = _Server()
    app = web.Application()
    app.router.add_post("/control", server.control)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", server.configuration)
    app.router.add_get("/aws", server.token)
    app.router.add_get("/away", server.away)
    app.router.add_route("*", "/rows", server.api)
    app.router.add_post("/{path:.*}", server.token)
    # no sockets of a finished scenario are to be closed under the next one
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=600, shutdown_timeout=0.1)
    await runner.setup()
    for _ in range(2):
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=2048).start()
    server.here, server.elsewhere = (f"http://127.0.0.1:{address[1]}" for address in runner.addresses)
    print(server.here, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.open.set()
    await runner.cleanup()


@attrs.frozen
class Control:
    """Tells the server how to behave, and reads what it counted. Blocks: call it in a thread where a loop runs."""

    url: str

    def __call__(self, **told: Any) -> dict[str, Any]:
        """Set the named members of the server's state; return all of them."""
        request = urllib.request.Request(  # noqa: S310 - the address is our own server's
            f"{self.url}/control", json.dumps(told).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - as above
            counted: dict[str, Any] = json.loads(response.read())
        return counted


@contextlib.contextmanager
def serving() -> Generator[Control]:
    """Start the server; stop it at the end."""
    command = [sys.executable, "-m", "tests.bench.peers.server"]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        try:
            yield Control(server.stdout.readline().strip())
        finally:
            server.communicate()


if __name__ == "__main__":
    asyncio.run(_serve())
