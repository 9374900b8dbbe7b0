"""Nomad Media's endpoints for signing in, one typed coroutine each. Holds no token.

Source: https://docs.nomad.media/reference/post_account-login and its neighbours
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeVar

from yarl import URL

from nauth.errors import MalformedResponseError
from nauth.origins import address
from nauth.secret import Secret
from nauth.token import Token
from nauth.transport.base import Answer, Request, Transport
from nauth.transport.token_calls import reading, send
from nauth.wire.converter import encode
from nauth.wire.json_text import NOT_JSON
from nomadauth.config import USER_AGENT
from nomadauth.converter import CONVERTER
from nomadauth.errors import LEAVES, Endpoint, NomadMalformedResponseError, NomadRefreshRefusedError
from nomadauth.models import (
    AccountLoginResponse,
    AnswerMeta,
    LoginRequest,
    LogoutRequest,
    PingRequest,
    PingResponse,
    RefreshTokenRequest,
    Reply,
    User,
)
from nomadauth.responses import check_ok, read_response
from nomadauth.sso import SSOReturn, check_provider, parse_callback, sso_root

__all__ = ["NomadApi"]

_T = TypeVar("_T")
_Body = LoginRequest | RefreshTokenRequest | LogoutRequest | PingRequest


class NomadApi:
    """Typed calls: request model in, reply with a typed `data` out.

    Args:
        base_url: the API's address, ``/api`` included.
        auth: sends the calls that issue, refresh or end tokens.
        resources: sends calls that need a token, and adds it; the same as `auth` if None.
        sso_base_url: the URL that ``/auth`` is below, if not `base_url`.
    """

    def __init__(
        self,
        *,
        base_url: URL,
        auth: Transport,
        resources: Transport | None = None,
        sso_base_url: str | URL | None = None,
    ) -> None:
        self._base_url = base_url
        self._sso_root = sso_root(base_url, sso_base_url)
        self._auth = auth
        self._resources = resources or auth

    async def login(self, request: LoginRequest) -> Reply[AccountLoginResponse]:
        """Sign in: `POST /account/login`. A 2xx may hold a `login_status` instead of a token.

        Raises:
            NomadCredentialsRejectedError: user name or password refused.
            NomadAccountBlockedError: the account may not sign in.
            NomadError: see `nomadauth.errors`.
        """
        # a code or a new password works once: sent again after it has worked, it would be refused
        once = request.token is not None or request.new_password is not None
        answer = await self._post("account/login", request, repeatable=not once)
        hide = (request.password, request.token, request.new_password)
        where = self._where("account/login")
        return read_response(answer, Endpoint.LOGIN, AccountLoginResponse, hide=hide, where=where)

    async def refresh_token(self, request: RefreshTokenRequest) -> Reply[AccountLoginResponse]:
        """Exchange a refresh token: `POST /account/refresh-token`, without `Authorization`.

        Raises:
            NomadRefreshRefusedError: definitively refused, or answered without a token; sign in again.
            NomadError: see `nomadauth.errors`.
        """
        answer = await self._post("account/refresh-token", request)
        where = self._where("account/refresh-token")
        return _renewed(answer, Endpoint.REFRESH, hide=(request.refresh_token,), where=where)

    async def renew_sso(
        self, provider: str, request: RefreshTokenRequest, *, bearer: Token
    ) -> Reply[AccountLoginResponse]:
        """Exchange the refresh token of a single sign-on: `POST /auth/{provider}/renew`.

        Sent as documented, without `Authorization`; after a 401 once more, with the last token.

        Raises:
            NomadRefreshRefusedError: definitively refused; only a new sign-on helps.
            NomadError: see `nomadauth.errors`.
        """
        url = self._sso_root / check_provider(provider) / "renew"
        answer = await self._post(url, request)
        if answer.status == 401:  # noqa: PLR2004
            answer = await self._post(url, request, bearer=bearer)
        hide = (request.refresh_token, bearer.access_token)
        return _renewed(answer, Endpoint.RENEW, hide=hide, where=address(url))

    async def sso_callback(
        self,
        provider: str,
        *,
        code: Secret,
        state: str | None = None,
        session_state: str | None = None,
    ) -> SSOReturn:
        """Complete a single sign-on with the code from the identity provider: `GET /auth/{provider}/callback`.

        Only Nomad's Python SDK makes this call. The documents end where the browser comes back with tokens, which
        `NomadSSO.from_callback` reads.

        Raises:
            NomadMalformedResponseError: no redirect with tokens came back.
            NomadError: see `nomadauth.errors`.
        """
        url = self._sso_root / check_provider(provider) / "callback"
        query = {"code": code.reveal()} | {
            name: value
            for name, value in (("state", state), ("session_state", session_state))
            if value is not None
        }
        request = Request(method="GET", url=url.with_query(query), headers=_headers())
        del query
        answer = await send(self._auth, request, LEAVES)
        if not 300 <= answer.status < 400:  # noqa: PLR2004
            check_ok(answer, Endpoint.SSO_CALLBACK, hide=(code,), where=address(url))
            raise NomadMalformedResponseError(
                "the answer to ending the single sign-on is no redirect; tokens travel in one. Sign in again",
                status=answer.status,
                request_id=answer.request_id,
            )
        return parse_callback(
            Secret(answer.headers.get("Location", "")),
            provider=provider,
            now=datetime.fromtimestamp(answer.sent_wall, UTC),
            request_id=answer.request_id,
        )

    async def logout(self, request: LogoutRequest, *, bearer: Token) -> AnswerMeta:
        """End a session: `POST /account/logout`.

        Raises:
            NomadTokenRefusedError: 401, the token was no longer valid; the authenticator's `revoke` counts it as
                success.
            NomadError: see `nomadauth.errors`.
        """
        answer = await self._post("account/logout", request, bearer=bearer)
        where = self._where("account/logout")
        return check_ok(answer, Endpoint.LOGOUT, hide=(bearer.access_token,), where=where)

    async def ping(self, request: PingRequest) -> Reply[PingResponse]:
        """Keep a session alive and get its status: `POST /account/ping`.

        Raises:
            NomadError: see `nomadauth.errors`.
        """
        answer = await self._post("account/ping", request, transport=self._resources)
        with reading(answer):
            return read_response(answer, Endpoint.RESOURCE, PingResponse)

    async def get_ping(self) -> Reply[str]:
        """Ask whether the base URL is right: `GET /ping`, which needs no token.

        Raises:
            NomadError: see `nomadauth.errors`.
        """
        return await self._get("ping", str, transport=self._auth)

    async def get_ping_auth(self) -> Reply[str]:
        """Ask whether the token works: `GET /ping/auth`, which has no side effect.

        Raises:
            NomadTokenRefusedError: a valid token was refused; the text lists likely causes.
            NomadNotFoundError: this host has no such call.
            NomadError: see `nomadauth.errors`.
        """
        return await self._get("ping/auth", str)

    async def get_user(self) -> Reply[User]:
        """Return who is signed in: `GET /account/user`.

        Raises:
            NomadNotFoundError: some accounts have no such record.
            NomadError: see `nomadauth.errors`.
        """
        return await self._get("account/user", User)

    def _where(self, path: str) -> str:
        return address(self._base_url.joinpath(path))

    async def _get(self, path: str, data: type[_T], *, transport: Transport | None = None) -> Reply[_T]:
        request = Request(
            method="GET", url=self._base_url.joinpath(path), headers=_headers(), repeatable=True
        )
        answer = await send(transport or self._resources, request, LEAVES)
        with reading(answer):
            return read_response(answer, Endpoint.RESOURCE, data)

    async def _post(
        self,
        where: str | URL,
        body: _Body,
        *,
        bearer: Token | None = None,
        transport: Transport | None = None,
        repeatable: bool = True,
    ) -> Answer:
        headers = _headers() | {"Content-Type": "application/json"}
        request = Request(
            method="POST",
            url=self._base_url.joinpath(where) if isinstance(where, str) else where,
            headers=headers if bearer is None else headers | {"Authorization": bearer.authorization},
            body=encode(CONVERTER, body),
            # a refresh too: if the lost response has spent its token, the refusal leads to a new sign-in
            repeatable=repeatable,
        )
        return await send(transport or self._auth, request, LEAVES)


def _headers() -> dict[str, str]:
    return {"Accept": "application/json", "User-Agent": USER_AGENT}


def _renewed(
    answer: Answer, endpoint: Endpoint, *, hide: tuple[Secret, ...], where: str
) -> Reply[AccountLoginResponse]:
    """Open the response to a renewal: a JSON success without a token is a refusal; a body that is not JSON is not."""
    try:
        reply = read_response(answer, endpoint, AccountLoginResponse, hide=hide, where=where)
    except MalformedResponseError as error:
        if not error.problems or any(problem.startswith(NOT_JSON) for problem in error.problems):
            raise
    else:
        if reply.data.token:
            return reply
    raise NomadRefreshRefusedError(
        f"{endpoint} failed: Nomad's answer holds no new token",
        status=answer.status,
        request_id=answer.request_id,
    )
