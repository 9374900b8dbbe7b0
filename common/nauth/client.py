"""`VendorClient`: what the four vendors' clients have in common: sessions, requests, lifecycle."""

from __future__ import annotations

import asyncio
import warnings
from asyncio import get_running_loop as _running_loop
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Self, TypeVar, Unpack, overload

import cattrs
from aiohttp import BaseConnector, ClientResponse, ClientSession
from aiohttp.client_middlewares import ClientMiddlewareType
from yarl import URL

from nauth.after_fork import guard
from nauth.authenticator import Authenticator
from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.httpx import HttpxAuth, httpx_auth
from nauth.bearer.unauthorized import Hidden401, TokenHeaders
from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.errors import ClosedError, ConfigurationError
from nauth.events import Observer
from nauth.manager.health import Health
from nauth.manager.token_manager import TokenManager
from nauth.origins import Targets
from nauth.owned_tasks import own_task
from nauth.pages import PageForm, Pages
from nauth.request_options import PendingResponse, RequestOptions
from nauth.responses.reply import Reply
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.stores.address import store_for_client
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy, Token
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.aiohttp_private import session_middlewares
from nauth.transport.aiohttp_session import request_session, token_session
from nauth.transport.base import Answer, Transport
from nauth.transport.connectors import Use, lease_for
from nauth.transport.loop_sessions import LoopSessions
from nauth.transport.network import Network
from nauth.transport.retry import Retrying, WaitHint
from nauth.transport.shared_cookies import notice_cookies
from nauth.transport.token_calls import ErrorClasses
from nauth.typed_calls import CallOptions, ReadResponse, TypedCalls, http_status

if TYPE_CHECKING:
    from nauth.logins.remembered import RememberedLogin  # two of four vendors have people who sign in

__all__ = ["MAX_RESPONSE_BYTES", "VendorClient"]

_T = TypeVar("_T")

MAX_RESPONSE_BYTES = 16 << 20
"""The largest response that typed calls read, unless the client is told otherwise."""


_UNSAFE = frozenset({"ssl", "verify_ssl", "ssl_context", "fingerprint"})

_making = guard()
"""Held while a part of a client is made at its first use: two threads may be the first."""


# stand for those of all clients that have sent no request yet, which may be thousands. They stay empty
_NO_TARGETS = Targets(URL(), frozenset())
_NO_SESSIONS = LoopSessions(partial(lease_for, Use.REQUESTS, Network()), token_session)


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
        network: the user's own session, which is never closed here, or proxy and trust of the one that the client makes.
        headers: what the vendor wants on every call.
        token_headers, hidden_401: as for `BearerAuth`.
        login: the remembered login that this client uses, whose `store` is then given, and closed with the client.
        store: where the token is shared; if None, the one that `NAUTH_STORE` names, else the process's own.
        may_persist: whether a store out of `NAUTH_STORE` may outlive the process.
        policy, clock, observer: as for `TokenManager`.
        max_response_bytes: the largest response that typed calls read, after decompression.
    """

    # thousands of clients may wait for their first use; and what the fast path of `token` reads is cheaper in slots
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_auth",
        "_authenticator",
        "_base_url",
        "_cache",
        "_calls",
        "_clock",
        "_closed",
        "_given_session",
        "_headers",
        "_hidden_401",
        "_httpx_auth",
        "_login",
        "_manager",
        "_max_response_bytes",
        "_monotonic",
        "_network",
        "_origins",
        "_sessions",
        "_targets",
        "_token_headers",
        "_transport",
        "_wall",
    )

    _page_form: ClassVar[PageForm]

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        key: StoreKey,
        base_url: URL,
        origins: Iterable[URL] = (),
        transport: Transport,
        network: Network | None = None,
        headers: Mapping[str, str] | None = None,
        token_headers: TokenHeaders | None = None,
        hidden_401: Hidden401 | None = None,
        login: RememberedLogin | None = None,
        store: TokenStore | None = None,
        may_persist: bool = True,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        self._login = login
        if type(max_response_bytes) is not int or max_response_bytes < 1:
            raise ConfigurationError("max_response_bytes must be a whole number of bytes, 1 or more")
        self._max_response_bytes = max_response_bytes
        self._network = network or Network()
        clock = clock or SYSTEM_CLOCK
        if store is None:
            store = store_for_client(key.vendor, clock=clock, may_persist=may_persist)
        self._authenticator = authenticator
        self._manager = TokenManager(
            authenticator, key=key, store=store, policy=policy, clock=clock, observer=observer
        )
        if isinstance(authenticator, SourcedAuthenticator):
            authenticator.attach(self._manager)
        self._cache = self._manager.cache
        self._monotonic, self._wall = self._cache.monotonic, self._cache.wall
        self._base_url = base_url
        self._headers = headers or {}
        self._transport = transport
        self._given_session = self._network.session
        if self._given_session is not None:
            notice_cookies(self._given_session, str(key))
        self._closed = False
        self._clock = clock
        self._origins = tuple(origins)
        self._token_headers, self._hidden_401 = token_headers, hidden_401
        # made when first used
        self._auth: BearerAuth | None = None
        self._httpx_auth: HttpxAuth | None = None
        self._calls: TypedCalls | None = None
        self._targets = _NO_TARGETS
        self._sessions = _NO_SESSIONS

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
        """The aiohttp middleware for a session of your own, as in ``ClientSession(middlewares=(client.auth,))``."""
        with _making:
            if self._auth is None:
                self._auth = BearerAuth(
                    self._manager,
                    (self._base_url, *self._origins),
                    headers=self._headers,
                    token_headers=self._token_headers,
                    hidden_401=self._hidden_401,
                    observer=self._manager.reporter,
                )
            return self._auth

    def httpx_auth(self) -> HttpxAuth:
        """Return the same for httpx and httpx2: ``httpx.AsyncClient(auth=client.httpx_auth())``.

        One object serves both packages and any number of their clients; the guards are those of `auth`. See
        `nauth.bearer.httpx.HttpxAuth` for what differs. The first call imports the packages.

        Raises:
            ConfigurationError: neither is installed: ``pip install nauth[httpx]``.
        """
        if self._httpx_auth is None:
            self._httpx_auth = httpx_auth(
                self._manager,
                (self._base_url, *self._origins),
                headers=self._headers,
                token_headers=self._token_headers,
                hidden_401=self._hidden_401,
                observer=self._manager.reporter,
            )
        return self._httpx_auth

    @property
    def base_url(self) -> URL:
        """Where relative request paths go."""
        return self._base_url

    @property
    def key(self) -> StoreKey:
        """Whose token this is, as a store names it. No secret."""
        return self._manager.key

    @property
    def store(self) -> TokenStore:
        """Where the token is shared."""
        return self._manager.store

    @property
    def login(self) -> RememberedLogin | None:
        """The remembered login that this client uses, if it does."""
        return self._login

    @property
    def renewable(self) -> bool:
        """Whether the client signs in to get a token; false for a credential that is sent as it is."""
        return self._manager.renewable

    async def revoke_given(self, token: Token) -> None:
        """Revoke `token`, which need not be this client's, at the vendor. Signs in to nothing and forgets nothing.

        Raises:
            ConfigurationError: this vendor offers no way to revoke.
            NauthError: the token may still be valid.
        """
        await self._authenticator.revoke(token)

    @property
    def current(self) -> Token | None:
        """The token held now, whatever its state; None before the first and after a revocation. Costs no call."""
        return self._manager.current

    @property
    def health(self) -> Health:
        """How this client is doing (state, expiry, last error). From memory alone, so a probe may read it."""
        return self._manager.health

    async def token(self) -> Token:
        """Return a token that is not expired, waiting only if there is none.

        Raises:
            ClosedError: the client was closed.
            NauthError: no token could be had; the kind says what to do, `retry_after` when.
        """
        # the manager's fast path once more: another coroutine around it would cost as much again
        held, clock = self._cache.ready, self._monotonic
        if held.renew_mono > clock():
            clock = self._wall
            if held.renew_wall > clock():
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
        target = self._targets.get(url) if type(url) is str else None
        if target is None:
            target = self._own_targets().add(url)
        if options and not _UNSAFE.isdisjoint(options):
            raise ConfigurationError(
                "TLS verification cannot be changed for a request that carries a token. For a private certificate "
                "authority give the client ssl_context=, or set SSL_CERT_FILE"
            )
        session = self._given_session
        if session is None:
            loop, session = self._sessions.last
            if session is None or self._closed or loop is not _running_loop() or session.closed:
                session = self._http()
            if "middlewares" not in options:  # it carries ours
                return session.request(method, target, **options)
        options["middlewares"] = self._middlewares(session, *options.get("middlewares", ()))
        return session.request(method, target, **options)

    def _middlewares(
        self, session: ClientSession, *more: ClientMiddlewareType
    ) -> tuple[ClientMiddlewareType, ...]:
        """Return what a request through `session` passes: ours as the outermost, the call's own, the session's.

        A call's `middlewares` replace the session's, one of which may choose the proxy; so all of them are named.
        """
        others = (*more, *session_middlewares(session))
        auth = self._auth or self.auth
        return (auth, *(other for other in others if not auth.is_same(other)))

    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a GET request and hand its response over unread; see `request` for arguments and errors.

        A response with HTTP 200 may hold a failure: `call` reads it and raises the vendor's error.
        """
        return self.request("GET", url, **options)

    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a POST request and hand its response over unread; see `request` for arguments and errors.

        A response with HTTP 200 may hold a failure: `call` reads it and raises the vendor's error.
        """
        return self.request("POST", url, **options)

    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a PUT request and hand its response over unread; see `request` for arguments and errors.

        A response with HTTP 200 may hold a failure: `call` reads it and raises the vendor's error.
        """
        return self.request("PUT", url, **options)

    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a PATCH request and hand its response over unread; see `request` for arguments and errors.

        A response with HTTP 200 may hold a failure: `call` reads it and raises the vendor's error.
        """
        return self.request("PATCH", url, **options)

    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> PendingResponse:
        """Send a DELETE request and hand its response over unread; see `request` for arguments and errors.

        A response with HTTP 200 may hold a failure: `call` reads it and raises the vendor's error.
        """
        return self.request("DELETE", url, **options)

    @overload
    async def call(
        self, method: str, path: str | URL, into: None = None, **options: Unpack[CallOptions]
    ) -> Reply[None]: ...

    @overload
    async def call(
        self, method: str, path: str | URL, into: type[_T], **options: Unpack[CallOptions]
    ) -> Reply[_T]: ...

    async def call(
        self, method: str, path: str | URL, into: type[_T] | None = None, **options: Unpack[CallOptions]
    ) -> Reply[_T] | Reply[None]:
        """Call an endpoint and read its response into `into`: the vendor's success, or the vendor's error.

        Unlike `get` and `post`, which hand the response over unread, this also finds the failure in a response whose HTTP
        status is 200::

            reply = await client.call("GET", "/api/v1/groups/1", Group)
            print(reply.data.name, reply.meta.request_id)

        Args:
            method: the HTTP method.
            path: a path below the client's base URL, with or without a query; or an absolute URL inside its origins.
            into: the type of the data: an attrs class, dataclass, TypedDict or pydantic model, ``list[...]``,
                ``dict[str, ...]``, a scalar; ``object`` for the parsed JSON as it came; None for a response without data.
            options: `json`, `data`, `params`, `headers`, `timeout`, `repeatable`; see `nauth.typed_calls.CallOptions`.

        Raises:
            ConfigurationError: `into` cannot be read from JSON, or the body cannot be sent. Nothing was sent.
            OriginError: `path` leaves the configured origins. Nothing was sent.
            OutcomeUnknownError: the request is not repeatable, and its response was lost or is a 5xx other than 503. Look
                whether it was acted on before you send it again.
            MalformedResponseError: the response does not fit `into`; `problems` name the places.
            NauthError: the vendor's own error, with its words, `status`, `code`, `request_id` and `retry_after`.
        """
        return await (self._calls or self._typed()).call(method, path, into, options)

    @overload
    async def open(self, response: ClientResponse, into: None = None) -> Reply[None]: ...

    @overload
    async def open(self, response: ClientResponse, into: type[_T]) -> Reply[_T]: ...

    async def open(self, response: ClientResponse, into: type[_T] | None = None) -> Reply[_T] | Reply[None]:
        """Read an aiohttp response that you have in hand as `call` does, and release it.

        Raises:
            NauthError: as for `call`.
        """
        return await (self._calls or self._typed()).open(response, into)

    def pages(
        self,
        path: str,
        into: type[_T],
        *,
        method: str = "GET",
        json: Mapping[str, object] | None = None,
        params: Mapping[str, str | int | float] | None = None,
        headers: Mapping[str, str] | None = None,
        size: int | None = None,
        start: object = None,
        most: int = 10_000,
        form: PageForm | None = None,
        patience: timedelta | None = None,
    ) -> Pages[_T]:
        """Return the records of a list that the vendor hands out in pages, to be read by ``async for``.

        ::

            async for group in client.pages("/api/v1/groups", Group):
                print(group.name)

        Nothing is sent before the first record is asked for, and nothing is held open between two records. The object
        also has `by_page()` and `cursor`, the place to go on from; see `nauth.pages.Pages`.

        Args:
            path: of the list, below the client's base URL.
            into: the type of one record.
            method: GET, or POST where the list is asked for so.
            json: sent with every page.
            params: sent with every page.
            headers: sent with every page.
            size: records on a page; the vendor's default if None.
            start: where to begin: an earlier `cursor`.
            most: the largest number of records before `PagesError` is raised: a list never ends in silence.
            form: how this list is cut into pages, one of those in the vendor's module ``pages``, or your own
                `nauth.PageForm`; the vendor's usual one if None.
            patience: how long to wait, in all, for the windows of 429 responses between pages. None raises at once.

        Raises:
            ConfigurationError: the settings contradict each other. Nothing was sent.
            PagesError: while iterating: the vendor sends a page again, or there are more than `most` records.
            NauthError: while iterating, as for `call`.
        """
        options: CallOptions = {}
        if json is not None:
            options["json"] = json
        if params is not None:
            options["params"] = params
        if headers is not None:
            options["headers"] = headers
        return Pages(
            self._calls or self._typed(),
            method=method,
            path=path,
            into=into,
            form=form or self._page_form,
            options=options,
            size=size,
            start=start,
            most=most,
            patience=patience,
        )

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
                if self._login is not None:
                    await self.store.aclose()

    def _signed(
        self, *, user_agent: str, policy: RenewalPolicy, wait_hint: WaitHint | None = None
    ) -> Transport:
        """Return the transport for typed calls that need the token: this client's session and middleware."""
        transport = AiohttpTransport(
            clock=self._clock,
            user_agent=user_agent,
            max_body=self._max_response_bytes,
            session=self._http,
            # one of our own carries ours already
            middlewares=session_middlewares if self._given_session is None else self._middlewares,
            bare=self._given_session is None,
        )
        return Retrying(transport, policy=policy, clock=self._clock, wait_hint=wait_hint)

    def _typed(self) -> TypedCalls:
        """Return what `call`, `open`, `pages` and the vendor's typed endpoints stand on, made when first used."""
        with _making:
            if self._calls is None:
                self._calls = self._make_typed()
            return self._calls

    def _make_typed(self) -> TypedCalls:
        """Make the vendor's typed endpoints, and return its `_typed_calls`."""
        raise NotImplementedError

    def _typed_calls(
        self,
        resources: Transport,
        *,
        converter: cattrs.Converter,
        errors: ErrorClasses,
        read: ReadResponse,
        status_of: Callable[[Answer], int] = http_status,
        data_root: str = "$",
    ) -> TypedCalls:
        """Return typed calls that go by `resources`, in the vendor's own wire rules and errors."""
        return TypedCalls(
            transport=resources,
            targets=self._own_targets(),
            # the middleware puts them on, unless the session brings a value of its own
            headers=self._headers if self._given_session is not None else {},
            converter=converter,
            errors=errors,
            read=read,
            clock=self._clock,
            max_body=self._max_response_bytes,
            data_root=data_root,
            status_of=status_of,
        )

    def _own_session(self) -> Callable[[BaseConnector], ClientSession]:
        """Return what makes this client's sessions. It does not hold the client: sessions would keep that alive."""
        auth, network = self.auth, self._network

        def make(connector: BaseConnector) -> ClientSession:
            # a context of the user's can be changed later, so it is looked at for each request
            ours = auth.for_own_session() if network.ssl_context is None else auth
            # the method itself: an object that is called has it looked up each time
            return request_session(connector, network, (ours.__call__,))

        return make

    def _http(self) -> ClientSession:
        if self._closed:  # else a session would be made that is never closed
            raise ClosedError(
                "this client was closed; open a new one, or keep this one open for as long as it is used"
            )
        if self._given_session is not None:
            return self._given_session
        if self._sessions is _NO_SESSIONS:
            self._make_sessions()
        return self._sessions.here()

    def _make_sessions(self) -> None:
        with _making:
            if self._sessions is _NO_SESSIONS:  # pragma: no branch - else another thread was faster
                lease = partial(lease_for, Use.REQUESTS, self._network)
                self._sessions = LoopSessions(lease, self._own_session())

    def _own_targets(self) -> Targets:
        if self._targets is not _NO_TARGETS:  # of each path that comes for the first time
            return self._targets
        with _making:
            if self._targets is _NO_TARGETS:  # pragma: no branch - else another thread was faster
                self._targets = Targets(self._base_url, self.auth.origins)
            return self._targets
