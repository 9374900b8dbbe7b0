"""`NombaAuthenticator`: turn credentials into tokens. Keeps none."""

from __future__ import annotations

import logging

from nauth.credential_digest import identity_digest
from nauth.errors import VendorUnavailableError
from nauth.secret import Secret
from nauth.time_formats import instant
from nauth.token import Token
from nombaauth.api import NombaApi
from nombaauth.credentials import NombaCredentials
from nombaauth.errors import (
    Endpoint,
    NombaError,
    NombaMalformedResponseError,
    NombaRefreshRefusedError,
    effective_status,
)
from nombaauth.lifetime import token_lifetime
from nombaauth.models import (
    Envelope,
    IssueTokenRequest,
    RefreshTokenRequest,
    RevokeTokenRequest,
    TokenData,
)

__all__ = ["NombaAuthenticator"]

_log = logging.getLogger("nombaauth")


class NombaAuthenticator:
    """Issue, refresh and revoke as https://developer.nomba.com/docs/api-basics/authentication describes.

    If a response is lost, the transport sends the same request again. A second issue replaces the session whose token
    was lost. A refresh token that was spent is refused, and the manager then issues.

    Args:
        credentials: the API key.
        api: Nomba's endpoints.
    """

    def __init__(self, credentials: NombaCredentials, api: NombaApi) -> None:
        self._credentials = credentials
        self._api = api
        self._refused = ""  # digest of the last pair that was refused

    async def issue(self) -> Token:
        """Sign in with client id and secret.

        Raises:
            NombaCredentialsRejectedError: refused; the text lists what to check.
            NombaError: see `nombaauth.errors`.
        """
        request = IssueTokenRequest(
            client_id=self._credentials.client_id, client_secret=self._credentials.client_secret
        )
        return _token(await self._api.issue_token(request), Endpoint.ISSUE)

    async def refresh(self, token: Token) -> Token:
        """Exchange the refresh token, with the old access token as bearer even if it has expired.

        Raises:
            NombaRefreshRefusedError: definitively refused. A pair that was refused before is not sent again.
            NombaError: see `nombaauth.errors`.
        """
        pair = identity_digest(token.access_token, token.refresh_token)
        if pair == self._refused:
            # an account with little traffic may send one POST a minute: it would spend each on the refresh and never
            # issue
            raise NombaRefreshRefusedError("Nomba has refused this refresh token before; nothing was sent")
        request = RefreshTokenRequest(refresh_token=token.refresh_token or Secret(""))
        try:
            return _token(await self._api.refresh_token(request, bearer=token), Endpoint.REFRESH)
        except NombaRefreshRefusedError:
            self._refused = pair
            raise

    async def revoke(self, token: Token) -> None:
        """Revoke `token`. One that Nomba calls invalid counts as revoked.

        Raises:
            NombaError: the token may still be valid.
        """
        request = RevokeTokenRequest(client_id=self._credentials.client_id, access_token=token.access_token)
        try:
            await self._api.revoke_token(request)
        except NombaError as error:
            # 401, 404 and the auth code 02 ("token expired"), the last also inside a 200; in an outage no code counts
            gone = effective_status(error.status or 0, error.code) in {401, 404} or error.code == "02"
            if not gone or isinstance(error, VendorUnavailableError):
                raise
            _log.info(
                "Nomba calls the token to be revoked invalid (HTTP %s, code %s). If it should have been alive, check the "
                "account id",
                error.status,
                error.code,
            )


def _token(envelope: Envelope[TokenData], endpoint: Endpoint) -> Token:
    data, meta = envelope.data, envelope.meta
    if not data.access_token and endpoint is Endpoint.REFRESH:
        raise NombaRefreshRefusedError("Nomba's answer to refreshing the token holds an empty token")
    if not data.access_token.sendable:
        raise NombaMalformedResponseError(
            f"Nomba's answer to {endpoint} holds a token that is empty or cannot stand in a header",
            problems=("$.data.access_token: expected printable ASCII",),
            status=meta.status,
            request_id=meta.request_id,
        )
    lifetime = token_lifetime(data, meta)
    return Token(
        access_token=data.access_token,
        refresh_token=data.refresh_token or None,
        lifetime=lifetime,
        expires_at=instant(meta.sent_wall_s + lifetime.total_seconds()),
    )
