"""The models, the sandboxes and the descriptions in docs/openapi say the same, so that none can drift."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, TypeAlias

import attrs
import cattrs
import pytest
from jsonschema import Draft202012Validator
from yarl import URL

import naoauth.converter
import naoauth.models as nao_models
import nomadauth.converter
import nomadauth.models as nomad_models
import nombaauth.converter
import nombaauth.models as nomba_models
import noyoauth.converter
import noyoauth.models as noyo_models
from naoauth.api import NaoApi
from naoauth.config import HOST as NAO_HOST
from naoauth.credentials import NaoOAuth
from naoauth.sandbox import SWITCHES as NAO_SWITCHES
from naoauth.sandbox import NaoSandbox
from nauth.aiohttp_transport import AiohttpTransport
from nauth.clock import SystemClock
from nauth.errors import NauthError
from nauth.manager import TokenManager
from nauth.oauth2.answers import TokenAnswer
from nauth.oauth2.authorization_code import AuthorizationCode
from nauth.oauth2.endpoint import TokenEndpoint
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nauth.testing.sandbox import Sandbox
from nauth.token import Token
from nauth.transport import Answer, Request, Transport
from nauth.wire import Unit, make_converter
from nomadauth.api import NomadApi
from nomadauth.credentials import NomadPassword
from nomadauth.sandbox import SWITCHES as NOMAD_SWITCHES
from nomadauth.sandbox import NomadSandbox
from nomadauth.statuses import LoginStatus
from nombaauth.api import NombaApi
from nombaauth.config import HOSTS as NOMBA_HOSTS
from nombaauth.sandbox import SWITCHES as NOMBA_SWITCHES
from nombaauth.sandbox import NombaSandbox
from noyoauth.api import NoyoApi
from noyoauth.config import HOSTS as NOYO_HOSTS
from noyoauth.config import TOKEN_URL as NOYO_TOKEN_URL
from noyoauth.credentials import NoyoCredentials
from noyoauth.sandbox import SWITCHES as NOYO_SWITCHES
from noyoauth.sandbox import NoyoSandbox
from tests.fakes.openapi import Description, answer_problems, request_problems
from tests.fakes.openapi_models import model_problems, query_problems

DOCS = Path(__file__).parents[1] / "docs" / "openapi"
DESCRIBED = {path.stem: Description.read(path) for path in sorted(DOCS.glob("*.yaml"))}


class Wire(Transport):
    """Sends for real and keeps what went over the wire; puts `authorization` on what has none.

    Attributes:
        ours: exchanges whose request was written by a package.
        raw: those whose request a test wrote.
    """

    def __init__(
        self, inner: Transport, authorization: str | None = None, parent: Wire | None = None
    ) -> None:
        self.ours: list[tuple[Request, Answer]] = parent.ours if parent else []
        self.raw: list[tuple[Request, Answer]] = parent.raw if parent else []
        self._inner = inner
        self._authorization = authorization

    def bearing(self, authorization: str) -> Wire:
        return Wire(self._inner, authorization, self)

    async def send(self, request: Request) -> Answer:
        sent = self._signed(request)
        answer = await self._inner.send(sent)
        self.ours.append((sent, answer))
        return answer

    async def ask(self, method: str, url: str | URL, authorization: str | None = None) -> Answer:
        """Send a request that no package sends."""
        given = {} if authorization is None else {"Authorization": authorization}
        request = Request(method=method, url=URL(url), headers={"Accept": "application/json"} | given)
        answer = await self._inner.send(request)
        self.raw.append((request, answer))
        return answer

    async def aclose(self) -> None:
        await self._inner.aclose()

    def _signed(self, request: Request) -> Request:
        if self._authorization is None or "Authorization" in request.headers:
            return request
        return attrs.evolve(request, headers={**request.headers, "Authorization": self._authorization})


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


async def _nomba(sandbox: NombaSandbox, wire: Wire) -> None:
    given = sandbox.credentials
    api = NombaApi(base_url=URL(sandbox.base_url), account_id=given.account_id, auth=wire)
    with suppress(NauthError):
        await api.issue_token(
            nomba_models.IssueTokenRequest(client_id=given.client_id, client_secret=Secret("wrong"))
        )
    issued = await api.issue_token(
        nomba_models.IssueTokenRequest(client_id=given.client_id, client_secret=given.client_secret)
    )
    token, refresh = Token(access_token=issued.data.access_token), issued.data.refresh_token
    signed = NombaApi(
        base_url=URL(sandbox.base_url),
        account_id=given.account_id,
        auth=wire,
        resources=wire.bearing(token.authorization),
    )
    with suppress(NauthError):
        await signed.get_balance()
    with suppress(NauthError):
        await signed.get_balance(account_id=sandbox.sub_account_id)
    with suppress(NauthError):
        await api.refresh_token(nomba_models.RefreshTokenRequest(refresh_token=Secret("none")), bearer=token)
    with suppress(NauthError):
        await api.refresh_token(
            nomba_models.RefreshTokenRequest(refresh_token=refresh or Secret("none")), bearer=token
        )
    for _ in range(2):
        with suppress(NauthError):
            await api.revoke_token(
                nomba_models.RevokeTokenRequest(client_id=given.client_id, access_token=token.access_token)
            )
    with suppress(NauthError):
        await signed.get_balance()


async def _noyo(sandbox: NoyoSandbox, wire: Wire) -> None:
    given = sandbox.credentials
    addresses: dict[str, Any] = {"base_url": URL(sandbox.base_url), "token_url": URL(sandbox.token_url)}
    api = NoyoApi(**addresses, auth=wire, resources=wire.bearing("Bearer none"))
    await wire.ask("GET", f"{sandbox.base_url}/ping")
    wrong = NoyoCredentials(client_id=given.client_id, client_secret="wrong")
    for credentials in (wrong, given):
        with suppress(NauthError):
            issued = await api.issue_token(noyo_models.IssueTokenRequest(), credentials=credentials)
            token = Token(access_token=issued.data.access_token)
            api = NoyoApi(**addresses, auth=wire, resources=wire.bearing(token.authorization))
    with suppress(NauthError):
        await api.list_groups()
    with suppress(NauthError):
        await api.list_groups(noyo_models.ListGroupsRequest(page_size=5, offset=1))
    sandbox.kill_sessions()
    with suppress(NauthError):
        await api.list_groups()


async def _nomad(sandbox: NomadSandbox, wire: Wire) -> None:
    base = URL(sandbox.base_url) / "api"
    api = NomadApi(base_url=base, auth=wire, sso_base_url=sandbox.sso_base_url)
    await wire.ask("GET", f"{base}/auth/{sandbox.provider}/login")
    await api.get_ping()
    login = nomad_models.AccountLoginResponse()
    accounts = [sandbox.account(status) for status in LoginStatus]
    for given in (NomadPassword("nobody@example.com", "wrong"), *accounts, sandbox.credentials):
        asked = nomad_models.LoginRequest(
            user_name=given.username,
            password=given.password,
            token=Secret("000000"),
            application_id=sandbox.credentials.application_id,
        )
        with suppress(NauthError):
            login = (await api.login(asked)).data
    with suppress(NauthError):
        for refresh in (login.refresh_token or Secret("none"), Secret("none")):
            await api.refresh_token(nomad_models.RefreshTokenRequest(refresh_token=refresh))
    with suppress(NauthError):
        back = await api.sso_callback(
            sandbox.provider, code=Secret("sso-code-1"), state="sso-state-1", session_state="s"
        )
        for refresh in (back.refresh_token or Secret("none"), Secret("none")):
            asked_anew = nomad_models.RefreshTokenRequest(refresh_token=refresh)
            await api.renew_sso(sandbox.provider, asked_anew, bearer=Token(access_token=back.token))
    with suppress(NauthError):
        await api.sso_callback(sandbox.provider, code=Secret("another"))
    token = Token(access_token=login.token or Secret("none"))
    session = login.user_session_id or "none"
    for authorization in (token.authorization, f"ApiKey {sandbox.api_key.key.reveal()}"):
        signed = NomadApi(base_url=base, auth=wire, resources=wire.bearing(authorization))
        for call in (
            partial(signed.ping, nomad_models.PingRequest(user_session_id=session)),
            signed.get_ping_auth,
            signed.get_user,
        ):
            with suppress(NauthError):
                await call()
    for _ in range(2):
        with suppress(NauthError):
            await api.logout(nomad_models.LogoutRequest(user_session_id=session), bearer=token)


async def _nao(sandbox: NaoSandbox, wire: Wire) -> None:
    base = URL(sandbox.base_url)
    api, given = NaoApi(base_url=base, auth=wire), sandbox.credentials
    key, person = sandbox.credentials_of("session_by_key"), given.password
    assert person is not None
    for password in (Secret("wrong"), person):
        login = nao_models.SessionLogin(email=given.email or "", password=password)
        with suppress(NauthError):
            await api.create_session(nao_models.SessionRequest(session=login))
    with suppress(NauthError):
        opened = await api.create_session(auth_token=getattr(key, "auth_token", None))
        signed = NaoApi(base_url=base, auth=wire, resources=wire.bearing(opened.jwt.reveal()))
        for page in (None, 2):
            await signed.list_sites(page=page)
    with suppress(NauthError):
        await NaoApi(base_url=base, auth=wire, resources=wire.bearing("stale")).list_sites()
    await wire.ask("DELETE", base / "api/v2/sessions", "stale")
    await wire.ask("GET", base / "oauth/me", "Bearer stale")
    application = sandbox.credentials_of("oauth")
    assert isinstance(application, NaoOAuth)
    await _nao_oauth(sandbox, application, base, wire)


async def _nao_oauth(sandbox: NaoSandbox, application: NaoOAuth, base: URL, wire: Wire) -> None:
    endpoint = TokenEndpoint(
        base.with_path(application.token_path),
        client_id=application.client_id,
        client_secret=application.client_secret,
        client_auth=application.client_auth,
        revocation_url=base / "oauth/revoke",
        transport=wire,
    )
    flow = AuthorizationCode(
        endpoint,
        authorization_url=base / "oauth/authorize",
        redirect_uri=application.redirect_uri,
        pkce=application.pkce,
    )
    asked = URL(flow.authorization_url())
    back = await wire.ask("GET", asked)
    assert request_problems(DESCRIBED["nao"], Request(method="GET", url=asked)) == []
    manager = TokenManager(
        flow, key=endpoint.key("nao", "ada"), store=MemoryStore(clock=SystemClock()), clock=SystemClock()
    )
    with suppress(NauthError):
        token = await flow.exchange(back.headers["Location"], manager)
        await wire.ask("GET", base / "oauth/me", token.authorization)
        for refresh in (token.refresh_token or Secret("none"), Secret("none")):
            with suppress(NauthError):
                await endpoint.refresh(attrs.evolve(token, refresh_token=refresh))
        await endpoint.revoke(token)
    await manager.aclose()


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
        routes={"echo": "the sandbox's own"},
        hosts=None,
        elsewhere=frozenset(
            {("auth_ping", "post_account_ping_auth"), ("mount", "/prefix/api"), ("sso_mount", "/auth")}
            # members in another case: as the info says, and beyond what a schema can
            | {("json_case", "pascal")}
        ),
        play=_nomad,
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
        play=_nomba,
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
        play=_noyo,
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
        play=_nao,
    ),
}
SETTINGS = [(name, switch) for name, vendor in VENDORS.items() for switch in vendor.switches]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    """Return each of the four."""
    return VENDORS[request.param]


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


def _exchange_problems(description: Description, wire: Wire) -> list[str]:
    found = [problem for request, _ in wire.ours for problem in request_problems(description, request)]
    for request, answer in wire.ours + wire.raw:
        found += answer_problems(description, request, answer)
    return found


def _route_problems(vendor: Vendor, description: Description, sandbox: Sandbox) -> set[str]:
    served = {
        (method, path) for name, (method, path, _) in sandbox.routes().items() if name not in vendor.routes
    }
    described = {(entry.method, description.concrete(entry)) for entry in description.operations()}
    return {f"{method} {path}" for method, path in served ^ described}


def test_descriptions_are_of_one_form(vendor: Vendor) -> None:
    """Each is OpenAPI 3.1 with valid schemas, and every call names the page it was taken from."""
    description = vendor.description
    assert description.document["openapi"].startswith("3.1.")
    for schema in description.schemas.values():
        Draft202012Validator.check_schema(schema)
    operations = list(description.operations())
    assert len({entry.name for entry in operations}) == len(operations)
    for entry in operations:
        assert entry.body["externalDocs"]["url"].startswith("https://")
        assert {name for part in entry.security for name in part} <= (
            description.document["components"]["securitySchemes"].keys()
        )
        placed = {part["name"] for part in entry.parameters if part["in"] == "path"}
        assert all(f"{{{name}}}" in entry.path for name in placed)
        assert "{" not in description.concrete(entry)


def test_models_and_schemas_agree(vendor: Vendor) -> None:
    """Members, types, formats, spellings and what is required are the same in the models and in the schemas."""
    assert model_problems(vendor.description, vendor.converter, vendor.models, inner=vendor.inner) == []


def test_every_model_is_accounted_for(vendor: Vendor) -> None:
    """A model is either described or said not to travel."""
    public = {
        name
        for name in vendor.module.__all__
        if attrs.has(getattr(vendor.module, name)) and not name.startswith("_")
    }
    described = {getattr(model, "__origin__", model).__name__ for model in vendor.models} - {"TokenAnswer"}
    assert public - {"TokenAnswer"} == described | vendor.beside.keys()


def test_query_and_its_model_agree() -> None:
    """The parameters of the list of groups are the fields of its request, with their defaults."""
    (asked,) = (entry for entry in DESCRIBED["noyo"].operations() if "x-query-model" in entry.body)
    assert asked.body["x-query-model"] == noyo_models.ListGroupsRequest.__name__
    assert query_problems(asked.parameters, noyo_models.ListGroupsRequest) == []
    assert query_problems(asked.parameters[1:], noyo_models.ListGroupsRequest) != []


def test_hosts_are_those_of_the_package(vendor: Vendor) -> None:
    """The servers, those of single paths included, are the hosts the package knows; Nomad Media has none."""
    document = vendor.description.document
    places = [document, *document["paths"].values()]
    urls = {server["url"] for place in places for server in place.get("servers", ())}
    assert {url for url in urls if "{" not in url} == (vendor.hosts or set())


async def test_every_call_is_described_and_every_description_served(vendor: Vendor) -> None:
    """The sandbox serves what is described, and nothing of signing in that is not."""
    async with vendor.sandbox() as sandbox:
        assert _route_problems(vendor, vendor.description, sandbox) == set()


async def test_every_operation_succeeds_as_described(vendor: Vendor) -> None:
    """Each operation is called, and answered with a success that fits its schema."""
    async with played(vendor, **vendor.full) as (_, wire):
        assert _exchange_problems(vendor.description, wire) == []
        answered = {
            entry.name
            for request, answer in wire.ours + wire.raw
            if answer.status < 400
            and (entry := vendor.description.operation(request.method, request.url.path))
        }
    assert answered == {entry.name for entry in vendor.description.operations()}


@pytest.mark.slow
@pytest.mark.parametrize("name,switch", SETTINGS)
async def test_answers_fit_under_every_switch(name: str, switch: str) -> None:
    """Whatever the sandbox is set to, requests and answers are as described."""
    vendor = VENDORS[name]
    for value in vendor.switches[switch]:
        if (switch, value) not in vendor.elsewhere:
            async with played(vendor, **{switch: value}) as (_, wire):
                assert _exchange_problems(vendor.description, wire) == [], value


def test_drift_between_models_and_schemas_is_found(vendor: Vendor) -> None:
    """Each renamed, dropped, retyped or newly required member of each schema, and each lost schema, is noticed."""

    def problems(spoiled: Description) -> list[str]:
        return model_problems(spoiled, vendor.converter, vendor.models, inner=vendor.inner)

    for name, schema in vendor.description.schemas.items():
        if "x-not-a-model" in schema:
            continue
        lost = vendor.description.copy()
        lost.schemas[f"{name}Anew"] = lost.schemas[name] | {"x-not-a-model": "moved"}
        del lost.schemas[name]["type"]
        lost.schemas[name]["x-not-a-model"] = "says so"
        assert problems(lost), name
        for member, part in schema.get("properties", {}).items():
            if part.get("x-ignored", False):
                continue
            for spoil in (_rename, _drop, _retype, _require, _respell):
                spoiled = vendor.description.copy()
                spoil(spoiled.schemas[name], member)
                assert problems(spoiled), (name, member, spoil.__name__)


def _rename(schema: dict[str, Any], member: str) -> None:
    schema["properties"][f"{member}_"] = schema["properties"].pop(member)


def _drop(schema: dict[str, Any], member: str) -> None:
    del schema["properties"][member]


def _retype(schema: dict[str, Any], member: str) -> None:
    schema["properties"][member] = {"type": "boolean", "format": "another"}


def _require(schema: dict[str, Any], member: str) -> None:
    schema["required"] = sorted(set(schema.get("required", ())) ^ {member})


def _respell(schema: dict[str, Any], member: str) -> None:
    schema["properties"][member]["x-also-read"] = ["another"]


def test_drift_of_a_model_is_found() -> None:
    """A model that gains a field, or a status that gains a value, is noticed."""

    @attrs.frozen(kw_only=True)
    class TokenData(nomba_models.TokenData):
        token_type: str | None = None

    nomba = VENDORS["nomba"]
    others = tuple(model for model in nomba.models if model is not nomba_models.TokenData)
    assert model_problems(nomba.description, nomba.converter, (TokenData, *others)) == [
        "TokenData.tokenType: not in the schema"
    ]
    nomad = VENDORS["nomad"]
    spoiled = nomad.description.copy()
    spoiled.schemas["LoginStatus"]["x-known-values"].pop()
    assert model_problems(spoiled, nomad.converter, nomad.models) == ["LoginStatus: known values"]


def test_durations_carry_their_unit() -> None:
    """A duration on the wire is a number whose format names the unit."""

    @attrs.frozen
    class Pause:
        after: Annotated[timedelta, Unit.MS]

    def described(unit: str) -> Description:
        part = {"type": "number", "format": unit}
        schema = {"type": "object", "required": ["after"], "properties": {"after": part}}
        answer = {
            "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pause"}}}}
        }
        paths = {"/": {"get": {"responses": answer}}}
        return Description({"paths": paths, "components": {"schemas": {"Pause": schema}}})

    assert model_problems(described("milliseconds"), make_converter(), (Pause,)) == []
    assert model_problems(described("seconds"), make_converter(), (Pause,)) != []


async def test_drift_on_the_wire_is_found(vendor: Vendor) -> None:
    """A lost path, status, member, header or way to sign in is noticed by the exchanges that were recorded."""
    async with played(vendor, **vendor.full) as (sandbox, wire):
        for entry in vendor.description.operations():
            spoiled = vendor.description.copy()
            del spoiled.document["paths"][entry.path][entry.method.lower()]
            assert _route_problems(vendor, spoiled, sandbox)
            assert _exchange_problems(spoiled, wire), entry.name
            spoiled = vendor.description.copy()
            operation = spoiled.document["paths"][entry.path][entry.method.lower()]
            operation["responses"] = {"599": {"description": "never"}}
            assert _exchange_problems(spoiled, wire), entry.name
        seen = _seen(vendor.description, wire)
        assert len(seen) >= 3
        for name, member in sorted(seen):
            spoiled = vendor.description.copy()
            del spoiled.schemas[name]["properties"][member]
            assert _exchange_problems(spoiled, wire), (name, member)
        spoiled = vendor.description.copy()
        for scheme in spoiled.document["components"]["securitySchemes"].values():
            scheme |= {"type": "http", "scheme": "digest"}
        assert _exchange_problems(spoiled, wire)


def _seen(description: Description, wire: Wire) -> set[tuple[str, str]]:
    """Return schema and member for what stood in a recorded body that one closed schema describes by itself."""
    found: set[tuple[str, str]] = set()
    for request, answer in wire.ours:
        entry = description.operation(request.method, request.url.path)
        assert entry is not None
        response = description.resolved(entry.body["responses"][str(answer.status)])
        for part, body in ((entry.body.get("requestBody", {}), request.body), (response, answer.body)):
            schema = part.get("content", {}).get("application/json", {}).get("schema", {})
            name = schema.get("$ref", "").rpartition("/")[2]
            closed = "properties" in description.schemas.get(name, {})
            if body and closed and description.schemas[name].get("additionalProperties") is not True:
                found |= {(name, member) for member in json.loads(body)}
    return found
