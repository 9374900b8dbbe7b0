"""`NaoClient`: sign requests to NAO Cloud."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, cast

from aiohttp import ClientSession
from yarl import URL

from naoauth.api import NaoApi
from naoauth.authenticator import NaoApiKeyAuthenticator, NaoOAuthAuthenticator, NaoSessionAuthenticator
from naoauth.config import POLICY, USER_AGENT, VENDOR, choose_base_url
from naoauth.converter import CONVERTER
from naoauth.credentials import (
    FIELDS,
    VARIABLES,
    NaoApiKey,
    NaoCredentials,
    NaoOAuth,
    NaoSession,
    application_from,
    read_credentials,
)
from naoauth.errors import LEAVES, Endpoint, NaoSignInNeededError
from naoauth.models import SitePage
from naoauth.pages import NUMBER
from naoauth.responses import read_response
from nauth.client import MAX_RESPONSE_BYTES, VendorClient
from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.logins import RememberedAuthenticator, RememberedLogin, login_beside, remembered_by_default
from nauth.oauth2 import SignIn, StartedSignIn
from nauth.oauth2.callback import hide
from nauth.secret import Secret
from nauth.sources import AnySource
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.client_setup import Sourced
from nauth.stores.address import store_from_env
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy, Token
from nauth.transport.base import Transport
from nauth.transport.network import Network
from nauth.transport.token_calls import token_calls
from nauth.typed_calls import TypedCalls

if TYPE_CHECKING:
    from nauth.logins.login_store import LoginStore

__all__ = ["NaoClient"]

_Authenticator = (
    NaoApiKeyAuthenticator
    | NaoSessionAuthenticator
    | NaoOAuthAuthenticator
    | SourcedAuthenticator[NaoCredentials]
    | RememberedAuthenticator
)


class NaoClient(VendorClient):
    """Put one NAO Cloud credential on requests, and renew it if it expires.

    ::

        async with NaoClient() as nao:  # NAO_* from the process environment
            async with nao.get("/api/v2/sites") as response:
                sites = await response.json()

    Three ways to sign in, in the order that the vendor recommends for back ends: `NaoApiKey` (sent without a scheme,
    never expires), `NaoSession` (a JWT, sent without a scheme, 24 hours), `NaoOAuth` (a person's consent, sent as
    Bearer).

    Source: https://polestar.zohodesk.com/portal/en/kb/articles/2-authentication

    Args:
        credentials: how to sign in, a source of a key or session (see `nauth.sources`), an async function that
            returns one, or a `RememberedLogin`. If None, from the source that `NAO_CREDENTIALS` names; or from `NAO_CLIENT_ID`, `NAO_CLIENT_SECRET` and `NAO_REDIRECT_URI`; or from
            `NAO_EMAIL` and `NAO_PASSWORD`; or from `NAO_AUTH_TOKEN`. Setting more than one of these is an error. If
            none of them is set, the login that ``nauth login nao`` has remembered; an application without a `store` uses
            the login that was made through it.
        environment: must be None: NAO Cloud has no environments.
        base_url: another instance, with or without ``/api/v2``; from `NAO_BASE_URL` if None. The OAuth URLs are
            derived from it.
        session: your own session; never closed here. Its connector, proxy and trust carry token calls too.
        store: where the token is shared; by default in the store that `NAUTH_STORE` names, else in this process.
        policy: when to renew; by default five minutes before expiry.
        clock: source of time; the machine's clock if None.
        observer: called with each event, such as a renewal or a replay.
        proxy: the address of a proxy, with user name and password if it wants any; by default those of the environment.
        ssl_context: whom to trust and which certificate to show; checks cannot be switched off.
        max_response_bytes: the largest response that `call`, `open` and `pages` read, in bytes after decompression.
        sealing: keys for `begin_sign_in`, as for `nauth.stores.EncryptedStore`, the same in every worker; by default a
            key of this process.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    __slots__ = ("_api", "_endpoint", "_given", "_policy", "_twin")

    _page_form = NUMBER

    def __init__(
        self,
        credentials: NaoCredentials | AnySource[NaoCredentials] | RememberedLogin | None = None,
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
        sealing: Mapping[str, Secret] | None = None,
    ) -> None:
        given, url, login = _settings(credentials, environment, base_url, None, store=store)
        clock, policy = clock or SYSTEM_CLOCK, policy or POLICY
        network = Network(session=session, proxy=proxy, ssl_context=ssl_context)
        calls = token_calls(user_agent=USER_AGENT, policy=policy, clock=clock, network=network)
        authenticator: _Authenticator
        if isinstance(given, RememberedLogin):
            logins = given.open_store()
            key, store, self._endpoint = given.key(VENDOR, str(url)), logins, Endpoint.OAUTH_RESOURCE
            authenticator = _remembered(given, key, logins, url, calls, clock)
        else:
            authenticator, self._endpoint = _authenticator(given, url, calls, clock, sealing)
            key = StoreKey(vendor=VENDOR, base_url=str(url), identity=given.identity())
            if login is not None:
                key, store = login.key(VENDOR, str(url)), login.open_store()
        self._given = given
        self._twin = partial(
            NaoClient,
            base_url=url,
            session=session,
            policy=policy,
            clock=clock,
            observer=observer,
            proxy=proxy,
            ssl_context=ssl_context,
            sealing=sealing,
        )
        super().__init__(
            authenticator=authenticator,
            key=key,
            base_url=url,
            transport=calls,
            network=network,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            login=login,
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
            max_response_bytes=max_response_bytes,
        )
        self._policy = policy

    def _make_typed(self) -> TypedCalls:
        resources, endpoint = self._signed(user_agent=USER_AGENT, policy=self._policy), self._endpoint
        self._api = NaoApi(
            base_url=self._base_url,
            auth=self._transport,
            resources=resources,
            endpoint=endpoint,
            jwt_key=getattr(self._given, "jwt_key", None),
            expires_key=getattr(self._given, "expires_key", None),
        )
        return self._typed_calls(
            resources,
            converter=CONVERTER,
            errors=LEAVES,
            read=lambda answer, into, asked: read_response(answer, endpoint, into, url=asked),
        )

    @property
    def api(self) -> NaoApi:
        """NAO Cloud's endpoints, typed. The call that carries credentials is sent without the client's token."""
        if self._calls is None:
            self._typed()
        return self._api

    async def check(self) -> SitePage:
        """List the first page of sites: the simplest call that proves that the credential works.

        Raises:
            NaoError: as for `NaoApi.list_sites`, or no token could be obtained.
        """
        return await self.api.list_sites()

    def authorization_url(self, parameters: Mapping[str, str] | None = None) -> str:
        """Return the address to send a person to, with a new `state` (and PKCE challenge, if asked for).

        Args:
            parameters: added to the query.

        Raises:
            ConfigurationError: the client was not made with `NaoOAuth`.
        """
        return self._oauth().authorization_url(parameters)

    def begin_sign_in(
        self,
        account: str,
        *,
        parameters: Mapping[str, str] | None = None,
        redirect_uri: str | None = None,
        data: Mapping[str, str] | None = None,
    ) -> StartedSignIn:
        """Begin the sign-in of one of many people, in a web service. Any worker can end it, also after a restart.

        ::

            started = nao.begin_sign_in(account="user-17")
            remember(request.session, started)  # from nauth.oauth2
            return RedirectResponse(started.url)

        Nothing is kept in this object. Needs ``pip install nauth[crypto]``.

        Args:
            account: whose sign-in it is, in the service's own words; their token is found again by it:
                ``NaoClient(application.for_account("user-17"))``.
            parameters: added to the query.
            redirect_uri: another registered address to come back to.
            data: small texts of the service's own, such as where to go afterwards; see `read_sign_in`.

        Raises:
            ConfigurationError: the client was not made with `NaoOAuth`, or `data` is too large.
        """
        return self._oauth().begin_sign_in(
            account, parameters=parameters, redirect_uri=redirect_uri, data=data
        )

    def read_sign_in(self, started: str | Secret) -> SignIn:
        """Return the account and data that `begin_sign_in` sealed.

        Args:
            started: what `nauth.oauth2.recall` returned.

        Raises:
            NaoSignInNeededError: it is none of this client's.
        """
        sealed = started if isinstance(started, Secret) else Secret(started)
        del started  # as in `exchange`
        return self._oauth().read_sign_in(sealed)

    async def exchange(self, callback: str | URL | Secret, *, started: str | Secret | None = None) -> Token:
        """Check the address the person came back to, exchange its code, and serve the new token from now on.

        Args:
            callback: the whole address the browser came back to, or its query. Never logged or quoted.
            started: what `nauth.oauth2.recall` took out of the browser's session, where `begin_sign_in` began. The token
                then is that account's, in the store of this client.

        Raises:
            ConfigurationError: the client was not made with `NaoOAuth`.
            NaoSignInNeededError: the state belongs to no sign-in of this client, the person declined, or the code was
                refused: start again.
            NaoError: see `naoauth.errors`.
        """
        hidden = hide(callback)
        del callback  # else an error tracker would print the code with this frame
        oauth = self._oauth()
        if started is None:
            return await oauth.exchange(hidden, self._manager)
        sealed = started if isinstance(started, Secret) else Secret(started)
        del started
        account = oauth.read_sign_in(sealed).account
        application = cast("NaoOAuth", self._given)
        if account is None or account == application.account:
            return await oauth.exchange(hidden, self._manager, started=sealed)
        # one person's token must not be served to another: it goes under the account's own key
        async with self._twin(application.for_account(account), store=self.store) as theirs:
            return await theirs.exchange(hidden, started=sealed)

    async def revoke(self, token: Token | None = None) -> None:
        """Forget the current token, here and in the store; with `NaoOAuth` also revoke it, if the instance has a way to.

        Args:
            token: another one to revoke instead, such as one that has leaked; the current token stays in use then. A JWT
                cannot be revoked: it dies at its end.

        Raises:
            ConfigurationError: an API key cannot be revoked, nor a JWT that is not the current one.
            NauthError: the token may still be valid; revoke again.
        """
        await self._manager.revoke(token)

    def _oauth(self) -> NaoOAuthAuthenticator:
        if not isinstance(self._authenticator, NaoOAuthAuthenticator):
            raise ConfigurationError(
                "only a client made with NaoOAuth(...) sends people to NAO Cloud to sign in; the other credentials need "
                "nobody"
            )
        return self._authenticator


def _authenticator(
    credentials: NaoCredentials | Sourced[NaoCredentials],
    url: URL,
    calls: Transport,
    clock: Clock,
    sealing: Mapping[str, Secret] | None = None,
) -> tuple[_Authenticator, Endpoint]:
    if isinstance(credentials, Sourced):
        made = SourcedAuthenticator(
            credentials.question(clock), lambda given: _authenticator(given, url, calls, clock)[0]
        )
        # whether the source holds a key or a session shows when it is read; both are sent in the same way
        return made, Endpoint.JWT_RESOURCE
    if isinstance(credentials, NaoApiKey):
        return NaoApiKeyAuthenticator(credentials), Endpoint.KEY_RESOURCE
    if isinstance(credentials, NaoSession):
        api = NaoApi(
            base_url=url, auth=calls, jwt_key=credentials.jwt_key, expires_key=credentials.expires_key
        )
        return NaoSessionAuthenticator(credentials, api), Endpoint.JWT_RESOURCE
    oauth = NaoOAuthAuthenticator(credentials, base_url=url, transport=calls, sealing=sealing, clock=clock)
    return oauth, Endpoint.OAUTH_RESOURCE


def _remembered(  # noqa: PLR0917 - what the client has at hand
    login: RememberedLogin, key: StoreKey, store: LoginStore, url: URL, calls: Transport, clock: Clock
) -> RememberedAuthenticator:
    return RememberedAuthenticator(
        login,
        key=key,
        store=store,
        make=lambda found: NaoOAuthAuthenticator(
            application_from(found), base_url=url, transport=calls, clock=clock
        ),
        needed=NaoSignInNeededError,
        command="nao",
    )


def _settings(
    credentials: object,
    environment: object,
    base_url: object,
    environ: Mapping[str, str] | None,
    *,
    store: TokenStore | None = None,
) -> tuple[NaoCredentials | Sourced[NaoCredentials] | RememberedLogin, URL, RememberedLogin | None]:
    """Read from the environment what was not given; raise one error that lists every fault."""
    kinds = (NaoApiKey, NaoSession, NaoOAuth, RememberedLogin)
    reader = EnvironmentReader(environ)
    if base_url is None:
        base_url = reader.optional("NAO_BASE_URL")
    url = None
    try:
        url = choose_base_url(environment, base_url)
    except ConfigurationError as error:
        reader.fault(str(error))
    where = str(url)
    if credentials is None and store is None:
        credentials = remembered_by_default(reader, names=VARIABLES, vendor=VENDOR, base_url=where)
    sourced = None if isinstance(credentials, kinds) else FIELDS.sourced(credentials, reader, environ)
    if credentials is not None and sourced is None and not isinstance(credentials, kinds):
        raise ConfigurationError(
            f"credentials must be NaoApiKey, NaoSession or NaoOAuth, not {type(credentials).__name__}: "
            "NaoClient(NaoApiKey(auth_token))"
        )
    read, login = credentials, None
    if isinstance(credentials, RememberedLogin):
        login = credentials
        if store is not None:
            reader.fault("a remembered login lies in a store of its own: leave store= out")
    if credentials is None and sourced is None:
        read = read_credentials(reader, environ)
        # an application by itself signs no person in: the login that was made through it goes with it
        if isinstance(read, NaoOAuth) and store is None and store_from_env(environ) is None:
            login = login_beside(reader, vendor=VENDOR, base_url=where)
    reader.finish("NaoClient")
    assert url is not None  # noqa: S101 - else `finish` has raised
    return sourced or cast("NaoCredentials | RememberedLogin", read), url, login
