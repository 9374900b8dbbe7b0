"""The four packages beside their descriptions: what the two must share, and what they need not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from types import ModuleType
from typing import Any, TypeAlias

import attrs
import cattrs
import pytest

import naoauth.converter
import naoauth.models as nao_models
import nomadauth.converter
import nomadauth.models as nomad_models
import nombaauth.converter
import nombaauth.models as nomba_models
import noyoauth.converter
import noyoauth.models as noyo_models
from naoauth.config import HOST as NAO_HOST
from naoauth.sandbox import SWITCHES as NAO_SWITCHES
from naoauth.sandbox import NaoSandbox
from nauth.clock import SystemClock
from nauth.errors import NauthError
from nauth.oauth2.token_response import TokenAnswer
from nauth.testing.sandbox import Sandbox
from nauth.transport.aiohttp import AiohttpTransport
from nomadauth.sandbox import SWITCHES as NOMAD_SWITCHES
from nomadauth.sandbox import NomadSandbox
from nombaauth.config import HOSTS as NOMBA_HOSTS
from nombaauth.sandbox import SWITCHES as NOMBA_SWITCHES
from nombaauth.sandbox import NombaSandbox
from noyoauth.config import HOSTS as NOYO_HOSTS
from noyoauth.config import TOKEN_URL as NOYO_TOKEN_URL
from noyoauth.sandbox import SWITCHES as NOYO_SWITCHES
from noyoauth.sandbox import NoyoSandbox
from tests.support.openapi.calls import play_nao, play_nomad, play_nomba, play_noyo
from tests.support.openapi.description import Description
from tests.support.openapi.exchanges import DESCRIBED, Wire

__all__ = ["VENDORS", "Play", "Vendor", "every_vendor", "played", "route_problems"]

Play: TypeAlias = Callable[[Any, Wire], Awaitable[None]]


@attrs.frozen(kw_only=True)
class Vendor:
    """One package, its description, and what the two need not share.

    Attributes:
        models: what travels.
        beside: models that do not, and why.
        inner: schema to fields that do not travel.
        routes: the sandbox's endpoints that are not described, and why.
        elsewhere: switch values that move an endpoint away from where the pages have it.
        play: makes every call once, and some that are refused.
    """

    description: Description
    module: ModuleType
    converter: cattrs.Converter
    models: tuple[Any, ...]
    beside: Mapping[str, str]
    inner: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    sandbox: Callable[..., Sandbox]
    switches: Mapping[str, tuple[str, ...]]
    routes: Mapping[str, str]
    hosts: frozenset[str] | None
    elsewhere: frozenset[tuple[str, str]] = frozenset()
    full: Mapping[str, str] = attrs.field(factory=dict)
    play: Play


VENDORS: Mapping[str, Vendor] = {
    "nomad": Vendor(
        description=DESCRIBED["nomad"],
        module=nomad_models,
        converter=nomadauth.converter.CONVERTER,
        models=(
            nomad_models.LoginRequest,
            nomad_models.RefreshTokenRequest,
            nomad_models.LogoutRequest,
            nomad_models.PingRequest,
            nomad_models.AccountLoginResponse,
            nomad_models.PingResponse,
            nomad_models.User,
        ),
        beside={
            "AnswerMeta": "headers and status",
            "Reply": "no envelope on the wire",
            "NomadCheck": "what check() found",
        },
        sandbox=NomadSandbox,
        switches=NOMAD_SWITCHES,
        routes={
            "echo": "the sandbox's own",
            "ping_auth_by_post": "what Nomad's SDK calls; not in its specification",
        },
        hosts=None,
        elsewhere=frozenset(
            {("auth_ping", "post_account_ping_auth"), ("mount", "/prefix/api"), ("sso_mount", "/auth")}
            # members in another case: as the info says, and beyond what a schema can
            | {("json_case", "pascal")}
        ),
        play=play_nomad,
    ),
    "nomba": Vendor(
        description=DESCRIBED["nomba"],
        module=nomba_models,
        converter=nombaauth.converter.CONVERTER,
        models=(
            nomba_models.IssueTokenRequest,
            nomba_models.RefreshTokenRequest,
            nomba_models.RevokeTokenRequest,
            nomba_models.TokenData,
            nomba_models.Balance,
            nomba_models.Envelope[object],
            nomba_models.Envelope[nomba_models.TokenData],
            nomba_models.Envelope[nomba_models.Balance],
        ),
        beside={"AnswerMeta": "headers and status", "RateLimit": "headers"},
        sandbox=NombaSandbox,
        switches=NOMBA_SWITCHES,
        routes={
            "parent": "personal data; no package asks for it",
            "sub_balance": "not signing in",
            "banks": "not signing in",
            "echo": "the sandbox's own",
        },
        hosts=frozenset(map(str, (url.origin() for url in NOMBA_HOSTS.values()))),
        play=play_nomba,
    ),
    "noyo": Vendor(
        description=DESCRIBED["noyo"],
        module=noyo_models,
        converter=noyoauth.converter.CONVERTER,
        models=(
            noyo_models.IssueTokenRequest,
            noyo_models.TokenAnswer,
            noyo_models.PageMeta,
            noyo_models.Group,
            noyo_models.GroupsPage,
            noyo_models.ErrorBody,
        ),
        beside={
            "AnswerMeta": "headers and status",
            "Reply": "no envelope on the wire",
            "ListGroupsRequest": "a query: compared with the parameters",
        },
        inner={"ErrorBody": frozenset({"fields", "raw"})},
        sandbox=NoyoSandbox,
        switches=NOYO_SWITCHES,
        routes={
            "group": "not signing in",
            "elsewhere": "the sandbox's own: where a redirect leads",
            "echo": "the sandbox's own",
        },
        hosts=frozenset(
            {str(NOYO_TOKEN_URL.origin())}
            | {str(hosts.fulfillment.origin()) for hosts in NOYO_HOSTS.values()}
        ),
        play=play_noyo,
    ),
    "nao": Vendor(
        description=DESCRIBED["nao"],
        module=nao_models,
        converter=naoauth.converter.CONVERTER,
        models=(
            nao_models.SessionRequest,
            nao_models.SessionLogin,
            nao_models.Site,
            nao_models.Pagination,
            TokenAnswer,
        ),
        beside={"Session": "found by rules in an answer without names", "SitePage": "made of two forms"},
        sandbox=NaoSandbox,
        switches=NAO_SWITCHES,
        routes={"publish": "not signing in", "job": "not signing in", "echo": "the sandbox's own"},
        hosts=frozenset({str(NAO_HOST.origin())}),
        elsewhere=frozenset(
            {("oauth_token_path", "other"), ("oauth_me_path", "/api/v2/me"), ("oauth_me_path", "/me")}
        ),
        full={"oauth_refresh": "kept", "oauth_revoke": "200", "session_delete": "204"},
        play=play_nao,
    ),
}

every_vendor = pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)


@asynccontextmanager
async def played(vendor: Vendor, **switches: Any) -> AsyncIterator[tuple[Sandbox, Wire]]:
    """Make every call of a vendor's against its sandbox."""
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(vendor.sandbox(**switches))
        wire = Wire(AiohttpTransport(clock=SystemClock(), user_agent="test"))
        stack.push_async_callback(wire.aclose)
        with suppress(NauthError):
            await vendor.play(sandbox, wire)
        yield sandbox, wire


def route_problems(vendor: Vendor, description: Description, sandbox: Sandbox) -> set[str]:
    """Name what is served and not described, or described and not served."""
    served = {
        (method, path) for name, (method, path, _) in sandbox.routes().items() if name not in vendor.routes
    }
    described = {(entry.method, description.concrete(entry)) for entry in description.operations()}
    return {f"{method} {path}" for method, path in served ^ described}
