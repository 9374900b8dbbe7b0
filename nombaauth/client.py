"""`NombaClient`: sign requests to Nomba."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from aiohttp import ClientSession
from yarl import URL

from nauth.client import VendorClient
from nauth.clock import Clock, SystemClock
from nauth.environment import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.sources import AnySource
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.sourced import Sourced
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy, Token
from nauth.transport.calls import token_calls
from nombaauth.api import NombaApi
from nombaauth.authenticator import NombaAuthenticator
from nombaauth.config import ENVIRONMENTS, POLICY, USER_AGENT, VENDOR, NombaEnvironment, choose_base_url
from nombaauth.credentials import FIELDS, NombaCredentials
from nombaauth.models import Balance
from nombaauth.responses import hidden_401, window_hint

__all__ = ["NombaClient"]


class NombaClient(VendorClient):
    """Keep one Nomba token alive and put it, and the `accountId` header, on requests.

    ::

        async with NombaClient() as nomba:  # NOMBA_* from the process environment
            async with nomba.get("/v1/transfers/banks") as response:
                banks = await response.json()

    Nomba keeps a single session for each key: sign in from one place, or share the token through a store. For a
    sub-account keep the parent's id in the header and name the sub-account in the path; where a call really needs
    another header, give ``headers={"accountId": ...}``.

    Source: https://developer.nomba.com/docs/guides/authentication-best-practises

    Args:
        credentials: the API key, a source of it (see `nauth.sources`), or an async function that returns it. If None, from
            the source that `NOMBA_CREDENTIALS` names, or from `NOMBA_CLIENT_ID`, `NOMBA_CLIENT_SECRET` (or
            `NOMBA_PRIVATE_KEY`) and `NOMBA_ACCOUNT_ID`, each of which may be given as a file by ``..._FILE``.
        environment: ``"production"`` or ``"sandbox"``; from `NOMBA_ENVIRONMENT` if None. Never guessed.
        base_url: an address instead of the environment's own; from `NOMBA_BASE_URL` if None.
        session: your own session for requests; never closed here.
        store: where the token is shared; by default with every client of this process.
        policy: when to renew; by default five minutes before the end, as Nomba advises.
        clock: where time comes from.
        observer: told of renewals and replays.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    def __init__(
        self,
        credentials: NombaCredentials | AnySource[NombaCredentials] | None = None,
        *,
        environment: NombaEnvironment | None = None,
        base_url: str | URL | None = None,
        session: ClientSession | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        given, url = _settings(credentials, environment, base_url, None)
        clock, policy = clock or SystemClock(), policy or POLICY
        calls = token_calls(user_agent=USER_AGENT, policy=policy, clock=clock, wait_hint=window_hint)

        def authenticator(credentials: NombaCredentials) -> NombaAuthenticator:
            return NombaAuthenticator(
                credentials, NombaApi(base_url=url, account_id=credentials.account_id, auth=calls)
            )

        sourced = isinstance(given, Sourced)
        account_id = None if isinstance(given, Sourced) else given.account_id
        super().__init__(
            authenticator=SourcedAuthenticator(given.question(clock), authenticator, extra=_account)
            if isinstance(given, Sourced)
            else authenticator(given),
            key=StoreKey(vendor=VENDOR, base_url=str(url), identity=given.identity()),
            base_url=url,
            transport=calls,
            session=session,
            headers={
                **({} if account_id is None else {"accountId": account_id}),
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
            },
            token_headers=_account_header if sourced else None,
            hidden_401=hidden_401,
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
        )
        self._api = NombaApi(
            base_url=url,
            account_id=account_id,
            auth=calls,
            resources=self._signed(user_agent=USER_AGENT, policy=policy, clock=clock, wait_hint=window_hint),
        )

    @property
    def api(self) -> NombaApi:
        """Nomba's endpoints, typed. The three that deal in tokens bypass the client's own token."""
        return self._api

    async def check(self) -> Balance:
        """Ask for the account's balance: the simplest call that proves that the token works.

        Raises:
            NombaTokenRefusedError: signed in, yet the token is refused; the text lists Nomba's documented causes.
            NauthError: as for `token`, and `nombaauth.errors`.
        """
        return (await self._api.get_balance()).data

    async def revoke(self) -> None:
        """End the token's life at Nomba, for everybody who shares the session, and forget it.

        For a token that may have leaked. Closing a client does not revoke. Never signs in to do so; the next call
        that needs a token does.

        Raises:
            NauthError: the token may still be alive; revoke again.
        """
        await self._manager.revoke()


_ACCOUNT = "accountId"
"""Header of each call. Where a source holds the credential, the token carries the id along, for the processes that find
the token in a store and never ask the source."""


def _account(credentials: NombaCredentials) -> Mapping[str, str]:
    return {_ACCOUNT: credentials.account_id}


def _account_header(token: Token) -> Mapping[str, str]:
    return {_ACCOUNT: token.extra[_ACCOUNT]} if _ACCOUNT in token.extra else {}


def _settings(
    credentials: object, environment: object, base_url: object, environ: Mapping[str, str] | None
) -> tuple[NombaCredentials | Sourced[NombaCredentials], URL]:
    """Fill in from the environment what was not given; complain once, about everything."""
    reader = EnvironmentReader(environ)
    sourced = (
        None if isinstance(credentials, NombaCredentials) else FIELDS.sourced(credentials, reader, environ)
    )
    if credentials is not None and sourced is None and not isinstance(credentials, NombaCredentials):
        raise ConfigurationError(
            f"credentials must be NombaCredentials, not {type(credentials).__name__}: "
            "NombaClient(NombaCredentials(client_id=..., client_secret=..., account_id=...))"
        )
    read = None if credentials is not None or sourced is not None else FIELDS.read(reader)
    if environment is None and base_url is None:
        environment = reader.choice("NOMBA_ENVIRONMENT", ENVIRONMENTS)
        base_url = reader.optional("NOMBA_BASE_URL")
    url = None
    try:
        url = choose_base_url(environment, base_url)
    except ConfigurationError as error:
        reader.fault(str(error))
    reader.finish("NombaClient")
    assert url is not None  # noqa: S101 - else `finish` has raised
    return sourced or cast("NombaCredentials", credentials if read is None else read()), url
