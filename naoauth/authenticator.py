"""Turn credentials into tokens: one class for each kind of credential. None keeps a token."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import ClassVar, TypeVar

from yarl import URL

from naoauth.api import NaoApi
from naoauth.config import NAME, below
from naoauth.credentials import NaoApiKey, NaoOAuth, NaoSession
from naoauth.errors import NaoNotFoundError, of_oauth
from naoauth.models import SessionLogin, SessionRequest
from nauth.clock import Clock
from nauth.errors import ConfigurationError, NauthError
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, SignIn, StartedSignIn, TokenEndpoint
from nauth.oauth2.callback import awaited_for, hide
from nauth.secret import Secret
from nauth.time_formats import instant
from nauth.token import Token
from nauth.transport.base import Transport

__all__ = ["NaoApiKeyAuthenticator", "NaoOAuthAuthenticator", "NaoSessionAuthenticator"]

_T = TypeVar("_T")

_RAW = ""
"""Key and JWT go into the header as they are: no scheme. https://polestar.zohodesk.com, article 2-authentication."""


class NaoApiKeyAuthenticator:
    """Serve the API key as the token: it never expires and cannot be renewed.

    Args:
        credentials: the key.
    """

    renewable: ClassVar[bool] = False
    """The manager goes on serving the key after a 401, and the caller gets the 401."""

    def __init__(self, credentials: NaoApiKey) -> None:
        self._credentials = credentials

    async def issue(self) -> Token:
        """Return the key. Sends nothing."""
        return Token(access_token=self._credentials.auth_token, scheme=_RAW, lifetime=None)

    async def refresh(self, token: Token) -> Token:  # noqa: ARG002 - the protocol's shape
        """Return the key. Sends nothing."""
        return await self.issue()

    async def revoke(self, token: Token) -> None:  # noqa: ARG002 - the protocol's shape
        """Refuse: keys are managed in the account.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "NAO Cloud offers no call that revokes an API key; renew it on the My Profile page. Nothing was sent"
        )


class NaoSessionAuthenticator:
    """Get a JWT from the sessions endpoint, each time with the credential: a JWT is never used to renew itself.

    Args:
        credentials: API key, or e-mail and password.
        api: NAO Cloud's endpoints.
    """

    def __init__(self, credentials: NaoSession, api: NaoApi) -> None:
        self._credentials = credentials
        self._api = api

    async def issue(self) -> Token:
        """Open a session. The account's `auth_token`, if the response holds it, is not kept.

        Raises:
            NaoCredentialsRejectedError: refused; the text lists what to check.
            NaoError: see `naoauth.errors`.
        """
        given = self._credentials
        request = None
        if given.email is not None and given.password is not None and given.auth_token is None:
            request = SessionRequest(session=SessionLogin(email=given.email, password=given.password))
        session = await self._api.create_session(request, auth_token=given.auth_token)
        return Token(
            access_token=session.jwt,
            scheme=_RAW,
            lifetime=session.lifetime,
            expires_at=instant(session.sent_wall_s + session.lifetime.total_seconds()),
        )

    async def refresh(self, token: Token) -> Token:  # noqa: ARG002 - the protocol's shape
        """Open a new session: there are no refresh tokens here.

        Raises:
            NaoError: as for `issue`.
        """
        return await self.issue()

    @property
    def revokes(self) -> bool:
        """Always False, because a JWT can be forgotten, and no call ends it."""
        return False

    async def revoke(self, token: Token) -> None:
        """Do nothing: no way to end a session is documented. The manager forgets the JWT."""


class NaoOAuthAuthenticator:
    """Exchange a person's code, refresh where the service allows it, revoke; on `nauth.oauth2`.

    Args:
        credentials: the registered application.
        base_url: the service's address; authorize, token and revoke URLs are derived from it.
        transport: sends the token calls.
        sealing: keys for sealed sign-ins; by default a key of this process.
        clock: source of time.
    """

    def __init__(
        self,
        credentials: NaoOAuth,
        *,
        base_url: URL,
        transport: Transport,
        sealing: Mapping[str, Secret] | None = None,
        clock: Clock | None = None,
    ) -> None:
        endpoint = TokenEndpoint(
            below(base_url, credentials.token_path),
            client_id=credentials.client_id,
            client_secret=credentials.client_secret,
            client_auth=credentials.client_auth,
            revocation_url=below(base_url, credentials.revoke_path),
            name=NAME,
            transport=transport,
        )
        self._flow = AuthorizationCode(
            endpoint,
            authorization_url=below(base_url, credentials.authorize_path),
            redirect_uri=credentials.redirect_uri,
            scope=credentials.scope,
            pkce=credentials.pkce,
            refresh_token=credentials.refresh_token,
            account=credentials.account,
            sealing=sealing,
            clock=clock,
            awaited=awaited_for(f"{base_url} {credentials.identity()}"),
        )

    def begin_sign_in(
        self,
        account: str,
        *,
        parameters: Mapping[str, str] | None,
        redirect_uri: str | None,
        data: Mapping[str, str] | None,
    ) -> StartedSignIn:
        """Begin a sign-in whose callback any worker can end; see `nauth.oauth2.AuthorizationCode`."""
        return self._flow.begin_sign_in(
            parameters=parameters, redirect_uri=redirect_uri, account=account, data=data
        )

    def read_sign_in(self, started: Secret) -> SignIn:
        """Return what `begin_sign_in` sealed.

        Raises:
            NaoSignInNeededError: it is none of this client's.
        """
        try:
            return self._flow.read_sign_in(started)
        except NauthError as error:
            translated = of_oauth(error)
        raise translated

    def authorization_url(self, parameters: Mapping[str, str] | None = None) -> str:
        """Return the address to send the person to; see `nauth.oauth2.AuthorizationCode`."""
        return self._flow.authorization_url(parameters)

    async def exchange(
        self, callback: str | URL | Secret, manager: TokenManager, *, started: Secret | None = None
    ) -> Token:
        """Check the callback, exchange its code and let `manager` serve the token.

        Raises:
            NaoSignInNeededError: wrong state, a declined or refused sign-in.
            NaoError: see `naoauth.errors`.
        """
        hidden = hide(callback)
        del callback  # else an error tracker would print the code with this frame
        return await _translated(self._flow.exchange(hidden, manager, started=started))

    async def issue(self) -> Token:
        """Exchange the code, or the refresh token of the credential.

        Raises:
            NaoSignInNeededError: there is neither a code nor a refresh token, or it was refused.
            NaoError: see `naoauth.errors`.
        """
        return await _translated(self._flow.issue())

    async def refresh(self, token: Token) -> Token:
        """Exchange the refresh token, once.

        Raises:
            NaoCredentialsRejectedError: refused for good.
            NaoError: see `naoauth.errors`.
        """
        return await _translated(self._flow.refresh(token))

    async def revoke(self, token: Token) -> None:
        """Revoke the tokens. A 404 counts as success: that instance has no revocation endpoint.

        Raises:
            NaoError: a token may still be valid.
        """
        try:
            await _translated(self._flow.revoke(token))
        except NaoNotFoundError:
            return


async def _translated(call: Awaitable[_T]) -> _T:
    """Await `call`; raise its errors as NAO Cloud's own classes."""
    try:
        return await call
    except NauthError as error:
        translated = of_oauth(error)
    # outside the handler: the new error has neither cause nor context whose frames could hold the request
    raise translated
