"""Places to call an endpoint at: each vendor's sandbox, and a double that shares no code with it; both can be scripted."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import attrs
from aiohttp import web
from yarl import URL

from nauth.client import VendorClient
from nauth.stores import MemoryStore
from nauth.testing import FakeClock, Fault
from tests.support.http.vendor import served
from tests.support.vendors.table import NAO, NOMAD, NOMBA, NOYO, Vendor

__all__ = ["Double", "Place", "Step", "at_double", "at_sandbox", "failed", "succeeded"]

_SIGN_IN: Mapping[str, str] = {
    "nomba": "/v1/auth/token/issue",
    "nomad": "/account/login",
    "noyo": "/token",
    "nao": "/api/v2/sessions",
}
_POST_PATHS: Mapping[str, str] = {
    "nomba": "/v1/echo",
    "nomad": "/echo",
    "noyo": "/api/v1/echo",
    "nao": "/api/v2/echo",
}


def succeeded(vendor: Vendor, data: object) -> object:
    """Return the vendor's document of a success, written after its documents and not by its sandbox."""
    return {"code": "00", "description": "Success", "data": data} if vendor is NOMBA else data


def failed(vendor: Vendor, status: int, words: str) -> object:
    """Return the vendor's document of a refusal."""
    return {
        NOMBA.name: {"code": str(status), "description": words},
        NOMAD.name: {"title": words, "status": status, "detail": None},
        NOYO.name: {"message": words, "status": status},
        NAO.name: {"errors": [{"status": str(status), "title": words, "detail": words}]},
    }[vendor.name]


@attrs.frozen
class Step:
    """One response: status, document (bytes go out as they are), headers; or a connection that is cut."""

    status: int = 200
    document: object = b""
    headers: Mapping[str, str] = attrs.field(factory=dict, kw_only=True)
    kind: str = attrs.field(default="application/json", kw_only=True)
    cut: bool = attrs.field(default=False, kw_only=True)

    @property
    def body(self) -> bytes:
        """What goes over the wire."""
        return self.document if isinstance(self.document, bytes) else json.dumps(self.document).encode()


@attrs.define
class Double:
    """A vendor in forty lines: signs in whom it may be, wants the newest token, and answers as the script says.

    Attributes:
        script: the responses to come; once it is empty, the last one again.
        seen: what arrived at endpoints beside the sign-in, the body included.
    """

    vendor: Vendor
    script: deque[Step] = attrs.field(factory=deque)
    seen: list[tuple[web.Request, bytes]] = attrs.field(factory=list)
    issued: int = 0
    live: bool = True

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        body = await request.read()
        if request.path.endswith(_SIGN_IN[self.vendor.name]):
            self.issued += 1
            self.live = True
            return web.json_response(self._tokens(f"t{self.issued}"))
        if not self.live or not request.headers.get("Authorization", "").endswith(f"t{self.issued}"):
            return web.json_response(failed(self.vendor, 401, "no"), status=401)
        self.seen.append((request, body))
        step = self.script.popleft()
        if step.cut:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return web.Response(status=step.status, body=step.body, headers=step.headers, content_type=step.kind)

    def _tokens(self, token: str) -> object:
        ends = "2099-01-01T00:00:00Z"
        return {
            NOMBA.name: {
                "code": "00",
                "description": "Success",
                "data": {"access_token": token, "refresh_token": "r", "expiresAt": ends, "businessId": "b"},
            },
            NOMAD.name: {"token": token, "refreshToken": "r", "expirationSeconds": 3600},
            NOYO.name: {"access_token": token, "expires_in": 600, "token_type": "Bearer"},
            NAO.name: {"data": {"id": "1", "type": "user"}, "meta": {"jwt": token, "expires_at": ends}},
        }[self.vendor.name]


@attrs.define
class Place:
    """A client, and the server that it talks to.

    Attributes:
        vendor: whose.
        client: signed in by the first call.
        server: the sandbox, or a `Double`.
    """

    vendor: Vendor
    client: Any
    server: Any

    @property
    def get_path(self) -> str:
        """Of an endpoint that is read."""
        return self.vendor.path

    @property
    def post_path(self) -> str:
        """Of an endpoint that takes a POST."""
        return _POST_PATHS[self.vendor.name]

    def plan(self, *steps: Step, method: str = "GET") -> None:
        """Let the next requests meet `steps`."""
        if isinstance(self.server, Double):
            self.server.script.extend(steps)
            return
        for step in steps:
            fault = (
                Fault(drop="after")
                if step.cut
                else Fault(status=step.status, body=step.body, headers=step.headers, content_type=step.kind)
            )
            self.server.faults.add(fault, endpoint=self.vendor.endpoint if method == "GET" else "echo")

    def count(self, method: str = "GET") -> int:
        """Tell how many requests of the method arrived at the endpoint with a good token."""
        if isinstance(self.server, Double):
            return Counter(request.method for request, _ in self.server.seen)[method]
        requests: int = self.server.requests[self.vendor.endpoint if method == "GET" else "echo"]
        return requests

    def spoil_token(self) -> None:
        """End the token at the vendor, behind the client's back."""
        if isinstance(self.server, Double):
            self.server.live = False
        else:
            self.server.kill_sessions(kill_refresh=True)

    @property
    def sign_ins(self) -> int:
        """How many tokens were asked for."""
        calls: int = self.server.issued if isinstance(self.server, Double) else self.server.token_calls
        return calls


@asynccontextmanager
async def at_sandbox(vendor: Vendor, **options: Any) -> AsyncIterator[Place]:
    """Start the vendor's sandbox, and a client of it."""
    clock = FakeClock(jump=True)
    async with (
        vendor.sandbox(clock=clock) as sandbox,
        _client(vendor, sandbox.credentials, sandbox.base_url, clock, options) as client,
    ):
        yield Place(vendor, client, sandbox)


@asynccontextmanager
async def at_double(vendor: Vendor, **options: Any) -> AsyncIterator[Place]:
    """Start a double of the vendor, and a client of it."""
    double = Double(vendor)
    async with served(double) as url:
        credentials = vendor.sandbox().credentials
        async with _client(vendor, credentials, url, FakeClock(jump=True), options) as client:
            yield Place(vendor, client, double)


def _client(
    vendor: Vendor, credentials: Any, url: str | URL, clock: FakeClock, options: Mapping[str, Any]
) -> VendorClient:
    given: dict[str, Any] = {"base_url": url, "clock": clock, "store": MemoryStore(clock=clock)}
    return vendor.client(credentials, **{**given, **options})
