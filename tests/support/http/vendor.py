"""Vendors on loopback that look at the token, an authenticator that counts, and clients between the two."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import itertools
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import attrs
from aiohttp import web
from aiohttp.test_utils import TestServer
from multidict import CIMultiDictProxy
from yarl import URL

from nauth.client import VendorClient
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.base import StoreKey
from nauth.stores.memory import MemoryStore
from nauth.token import RenewalPolicy, Token
from nauth.transport.network import Network
from tests.support.transport import FakeTransport

__all__ = ["Issuer", "Seen", "Vendor", "client_of", "manager_of", "served"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_numbers = itertools.count()


@contextlib.asynccontextmanager
async def served(handler: Handler, *, tls: ssl.SSLContext | None = None) -> AsyncGenerator[URL]:
    """Answer everything with `handler`, on 127.0.0.1; cut what still hangs when the test ends."""
    app = web.Application(client_max_size=0)

    async def serve(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    app.router.add_route("*", "/{path:.*}", serve)
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=tls, shutdown_timeout=0.05)
    try:
        yield server.make_url("/")
    finally:
        await server.close()


class Issuer:
    """An `Authenticator` that hands out t1, t2, t3 and so on, and counts.

    Args:
        gate: if given, every call waits for it.
        error: raised instead, once the first `after` calls have succeeded.
        lifetime: of each token.
        same: hand out t1 for ever.
    """

    def __init__(
        self,
        *,
        gate: asyncio.Event | None = None,
        error: Exception | None = None,
        after: int = 0,
        lifetime: timedelta | None = timedelta(hours=1),
        same: bool = False,
    ) -> None:
        self.calls = 0
        self.gate = gate
        self.error = error
        self.after = after
        self.lifetime = lifetime
        self.same = same
        self.started = asyncio.Event()

    async def issue(self) -> Token:
        """Sign in."""
        self.calls += 1
        self.started.set()
        number = 1 if self.same else self.calls
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None and self.calls > self.after:
            raise self.error
        return Token(access_token=Secret(f"t{number}"), lifetime=self.lifetime)

    async def refresh(self, token: Token) -> Token:
        """Do as `issue`."""
        return await self.issue()

    async def revoke(self, token: Token) -> None:
        """Do nothing."""


@attrs.frozen
class Seen:
    """One request as it arrived."""

    method: str
    path: str
    headers: CIMultiDictProxy[str] = attrs.field(repr=False)
    size: int
    digest: str

    @property
    def authorization(self) -> str | None:
        return self.headers.get("Authorization")


class Vendor:
    """Answers 200 to the bearers it likes and 401 to all others; remembers what came.

    Args:
        good: the access tokens it likes.
        refusal: makes the answer to the others.
        answer: makes the answer to the good ones.
    """

    def __init__(self, *good: str, refusal: Handler | None = None, answer: Handler | None = None) -> None:
        self.good = {f"Bearer {token}" for token in good}
        self.seen: list[Seen] = []
        self._refusal = refusal
        self._answer = answer

    @property
    def tokens(self) -> list[str | None]:
        """What each request carried in `Authorization`, in order."""
        return [seen.authorization for seen in self.seen]

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        self.seen.append(
            Seen(
                request.method,
                request.raw_path,
                request.headers,
                len(body),
                hashlib.sha256(body).hexdigest(),
            )
        )
        if request.headers.get("Authorization") in self.good:
            return await self._answer(request) if self._answer else web.json_response({"size": len(body)})
        return await self._refusal(request) if self._refusal else web.json_response({"no": 1}, status=401)


def _key() -> StoreKey:
    return StoreKey(vendor="test", base_url="http://127.0.0.1", identity=f"somebody {next(_numbers)}")


def manager_of(issuer: Issuer, **options: Any) -> TokenManager:
    """Return a manager that shares its token with no other."""
    options.setdefault("store", MemoryStore())
    options.setdefault("policy", RenewalPolicy(jitter=timedelta(0)))
    return TokenManager(issuer, key=_key(), **options)


def client_of(
    issuer: Issuer, base_url: URL, *, headers: Mapping[str, str] | None = None, **options: Any
) -> VendorClient:
    """Return a client that shares its token with no other, and whose transport is never used."""
    options.setdefault("store", MemoryStore())
    options.setdefault("key", _key())
    options.setdefault("transport", FakeTransport())
    network = Network(
        **{name: options.pop(name) for name in ("session", "proxy", "ssl_context") if name in options}
    )
    return VendorClient(network=network, authenticator=issuer, base_url=base_url, headers=headers, **options)
