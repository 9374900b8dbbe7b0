"""`BearerAuth`: the aiohttp client middleware that puts the token on requests, and only on the right ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from aiohttp.hdrs import AUTHORIZATION
from aiohttp.http import SERVER_SOFTWARE
from yarl import URL

from nauth.bearer.aiohttp_redirects import Calls, remember, remembered
from nauth.bearer.aiohttp_replay import replayable, settle
from nauth.bearer.unauthorized import Hidden401, Rejections, TokenHeaders
from nauth.clock import SystemClock
from nauth.errors import OriginError, TokenRefusedError
from nauth.events import Observer, OriginRefused, RequestReplayed, notify
from nauth.manager.token_manager import TokenManager
from nauth.origins import OriginKey, origin_key, unverified
from nauth.token import Token

__all__ = ["BearerAuth"]

_UNAUTHORIZED = 401
_monotonic = SystemClock.monotonic
_AUTOMATIC = {"accept": "*/*", "user-agent": SERVER_SOFTWARE}
"""Headers that aiohttp adds by default; a vendor's own value may replace them."""


class BearerAuth:
    """Put the manager's token on each request to the configured origins, and answer one 401 with a new token.

    * aiohttp runs middlewares anew for every redirect, so the origin is compared on each hop; a foreign one gets
      neither the token nor the vendor's other headers.
    * A caller's own ``Authorization`` wins, and is not replaced on a later hop, where aiohttp has taken it away.
    * One replay after a 401, with a different token, and only for a body known to be replayable; otherwise the 401
      is handed back and the token renewed for the next call, unless the last such renewal did not help. The 401 is
      also handed back while the cool-down of `TokenManager.refused` lasts. What has been read of its body by then,
      64 KiB at most, stays readable.
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
        "_authority",
        "_foreign",
        "_headers",
        "_hidden_401",
        "_manager",
        "_observer",
        "_origins",
        "_rejections",
        "_scheme",
        "_token_headers",
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
        self._manager = manager
        urls = tuple(origins)
        self._origins: frozenset[OriginKey] = frozenset(map(origin_key, urls))
        first = urls[0].origin() if urls else URL()
        self._authority, self._scheme = first.raw_authority, first.scheme
        """How most requests spell where they go: host, with port if not the default, and scheme."""
        self._headers = tuple(
            (name, value, _AUTOMATIC.get(name.lower())) for name, value in (headers or {}).items()
        )
        self._observer = observer
        self._foreign: Calls = {}
        """Calls in another identity than ours."""
        self._rejections = Rejections(manager)

    def __repr__(self) -> str:
        return f"<BearerAuth for {len(self._origins)} origins>"

    @property
    def origins(self) -> frozenset[OriginKey]:
        """(scheme, host, port) of everybody who may see the token."""
        return self._origins

    async def __call__(  # noqa: C901 - each request runs it, and a method of its own for each part would cost it
        self, request: ClientRequest, handler: ClientHandlerType
    ) -> ClientResponse:
        """Send `request` with the token, if it may have it.

        Raises:
            OriginError: the request or its session switched TLS verification off. Nothing was sent.
            NauthError: no token could be had; the kind says what to do. None derives from OSError or aiohttp's
                errors, on which aiohttp would run the whole chain a second time.
        """
        url, headers = request.url, request.headers
        try:  # what nearly all requests are, asked the cheap way: see tests/bench/middleware.py
            usual = (
                url._netloc == self._authority  # noqa: SLF001 - yarl's and aiohttp's properties would cost as much as
                and url._scheme == self._scheme  # noqa: SLF001 - all of this; where they are gone, the careful way
                and request._ssl is request._session._connector._ssl is True  # type: ignore[union-attr] # noqa: SLF001 - will do
            )
        except AttributeError:
            usual = False
        if not usual and origin_key(url) not in self._origins:
            return await self._elsewhere(request, handler)
        if not usual and not _verified(request):
            raise OriginError(
                "the request, or its session's connector, switches TLS verification off (ssl=False, or a context "
                "that demands no certificate); a token is never sent that way. For a private certificate authority "
                "use a context that trusts it"
            )
        for name, value, automatic in self._headers:
            if headers.get(name, automatic) == automatic:
                headers[name] = value
        if AUTHORIZATION in headers or (self._foreign and remembered(self._foreign, request)):
            return await self._unsigned(request, handler)
        manager = self._manager
        if _monotonic() < manager._until:  # noqa: SLF001 - the manager's fast path, without its coroutine
            token: Token = manager._serving  # type: ignore[assignment]  # noqa: SLF001 - as there
        else:
            token = await manager.token()
        headers[AUTHORIZATION] = token._header.reveal()  # noqa: SLF001 - `authorization`, without the property
        if self._token_headers is not None:
            for name, value in self._token_headers(token).items():
                headers.setdefault(name, value)
        # an error of aiohttp's passes through this frame, whose locals an error tracker prints
        del headers
        response = await handler(request)
        if response.status == _UNAUTHORIZED or (self._hidden_401 and await self._hidden_401(response)):
            return await self._after_401(request, handler, response, token)
        if self._rejections.last is not None and response.ok:
            self._rejections.worked(token)
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

    async def _after_401(
        self, request: ClientRequest, handler: ClientHandlerType, response: ClientResponse, token: Token
    ) -> ClientResponse:
        """Replay the request with another token if that can help; else hand `response` back."""
        if replayable(request.body):
            await settle(request, response)
        if not replayable(request.body):  # looked at again: an upload may have been running a moment ago
            self._rejections.note(token)
            return response
        try:
            renewed = await self._manager.renew(rejected=token)
        except TokenRefusedError:
            return response
        request.headers[AUTHORIZATION] = renewed.authorization
        replayed = await handler(request)
        if self._observer is not None:
            notify(self._observer, RequestReplayed(method=request.method, status=replayed.status))
        if replayed.status == _UNAUTHORIZED or (self._hidden_401 and await self._hidden_401(replayed)):
            self._manager.refused(renewed)
        return replayed


def _verified(request: ClientRequest) -> bool:
    """Tell whether TLS verification is on, for a request or connector with a setting of its own."""
    tls = request.ssl
    return not unverified(getattr(request.session.connector, "_ssl", True) if tls is True else tls)
