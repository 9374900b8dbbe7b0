"""A web application whose users sign in to Nomad Media by single sign-on.

The address that the browser comes back to holds the tokens. So it is written to no log
(`access_log=None`), the browser is sent on at once, and each person's client is found by a
random cookie.
"""

from __future__ import annotations

import asyncio
import secrets
import sys

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from nomadauth import NomadClient, NomadSSO, sso_login_url
from nomadauth.sandbox import NomadSandbox

COOKIE = "session"
CLIENTS = web.AppKey("clients", dict[str, NomadClient])
BASE_URL = web.AppKey("base_url", str)


async def login(request: web.Request) -> web.Response:
    """Send the person to Nomad."""
    raise web.HTTPFound(sso_login_url("azure", request.app[BASE_URL]))


async def callback(request: web.Request) -> web.Response:
    """Take the tokens out of the address; send the browser to one without them."""
    credentials = NomadSSO.from_callback(str(request.url), provider="azure")
    session = secrets.token_urlsafe()
    client = NomadClient(credentials, base_url=request.app[BASE_URL])
    request.app[CLIENTS][session] = await client.__aenter__()
    response = web.HTTPFound("/me")
    response.set_cookie(COOKIE, session, httponly=True, samesite="Lax")
    response.headers["Referrer-Policy"] = "no-referrer"
    raise response


async def me(request: web.Request) -> web.Response:
    """Call Nomad as the person who asks."""
    client = request.app[CLIENTS].get(request.cookies.get(COOKIE, ""))
    if client is None:
        raise web.HTTPFound("/login")
    return web.Response(text=(await client.check()).message)


async def close(app: web.Application) -> None:
    """Close every person's client."""
    for client in app[CLIENTS].values():
        await client.aclose()


def make_app(base_url: str) -> web.Application:
    """Return the application."""
    app = web.Application()
    app[CLIENTS], app[BASE_URL] = {}, base_url
    app.add_routes(
        [
            web.get("/login", login),
            web.get("/callback", callback),
            web.get("/me", me),
        ]
    )
    app.on_cleanup.append(close)
    return app


async def self_check() -> None:
    """Sign two people in, each with a browser of their own."""
    async with NomadSandbox() as sandbox:
        server = TestServer(make_app(sandbox.base_url))
        async with TestClient(server) as ada, TestClient(server) as ben:
            for browser in (ada, ben):
                _, _, returned = sandbox.sign_on().partition("?")
                async with browser.get(f"/callback?{returned}") as response:
                    print(response.url.path, response.status, await response.text())


if __name__ == "__main__":
    if "--self-check" in sys.argv:
        asyncio.run(self_check())
    elif sys.argv[1:]:
        web.run_app(make_app(sys.argv[1]), access_log=None)
    else:
        sys.exit(
            "name your Nomad host: python sso_web_app.py https://admin.example.com"
        )
