"""`BearerAuth`: the aiohttp client middleware that puts the token on requests, and only on the right ones."""

from __future__ import annotations

import asyncio
import contextlib
import copy
from collections.abc import Iterable, Mapping

from aiohttp import ClientError, ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.hdrs import AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE
from aiohttp.http import SERVER_SOFTWARE
from multidict import istr
from yarl import URL

from nauth.bearer.aiohttp_netrc import from_netrc
from nauth.bearer.aiohttp_redirects import Calls, remember, remembered
from nauth.bearer.aiohttp_replay import expect_again, replayable, settle
from nauth.bearer.unauthorized import Hidden401, Rejections, TokenHeaders, screen_of
from nauth.errors import OriginError, TokenRefusedError
from nauth.event_delivery import notify
from nauth.events import Observer, OriginRefused, RequestReplayed
from nauth.manager.token_manager import TokenManager
from nauth.origins import OriginKey, origin_key, unverified
from nauth.token import Token
from nauth.transport.aiohttp_private import connector_tls

__all__ = ["BearerAuth"]

_UNAUTHORIZED = 401
_AUTOMATIC = {"accept": "*/*", "user-agent": SERVER_SOFTWARE}
"""Headers that aiohttp adds by default; a vendor's own value may replace them."""


class BearerAuth:
    """Put the manager's token on each request to the configured origins, and answer one 401 with a new token.

    * aiohttp runs middlewares anew for every redirect, so the origin is compared on each hop; a foreign one gets
      neither the token nor the vendor's other headers.
    * A caller's own ``Authorization`` wins, and is not replaced on a later hop, where aiohttp has taken it away. What
      aiohttp has read from ``~/.netrc`` is the machine's, not the caller's: the token replaces it.
    * One replay after a 401, with a different token, and only for a body known to be replayable; otherwise the 401
      is handed back and the token renewed for the next call, unless the last such renewal did not help. The 401 is
      also handed back while the cool-down of `TokenManager.refused` lasts. What has been read of its body by then,
      64 KiB at most, stays readable.
    * Where a middleware inside this one raises at the 401 (``raise_for_status``, say), its error reaches the caller, and
      the token is renewed for the next call.
    * Where a middleware inside this one puts another ``Authorization`` in the token's place, a 401 says nothing of the
      token, and is handed back.
    * 403 never renews.

    One object serves any number of requests:
    ``aiohttp.ClientSession(middlewares=(client.auth,))``. Mind that ``middlewares=`` on a single call *replaces* the
    session's: list this one again there.

    Args:
        manager: whose token.
        origins: who may see it.
        headers: what the vendor wants beside the token on every call, unless the caller sets it.
        token_headers: what the vendor wants on every call and only the token tells, such as its account's id.
        hidden_401: tells a refusal that comes with a status of success, for vendors that have such.
        observer: told of replays and refused origins.
    """

    __slots__ = (
        "_asks_tls",
        "_cache",
        "_first_authority",
        "_first_scheme",
        "_foreign",
        "_headers",
        "_hidden_401",
        "_last_url",
        "_manager",
        "_monotonic",
        "_observer",
        "_origins",
        "_rejections",
        "_screen",
        "_suspects",
        "_token_headers",
        "_wall",
    )

    def __init__(
        self,
        manager: TokenManager,
        origins: Iterable[URL],
        *,
        headers: Mapping[str, str] | None = None,
        token_headers: TokenHeaders | None = None,
        hidden_401: Hidden401 | None = None,
        observer: Observer | None = None,
    ) -> None:
        self._token_headers = token_headers
        self._hidden_401 = hidden_401
        self._screen = screen_of(hidden_401)
        self._suspects = self._screen.statuses
        self._manager, self._cache = manager, manager.cache
        self._monotonic, self._wall = self._cache.monotonic, self._cache.wall
        self._asks_tls = True
        urls = tuple(origins)
        self._origins: frozenset[OriginKey] = frozenset(map(origin_key, urls))
        first = urls[0].origin() if urls else URL()
        self._first_authority, self._first_scheme = first.raw_authority, first.scheme
        """How most requests spell where they go: host, with port if not the default, and scheme."""
        self._last_url: URL | None = None
        """The last one that was found to be ours. A client gives the same object for the same path again."""
        # a name that is a `str` is looked up as cheaply only once aiohttp has made an `istr` of it, for each request
        self._headers = tuple(
            (istr(name), value, _AUTOMATIC.get(name.lower())) for name, value in (headers or {}).items()
        )
        self._observer = observer
        self._foreign: Calls = {}
        """Calls in another identity than ours."""
        self._rejections = Rejections(manager)

    def __repr__(self) -> str:
        return f"<BearerAuth for {len(self._origins)} origins>"

    @property
    def origins(self) -> frozenset[OriginKey]:
        """(scheme, host, port) of each server that may see the token."""
        return self._origins

    def for_own_session(self) -> BearerAuth:
        """Return the same for a session whose connector nauth has made and which checks certificates, now and later.

        Both share all that they learn. The copy's setting is private, but of this class.
        """
        made = copy.copy(self)
        made._asks_tls = False  # noqa: SLF001 - see the docstring
        return made

    def is_same(self, other: object) -> bool:
        """Tell whether `other` is this object, or what a session of nauth's own has of it.

        Both have the same private `_rejections`, an attribute of this class.
        """
        other = getattr(other, "__self__", other)
        return isinstance(other, BearerAuth) and other._rejections is self._rejections  # noqa: SLF001 - see the docstring

    async def __call__(  # noqa: C901, PLR0912, PLR0915 - one function: another coroutine would cost as much as all its questions
        self, request: ClientRequest, handler: ClientHandlerType
    ) -> ClientResponse:
        """Send `request` with the token, if it may have it.

        Raises:
            OriginError: the request or its session switched TLS verification off. Nothing was sent.
            NauthError: no token could be had; the kind says what to do. None derives from OSError or aiohttp's
                errors, on which aiohttp would run the whole chain a second time.
        """
        url, headers = request.url, request.headers
        if url is not self._last_url:
            # nearly all requests go to the first origin, spelled like it: that is the cheapest to ask
            usual = url.raw_authority == self._first_authority and url.scheme == self._first_scheme
            if not usual and origin_key(url) not in self._origins:
                return await self._elsewhere(request, handler)
            self._last_url = url
        tls: object = request.ssl
        if self._asks_tls or tls is not True:
            if tls is True:  # no setting of the request's own: the connector's holds
                tls = connector_tls(request.session)
            if tls is not True and unverified(tls):
                raise OriginError(
                    "the request, or its session's connector, switches TLS verification off (ssl=False, or a context "
                    "that demands no certificate or compares no host name); a token is never sent that way. For a private "
                    "certificate authority use a context that trusts it"
                )
        for name, value, automatic in self._headers:
            if headers.get(name, automatic) == automatic:
                headers[name] = value
        if AUTHORIZATION in headers and not await from_netrc(request):
            return await self._unsigned(request, handler)
        if self._foreign and remembered(self._foreign, request):
            headers.pop(AUTHORIZATION, None)
            return await self._unsigned(request, handler)
        # `TokenCache.fresh`, written out
        ready = self._cache.ready
        token = ready.token
        if token is None or ready.renew_mono <= self._monotonic() or ready.renew_wall <= self._wall():
            token = await self._manager.token()
        headers[AUTHORIZATION] = token.authorization
        if self._token_headers is not None:
            for own_name, value in self._token_headers(token).items():
                headers.setdefault(own_name, value)
        # an error of aiohttp's passes through this frame, whose locals an error tracker prints
        del headers
        try:
            response = await handler(request)
        except (Exception, asyncio.CancelledError):
            if await self._refused_unseen(request, token):
                self._rejections.note(token, _endpoint(request))
            raise
        status = response.status
        refused = status == _UNAUTHORIZED
        if status in self._suspects:
            screen, got = self._screen, response.headers
            if screen.mark is None:
                refused = refused or await self._hides_401(response)
            elif 0 < len(got.get(CONTENT_LENGTH, "")) <= screen.digits:
                suspect = True
                if got.get(CONTENT_TYPE) in screen.types:
                    try:
                        body = await response.read()
                        # `in` costs twice as much as `find`, and a coroutine for all this as much as the rest of it
                        suspect = not (body.find(screen.mark) < 0 and body.find(b"\\") < 0 and body.isascii())
                        del body
                    except (ClientError, OSError):
                        suspect = False  # the caller meets the same failure when it reads the body
                refused = suspect and await self._hides_401(response)
            elif CONTENT_LENGTH not in got:
                refused = await self._hides_401(response)
        if refused:
            return await self._after_401(request, handler, response, token)
        if (self._cache.settled is not token or self._rejections.last is not None) and response.ok:
            self._worked(request, token)
        return response

    async def _elsewhere(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send `request` to an origin that gets nothing of ours."""
        if self._observer is not None:
            url = request.url
            notify(self._observer, OriginRefused(origin=f"{url.scheme}://{url.raw_host}:{url.port}"))
        return await self._unsigned(request, handler)

    async def _unsigned(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Send `request` without our token."""
        own = AUTHORIZATION in request.headers  # asked before other middlewares have their turn
        response = await handler(request)
        if own:
            remember(self._foreign, request, response)
        return response

    async def _refused_unseen(self, request: ClientRequest, token: Token) -> bool:
        """Tell whether `token` was refused although no response came back: a middleware inside this one has raised.

        It may raise for the status, or for a body that says 401. What was read by then is looked at, nothing else.
        """
        response: ClientResponse | None = getattr(request, "response", None)
        if response is None or not _carries(request, token):
            return False
        # the attempt may have ended before its response began; then there is no status
        status = getattr(response, "status", None)
        if status is None or status == _UNAUTHORIZED:
            return status == _UNAUTHORIZED
        if not response.content.is_eof():
            return False
        with contextlib.suppress(Exception):
            return await self._hides_401(response)
        return False

    async def _hides_401(self, response: ClientResponse) -> bool:
        """Tell whether `response`, which is no 401 by its status, is one all the same."""
        return self._hidden_401 is not None and await self._hidden_401(response)

    async def _after_401(
        self, request: ClientRequest, handler: ClientHandlerType, response: ClientResponse, token: Token
    ) -> ClientResponse:
        """Replay the request with another token if that can help; else hand `response` back."""
        if not _carries(request, token):
            return response
        if replayable(request.body):
            await settle(request, response)
        if not replayable(request.body):  # looked at again: an upload may have been running a moment ago
            self._rejections.note(token, _endpoint(request))
            return response
        try:
            renewed = await self._manager.renew(rejected=token, at=_endpoint(request))
        except TokenRefusedError:
            return response
        request.headers[AUTHORIZATION] = renewed.authorization
        expect_again(request)
        try:
            replayed = await handler(request)
        except (Exception, asyncio.CancelledError):
            if await self._refused_unseen(request, renewed):
                self._manager.refused(renewed, at=_endpoint(request))
            raise
        if self._observer is not None:
            notify(self._observer, RequestReplayed(method=request.method, status=replayed.status))
        if replayed.status == _UNAUTHORIZED or await self._hides_401(replayed):
            self._manager.refused(renewed, at=_endpoint(request))
        elif replayed.ok:
            self._worked(request, renewed)
        return replayed

    def _worked(self, request: ClientRequest, token: Token) -> None:
        """Note that `token` was accepted, if it is what was on the request."""
        if _carries(request, token):
            self._rejections.worked(token, _endpoint(request))


def _carries(request: ClientRequest, token: Token) -> bool:
    """Tell whether `token` was on the request as it was sent: a middleware inside ours may have put another in its place."""
    return request.headers.get(AUTHORIZATION) == token.authorization


def _endpoint(request: ClientRequest) -> str:
    """Return what tells this request's endpoint from others: method and address, without the query."""
    url = request.url
    return f"{request.method} {url.raw_authority}{url.raw_path}"
