"""Nomba's endpoints, one typed coroutine each. Holds no token.

Source: https://developer.nomba.com/nomba-api-reference/openapi.json
"""

from __future__ import annotations

from typing import TypeVar

from yarl import URL

from nauth.errors import MalformedResponseError
from nauth.origins import address
from nauth.responses.error_body import Hidden
from nauth.token import Token
from nauth.transport.base import Request, Transport
from nauth.transport.token_calls import reading, send
from nauth.wire.converter import encode
from nauth.wire.json_text import NOT_JSON
from nombaauth.config import USER_AGENT
from nombaauth.converter import CONVERTER
from nombaauth.errors import LEAVES, Endpoint, NombaRefreshRefusedError
from nombaauth.models import (
    Balance,
    Envelope,
    IssueTokenRequest,
    RefreshTokenRequest,
    RevokeTokenRequest,
    TokenData,
)
from nombaauth.responses import read_response

__all__ = ["NombaApi"]

_T = TypeVar("_T")


class NombaApi:
    """Typed calls: request model in, envelope with a typed `data` out.

    Args:
        base_url: Nomba's address.
        account_id: the parent account's id, sent with every call; None if the middleware of `resources` sends it.
        auth: sends the three calls that issue, refresh and revoke tokens.
        resources: sends calls that need a token, and adds it; the same as `auth` if None.
    """

    def __init__(
        self, *, base_url: URL, account_id: str | None, auth: Transport, resources: Transport | None = None
    ) -> None:
        self._base_url = base_url
        self._account_id = account_id
        self._auth = auth
        self._resources = resources or auth

    async def issue_token(self, request: IssueTokenRequest) -> Envelope[TokenData]:
        """Sign in: `POST /v1/auth/token/issue`.

        Raises:
            NombaCredentialsRejectedError: client id, secret or account id refused, or of the other environment.
            NombaError: see `nombaauth.errors`.
        """
        # repeatable: if the response was lost, a second sign-in replaces the session whose token was lost
        return await self._post(Endpoint.ISSUE, "issue", request, TokenData, hide=(request.client_secret,))

    async def refresh_token(self, request: RefreshTokenRequest, *, bearer: Token) -> Envelope[TokenData]:
        """Exchange a refresh token: `POST /v1/auth/token/refresh`.

        Args:
            request: the refresh token.
            bearer: the token being replaced; Nomba requires it in `Authorization`, even if it has expired.

        Raises:
            NombaRefreshRefusedError: definitively refused; sign in again.
            NombaError: see `nombaauth.errors`.
        """
        try:
            hide = (request.refresh_token, bearer.access_token)
            return await self._post(Endpoint.REFRESH, "refresh", request, TokenData, bearer=bearer, hide=hide)
        except MalformedResponseError as error:
            # a success without a token is a refusal; a body that is not JSON is not: the refresh token may still work
            if any(problem.startswith(NOT_JSON) for problem in error.problems) or not error.problems:
                raise
        raise NombaRefreshRefusedError("Nomba's answer to refreshing the token holds no new token")

    async def revoke_token(self, request: RevokeTokenRequest) -> Envelope[object]:
        """Revoke an access token: `POST /v1/auth/token/revoke`. Refresh tokens cannot be revoked.

        Raises:
            NombaError: see `nombaauth.errors`. A token that is already invalid is refused in several ways;
                `NombaAuthenticator.revoke` counts them all as success.
        """
        return await self._post(Endpoint.REVOKE, "revoke", request, object, hide=(request.access_token,))

    async def get_balance(self, *, account_id: str | None = None) -> Envelope[Balance]:
        """Return the parent account's balance: `GET /v1/accounts/balance`.

        Args:
            account_id: what to send in the `accountId` header instead of the parent's id.

        Raises:
            NombaTokenRefusedError: a valid token was refused; the text lists Nomba's documented causes.
            NombaPermissionDeniedError, NombaThrottledError, NombaUnavailableError: see `nombaauth.errors`.
        """
        headers = self._headers() | ({"accountId": account_id} if account_id else {})
        url = self._base_url.joinpath("v1/accounts/balance")
        request = Request(method="GET", url=url, headers=headers, repeatable=True)
        answer = await send(self._resources, request, LEAVES)
        with reading(answer):
            return read_response(answer, Endpoint.RESOURCE, Balance)

    async def _post(
        self,
        endpoint: Endpoint,
        action: str,
        body: IssueTokenRequest | RefreshTokenRequest | RevokeTokenRequest,
        data: type[_T],
        *,
        bearer: Token | None = None,
        hide: Hidden,
    ) -> Envelope[_T]:
        headers = self._headers() | {"Content-Type": "application/json"}
        request = Request(
            method="POST",
            url=self._base_url.joinpath(f"v1/auth/token/{action}"),
            headers=headers if bearer is None else headers | {"Authorization": bearer.authorization},
            body=encode(CONVERTER, body),
            # a refresh too: if the lost response has spent its token, the refusal leads to a new sign-in
            repeatable=True,
        )
        return read_response(
            await send(self._auth, request, LEAVES), endpoint, data, where=address(request.url), hide=hide
        )

    def _headers(self) -> dict[str, str]:
        account = {} if self._account_id is None else {"accountId": self._account_id}
        return {"Accept": "application/json", "User-Agent": USER_AGENT, **account}
