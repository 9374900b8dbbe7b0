"""`NoyoClient`: sign requests to Noyo."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from datetime import timedelta
from typing import TypeVar, cast

import attrs
from aiohttp import ClientSession
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.client import MAX_RESPONSE_BYTES, VendorClient
from nauth.clock import SYSTEM_CLOCK, Clock
from nauth.env_settings import EnvironmentReader
from nauth.errors import ConfigurationError
from nauth.events import Observer
from nauth.sources import AnySource
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.client_setup import Sourced
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy
from nauth.transport.base import Transport
from nauth.transport.network import Network
from nauth.transport.token_calls import token_calls
from nauth.typed_calls import TypedCalls
from noyoauth.api import NoyoApi
from noyoauth.authenticator import NoyoAuthenticator
from noyoauth.config import (
    DEFAULT_LIFETIME,
    ENVIRONMENTS,
    POLICY,
    USER_AGENT,
    VENDOR,
    NoyoEnvironment,
    choose_base_url,
    choose_origins,
    choose_token_url,
)
from noyoauth.converter import CONVERTER
from noyoauth.credentials import FIELDS, NoyoCredentials, NoyoCredentialSource, current, is_plain
from noyoauth.errors import LEAVES, Endpoint, NoyoMalformedResponseError
from noyoauth.lifetime import ExpiresInUnit, LifetimeRules
from noyoauth.models import GroupsPage, ListGroupsRequest
from noyoauth.pages import OFFSET
from noyoauth.responses import read_response

__all__ = ["NoyoClient"]

_T = TypeVar("_T")

_CHECK = ListGroupsRequest(page_size=5)
"""The smallest page size, as in Noyo's example."""


class NoyoClient(VendorClient):
    """Keep one Noyo token alive and put it on requests.

    ::

        async with NoyoClient() as noyo:  # NOYO_* from the process environment
            async for page in noyo.groups():
                print([group.name for group in page.response])
            async with noyo.get("/api/v1/groups", params={"company": "..."}) as response:
                found = await response.json()

    Relative paths go to the Fulfillment API. The Tracking and Group Installation APIs of the same environment take
    the same token: ``noyo.get(HOSTS["sandbox"].tracking.joinpath("api/v1/..."))``.

    Source: https://docs.noyo.com/docs/introduction/getting-started/authentication

    Args:
        credentials: the API key, a source of it (see `nauth.sources`), or an async function that returns it. A plain
            function (that does not block) is asked at each fetch. If None, from the source that `NOYO_CREDENTIALS`
            names, or from `NOYO_CLIENT_ID` and `NOYO_CLIENT_SECRET`, each of which may be given as a file by ``..._FILE``.
        environment: ``"live"`` or ``"sandbox"``; from `NOYO_ENVIRONMENT` if None. Never guessed.
        base_url: a URL instead of the environment's host; from `NOYO_BASE_URL` if None. The token then goes to its
            origin only.
        token_url: the token endpoint, if not Noyo's, which is the same for both environments; from `NOYO_TOKEN_URL` if
            None. For a base URL on loopback it is the documented path there.
        origins: further origins that may get the token.
        session: your own session; never closed here. Its connector, proxy and trust carry token calls too.
        store: where the token is shared; by default in the store that `NAUTH_STORE` names, else in this process.
        policy: when to renew; by default a minute before expiry.
        clock: source of time; the machine's clock if None.
        observer: called with each event, such as a renewal or a replay.
        proxy: the address of a proxy, with user name and password if it wants any; by default those of the environment.
        ssl_context: whom to trust and which certificate to show; checks cannot be switched off.
        max_response_bytes: the largest response that `call`, `open` and `pages` read, in bytes after decompression.
        max_lifetime: the longest lifetime accepted for a token whose claims do not state one.
        expires_in_unit: what `expires_in` counts; "auto" takes numbers of 10,000 and more as milliseconds.

    Raises:
        ConfigurationError: lists every setting that is missing or wrong. Nothing was sent.
    """

    __slots__ = ("_api", "_policy", "_settings")

    _page_form = OFFSET

    def __init__(
        self,
        credentials: NoyoCredentialSource | AnySource[NoyoCredentials] | None = None,
        *,
        environment: NoyoEnvironment | None = None,
        base_url: str | URL | None = None,
        token_url: str | URL | None = None,
        origins: Iterable[str | URL] = (),
        session: ClientSession | None = None,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
        proxy: str | URL | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_response_bytes: int = MAX_RESPONSE_BYTES,
        max_lifetime: timedelta = DEFAULT_LIFETIME,
        expires_in_unit: ExpiresInUnit = "auto",
    ) -> None:
        settings = _settings(
            credentials,
            environment,
            base_url,
            token_url,
            origins,
            rules=lambda: LifetimeRules(max_lifetime=max_lifetime, expires_in_unit=expires_in_unit),
        )
        clock, policy = clock or SYSTEM_CLOCK, policy or POLICY
        network = Network(session=session, proxy=proxy, ssl_context=ssl_context)
        calls = token_calls(user_agent=USER_AGENT, policy=policy, clock=clock, network=network)
        super().__init__(
            authenticator=settings.authenticator(calls, clock),
            key=settings.key(),
            base_url=settings.base_url,
            origins=settings.origins,
            transport=calls,
            network=network,
            headers={"Accept": "application/json", "User-Agent": USER_AGENT},
            store=store,
            policy=policy,
            clock=clock,
            observer=observer,
            max_response_bytes=max_response_bytes,
        )
        self._policy, self._settings = policy, settings

    def _make_typed(self) -> TypedCalls:
        resources = self._signed(user_agent=USER_AGENT, policy=self._policy)
        settings = self._settings
        api = self._api = NoyoApi(
            base_url=settings.base_url,
            token_url=settings.token_url,
            environment=settings.environment,
            auth=self._transport,
            resources=resources,
        )
        where = api.where
        return self._typed_calls(
            resources,
            converter=CONVERTER,
            errors=LEAVES,
            read=lambda answer, into, _: read_response(answer, Endpoint.RESOURCE, into, where=where),
        )

    @property
    def api(self) -> NoyoApi:
        """Noyo's endpoints, typed. The token call is sent without the client's token."""
        if self._calls is None:
            self._typed()
        return self._api

    async def check(self) -> GroupsPage:
        """List up to five groups: the call that Noyo recommends to test a token.

        Raises:
            NoyoTokenRefusedError: signed in, yet the token is refused; the text names host and environment.
            NauthError: as for `token`, and `noyoauth.errors`.
        """
        return (await self.api.list_groups(_CHECK)).data

    def groups(self, *, page_size: int = 100) -> AsyncIterator[GroupsPage]:
        """Return the pages of the organization's groups, each fetched when it is asked for.

        Pages by `offset` until `total_records` are read, or, if Noyo does not say how many there are, until a page is
        not full. A list that changes meanwhile may repeat or miss a group.

        Args:
            page_size: groups on a page, from 5 to 100.

        Raises:
            ConfigurationError: `page_size` is out of bounds.
            NauthError: while iterating, as for `check`.
        """
        return self._pages(ListGroupsRequest(page_size=page_size))

    async def _pages(self, request: ListGroupsRequest) -> AsyncIterator[GroupsPage]:
        before: str | None = None
        while True:
            reply = await self.api.list_groups(request)
            page, count = reply.data, len(reply.data.response)
            first = page.response[0].id if count else None
            if first is not None and first == before:  # a server may ignore `offset`
                raise NoyoMalformedResponseError(
                    "Noyo sent the same page of groups again for the next offset; the list is not complete",
                    problems=("$.response: expected the next page, got the same",),
                    status=reply.meta.status,
                    request_id=reply.meta.request_id,
                )
            yield page
            before, request = first, attrs.evolve(request, offset=request.offset + count)
            if not count or _complete(page, request, count):
                return


def _complete(page: GroupsPage, following: ListGroupsRequest, count: int) -> bool:
    if page.meta.total_records is not None:
        return following.offset >= page.meta.total_records
    # a server may return smaller pages than requested, and states their size
    full = min(following.page_size, page.meta.page_size if page.meta.page_size > 0 else following.page_size)
    return count < full


@attrs.frozen(kw_only=True)
class _Settings:
    """All settings of a client, complete and consistent."""

    source: NoyoCredentialSource | Sourced[NoyoCredentials]
    credentials: NoyoCredentials | Sourced[NoyoCredentials]
    environment: NoyoEnvironment | None
    base_url: URL
    token_url: URL
    origins: tuple[URL, ...]
    rules: LifetimeRules

    def api(self, auth: Transport) -> NoyoApi:
        """Return the endpoints for token calls."""
        return NoyoApi(
            base_url=self.base_url, token_url=self.token_url, environment=self.environment, auth=auth
        )

    def authenticator(self, auth: Transport, clock: Clock) -> Authenticator:
        """Return what signs in."""
        api = self.api(auth)
        sourced = self.credentials
        if isinstance(sourced, Sourced):
            return SourcedAuthenticator(
                sourced.question(clock), lambda given: NoyoAuthenticator(given, api, rules=self.rules)
            )
        return NoyoAuthenticator(cast("NoyoCredentialSource", self.source), api, rules=self.rules)

    def key(self) -> StoreKey:
        """Return the store key. The environment is part of it, because one token host serves both."""
        realm = self.environment or self.base_url.origin()
        return StoreKey(
            vendor=VENDOR, base_url=f"{self.token_url}#{realm}", identity=self.credentials.identity()
        )


def _settings(
    credentials: object,
    environment: object,
    base_url: object,
    token_url: object,
    origins: object = (),
    *,
    rules: Callable[[], LifetimeRules] = LifetimeRules,
    environ: Mapping[str, str] | None = None,
) -> _Settings:
    """Read from the environment what was not given; raise one error that lists every fault."""
    reader = EnvironmentReader(environ)

    def tried(make: Callable[[], _T]) -> _T | None:
        try:
            return make()
        except ConfigurationError as error:
            reader.fault(str(error))
            return None

    source: object = credentials
    sourced = None if is_plain(credentials) else FIELDS.sourced(credentials, reader, environ)
    if credentials is None and sourced is None:
        make = FIELDS.read(reader)
        source = None if make is None else tried(make)
    found = sourced if sourced is not None or source is None else tried(lambda: current(source))
    if environment is None and base_url is None:
        environment = reader.choice("NOYO_ENVIRONMENT", ENVIRONMENTS)
        base_url = reader.optional("NOYO_BASE_URL")
    if token_url is None:
        token_url = reader.optional("NOYO_TOKEN_URL")
    chosen, url = tried(lambda: choose_base_url(environment, base_url)) or (None, None)
    tokens = tried(lambda: choose_token_url(token_url, url))
    others = tried(lambda: choose_origins(chosen, origins, overridden=base_url is not None))
    known = tried(rules)
    reader.finish("NoyoClient")
    assert found is not None  # noqa: S101 - else `finish` has raised, and so for the others
    assert url is not None  # noqa: S101
    assert tokens is not None  # noqa: S101
    assert others is not None  # noqa: S101
    assert known is not None  # noqa: S101
    return _Settings(
        source=sourced or cast("NoyoCredentialSource", source),
        credentials=found,
        environment=chosen,
        base_url=url,
        token_url=tokens,
        origins=others,
        rules=known,
    )
