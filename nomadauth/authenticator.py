"""Turn credentials into tokens: one class for each kind of credential. None keeps a token."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

import attrs

from nauth.clock import Clock
from nauth.errors import ConfigurationError, VendorUnavailableError, fresh_copy
from nauth.secret import Secret
from nauth.time_formats import instant
from nauth.token import Token
from nomadauth.api import NomadApi
from nomadauth.config import DEFAULT_LIFETIME, MAX_TOKEN_LIFETIME
from nomadauth.credentials import NomadApiKey, NomadPassword, NomadSSO, NomadStaticToken
from nomadauth.errors import (
    Endpoint,
    NomadError,
    NomadInteractionRequiredError,
    NomadMalformedResponseError,
    NomadRefreshRefusedError,
    blocked,
)
from nomadauth.interaction import NomadInteraction, OnInteraction
from nomadauth.lifetime import expiry_of, token_lifetime
from nomadauth.models import (
    AccountLoginResponse,
    LoginRequest,
    LogoutRequest,
    RefreshTokenRequest,
    Reply,
)
from nomadauth.statuses import STEPS, AnyLoginStatus

__all__ = ["SESSION_ID", "NomadFixedAuthenticator", "NomadPasswordAuthenticator", "NomadSSOAuthenticator"]

_log = logging.getLogger("nomadauth")

SESSION_ID = "userSessionId"
"""Key of the session's id in `Token.extra`; logout and ping send it."""

_MOST_STEPS = 5
"""Answers a person may give in one sign-in: a code, a new password, and some mistyped ones."""


class NomadPasswordAuthenticator:
    """Sign in with user name and password; refresh without them.

    If a response is lost, the transport sends the same request again. A second login replaces the session whose token
    was lost. A refresh token that was spent is refused, and the manager then signs in.

    Args:
        credentials: user name and password.
        api: Nomad's endpoints.
        on_interaction: asks a person for a code or a new password; if None, such a login raises
            `NomadInteractionRequiredError`.
    """

    def __init__(
        self, credentials: NomadPassword, api: NomadApi, *, on_interaction: OnInteraction | None = None
    ) -> None:
        self._credentials = credentials
        self._api = api
        self._on_interaction = on_interaction
        self._password = credentials.password  # replaced by a new one, once Nomad has accepted it

    async def issue(self) -> Token:
        """Sign in, asking a person if Nomad requires it.

        Raises:
            NomadCredentialsRejectedError: refused.
            NomadAccountBlockedError: the account may not sign in; `login_status` says why.
            NomadInteractionRequiredError: a code or new password is required, and `on_interaction` gave none.
            NomadError: see `nomadauth.errors`.
        """
        code: Secret | None = None
        new_password: Secret | None = None
        asked: list[AnyLoginStatus] = []
        while True:
            reply = await self._api.login(
                LoginRequest(
                    user_name=self._credentials.username,
                    password=self._password,
                    token=code,
                    new_password=new_password,
                    application_id=self._credentials.application_id,
                )
            )
            wanted = _wanted(reply, self._credentials.username)
            if new_password is not None and (wanted is None or not wanted.wants_password):
                self._password, new_password = new_password, None
            if wanted is None:
                return _token(reply, Endpoint.LOGIN)
            given = await self._ask(wanted, asked, reply)
            code, new_password = (code, given) if wanted.wants_password else (given, new_password)

    async def refresh(self, token: Token) -> Token:
        """Exchange the refresh token.

        Raises:
            NomadRefreshRefusedError: definitively refused.
            NomadError: see `nomadauth.errors`.
        """
        request = RefreshTokenRequest(refresh_token=token.refresh_token or Secret(""))
        return _token(await self._api.refresh_token(request), Endpoint.REFRESH)

    async def revoke(self, token: Token) -> None:
        """Log out. A token that Nomad refuses counts as logged out.

        Raises:
            NomadError: the session may still be alive.
        """
        await _log_out(self._api, token, self._credentials.application_id)

    async def _ask(
        self, wanted: NomadInteraction, asked: list[AnyLoginStatus], reply: Reply[AccountLoginResponse]
    ) -> Secret:
        asked.append(wanted.login_status)
        wanted = attrs.evolve(wanted, attempt=asked.count(wanted.login_status))
        given = None
        if self._on_interaction is not None and len(asked) <= _MOST_STEPS:
            given = _given(await self._on_interaction(wanted))
        if given is None:
            wish = "a new password" if wanted.wants_password else "the code of a second factor"
            raise NomadInteractionRequiredError(
                f"signing in needs {wish} ({wanted.login_status.value}). Sign in once in Nomad's own pages, or give "
                "NomadClient(on_interaction=...), which is asked for it; `interaction` has the details",
                interaction=wanted,
                status=reply.meta.status,
                code=wanted.login_status.value,
                request_id=reply.meta.request_id,
            )
        return given


class NomadSSOAuthenticator:
    """Serve the tokens of a single sign-on and renew them. Once a renewal is refused, a person must sign in.

    Args:
        credentials: the tokens the browser came back with.
        api: Nomad's endpoints.
        clock: tells whether the credential's own token has expired.
    """

    def __init__(self, credentials: NomadSSO, api: NomadApi, *, clock: Clock) -> None:
        self._credentials = credentials
        self._api = api
        self._clock = clock
        self._over = False  # the given refresh token was refused or replaced, or a person logged out
        self._served = False
        self._refusal: NomadRefreshRefusedError | None = None
        self._ended: Secret | None = None  # the refresh token that Nomad itself has refused

    async def issue(self) -> Token:
        """Return the credential's token the first time, if it has not expired; otherwise renew it.

        Raises:
            NomadInteractionRequiredError: the sign-on has ended; a person must sign in again.
            NomadError: see `nomadauth.errors`.
        """
        given = self._credentials
        if self._over:
            raise _sign_on_again()
        now = self._clock.wall()
        end = expiry_of(given.token, given.expires_at)
        left = DEFAULT_LIFETIME if end is None else end - datetime.fromtimestamp(now, UTC)
        lifetime = min(left, MAX_TOKEN_LIFETIME)
        token = Token(
            access_token=given.token,
            refresh_token=given.refresh_token,
            lifetime=lifetime,
            expires_at=instant(now + lifetime.total_seconds()),
        )
        if lifetime.total_seconds() > 0 and not self._served:
            self._served = True
            return token
        if given.refresh_token is None:
            raise _sign_on_again()
        try:
            renewed = await self.refresh(token)
        except NomadRefreshRefusedError as error:
            # a gateway's answer does not end the sign-on: the next renewal tries again
            self._over = error.by_nomad
            status, request_id = error.status, error.request_id
        else:
            # the manager keeps the old refresh token after its own refreshes only
            return attrs.evolve(renewed, refresh_token=renewed.refresh_token or given.refresh_token)
        raise _sign_on_again(status, request_id)

    async def refresh(self, token: Token) -> Token:
        """Renew through the provider the sign-on came from.

        Raises:
            NomadRefreshRefusedError: definitively refused; the next `issue` raises `NomadInteractionRequiredError`.
            NomadError: see `nomadauth.errors`.
        """
        if self._refusal is not None and self._ended == token.refresh_token:
            raise fresh_copy(self._refusal)  # sending it again would change nothing
        request = RefreshTokenRequest(refresh_token=token.refresh_token or Secret(""))
        try:
            reply = await self._api.renew_sso(self._credentials.provider, request, bearer=token)
        except NomadRefreshRefusedError as error:
            # a copy, for the original's traceback holds the request
            self._refusal, self._over = fresh_copy(error), True
            self._ended = token.refresh_token if error.by_nomad else None
            raise
        self._refusal, self._over = None, False
        return _token(reply, Endpoint.RENEW)

    async def revoke(self, token: Token) -> None:
        """Log out. After that a person must sign in again, unless `token` is of another session.

        Raises:
            NomadError: the session may still be alive.
        """
        await _log_out(self._api, token, None)
        # a token that has leaked is given alone; ours come with a refresh token, or are the one that was given first
        if token.refresh_token is not None or token.access_token == self._credentials.token:
            self._over = True


class NomadFixedAuthenticator:
    """Serve a static token or an API key, which neither expires nor can be renewed.

    Args:
        credentials: the token or key.
    """

    renewable = False
    """A 401 is final: the caller gets it, and the manager does not renew."""

    def __init__(self, credentials: NomadStaticToken | NomadApiKey) -> None:
        self._credentials = credentials

    async def issue(self) -> Token:
        """Return the credential as a token that does not expire."""
        given = self._credentials
        if isinstance(given, NomadApiKey):
            return Token(access_token=given.key, scheme="ApiKey")
        return Token(access_token=given.token)

    async def refresh(self, token: Token) -> Token:  # noqa: ARG002 - the protocol's shape
        """Refuse: there is nothing to renew.

        Raises:
            NomadRefreshRefusedError: always.
        """
        raise NomadRefreshRefusedError("a static token or API key cannot be refreshed")

    async def revoke(self, token: Token) -> None:  # noqa: ARG002 - the protocol's shape
        """Refuse: there is no session to end.

        Raises:
            ConfigurationError: always.
        """
        raise ConfigurationError(
            "a static token or API key has no session to log out of; nothing was sent. Your Nomad administrator can "
            "withdraw it"
        )


def _sign_on_again(status: int | None = None, request_id: str | None = None) -> NomadInteractionRequiredError:
    return NomadInteractionRequiredError(
        "the single sign-on is over and cannot be renewed: a person must sign in again. Open the address of "
        "nomadauth.sso_login_url and give NomadSSO.from_callback what the browser comes back with",
        status=status,
        request_id=request_id,
    )


def _given(answer: object) -> Secret | None:
    if answer is None or answer == "":
        return None
    if not isinstance(answer, str):
        raise ConfigurationError(
            f"on_interaction must return the code or new password as text, or None, not {type(answer).__name__}"
        )
    return Secret(str(answer))


def _wanted(reply: Reply[AccountLoginResponse], username: str) -> NomadInteraction | None:
    """Return the step that a person must take; None if there is a token.

    Raises:
        NomadAccountBlockedError: the account is blocked, and no input of a person would help.
        NomadMalformedResponseError: the response holds neither a token nor a login status.
    """
    data, meta = reply.data, reply.meta
    if data.token:
        return None
    if data.login_status is None:
        raise NomadMalformedResponseError(
            "Nomad's answer to signing in holds neither a token nor a loginStatus that says why. Check the base URL, "
            "then report this with its status and request id",
            problems=("$.token: missing",),
            status=meta.status,
            request_id=meta.request_id,
        )
    if data.login_status not in STEPS:
        raise blocked(data.login_status, status=meta.status, detail=None, request_id=meta.request_id)
    return NomadInteraction(
        login_status=data.login_status,
        username=username,
        qr_code=data.two_factor_qr_code,
        qr_code_image=data.two_factor_qr_code_image,
    )


async def _log_out(api: NomadApi, token: Token, application_id: str | None) -> None:
    request = LogoutRequest(user_session_id=token.extra.get(SESSION_ID), application_id=application_id)
    try:
        await api.logout(request, bearer=token)
    except NomadError as error:
        if error.status != 401 or isinstance(error, VendorUnavailableError):  # noqa: PLR2004
            raise
        _log.info("Nomad called the token to be logged out invalid; it counts as logged out")


def _token(reply: Reply[AccountLoginResponse], endpoint: Endpoint) -> Token:
    data, meta = reply.data, reply.meta
    access = data.token
    if access is None or not access.sendable:
        raise NomadMalformedResponseError(
            f"Nomad's answer to {endpoint} holds a token that cannot stand in a header",
            problems=("$.token: expected printable ASCII without white space",),
            status=meta.status,
            request_id=meta.request_id,
        )
    lifetime = token_lifetime(data, access, sent_wall_s=meta.sent_wall_s)
    return Token(
        access_token=access,
        refresh_token=data.refresh_token,
        lifetime=lifetime,
        expires_at=instant(meta.sent_wall_s + lifetime.total_seconds()),
        extra=_extra(data),
    )


def _extra(data: AccountLoginResponse) -> Mapping[str, str]:
    return {} if data.user_session_id is None else {SESSION_ID: data.user_session_id}
