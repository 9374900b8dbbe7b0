"""`NomadClient`: sign requests to Nomad Media."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast, get_args

from aiohttp import ClientSession
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.client import VendorClient
from nauth.clock import Clock, SystemClock
from nauth.environment import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.origins import parse_base_url
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy
from nauth.transport.calls import token_calls
from nomadauth.api import NomadApi
from nomadauth.authenticator import (
    SESSION_ID,
    NomadFixedAuthenticator,
    NomadPasswordAuthenticator,
    NomadSSOAuthenticator,
)
from nomadauth.config import INTERACTIVE_POLICY, POLICY, USER_AGENT, VENDOR, choose_base_url
from nomadauth.credentials import (
    NomadApiKey,
    NomadCredentials,
    NomadPassword,
    NomadSSO,
    NomadStaticToken,
    read_credentials,
)
from nomadauth.errors import NomadNotFoundError
from nomadauth.expired import Expired403
from nomadauth.interaction import OnInteraction
from nomadauth.models import NomadCheck, PingRequest, PingResponse

__all__ = ["NomadClient"]


class NomadClient(VendorClient):
    """Keep one Nomad Media token alive and put it on requests.

    ::

        async with NomadClient() as nomad:  # NOMAD_MEDIA_* from the process environment
            async with nomad.get("/account/user") as response:
                user = await response.json()

    Paths hang below the API's address, so ``/account/user`` means ``https://.../api/account/user``. Some tenants keep
    a single session for each account: use an account of its own for each service.

    Source: https://docs.nomad.media/docs/authentication-guide

    Args:
        credentials: how to sign in; from `NOMAD_MEDIA_USERNAME` and `NOMAD_MEDIA_PASSWORD` (and
            `NOMAD_MEDIA_APPLICATION_ID`), or `NOMAD_MEDIA_STATIC_TOKEN`, or `NOMAD_MEDIA_API_KEY` if None.
        environment: Nomad Media has none; only None is accepted.
        base_url: your admin host, with or without ``/api``; from `NOMAD_MEDIA_BASE_URL` if None.
        session: your own session for requests; never closed here.
        store: where the token is shared; by default with every client of this process.
        policy: when to renew; by default at three quarters of an hour's life. Where a person may be asked, the default
            also leaves five minutes for the answer.
        clock: where time comes from.
        observer: told of renewals and replays.
        allow_persistence: accept a store that outlives the process, against Nomad's advice.
        on_interaction: asked for a second factor's code, or a new password, where a login wants one.
        portal_url: your portal host, if the token is for it too.
        sso_base_url: where ``/auth/{provider}`` lies, if not behind the API's address.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    def __init__(
        self,
        credentials: NomadCredentials | None = None,
        *,
        environment: None = None,
        base_url: str | URL | None = None,
        session: ClientSession | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        allow_persistence: bool = False,
        on_interaction: OnInteraction | None = None,
        portal_url: str | URL | None = None,
        sso_base_url: str | URL | None = None,
    ) -> None:
        _check_store(store, allow_persistence)
        credentials, url, portal = _settings(
            credentials,
            environment=environment,
            base_url=base_url,
            portal_url=portal_url,
            sso_base_url=sso_base_url,
        )
        clock, calls_policy = clock or SystemClock(), policy or POLICY
        policy = policy or (POLICY if on_interaction is None else INTERACTIVE_POLICY)
        calls = token_calls(user_agent=USER_AGENT, policy=calls_policy, clock=clock)
        auth_api = NomadApi(base_url=url, auth=calls, sso_base_url=sso_base_url)
        expired = Expired403(clock)
        super().__init__(
            authenticator=_authenticator(credentials, auth_api, clock, on_interaction),
            key=StoreKey(vendor=VENDOR, base_url=str(url), identity=_identity(credentials, store)),
            base_url=url,
            origins=[] if portal is None else [portal],
            transport=calls,
            session=session,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            hidden_401=expired,
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
        )
        expired.manager = self._manager
        self._credentials = credentials
        self._api = NomadApi(
            base_url=url,
            auth=calls,
            resources=self._signed(user_agent=USER_AGENT, policy=calls_policy, clock=clock),
            sso_base_url=sso_base_url,
        )

    @property
    def api(self) -> NomadApi:
        """Nomad's endpoints, typed. Those that deal in tokens bypass the client's own token."""
        return self._api

    async def check(self) -> NomadCheck:
        """Ask for a "Pong Auth": the simplest call that proves that the credentials work.

        Hosts without that call are asked for the user instead.

        Raises:
            NomadTokenRefusedError: signed in, yet the token is refused; the text lists likely causes.
            NauthError: as for `token`, and `nomadauth.errors`.
        """
        try:
            return NomadCheck(endpoint="ping_auth", message=(await self._api.get_ping_auth()).data)
        except NomadNotFoundError:
            pass
        return NomadCheck(endpoint="user", user=(await self._api.get_user()).data)

    async def ping(self) -> PingResponse:
        """Keep the session alive and learn how it is; `SESSION_DEACTIVATED` means another login has replaced it.

        Raises:
            ConfigurationError: there is no session to ping: Nomad named none when signing in, or the credential is
                static. Nothing was sent.
            NauthError: as for `token`, and `nomadauth.errors`.
        """
        session_id = (await self.token()).extra.get(SESSION_ID)
        if session_id is None:
            raise ConfigurationError(
                "there is no session to ping: only a sign-in with a user name and password whose answer names a "
                "userSessionId has one. check() works with every credential"
            )
        request = PingRequest(user_session_id=session_id, application_id=self._application_id)
        return (await self._api.ping(request)).data

    async def logout(self) -> None:
        """End the session at Nomad, for everybody who shares it, and forget the token.

        Never signs in to do so; the next call that needs a token does. After a single sign-on only a person can sign
        in again. Closing a client does not log out.

        Raises:
            ConfigurationError: a static token or API key has no session. Nothing was sent.
            NauthError: the session may still be alive; log out again.
        """
        if isinstance(self._credentials, NomadStaticToken | NomadApiKey):
            raise ConfigurationError(
                "a static token or API key has no session to log out of; nothing was sent. Your Nomad administrator "
                "can withdraw it"
            )
        await self._manager.revoke()

    @property
    def _application_id(self) -> str | None:
        return self._credentials.application_id if isinstance(self._credentials, NomadPassword) else None


def _authenticator(
    credentials: NomadCredentials, api: NomadApi, clock: Clock, on_interaction: OnInteraction | None
) -> Authenticator:
    if isinstance(credentials, NomadPassword):
        return NomadPasswordAuthenticator(credentials, api, on_interaction=on_interaction)
    if isinstance(credentials, NomadSSO):
        return NomadSSOAuthenticator(credentials, api, clock=clock)
    return NomadFixedAuthenticator(credentials)


def _identity(credentials: NomadCredentials, store: TokenStore | None) -> str:
    """Return what keys the shared token. A password's key is cheap where it stays in this process."""
    if isinstance(credentials, NomadPassword):
        return credentials.identity(persistent=store is not None and store.persistent)
    return credentials.identity()


def _check_store(store: TokenStore | None, allow_persistence: bool) -> None:
    if store is not None and store.persistent and not allow_persistence:
        raise ConfigurationError(
            f'{type(store).__name__} outlives the process, and Nomad Media asks that its JWT does not: "Keep the JWT in '
            'session memory only ... Do not persist it to disk or a database" '
            "(https://docs.nomad.media/docs/authentication-guide). Use the default store, or say "
            "allow_persistence=True if several processes must share one session"
        )


def _settings(
    credentials: object,
    *,
    environment: object = None,
    base_url: object = None,
    portal_url: object = None,
    sso_base_url: object = None,
    environ: Mapping[str, str] | None = None,
) -> tuple[NomadCredentials, URL, URL | None]:
    """Fill in from the environment what was not given; complain once, about everything."""
    kinds = get_args(NomadCredentials)
    if credentials is not None and not isinstance(credentials, kinds):
        raise ConfigurationError(
            f"credentials must be {', '.join(kind.__name__ for kind in kinds)}, not {type(credentials).__name__}: "
            "NomadClient(NomadPassword(username=..., password=...), base_url=...)"
        )
    reader = EnvironmentReader(environ)
    read = None if credentials is not None else read_credentials(reader)
    if environment is not None:
        reader.fault(
            "Nomad Media has no environments to choose from: each customer has hosts of its own, so leave environment "
            "out and give base_url"
        )
    url = _checked(
        reader, choose_base_url, reader.optional("NOMAD_MEDIA_BASE_URL") if base_url is None else base_url
    )
    portal = None if portal_url is None else _checked(reader, _address("portal_url"), portal_url)
    if sso_base_url is not None:
        _checked(reader, _address("sso_base_url"), sso_base_url)
    reader.finish("NomadClient")
    if read is not None:
        credentials = read()
    return cast("NomadCredentials", credentials), cast("URL", url), portal


def _address(setting: str) -> Callable[[object], URL]:
    return lambda value: parse_base_url(value, setting=setting)


def _checked(reader: EnvironmentReader, check: Callable[[object], URL], value: object) -> URL | None:
    try:
        return check(value)
    except ConfigurationError as error:
        reader.fault(str(error))
        return None
