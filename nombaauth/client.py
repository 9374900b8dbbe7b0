"""`NombaClient`: sign requests to Nomba."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Any, TypeVar, Unpack, cast, overload

from aiohttp import ClientResponse, ClientSession
from multidict import CIMultiDict
from yarl import URL

from nauth.client import MAX_RESPONSE_BYTES, VendorClient
from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.sources import AnySource
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.client_setup import Sourced
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy, Token
from nauth.transport.network import Network
from nauth.transport.token_calls import token_calls
from nauth.typed_calls import CallOptions, TypedCalls
from nombaauth.api import NombaApi
from nombaauth.authenticator import NombaAuthenticator
from nombaauth.config import ENVIRONMENTS, POLICY, USER_AGENT, VENDOR, NombaEnvironment, choose_base_url
from nombaauth.converter import CONVERTER
from nombaauth.credentials import FIELDS, NombaCredentials
from nombaauth.errors import LEAVES, Endpoint
from nombaauth.models import Balance, Envelope
from nombaauth.pages import CURSOR
from nombaauth.responses import hidden_401, read_response, status_of, window_hint

__all__ = ["NombaCallOptions", "NombaClient"]

_T = TypeVar("_T")


class NombaCallOptions(CallOptions, total=False):
    """Keyword options of `NombaClient.call`.

    Attributes:
        account_id: the `accountId` header of this call, where it is not the parent account's id.
    """

    account_id: str


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
        credentials: the API key, a source of it (see `nauth.sources`), or an async function that returns it. If None, from
            the source that `NOMBA_CREDENTIALS` names, or from `NOMBA_CLIENT_ID`, `NOMBA_CLIENT_SECRET` (or
            `NOMBA_PRIVATE_KEY`) and `NOMBA_ACCOUNT_ID`, each of which may be given as a file by ``..._FILE``.
        environment: ``"production"`` or ``"sandbox"``; from `NOMBA_ENVIRONMENT` if None. Never guessed.
        base_url: a URL instead of the environment's host; from `NOMBA_BASE_URL` if None.
        session: your own session; never closed here. Its connector, proxy and trust carry token calls too.
        store: where the token is shared; by default in the store that `NAUTH_STORE` names, else in this process.
        policy: when to renew; by default five minutes before expiry, as Nomba recommends.
        clock: source of time; the machine's clock if None.
        observer: called with each event, such as a renewal or a replay.
        proxy: the address of a proxy, with user name and password if it wants any; by default those of the environment.
        ssl_context: whom to trust and which certificate to show; checks cannot be switched off.
        max_response_bytes: the largest response that `call`, `open` and `pages` read, in bytes after decompression.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    __slots__ = ("_api", "_policy")

    _page_form = CURSOR

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
        proxy: str | URL | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
    ) -> None:
        given, url = _settings(credentials, environment, base_url, None)
        clock, policy = clock or SYSTEM_CLOCK, policy or POLICY
        network = Network(session=session, proxy=proxy, ssl_context=ssl_context)
        calls = token_calls(
            user_agent=USER_AGENT, policy=policy, clock=clock, wait_hint=window_hint, network=network
        )

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
            network=network,
            headers={
                **({} if account_id is None else {_ACCOUNT: account_id}),
                "Accept": "application/json",
                "User-Agent": USER_AGENT,
            },
            token_headers=_account_header if sourced else None,
            hidden_401=hidden_401,
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
            max_response_bytes=max_response_bytes,
        )
        self._policy = policy

    def _make_typed(self) -> TypedCalls:
        resources = self._signed(user_agent=USER_AGENT, policy=self._policy, wait_hint=window_hint)
        self._api = NombaApi(
            base_url=self._base_url,
            account_id=self._headers.get(_ACCOUNT),
            auth=self._transport,
            resources=resources,
        )
        return self._typed_calls(
            resources,
            converter=CONVERTER,
            errors=LEAVES,
            read=lambda answer, into, _: read_response(answer, Endpoint.RESOURCE, into),
            status_of=status_of,
            data_root="$.data",
        )

    @property
    def api(self) -> NombaApi:
        """Nomba's endpoints, typed. The three token calls are sent without the client's token."""
        if self._calls is None:
            self._typed()
        return self._api

    # pyright does not take a TypedDict of more options for a wider one; mypy does
    @overload
    async def call(
        self, method: str, path: str | URL, into: None = None, **options: Unpack[NombaCallOptions]
    ) -> Envelope[None]: ...

    @overload
    async def call(
        self, method: str, path: str | URL, into: type[_T], **options: Unpack[NombaCallOptions]
    ) -> Envelope[_T]: ...

    async def call(  # pyright: ignore[reportIncompatibleMethodOverride] # one option more, and Envelope for Reply
        self, method: str, path: str | URL, into: type[_T] | None = None, **options: Unpack[NombaCallOptions]
    ) -> Envelope[_T] | Envelope[None]:
        """Call an endpoint and read its response into `into`: the vendor's success, or the vendor's error.

        Unlike `get` and `post`, which hand the response over unread, this also finds the failure in a response whose HTTP
        status is 200::

            banks = await nomba.call("GET", "/v1/transfers/banks", list[Bank])
            print(banks.data[0].name, banks.code)

        Args:
            method: the HTTP method.
            path: a path below the client's base URL, with or without a query; or an absolute URL inside its origins.
            into: the type of the data: an attrs class, dataclass, TypedDict or pydantic model, ``list[...]``,
                ``dict[str, ...]``, a scalar; ``object`` for the parsed JSON as it came; None for a response without data.
            options: `json`, `data`, `params`, `headers`, `timeout`, `repeatable`, and `account_id` for another `accountId` header; see `nauth.typed_calls.CallOptions`.

        Raises:
            ConfigurationError: `into` cannot be read from JSON, or the body cannot be sent. Nothing was sent.
            OriginError: `path` leaves the configured origins. Nothing was sent.
            OutcomeUnknownError: the request is not repeatable, and its response was lost or is a 5xx other than 503. Look
                whether it was acted on before you send it again.
            MalformedResponseError: the response does not fit `into`; `problems` name the places.
            NauthError: the vendor's own error, with its words, `status`, `code`, `request_id` and `retry_after`.
        """
        if options and (account_id := options.pop("account_id", None)) is not None:
            headers = CIMultiDict(options.get("headers") or {})
            headers["accountId"] = account_id
            options["headers"] = headers
        read: Any = await (self._calls or self._typed()).call(method, path, into, options)
        reply: Envelope[Any] = read  # not by `cast`, which is a call
        return reply

    @overload
    async def open(self, response: ClientResponse, into: None = None) -> Envelope[None]: ...

    @overload
    async def open(self, response: ClientResponse, into: type[_T]) -> Envelope[_T]: ...

    async def open(
        self, response: ClientResponse, into: type[_T] | None = None
    ) -> Envelope[_T] | Envelope[None]:
        """Read an aiohttp response that you have in hand as `call` does, and release it.

        Raises:
            NauthError: as for `call`.
        """
        read: Any = await (self._calls or self._typed()).open(response, into)
        reply: Envelope[Any] = read
        return reply

    async def check(self) -> Balance:
        """Ask for the account's balance: the simplest call that proves that the token works.

        Raises:
            NombaTokenRefusedError: signed in, yet the token is refused; the text lists Nomba's documented causes.
            NauthError: as for `token`, and `nombaauth.errors`.
        """
        return (await self.api.get_balance()).data

    async def revoke(self, token: Token | None = None) -> None:
        """Revoke the current token at Nomba, for all clients that share the session, and forget it; or revoke `token`.

        Closing a client does not revoke. It never signs in to revoke; the next call that needs a token signs in.

        Args:
            token: the one that has leaked, if it is not the current one, such as ``Token(access_token=Secret(text))``: where
                Nomba keeps older sessions, revoking the current token leaves it alive. The current token stays in use.

        Raises:
            NauthError: the token may still be valid; revoke again.
        """
        await self._manager.revoke(token)


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
    """Read from the environment what was not given; raise one error that lists every fault."""
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
