"""`VendorClient`: what the four vendors' clients have in common: sessions, requests, lifecycle."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterable, Mapping
from functools import partial
from types import TracebackType
from typing import Self, Unpack

from aiohttp import ClientSession, ClientTimeout, TCPConnector
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.httpx import HttpxAuth, httpx_auth
from nauth.bearer.unauthorized import Hidden401
from nauth.clock import Clock
from nauth.errors import ClosedError, ConfigurationError
from nauth.events import Observer
from nauth.manager.token_manager import TokenManager
from nauth.origins import resolve, unverified
from nauth.request_options import PendingResponse, RequestOptions
from nauth.stores.base import StoreKey, TokenStore
from nauth.tasks import own_task
from nauth.token import RenewalPolicy, Token
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.aiohttp_private import connector_tls, session_middlewares
from nauth.transport.base import Transport
from nauth.transport.retry import Retrying, WaitHint
from nauth.transport.sessions import LoopSessions

__all__ = ["VendorClient"]

_TIMEOUT = ClientTimeout(total=300, sock_connect=10)
"""For the user's own requests: generous, for uploads, but never endless. ``timeout=`` overrides it."""

_UNSAFE = frozenset({"ssl", "verify_ssl", "ssl_context", "fingerprint"})


class VendorClient:
    """Sign requests to one vendor. Vendors derive from it; users meet it as ``NombaClient`` and the like.

    Use it as an async context manager. Nothing is sent before the first call that needs it. Clients with equal
    credentials share one token in one process, so opening a client for each request costs no sign-in.

    Args:
        authenticator: how to sign in.
        key: whose token, for the store.
        base_url: where relative request paths go; its origin may see the token.
        origins: further origins that may.
        transport: carries the token calls; closed with the client.
        session: the user's own session for requests; never closed here. By default the client makes one.
        headers: what the vendor wants on every call.
        hidden_401: as for `BearerAuth`.
        store, policy, clock, observer: as for `TokenManager`.
    """

    # what the fast path of `token` reads is cheaper in slots
    __slots__ = ("__dict__", "__weakref__", "_cache", "_monotonic", "_wall")

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        key: StoreKey,
        base_url: URL,
        origins: Iterable[URL] = (),
        transport: Transport,
        session: ClientSession | None = None,
        headers: Mapping[str, str] | None = None,
        hidden_401: Hidden401 | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        if session is not None:
            _check_session(session)
        self._manager = TokenManager(
            authenticator, key=key, store=store, policy=policy, clock=clock, observer=observer
        )
        self._cache = self._manager.cache
        self._monotonic, self._wall = self._cache.monotonic, self._cache.wall
        self._base_url = base_url
        self._transport = transport
        self._given_session = session
        self._closed = False
        origins = [base_url, *origins]
        self._auth = BearerAuth(
            self._manager, origins, headers=headers, hidden_401=hidden_401, observer=observer
        )
        self._make_httpx_auth = partial(
            httpx_auth, self._manager, origins, headers=headers, hidden_401=hidden_401, observer=observer
        )
        self._httpx_auth: HttpxAuth | None = None
        self._sessions = LoopSessions(self._make_session)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._base_url}: {self._manager!r}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __del__(self) -> None:
        # a constructor that raised leaves no `_sessions` behind
        if not hasattr(self, "_sessions"):
            return
        left_open = self._sessions.abandon()
        if left_open or (self._given_session is not None and not self._closed and self._manager.started):
            warnings.warn(
                f"{type(self).__name__} was not closed: use `async with` or call aclose()",
                ResourceWarning,
                stacklevel=2,
                source=self,
            )

    @property
    def auth(self) -> BearerAuth:
        """The aiohttp middleware, for a session of your own: ``ClientSession(middlewares=(client.auth,))``."""
        return self._auth

    def httpx_auth(self) -> HttpxAuth:
        """Return the same for httpx and httpx2: ``httpx.AsyncClient(auth=client.httpx_auth())``.

        One object serves both packages and any number of their clients; the guards are those of `auth`. See
        `nauth.bearer.httpx.HttpxAuth` for what differs. The first call imports the packages.

        Raises:
            ConfigurationError: neither is installed: ``pip install nauth[httpx]``.
        """
        if self._httpx_auth is None:
            self._httpx_auth = self._make_httpx_auth()
        return self._httpx_auth

    async def token(self) -> Token:
        """Return a token that is not expired, waiting only if there is none.

        Raises:
            ClosedError: the client was closed.
            NauthError: no token could be had; the kind says what to do, `retry_after` when.
        """
        # the manager's fast path once more: another coroutine around it would cost as much again
        held, monotonic, wall = self._cache.ready, self._monotonic, self._wall
        if held.renew_mono > monotonic() and held.renew_wall > wall():
            return held.token  # type: ignore[return-value]  # what holds no token is never fresh
        return await self._manager.token()

    async def renew(self) -> Token:
        """Renew now, or join the renewal under way, and return the new token.

        Raises:
            NauthError: as for `token`.
        """
        return await self._manager.renew()

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a request with the token on it; await it or use ``async with``, as with aiohttp.

        Args:
            method: the HTTP method.
            url: a path below the client's base URL, or an absolute URL inside a configured origin.
            options: as for ``aiohttp.ClientSession.request``, but for the TLS ones.

        Raises:
            OriginError: `url` names another origin; nothing was sent.
            ConfigurationError: an option would weaken TLS; nothing was sent.
            ClosedError: the client was closed; nothing was sent.
            NauthError: when awaited: no token could be had.
            aiohttp.ClientError: when awaited: the request itself failed.
        """
        target = resolve(self._base_url, url, allowed=self._auth.origins)
        if not _UNSAFE.isdisjoint(options):
            raise ConfigurationError(
                "TLS verification cannot be changed for a request that carries a token. For a private certificate "
                "authority set SSL_CERT_FILE, or bring a session whose connector trusts it"
            )
        session = self._http()
        # a call's `middlewares` replace the session's, so all of them are named; ours is the outermost
        others = (*options.get("middlewares", ()), *session_middlewares(session))
        options["middlewares"] = (self._auth, *(other for other in others if other is not self._auth))
        return session.request(method, target, **options)

    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a GET request; see `request`."""
        return self.request("GET", url, **options)

    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a POST request; see `request`."""
        return self.request("POST", url, **options)

    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a PUT request; see `request`."""
        return self.request("PUT", url, **options)

    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a PATCH request; see `request`."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a DELETE request; see `request`."""
        return self.request("DELETE", url, **options)

    async def aclose(self) -> None:
        """Close what the client opened. Waits, at most five seconds, for a renewal in flight; does not revoke.

        Being cancelled here does not stop the closing: a renewal in flight may hold the only copy of a rotated token.
        Closing twice does nothing.
        """
        self._closed = True
        closing = own_task(self._shut(), name=f"nauth closing of {type(self).__name__}", at_risk=True)
        await asyncio.shield(closing.task)

    async def _shut(self) -> None:
        try:
            await self._manager.aclose()
        finally:
            try:
                await self._transport.aclose()
            finally:
                await self._sessions.aclose()

    def _signed(
        self, *, user_agent: str, policy: RenewalPolicy, clock: Clock, wait_hint: WaitHint | None = None
    ) -> Transport:
        """Return the transport for typed calls that need the token: this client's session and middleware."""
        transport = AiohttpTransport(
            clock=clock, user_agent=user_agent, session=self._http, middlewares=(self._auth,)
        )
        return Retrying(transport, policy=policy, clock=clock, wait_hint=wait_hint)

    def _http(self) -> ClientSession:
        if self._closed:  # else a session would be made that nobody closes
            raise ClosedError(
                "this client was closed; open a new one, or keep this one open for as long as it is used"
            )
        return self._sessions.here() if self._given_session is None else self._given_session

    def _make_session(self) -> ClientSession:
        return ClientSession(timeout=_TIMEOUT, connector=TCPConnector(limit=0, limit_per_host=100))


def _check_session(session: object) -> None:
    if not isinstance(session, ClientSession):
        raise ConfigurationError(f"session must be an aiohttp.ClientSession, not {type(session).__name__}")
    if unverified(connector_tls(session)):
        raise ConfigurationError(
            "the session's connector has TLS verification switched off (ssl=False, or a context that demands no "
            "certificate); a token is never sent that way"
        )
