"""`VendorSandbox`: what the sandboxes of all vendors have beside their endpoints."""

from __future__ import annotations

import abc
import contextlib
import hashlib
import json
import ssl
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import ClassVar, Generic, Protocol, TypeVar

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestPayloadError

from nauth.clock import Clock
from nauth.errors import ConfigurationError
from nauth.testing.custom_endpoints import Serve, Taught, answering
from nauth.testing.sandbox import Handler, Sandbox

__all__ = ["Memory", "VendorSandbox", "bearer_token", "body_digest", "phrase"]

T = TypeVar("T")


class Memory(Protocol):
    """What a `VendorSandbox` asks of a memory of tokens; `nauth.testing.issued_tokens.IssuedTokens` is one."""

    reuses: int

    def live_tokens(self) -> int:
        """Count the access tokens that work now."""
        ...

    def kill_all(self, *, kill_refresh: bool = False) -> None:
        """Kill every access token at once, and with `kill_refresh` every refresh token too."""
        ...


class VendorSandbox(Sandbox, Generic[T]):
    """A `Sandbox` whose endpoints hand out tokens, want them, and can be told to refuse them.

    A subclass names its endpoints in `routes`, wraps those that want a token in `guarded`, and says in `refuse` which
    requests it turns away. It has the same options with switches of its own. A test teaches it further endpoints by
    `answer`.

    Args:
        switches: how this vendor behaves where its documents are silent.
        clock: what lifetimes, delays and the `Date` header are counted on; the machine's own by default.
        port: port to listen on; 0 lets the system choose.
        ssl_context: serve https with it.

    Attributes:
        switches: as above.
        reject_all: while true, every call with a token is refused, whatever its token.
        unauthorized: how many calls were refused for their token.
        token_endpoints: the names of the endpoints that deal in tokens.
    """

    token_endpoints: ClassVar[Sequence[str]] = ()

    def __init__(
        self,
        switches: T,
        *,
        clock: Clock | None = None,
        port: int = 0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self.switches: T = switches
        super().__init__(clock=clock, port=port, ssl_context=ssl_context)
        self._taught = Taught()
        self.reject_all: bool = False
        self.unauthorized: int = 0

    def note_unauthorized(self) -> None:
        """Count a call that was refused for its token."""
        self.unauthorized += 1

    @abc.abstractmethod
    def memories(self) -> Sequence[Memory]:
        """Return what remembers this sandbox's tokens."""

    @abc.abstractmethod
    def refuse(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request whose token does not open its endpoint; None if the token does.

        Counts in `unauthorized` what means 401.
        """

    @property
    def live_tokens(self) -> int:
        """How many access tokens work now, those that never expire not counted."""
        return sum(memory.live_tokens() for memory in self.memories())

    @property
    def token_calls(self) -> int:
        """How many requests to the endpoints that deal in tokens have arrived."""
        return sum(self.requests[name] for name in self.token_endpoints)

    def assert_token_calls(self, times: int) -> None:
        """Fail the test unless exactly `times` requests dealt in tokens: sign-ins, renewals and revocations together."""
        if self.token_calls != times:
            raise AssertionError(
                f"{type(self).__name__}: {self.token_calls} token calls instead of {times}; all requests: "
                f"{dict(self.requests)}"
            )

    @property
    def refresh_reuses(self) -> int:
        """How many times a spent refresh token was presented again."""
        return sum(memory.reuses for memory in self.memories())

    def kill_sessions(self, *, kill_refresh: bool = False) -> None:
        """Kill every access token at once, and with `kill_refresh` every refresh token too."""
        for memory in self.memories():
            memory.kill_all(kill_refresh=kill_refresh)

    def answer(self, method: str, path: str, answer: object) -> None:
        """Teach the sandbox an endpoint behind its token check; one that it has already is replaced. Works at any time.

        ::

            sandbox.answer("GET", "/v1/transfers/{id}", {"status": "SUCCESS"})
            refused = sandbox.failure(400, "insufficient funds")
            sandbox.answer("POST", "/v1/transfers", refused)

        `requests`, `faults` and `log` know it by method and path: ``"POST /v1/transfers"``.

        Args:
            method: HTTP method.
            path: below the client's base URL, as aiohttp's router writes it.
            answer: data of a success; a response, such as of `success` and `failure`; or a function of the
                `aiohttp.web.Request`, async or not, that returns either.

        Raises:
            ConfigurationError: the path is none, or JSON cannot hold the data.
        """
        if not path.startswith("/") or "?" in path:
            raise ConfigurationError("the path of an endpoint begins with a slash and has no query")
        handler = self.guarded(answering(answer, self.success))
        method = method.upper()
        self._taught.add(method, self.full_path(path), self._answering(f"{method} {path}", handler))

    async def taught(self, request: web.Request) -> Serve | None:
        """Return what `answer` taught for `request`; None if nothing."""
        return await self._taught.handler_of(request)

    def full_path(self, path: str) -> str:
        """Return the path on the server for one below the client's base URL."""
        return path

    def success(self, data: object = None) -> web.Response:
        """Return the vendor's successful response with `data`."""
        return _json(200, data)

    def failure(self, status: int, words: str | None = None, *, code: str | None = None) -> web.Response:  # noqa: ARG002 - few vendors have codes
        """Return the vendor's refusal.

        Args:
            status: HTTP status.
            words: what it says; the status's own phrase if None.
            code: the vendor's code, where it has codes.
        """
        return _json(status, {"message": words or phrase(status)})

    def guarded(self, handler: Handler) -> Handler:
        """Wrap `handler` so that it serves only the requests that `refuse` lets through."""

        async def serve(request: web.Request) -> web.Response:
            refused = self.refuse(request)
            return await handler(request) if refused is None else refused

        return serve


def phrase(status: int) -> str:
    """Return the standard words for an HTTP status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Failure"


def _json(status: int, body: object) -> web.Response:
    return web.Response(status=status, body=json.dumps(body).encode(), content_type="application/json")


def bearer_token(headers: Mapping[str, str]) -> str | None:
    """Return the token of a Bearer `Authorization`; None if there is none."""
    scheme, _, token = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token if scheme == "Bearer" else None


async def body_digest(request: web.Request) -> dict[str, object]:
    """Read the body of `request` as it comes; return its ``length`` and ``sha256``."""
    digest, length = hashlib.sha256(), 0
    with contextlib.suppress(RequestPayloadError):  # broken chunks: what came before them counts
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            length += len(chunk)
    return {"length": length, "sha256": digest.hexdigest()}
