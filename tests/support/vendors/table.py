"""The four vendors and every way to sign in to them, described alike, so that one suite can ask all the same things."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs

from naoauth import NaoClient, NaoCredentialsRejectedError
from naoauth.sandbox import NaoSandbox
from nauth.client import VendorClient
from nauth.errors import NauthError
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nauth.token import Token
from nomadauth import (
    NomadClient,
    NomadCredentialsRejectedError,
    NomadInteractionRequiredError,
    NomadSSO,
    NomadTokenRefusedError,
)
from nomadauth.sandbox import NomadSandbox
from nombaauth import NombaClient, NombaCredentialsRejectedError
from nombaauth.sandbox import NombaSandbox
from noyoauth import NoyoClient, NoyoCredentialsRejectedError
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.watching import Watching

__all__ = [
    "CASES",
    "FIXED",
    "NAO",
    "NOMAD",
    "NOMBA",
    "NOYO",
    "VENDORS",
    "WRONG",
    "Case",
    "Stage",
    "Vendor",
    "opened",
]

_SIGN_ON_LIFE_S = 3600.0
WRONG = "CANARY-" + "x" * 80
"""A secret that is accepted nowhere."""


@attrs.frozen
class Vendor:
    """One vendor.

    Attributes:
        name: as in its package's name.
        client: its client.
        sandbox: its double.
        path: of a resource to GET.
        endpoint: what the sandbox calls it.
        checked: what the sandbox calls the endpoint of the client's `check`.
    """

    name: str
    client: Callable[..., VendorClient]
    sandbox: Callable[..., Any]
    path: str = attrs.field(kw_only=True)
    endpoint: str = attrs.field(kw_only=True)
    checked: str = attrs.field(kw_only=True)

    @property
    def prefix(self) -> str:
        """What the names of its classes begin with."""
        return self.name.capitalize()


NOMAD = Vendor("nomad", NomadClient, NomadSandbox, path="/account/user", endpoint="user", checked="ping_auth")
NOMBA = Vendor(
    "nomba", NombaClient, NombaSandbox, path="/v1/transfers/banks", endpoint="banks", checked="balance"
)
NOYO = Vendor("noyo", NoyoClient, NoyoSandbox, path="/api/v1/groups", endpoint="groups", checked="groups")
NAO = Vendor("nao", NaoClient, NaoSandbox, path="/api/v2/sites", endpoint="sites", checked="sites")
VENDORS = (NOMAD, NOMBA, NOYO, NAO)


@attrs.frozen(kw_only=True)
class Case:
    """One way to sign in, with the vendor in one temper.

    Attributes:
        name: for the test's id.
        vendor: whose.
        switches: the sandbox's temper.
        credentials: asks the sandbox for what it accepts.
        wrong: what must be changed for a refusal.
        refusal: how a refused sign-in is typed; for a fixed credential, how `check` types a 401.
        setting: what the error of a refused sign-in names.
        signs_in: endpoint that the first token comes from.
        renews: endpoint that a live token is renewed at.
        revives: endpoint that the next token comes from once the old one is dead.
        revival_calls: token calls that this takes, the refused refresh included.
        refusal_calls: token calls that find out that the credential is wrong.
        signed_on: the credential brings a token along; the stage waits for its end, so that the first call is one.
    """

    name: str
    vendor: Vendor
    switches: Mapping[str, Any] = attrs.field(factory=dict)
    credentials: Callable[[Any], Any] = attrs.field(default=lambda sandbox: sandbox.credentials)
    wrong: Mapping[str, str] = attrs.field(factory=dict)
    refusal: type[NauthError]
    setting: str = ""
    signs_in: str = ""
    renews: str = ""
    revives: str = ""
    revival_calls: int = 1
    refusal_calls: int = 1
    signed_on: bool = False

    @property
    def calls_to_end(self) -> tuple[str, ...]:
        """Names of the client's calls that end a session or a token; few vendors have one."""
        return tuple(name for name in ("logout", "revoke") if hasattr(self.vendor.client, name))


def _of(kind: str) -> Callable[[Any], Any]:
    return lambda sandbox: sandbox.credentials_of(kind)


def _signed_on(sandbox: Any) -> NomadSSO:
    return NomadSSO.from_callback(sandbox.sign_on(), provider=sandbox.provider, clock=sandbox.clock)


_NOMBA = Case(
    name="NombaCredentials",
    vendor=NOMBA,
    wrong={"client_secret": WRONG},
    refusal=NombaCredentialsRejectedError,
    setting="NOMBA_CLIENT_SECRET",
    signs_in="issue",
    renews="refresh",
    revives="issue",  # a refresh wants a live token beside it, as documented
    revival_calls=2,
)
_PASSWORD = Case(
    name="NomadPassword",
    vendor=NOMAD,
    wrong={"password": WRONG},
    refusal=NomadCredentialsRejectedError,
    setting="NOMAD_MEDIA_PASSWORD",
    signs_in="login",
    renews="refresh",
    revives="refresh",
)
_SSO = Case(
    name="NomadSSO",
    vendor=NOMAD,
    credentials=_signed_on,
    wrong={"refresh_token": WRONG},
    refusal=NomadInteractionRequiredError,
    setting="sign in again",
    signs_in="renew",
    renews="renew",
    revives="renew",
    refusal_calls=2,  # a 401 may mean that the call wants a bearer, so it is repeated with one
    signed_on=True,
)
_NOYO = Case(
    name="NoyoCredentials",
    vendor=NOYO,
    wrong={"client_secret": WRONG},
    refusal=NoyoCredentialsRejectedError,
    setting="NOYO_CLIENT_SECRET",
    signs_in="token",
    renews="token",
    revives="token",
)
_BY_PASSWORD = Case(
    name="NaoSession-password",
    vendor=NAO,
    credentials=_of("session"),
    wrong={"password": WRONG},
    refusal=NaoCredentialsRejectedError,
    setting="NAO_PASSWORD",
    signs_in="sessions",
    renews="sessions",
    revives="sessions",
)
_BY_KEY = attrs.evolve(
    _BY_PASSWORD,
    name="NaoSession-key",
    credentials=_of("session_by_key"),
    wrong={"auth_token": WRONG},
    setting="My Profile",
)
_OAUTH = Case(
    name="NaoOAuth",
    vendor=NAO,
    switches={"oauth_refresh": "kept"},
    credentials=_of("oauth"),
    wrong={"client_secret": WRONG},
    refusal=NaoCredentialsRejectedError,
    setting="client secret",
    signs_in="token",
    renews="token",
    revives="token",
)


def _harsh(case: Case, *, revives: str | None = None, **switches: Any) -> Case:
    """Return `case` where everything that may end another token or spend a refresh token does."""
    return attrs.evolve(
        case,
        name=f"{case.name}-harsh",
        switches=switches,
        revives=revives or case.revives,
        revival_calls=1,
        refusal_calls=1,
    )


CASES = (
    _NOMBA,
    _harsh(
        _NOMBA,
        revives="refresh",
        refresh_rotation="new_old_dies",
        refresh_kills_old_access="yes",
        refresh_bearer="expired_ok",
    ),
    _PASSWORD,
    _harsh(
        _PASSWORD,
        refresh_rotation="new_old_dies",
        refresh_kills_old_token="yes",
        user_session="newest_only",
        replaced_session_signal="401",
    ),
    _SSO,
    _harsh(
        _SSO,
        sso_renew_returns_refresh="new_old_dies",
        sso_renew_refused_status="403",
        refresh_kills_old_token="yes",
    ),
    _NOYO,
    _harsh(_NOYO, concurrent_tokens="newest_only", key_rotation="old_key_and_tokens_die"),
    _BY_PASSWORD,
    _BY_KEY,
    _OAUTH,
    _harsh(_OAUTH, oauth_refresh="rotated_old_dies"),
)
"""Every way to sign in that leads to a token with an end."""

FIXED = (
    Case(
        name="NomadStaticToken",
        vendor=NOMAD,
        credentials=lambda sandbox: sandbox.static_token,
        refusal=NomadTokenRefusedError,
    ),
    Case(
        name="NomadApiKey",
        vendor=NOMAD,
        switches={"static_scheme": "apikey"},
        credentials=lambda sandbox: sandbox.api_key,
        refusal=NomadTokenRefusedError,
    ),
    Case(name="NaoApiKey", vendor=NAO, credentials=_of("api_key"), refusal=NaoCredentialsRejectedError),
)
"""What is sent as it is, and never renewed."""


@attrs.define(kw_only=True)
class Stage(Watching):
    """One case played out: the sandbox and the clients that talk to it.

    Attributes:
        clock: drives the sandbox and every client.
        credentials: accepted by the sandbox.
        store: shared by the clients only.
    """

    case: Case
    sandbox: Any
    clock: FakeClock
    credentials: Any
    store: MemoryStore
    _stack: AsyncExitStack = attrs.Factory(AsyncExitStack)

    async def client(self, *, wrong: bool = False, **options: Any) -> VendorClient:
        """Open a client that closes with the stage, on credentials equal to the others' or on wrong ones."""
        # a copy: equality must do, not identity
        credentials = attrs.evolve(self.credentials, **(self.case.wrong if wrong else {}))
        given: dict[str, Any] = {"base_url": self.sandbox.base_url, "clock": self.clock, "store": self.store}
        made = self.case.vendor.client(credentials, observer=self.note, **(given | options))
        return await self._stack.enter_async_context(made)

    async def status(self, client: VendorClient) -> int:
        """Ask for a resource and return the status of the answer."""
        async with client.get(self.case.vendor.path) as response:
            await response.read()
            return response.status

    @property
    def token_calls(self) -> int:
        """How many requests that deal in tokens have arrived."""
        calls: int = self.sandbox.token_calls
        return calls

    @property
    def refresh_reuses(self) -> int:
        """How many times a spent refresh token was presented; 0 where there are none."""
        reuses: int = getattr(self.sandbox, "refresh_reuses", 0)
        return reuses

    def age(self, client: VendorClient, token: Token, *, beyond_margin: timedelta) -> None:
        """Let time pass until `beyond_margin` after the start of `token`'s margin, counted without jitter."""
        assert token.lifetime is not None
        self.clock.advance(token.lifetime - client._manager._policy.margin + beyond_margin)


@asynccontextmanager
async def opened(case: Case) -> AsyncIterator[Stage]:
    """Start the vendor's sandbox as `case` says, on a clock where every sleep ends at once."""
    clock, stack = FakeClock(jump=True), AsyncExitStack()
    # closed in this order: clients, then the sandbox
    async with case.vendor.sandbox(clock=clock, **case.switches) as sandbox, stack:
        credentials = case.credentials(sandbox)
        if case.signed_on:
            clock.advance(_SIGN_ON_LIFE_S + 1)
        yield Stage(
            case=case,
            sandbox=sandbox,
            clock=clock,
            credentials=credentials,
            store=MemoryStore(clock=clock),
            stack=stack,
        )
