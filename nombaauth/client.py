"""`NombaClient`: sign requests to Nomba."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import ClientSession
from yarl import URL

from nauth.client import VendorClient
from nauth.clock import Clock, SystemClock
from nauth.environment import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy
from nauth.transport.calls import token_calls
from nombaauth.api import NombaApi
from nombaauth.authenticator import NombaAuthenticator
from nombaauth.config import ENVIRONMENTS, POLICY, USER_AGENT, VENDOR, NombaEnvironment, choose_base_url
from nombaauth.credentials import NombaCredentials
from nombaauth.models import Balance
from nombaauth.responses import hidden_401, window_hint

__all__ = ["NombaClient"]


class NombaClient(VendorClient):
    """Keep one Nomba token alive and put it, and the `accountId` header, on requests.

    ::

        async with NombaClient() as nomba:  # NOMBA_* from the process environment
            async with nomba.get("/v1/transfers/banks") as response:
                banks = await response.json()

    Nomba keeps a single session for each key: sign in from one process, or share the token through a store. For a
    sub-account keep the parent's id in the header and name the sub-account in the path; if a call really needs another
    header, give ``headers={"accountId": ...}``.

    Source: https://developer.nomba.com/docs/guides/authentication-best-practises

    Args:
        credentials: the API key; from `NOMBA_CLIENT_ID`, `NOMBA_CLIENT_SECRET` (or `NOMBA_PRIVATE_KEY`) and
            `NOMBA_ACCOUNT_ID` if None.
        environment: ``"production"`` or ``"sandbox"``; from `NOMBA_ENVIRONMENT` if None. Never guessed.
        base_url: a URL instead of the environment's host; from `NOMBA_BASE_URL` if None.
        session: your own session for requests; never closed here.
        store: where the token is shared; by default in the store that `NAUTH_STORE` names, else in this process.
        policy: when to renew; by default five minutes before expiry, as Nomba recommends.
        clock: source of time; the machine's clock if None.
        observer: called with each event, such as a renewal or a replay.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    def __init__(
        self,
        credentials: NombaCredentials | None = None,
        *,
        environment: NombaEnvironment | None = None,
        base_url: str | URL | None = None,
        session: ClientSession | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        credentials, url = _settings(credentials, environment, base_url, None)
        clock, policy = clock or SystemClock(), policy or POLICY
        calls = token_calls(user_agent=USER_AGENT, policy=policy, clock=clock, wait_hint=window_hint)
        auth_api = NombaApi(base_url=url, account_id=credentials.account_id, auth=calls)
        super().__init__(
            authenticator=NombaAuthenticator(credentials, auth_api),
            key=StoreKey(vendor=VENDOR, base_url=str(url), identity=credentials.identity()),
            base_url=url,
            transport=calls,
            session=session,
            headers={
                "accountId": credentials.account_id,
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
            },
            hidden_401=hidden_401,
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
        )
        self._api = NombaApi(
            base_url=url,
            account_id=credentials.account_id,
            auth=calls,
            resources=self._signed(user_agent=USER_AGENT, policy=policy, clock=clock, wait_hint=window_hint),
        )

    @property
    def api(self) -> NombaApi:
        """Nomba's endpoints, typed. The three token calls are sent without the client's token."""
        return self._api

    async def check(self) -> Balance:
        """Ask for the account's balance: the simplest call that proves that the token works.

        Raises:
            NombaTokenRefusedError: signed in, yet the token is refused; the text lists Nomba's documented causes.
            NauthError: as for `token`, and `nombaauth.errors`.
        """
        return (await self._api.get_balance()).data

    async def revoke(self) -> None:
        """Revoke the token at Nomba, for all clients that share the session, and forget it.

        Use it if a token may have leaked. Closing a client does not revoke. It never signs in to revoke; the next call
        that needs a token signs in.

        Raises:
            NauthError: the token may still be valid; revoke again.
        """
        await self._manager.revoke()


def _settings(
    credentials: object, environment: object, base_url: object, environ: Mapping[str, str] | None
) -> tuple[NombaCredentials, URL]:
    """Read from the environment what was not given; raise one error that lists every fault."""
    if credentials is not None and not isinstance(credentials, NombaCredentials):
        raise ConfigurationError(
            f"credentials must be NombaCredentials, not {type(credentials).__name__}: "
            "NombaClient(NombaCredentials(client_id=..., client_secret=..., account_id=...))"
        )
    reader = EnvironmentReader(environ)
    read = None if credentials is not None else NombaCredentials.read(reader)
    if environment is None and base_url is None:
        environment = reader.choice("NOMBA_ENVIRONMENT", ENVIRONMENTS)
        base_url = reader.optional("NOMBA_BASE_URL")
    url = None
    try:
        url = choose_base_url(environment, base_url)
    except ConfigurationError as error:
        reader.fault(str(error))
    reader.finish("NombaClient")
    if read is not None:
        credentials = NombaCredentials(client_id=read[0], client_secret=read[1], account_id=read[2])
    assert credentials is not None  # noqa: S101 - given, or read above
    assert url is not None  # noqa: S101 - else `finish` has raised
    return credentials, url
