"""`ClientCredentials`: a service signs in as itself (RFC 6749 section 4.4)."""

from __future__ import annotations

import attrs

from nauth.oauth2.endpoint import Parameters, TokenEndpoint
from nauth.oauth2.errors import Operation
from nauth.token import Token

__all__ = ["ClientCredentials"]


class ClientCredentials:
    """An `Authenticator` for the client credentials grant.

    A refresh token, which RFC 6749 section 4.4.3 says should not come, is dropped: the credentials are always at hand.

    Args:
        endpoint: where to ask.
        scope: what to ask for, separated by spaces; the server's default if None.
        audience: named by some servers; sent as ``audience`` if given.
        parameters: further form fields, such as ``resource`` (RFC 8707), ``organization`` or ``account_id``. A
            ``grant_type`` here replaces the standard's own, for servers that call this grant by another name.
    """

    def __init__(
        self,
        endpoint: TokenEndpoint,
        *,
        scope: str | None = None,
        audience: str | None = None,
        parameters: Parameters | None = None,
    ) -> None:
        self._endpoint = endpoint
        ours = {"scope": scope, "audience": audience}
        self._parameters: Parameters = {
            **(parameters or {}),
            **{name: value for name, value in ours.items() if value is not None},
        }

    def __repr__(self) -> str:
        return f"ClientCredentials({self._endpoint!r})"

    async def issue(self) -> Token:
        """Sign in. Where the response is lost the request is sent again: a second token does no harm.

        Raises:
            CredentialsRejectedError: client id or secret refused; the text says what to check.
            NauthError: see `TokenEndpoint.token`.
        """
        token = await self._endpoint.token(Operation.CLIENT_CREDENTIALS, self._parameters, repeatable=True)
        return attrs.evolve(token, refresh_token=None)

    async def refresh(self, token: Token) -> Token:  # noqa: ARG002 - the protocol's shape
        """Sign in again: there is nothing to refresh with.

        Raises:
            NauthError: as for `issue`.
        """
        return await self.issue()

    async def revoke(self, token: Token) -> None:
        """End the token's life (RFC 7009).

        Raises:
            NauthError: see `TokenEndpoint.revoke`.
        """
        await self._endpoint.revoke(token)
