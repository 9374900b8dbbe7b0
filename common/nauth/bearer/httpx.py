"""`HttpxAuth`: the counterpart of `BearerAuth` for httpx and httpx2, imported when `httpx_auth` is first called."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncGenerator, Iterable, Mapping
from functools import cache
from typing import NoReturn, TypeVar, cast

from aiohttp.hdrs import AUTHORIZATION
from yarl import URL

from nauth.bearer.httpx_redirects import HopGuard, Trace, hop_key
from nauth.bearer.httpx_replay import HttpxRequest, HttpxResponse, hold, kept, packages, replayable
from nauth.bearer.httpx_response import HttpxResponseView
from nauth.bearer.unauthorized import Hidden401, Rejections, TokenHeaders
from nauth.errors import ConfigurationError, TokenRefusedError
from nauth.event_delivery import notify
from nauth.events import Observer, OriginRefused, RequestReplayed
from nauth.manager.token_manager import TokenManager
from nauth.origins import OriginKey, origin_key
from nauth.token import Token

__all__ = ["HttpxAuth", "httpx_auth"]

_R = TypeVar("_R")
_UNAUTHORIZED = 401
_AUTOMATIC = {"accept": re.compile(r"\*/\*"), "user-agent": re.compile(r"python-httpx2?/\S+")}
"""Headers that httpx adds by default; the vendor's own value may replace them."""


class HttpxAuth:
    """Put the manager's token on requests to the configured origins; after a 401 renew it and repeat the request once.

    One object serves any number of ``httpx.AsyncClient(auth=...)`` and ``httpx2.AsyncClient(auth=...)``, on asyncio;
    trio is not supported. The rules are those of `nauth.bearer.BearerAuth`; what differs comes from httpx:

    * httpx follows redirects without calling this object. On a redirect to another origin the token and the vendor's
      other headers are removed. A later redirect back to a configured origin gets no token, so the caller sees its
      401.
    * A body can be sent again if httpx holds it as bytes: no body, JSON, forms, text. After a 401 on multipart or a
      generator the caller gets the 401, and the token is renewed for the next call.
    * After a redirect, only the request that got the 401 is sent again.
    * A client with ``verify=False`` gets `OriginError` before its TLS handshake. Two cases escape this check: a
      connection that an earlier request with another ``auth=`` has opened, and transports other than httpx's own. Such
      transports do not show the headers of redirects either; there httpx itself removes only ``Authorization``.
    * If an event hook raises at the 401, its error reaches the caller, and the token is renewed for the next call. A
      refusal with another status is not seen then, and neither is the 401 of a transport other than httpx's own.
    * If no token can be obtained, nauth's errors are raised, not httpx's.

    Made by `VendorClient.httpx_auth`. At run time it derives from ``Auth`` of both packages, as far as they are
    installed; to a type checker it is a callable that both accept.
    """

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
        self._manager = manager
        self._origins: frozenset[OriginKey] = frozenset(map(origin_key, origins))
        self._headers = tuple((headers or {}).items())
        self._token_headers = token_headers
        self._hidden_401 = hidden_401
        self._observer = observer
        self._rejections = Rejections(manager)

    def __repr__(self) -> str:
        return f"<HttpxAuth for {len(self._origins)} origins>"

    def __call__(self, request: _R, /) -> _R:  # noqa: ARG002 - its type is what checkers compare
        """Refuse a client that does not recognise this object as its ``Auth`` and calls it as a plain function.

        Raises:
            ConfigurationError: always. Nothing was sent.
        """
        raise ConfigurationError(
            "this signs requests of httpx.AsyncClient and httpx2.AsyncClient only, and only of the packages that were "
            "installed when it was made. For aiohttp use client.auth"
        )

    def sync_auth_flow(self, request: HttpxRequest) -> NoReturn:  # noqa: ARG002 - as httpx calls it
        """Refuse to sign for a synchronous client.

        Raises:
            ConfigurationError: always. Nothing was sent.
        """
        raise ConfigurationError(
            "a synchronous httpx.Client cannot wait for a token; use AsyncClient. Nothing was sent"
        )

    async def async_auth_flow(self, request: HttpxRequest) -> AsyncGenerator[HttpxRequest, HttpxResponse]:
        """Put the token on `request` if its origin is configured; after a 401 do so once more with a new token.

        Raises:
            NauthError: no token could be obtained; the class says what to do.
        """
        guard = self._guarded(request)
        if guard is None or AUTHORIZATION in request.headers:
            yield request
            return
        token = await self._manager.token()
        self._sign(request, guard, token)
        with guard.unseen_401(lambda: self._rejections.note(token, _endpoint(request))):
            response = yield request
        hop = response.request
        at = _endpoint(hop)
        if not await self._refuses(response, token):
            self._note_success(response, token, at)
            return
        if not replayable(hop, request):
            self._rejections.note(token, at)
            return
        await hold(response, refused=True)
        try:
            renewed = await self._manager.renew(rejected=token, at=at)
        except TokenRefusedError:
            return
        # httpx reads the responses it keeps in `history`; a body that cannot be decoded would make the replay fail
        response.stream = kept(b"", like=response.stream)
        guard.put(hop.headers, AUTHORIZATION, renewed.authorization)
        with guard.unseen_401(lambda: self._manager.refused(renewed, at=at)):
            replayed = yield hop
        if self._observer is not None:
            notify(self._observer, RequestReplayed(method=hop.method, status=replayed.status_code))
        if await self._refuses(replayed, renewed):
            self._manager.refused(renewed, at=at)
        else:
            self._note_success(replayed, renewed, at)

    def _note_success(self, response: HttpxResponse, token: Token, at: str) -> None:
        if not self._rejections.learns_from(token):
            return
        if response.status_code < 400 and self._carries(response.request, token):  # noqa: PLR2004 - any but an error
            self._rejections.worked(token, at)

    def _sign(self, request: HttpxRequest, guard: HopGuard, token: Token) -> None:
        guard.put(request.headers, AUTHORIZATION, token.authorization)
        if self._token_headers is not None:
            for name, value in self._token_headers(token).items():
                if name not in request.headers:
                    guard.put(request.headers, name, value)

    def _guarded(self, request: HttpxRequest) -> HopGuard | None:
        """Set the vendor's headers and return a guard for redirects; None for another origin, which gets no header."""
        headers, inner = request.headers, request.extensions.get("trace")
        if isinstance(inner, HopGuard):  # the caller sends this request, or the redirect made from it, again
            inner.undo(headers)
            inner = inner.inner
        key = _key(request)
        user, password = request.url.username, request.url.password
        if (user or password) and AUTHORIZATION not in headers:
            # httpx turns user and password into a header only if there is no other `auth`
            headers[AUTHORIZATION] = f"Basic {b64encode(f'{user}:{password}'.encode()).decode()}"
        if key not in self._origins:
            if self._observer is not None:
                notify(self._observer, OriginRefused(origin="{}://{}:{}".format(*key)))
            return None
        guard = HopGuard(self._origins, cast("Trace | None", inner))
        request.extensions = {**request.extensions, "trace": guard}
        for name, value in self._headers:
            automatic = _AUTOMATIC.get(name.lower())
            present = headers.get(name)
            if present is None or (automatic is not None and automatic.fullmatch(present)):
                guard.put(headers, name, value)
        return guard

    def _carries(self, request: HttpxRequest, token: Token) -> bool:
        """Tell whether `request`, the last of a chain of redirects, carried `token` to a configured origin."""
        return request.headers.get(AUTHORIZATION) == token.authorization and _key(request) in self._origins

    async def _refuses(self, response: HttpxResponse, token: Token) -> bool:
        if not self._carries(response.request, token):
            return False
        if response.status_code == _UNAUTHORIZED:
            return True
        return self._hidden_401 is not None and await self._hidden_401(HttpxResponseView(response))


def httpx_auth(
    manager: TokenManager,
    origins: Iterable[URL],
    *,
    headers: Mapping[str, str] | None = None,
    token_headers: TokenHeaders | None = None,
    hidden_401: Hidden401 | None = None,
    observer: Observer | None = None,
) -> HttpxAuth:
    """Return an `HttpxAuth` that httpx and httpx2, as far as installed, accept; options as in `BearerAuth`.

    The first call imports both packages, which takes about 0.1 s each.

    Raises:
        ConfigurationError: neither is installed.
    """
    return _auth_class()(
        manager,
        origins,
        headers=headers,
        token_headers=token_headers,
        hidden_401=hidden_401,
        observer=observer,
    )


@cache
def _auth_class() -> type[HttpxAuth]:
    return type(
        "HttpxAuth", (HttpxAuth, *(package.Auth for package in packages())), {"__doc__": HttpxAuth.__doc__}
    )


def _key(request: HttpxRequest) -> OriginKey:
    url = request.url
    return hop_key(url.scheme, url.raw_host, url.port)


def _endpoint(request: HttpxRequest) -> str:
    """Return what tells this request's endpoint from others: method and address, without the query."""
    scheme, host, port = _key(request)
    return f"{request.method} {scheme}://{host}:{port}{request.url.path}"
