"""`NomadClient`: sign requests to Nomad Media."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias, cast, get_args

from aiohttp import ClientSession
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.client import MAX_RESPONSE_BYTES, VendorClient
from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.logins import Application, RememberedAuthenticator, RememberedLogin, remembered_by_default
from nauth.origins import parse_base_url
from nauth.secret import Secret
from nauth.sources import AnySource
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.client_setup import Sourced
from nauth.stores.base import StoreKey, TokenStore, check_store
from nauth.token import RenewalPolicy, Token
from nauth.transport.network import Network
from nauth.transport.token_calls import token_calls
from nauth.typed_calls import TypedCalls
from nomadauth.api import NomadApi
from nomadauth.authenticator import (
    SESSION_ID,
    NomadFixedAuthenticator,
    NomadPasswordAuthenticator,
    NomadSSOAuthenticator,
)
from nomadauth.config import INTERACTIVE_POLICY, POLICY, USER_AGENT, VENDOR, choose_base_url
from nomadauth.converter import CONVERTER
from nomadauth.credentials import (
    FIELDS,
    VARIABLES,
    NomadApiKey,
    NomadCredentials,
    NomadPassword,
    NomadSSO,
    NomadStaticToken,
)
from nomadauth.errors import LEAVES, Endpoint, NomadInteractionRequiredError, NomadNotFoundError
from nomadauth.interaction import OnInteraction
from nomadauth.models import NomadCheck, PingRequest, PingResponse
from nomadauth.pages import OFFSET_IN_BODY
from nomadauth.responses import Hidden401, read_response

if TYPE_CHECKING:
    from nauth.logins.login_store import LoginStore

__all__ = ["NomadClient"]

_Given: TypeAlias = NomadCredentials | Sourced[NomadCredentials]


class NomadClient(VendorClient):
    """Keep one Nomad Media token alive and put it on requests.

    ::

        async with NomadClient() as nomad:  # NOMAD_MEDIA_* from the process environment
            async with nomad.get("/account/user") as response:
                user = await response.json()

    Paths are relative to the API's address, so ``/account/user`` means ``https://.../api/account/user``. Some tenants
    keep a single session for each account: use a separate account for each service.

    Source: https://docs.nomad.media/docs/authentication-guide

    Args:
        credentials: how to sign in, a source of it (see `nauth.sources`), an async function that returns it, or a
            `RememberedLogin`. If None, from the source that `NOMAD_MEDIA_CREDENTIALS` names; or from `NOMAD_MEDIA_USERNAME` and
            `NOMAD_MEDIA_PASSWORD` (and `NOMAD_MEDIA_APPLICATION_ID`), or `NOMAD_MEDIA_STATIC_TOKEN`, or
            `NOMAD_MEDIA_API_KEY`, each of which may be given as a file by ``..._FILE``. If none of them is set, and
            `allow_persistence` is, the login that ``nauth login nomad`` has remembered.
        environment: Nomad Media has none; only None is accepted.
        base_url: your admin host, with or without ``/api``; from `NOMAD_MEDIA_BASE_URL` if None.
        session: your own session; never closed here. Its connector, proxy and trust carry token calls too.
        store: where the token is shared; by default in this process.
        policy: when to renew; by default 15 minutes before expiry. If a person may be asked, the default deadline is
            five minutes, so that there is time to answer.
        clock: source of time; the machine's clock if None.
        observer: called with each event, such as a renewal or a replay.
        proxy: the address of a proxy, with user name and password if it wants any; by default those of the environment.
        ssl_context: whom to trust and which certificate to show; checks cannot be switched off.
        max_response_bytes: the largest response that `call`, `open` and `pages` read, in bytes after decompression.
        allow_persistence: accept a store that outlives the process, and the one that `NAUTH_STORE` names, against
            Nomad's advice.
        on_interaction: asked for a second factor's code or a new password, if a login requires one.
        portal_url: your portal host, if it shall get the token too.
        sso_base_url: the URL that ``/auth/{provider}`` is below, if not the API's address.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    __slots__ = ("_api", "_calls_policy", "_credentials", "_sso_base_url")

    _page_form = OFFSET_IN_BODY

    def __init__(
        self,
        credentials: NomadCredentials | AnySource[NomadCredentials] | RememberedLogin | None = None,
        *,
        environment: None = None,
        base_url: str | URL | None = None,
        session: ClientSession | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        proxy: str | URL | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        allow_persistence: bool = False,
        on_interaction: OnInteraction | None = None,
        portal_url: str | URL | None = None,
        sso_base_url: str | URL | None = None,
    ) -> None:
        _check_store(store, allow_persistence)
        given, url, portal = _settings(
            credentials,
            environment=environment,
            base_url=base_url,
            portal_url=portal_url,
            sso_base_url=sso_base_url,
            store=store,
            allow_persistence=allow_persistence,
        )
        clock, calls_policy = clock or SYSTEM_CLOCK, policy or POLICY
        policy = policy or (POLICY if on_interaction is None else INTERACTIVE_POLICY)
        network = Network(session=session, proxy=proxy, ssl_context=ssl_context)
        calls = token_calls(user_agent=USER_AGENT, policy=calls_policy, clock=clock, network=network)
        auth_api = NomadApi(base_url=url, auth=calls, sso_base_url=sso_base_url)
        hidden_401 = Hidden401(clock)
        login, authenticator = None, None
        if isinstance(given, RememberedLogin):
            login, key, logins = given, given.key(VENDOR, str(url)), given.open_store()
            authenticator = _remembered(given, key, logins, auth_api, clock)
            store = logins
        else:
            identity = _identity(given, store, allow_persistence)
            key = StoreKey(vendor=VENDOR, base_url=str(url), identity=identity)
        super().__init__(
            authenticator=authenticator
            or _authenticator(cast("_Given", given), auth_api, clock, on_interaction),
            key=key,
            base_url=url,
            origins=[] if portal is None else [portal],
            transport=calls,
            network=network,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            hidden_401=hidden_401,
            login=login,
            store=store,
            may_persist=allow_persistence,
            policy=policy,
            clock=clock,
            observer=observer,
            max_response_bytes=max_response_bytes,
        )
        hidden_401.manager = self._manager
        self._credentials = given
        self._calls_policy, self._sso_base_url = calls_policy, sso_base_url

    def _make_typed(self) -> TypedCalls:
        resources = self._signed(user_agent=USER_AGENT, policy=self._calls_policy)
        self._api = NomadApi(
            base_url=self._base_url,
            auth=self._transport,
            resources=resources,
            sso_base_url=self._sso_base_url,
        )
        return self._typed_calls(
            resources,
            converter=CONVERTER,
            errors=LEAVES,
            read=lambda answer, into, _: read_response(answer, Endpoint.RESOURCE, into, shape=None),
        )

    @property
    def api(self) -> NomadApi:
        """Nomad's endpoints, typed. Calls that issue, refresh or end tokens are sent without the client's token."""
        if self._calls is None:
            self._typed()
        return self._api

    async def check(self) -> NomadCheck:
        """Ask for a "Pong Auth": the simplest call that proves that the credentials work.

        If the host has no such endpoint, ask for the signed-in user instead.

        Raises:
            NomadTokenRefusedError: signed in, yet the token is refused; the text lists likely causes.
            NauthError: as for `token`, and `nomadauth.errors`.
        """
        try:
            return NomadCheck(endpoint="ping_auth", message=(await self.api.get_ping_auth()).data)
        except NomadNotFoundError:
            pass
        return NomadCheck(endpoint="user", user=(await self.api.get_user()).data)

    async def ping(self) -> PingResponse:
        """Keep the session alive and get its status; `SESSION_DEACTIVATED` means another login has replaced it.

        Raises:
            ConfigurationError: there is no session to ping: Nomad named none when signing in, or the credential is
                static. Nothing was sent.
            NauthError: as for `token`, and `nomadauth.errors`.
        """
        token = await self.token()
        session_id = token.extra.get(SESSION_ID)
        if session_id is None:
            raise ConfigurationError(
                "there is no session to ping: only a sign-in with a user name and password whose answer names a "
                "userSessionId has one. check() works with every credential"
            )
        request = PingRequest(user_session_id=session_id, application_id=self._application_id(token))
        return (await self.api.ping(request)).data

    async def logout(self, token: Token | None = None) -> None:
        """End the session of the current token at Nomad, for all clients that share it, and forget the token.

        It never signs in to do so; the next call that needs a token signs in. After a single sign-on only a person can
        sign in again. Closing a client does not log out.

        Args:
            token: ends the session of another token instead, such as one that has leaked, where Nomad keeps several
                sessions of an account. The current token stays in use then.

        Raises:
            ConfigurationError: a static token or API key has no session. Nothing was sent.
            NauthError: the session may still be alive; log out again.
        """
        if isinstance(self._credentials, NomadStaticToken | NomadApiKey):
            raise ConfigurationError(
                "a static token or API key has no session to log out of; nothing was sent. Your Nomad administrator "
                "can withdraw it"
            )
        await self._manager.revoke(token)

    def _application_id(self, token: Token) -> str | None:
        if isinstance(self._credentials, NomadPassword):
            return self._credentials.application_id
        return token.extra.get(_APPLICATION_ID)


_APPLICATION_ID = "applicationId"
"""Where a token keeps the application id of a credential that a source holds."""


def _extra(credentials: NomadCredentials) -> Mapping[str, str]:
    application_id = getattr(credentials, "application_id", None)
    return {} if application_id is None else {_APPLICATION_ID: application_id}


def _authenticator(
    credentials: NomadCredentials | Sourced[NomadCredentials],
    api: NomadApi,
    clock: Clock,
    on_interaction: OnInteraction | None,
) -> Authenticator:
    if isinstance(credentials, Sourced):
        return SourcedAuthenticator(
            credentials.question(clock),
            lambda given: _authenticator(given, api, clock, on_interaction),
            extra=_extra,
        )
    if isinstance(credentials, NomadPassword):
        return NomadPasswordAuthenticator(credentials, api, on_interaction=on_interaction)
    if isinstance(credentials, NomadSSO):
        return NomadSSOAuthenticator(credentials, api, clock=clock)
    return NomadFixedAuthenticator(credentials)


def _remembered(
    login: RememberedLogin, key: StoreKey, store: LoginStore, api: NomadApi, clock: Clock
) -> RememberedAuthenticator:
    def make(found: Application) -> Authenticator:
        # the token is in the store; this one is never served, for the store's is refreshed
        given = NomadSSO(str(found["provider"]), Secret("remembered"))
        return NomadSSOAuthenticator(given, api, clock=clock)

    return RememberedAuthenticator(
        login, key=key, store=store, make=make, needed=NomadInteractionRequiredError, command="nomad"
    )


def _identity(
    credentials: NomadCredentials | Sourced[NomadCredentials],
    store: TokenStore | None,
    allow_persistence: bool,
) -> str:
    """Return what keys the shared token. A password's key is cheap if it stays in this process."""
    if isinstance(credentials, NomadPassword):
        # without a store, NAUTH_STORE may name one that outlives the process
        return credentials.identity(persistent=allow_persistence if store is None else store.persistent)
    return credentials.identity()


def _check_store(store: TokenStore | None, allow_persistence: bool) -> None:
    check_store(store)
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
    store: TokenStore | None = None,
    allow_persistence: bool = False,
) -> tuple[_Given | RememberedLogin, URL, URL | None]:
    """Read from the environment what was not given; raise one error that lists every fault."""
    kinds = (*get_args(NomadCredentials), RememberedLogin)
    reader = EnvironmentReader(environ)
    if environment is not None:
        reader.fault(
            "Nomad Media has no environments to choose from: each customer has hosts of its own, so leave environment "
            "out and give base_url"
        )
    url = _checked(
        reader, choose_base_url, reader.optional("NOMAD_MEDIA_BASE_URL") if base_url is None else base_url
    )
    if credentials is None and store is None:
        credentials = remembered_by_default(reader, names=VARIABLES, vendor=VENDOR, base_url=str(url))
        if credentials is not None and not allow_persistence:
            reader.fault(
                "a remembered login would be used, whose token outlives the process, against Nomad Media's advice: say "
                "allow_persistence=True to use it, or NAUTH_LOGIN=off"
            )
    if isinstance(credentials, RememberedLogin) and store is not None:
        reader.fault("a remembered login lies in a store of its own: leave store= out")
    sourced = None if isinstance(credentials, kinds) else FIELDS.sourced(credentials, reader, environ)
    if credentials is not None and sourced is None and not isinstance(credentials, kinds):
        raise ConfigurationError(
            f"credentials must be {', '.join(kind.__name__ for kind in kinds)}, not {type(credentials).__name__}: "
            "NomadClient(NomadPassword(username=..., password=...), base_url=...)"
        )
    read = None if credentials is not None or sourced is not None else FIELDS.read(reader)
    portal = None if portal_url is None else _checked(reader, _address("portal_url"), portal_url)
    if sso_base_url is not None:
        _checked(reader, _address("sso_base_url"), sso_base_url)
    reader.finish("NomadClient")
    if read is not None:
        credentials = read()
    return sourced or cast("NomadCredentials | RememberedLogin", credentials), cast("URL", url), portal


def _address(setting: str) -> Callable[[object], URL]:
    return lambda value: parse_base_url(value, setting=setting)


def _checked(reader: EnvironmentReader, check: Callable[[object], URL], value: object) -> URL | None:
    try:
        return check(value)
    except ConfigurationError as error:
        reader.fault(str(error))
        return None
