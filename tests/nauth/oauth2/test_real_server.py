"""`nauth.oauth2` against two real authorization servers that take a refresh token used twice for stolen.

Five hundred lifetimes against both, which takes twenty minutes each:
``NAUTH_LIFETIMES=500 NAUTH_LIFETIME_S=4 uv run pytest -m slow tests/nauth/oauth2/test_real_server.py --timeout 3600``.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from importlib.util import find_spec
from types import ModuleType
from urllib.parse import parse_qsl

import pytest
from aiohttp import ClientSession, CookieJar
from yarl import URL

from naoauth import NaoClient, NaoOAuth, NaoSignInNeededError
from nauth.bearer.aiohttp import BearerAuth
from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    RequestRejectedError,
)
from nauth.events import Event, RenewalFailed, RenewalSucceeded
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, ClientCredentials, TokenEndpoint
from nauth.stores import MemoryStore
from nauth.token import RenewalPolicy
from tests.nauth.oauth2 import authlib_server, django_server

pytestmark = pytest.mark.slow

_LIFETIMES = int(os.environ.get("NAUTH_LIFETIMES", "20"))
_LIFETIME_S = int(os.environ.get("NAUTH_LIFETIME_S", "2"))
"""Of an access token. On a busy machine a request may take longer than two seconds, and is refused whatever its token."""
_SERVERS = {
    "django": pytest.param(
        django_server,
        marks=pytest.mark.skipif(find_spec("oauth2_provider") is None, reason="needs django-oauth-toolkit"),
    ),
    "authlib": pytest.param(
        authlib_server,
        marks=pytest.mark.skipif(find_spec("authlib") is None, reason="needs Authlib and Flask"),
    ),
}
_PERSONS_CLIENT = f"{django_server.CLIENT_ID}!"


@pytest.fixture(scope="module", params=list(_SERVERS.values()), ids=list(_SERVERS))
def program(request: pytest.FixtureRequest) -> ModuleType:
    """The server, as the file that runs it."""
    made: ModuleType = request.param
    return made


@pytest.fixture(scope="module")
def port(
    request: pytest.FixtureRequest, program: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[int]:
    """A server whose access tokens live for as many seconds as the test says, an hour by default."""
    lifetime_s = getattr(request, "param", 3600)
    database = [str(tmp_path_factory.mktemp("django") / "db.sqlite3")] if program is django_server else []
    command = [sys.executable, str(program.__file__), *database, str(lifetime_s)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:  # noqa: S603 - our own file
        try:
            assert server.stdout is not None
            yield int(server.stdout.readline())
        finally:
            server.kill()


class _Stage:
    def __init__(self, port: int) -> None:
        self.base = URL(f"http://127.0.0.1:{port}")
        self.events: list[Event] = []
        self.endpoints: list[TokenEndpoint] = []
        self.managers: list[TokenManager] = []

    def endpoint(self, client_id: str, **options: str) -> TokenEndpoint:
        made = TokenEndpoint(
            self.base / "o/token/",
            client_id=client_id,
            client_secret=options.pop("client_secret", django_server.SECRET),
            revocation_url=self.base / "o/revoke_token/",
            **options,  # type: ignore[arg-type]  # client_auth only
        )
        self.endpoints.append(made)
        return made

    def manager(self, authenticator: AuthorizationCode | ClientCredentials) -> TokenManager:
        made = TokenManager(
            authenticator,
            key=self.endpoints[-1].key("django"),
            store=MemoryStore(),
            policy=RenewalPolicy(margin=timedelta(seconds=60)),
            observer=self.events.append,
        )
        self.managers.append(made)
        return made

    def code(self, **options: object) -> tuple[AuthorizationCode, TokenManager]:
        code = AuthorizationCode(
            self.endpoint(_PERSONS_CLIENT),
            authorization_url=self.base / "o/authorize/",
            redirect_uri=django_server.REDIRECT_URI,
            scope="read",
            **options,  # type: ignore[arg-type]  # pkce only
        )
        return code, self.manager(code)

    async def approve(self, authorization_url: str, **more: str) -> str:
        """Be a person with a browser: sign in, press the button, and bring back where one is sent."""
        fields = dict(parse_qsl(URL(authorization_url).raw_query_string)) | more
        async with ClientSession(
            cookie_jar=CookieJar(unsafe=True)
        ) as browser:  # unsafe: keeps them for an IP address
            (await browser.get(self.base / "sign-in")).raise_for_status()
            async with browser.post(authorization_url, data=fields, allow_redirects=False) as answer:
                assert answer.status == 302
                return answer.headers["Location"]

    async def me(self, manager: TokenManager) -> int:
        async with (
            ClientSession(middlewares=(BearerAuth(manager, [self.base]),)) as session,
            session.get(self.base / "me") as answer,
        ):
            return answer.status

    async def aclose(self) -> None:
        for manager in self.managers:
            await manager.aclose()
        for endpoint in self.endpoints:
            await endpoint.aclose()


@asynccontextmanager
async def _stage(port: int) -> AsyncIterator[_Stage]:
    stage = _Stage(port)
    try:
        yield stage
    finally:
        await stage.aclose()


@pytest.fixture
async def stage(port: int) -> AsyncIterator[_Stage]:
    """Endpoints and managers that close with the test."""
    async with _stage(port) as made:
        yield made


@pytest.mark.parametrize("client_auth", ["basic", "body"])
async def test_client_credentials(stage: _Stage, client_auth: str) -> None:
    """Id and secret with every awkward character, form-encoded as the RFC says, sign a service in."""
    manager = stage.manager(
        ClientCredentials(stage.endpoint(django_server.CLIENT_ID, client_auth=client_auth))
    )
    token = await manager.token()
    assert (token.scheme, token.lifetime) == ("Bearer", timedelta(hours=1))
    assert token.extra["scope"] == "read write"
    assert await stage.me(manager) == 200
    await manager.revoke()
    assert manager.current is None


async def test_a_wrong_secret_is_named(stage: _Stage) -> None:
    """`invalid_client` says what to check."""
    manager = stage.manager(ClientCredentials(stage.endpoint(django_server.CLIENT_ID, client_secret="wrong")))
    with pytest.raises(CredentialsRejectedError, match="client id and client secret") as refused:
        await manager.token()
    assert refused.value.code == "invalid_client"


async def test_an_unknown_scope_is_named(stage: _Stage) -> None:
    """`invalid_scope` is the request's fault, not the credential's."""
    manager = stage.manager(ClientCredentials(stage.endpoint(django_server.CLIENT_ID), scope="everything"))
    with pytest.raises(RequestRejectedError, match="scope") as refused:
        await manager.token()
    assert refused.value.code == "invalid_scope"


async def test_code_with_pkce_refresh_and_revocation(stage: _Stage) -> None:
    """The whole life of a consent: sign in, refresh, revoke, and be asked to sign in again."""
    code, manager = stage.code()
    with pytest.raises(InteractionRequiredError, match="sign in"):
        await manager.token()
    first = await code.exchange(await stage.approve(code.authorization_url(), allow="Authorize"), manager)
    assert first.refresh_token
    assert await stage.me(manager) == 200
    second = await manager.renew()
    assert not second.same_access(first)
    assert second.refresh_token != first.refresh_token
    assert await stage.me(manager) == 200
    await manager.revoke()
    with pytest.raises(InteractionRequiredError, match="sign in"):
        await manager.token()


async def test_a_spent_refresh_token_asks_for_a_person(stage: _Stage) -> None:
    """The server sees a re-use and kills the consent; the manager does not go on with anything that is left of it."""
    code, manager = stage.code()
    first = await code.exchange(await stage.approve(code.authorization_url(), allow="Authorize"), manager)
    await manager.renew()
    with pytest.raises(CredentialsRejectedError) as refused:
        await code.refresh(first)
    assert refused.value.code == "invalid_grant"
    with pytest.raises(InteractionRequiredError):
        await manager.renew()


async def test_a_code_is_good_once_and_for_its_verifier(stage: _Stage) -> None:
    """A code that was intercepted is worth nothing without the verifier, and nothing twice."""
    code, manager = stage.code()
    callback = await stage.approve(code.authorization_url(), allow="Authorize")
    thief, loot = stage.code()
    stolen = dict(URL(callback).query) | {"state": dict(URL(thief.authorization_url()).query)["state"]}
    with pytest.raises(InteractionRequiredError, match="code was refused"):
        await thief.exchange(URL(callback).with_query(stolen), loot)
    await code.exchange(callback, manager)
    with pytest.raises(InteractionRequiredError, match="state"):
        await code.exchange(callback, manager)


async def test_a_person_who_declines(stage: _Stage) -> None:
    """`access_denied` comes back as a matter for the person."""
    code, manager = stage.code()
    with pytest.raises(InteractionRequiredError, match="declined") as refused:
        await code.exchange(await stage.approve(code.authorization_url()), manager)
    assert refused.value.code == "access_denied"


async def test_without_pkce_where_it_is_required(stage: _Stage, program: ModuleType) -> None:
    """The error of the authorize step is typed and mentions PKCE."""
    if program is authlib_server:
        pytest.skip("Authlib requires PKCE of public clients only")
    code, manager = stage.code(pkce=False)
    with pytest.raises(RequestRejectedError, match="PKCE"):
        await code.exchange(await stage.approve(code.authorization_url(), allow="Authorize"), manager)


@pytest.mark.slow
@pytest.mark.parametrize("port", [_LIFETIME_S], indirect=True)
async def test_two_hundred_coroutines_over_many_lifetimes(port: int) -> None:
    """Tokens of seconds that rotate: no request fails, and no refresh token is ever used twice."""
    async with _stage(port) as stage:
        code, manager = stage.code()
        await code.exchange(await stage.approve(code.authorization_url(), allow="Authorize"), manager)
        statuses: list[int] = []

        async def worker(session: ClientSession, number: int) -> None:
            for lifetime in range(_LIFETIMES):
                seen = await manager.token()
                if (number + lifetime) % 5 == 0:  # the server takes some hundred requests a second, no more
                    async with session.get(stage.base / "me") as answer:
                        statuses.append(answer.status)
                while (await manager.token()).same_access(seen):  # noqa: ASYNC110 - until the next lifetime
                    await asyncio.sleep(0.05)

        async with ClientSession(middlewares=(BearerAuth(manager, [stage.base]),)) as session:
            await asyncio.gather(*(worker(session, number) for number in range(200)))
            async with session.get(stage.base / "count") as answer:
                issued = await answer.json()
        assert statuses == [200] * (40 * _LIFETIMES)
        assert not [event for event in stage.events if isinstance(event, RenewalFailed)]
        renewals = [event for event in stage.events if isinstance(event, RenewalSucceeded)]
        assert len(renewals) >= _LIFETIMES
        assert [event.refreshed for event in renewals] == [False, *[True] * (len(renewals) - 1)]
        assert issued["refresh"] == len(renewals)
        assert issued.get("reuses", 0) == 0  # Django's shows in a renewal that has failed


async def test_nao_cloud_s_client_against_the_same_server(port: int) -> None:
    """`NaoOAuth` with other paths signs a person in, refreshes and revokes at a server that is not our own double."""
    credentials = NaoOAuth(
        client_id=_PERSONS_CLIENT,
        client_secret=django_server.SECRET,
        redirect_uri=django_server.REDIRECT_URI,
        pkce=True,
        authorize_path="/o/authorize/",
        token_path="/o/token/",
        revoke_path="/o/revoke_token/",
    )
    async with _stage(port) as stage, NaoClient(credentials, base_url=stage.base, store=MemoryStore()) as nao:
        callback = await stage.approve(nao.authorization_url({"scope": "read"}), allow="Authorize")
        first = await nao.exchange(callback)
        assert (await nao.get("/me")).status == 200
        second = await nao.renew()
        assert not second.same_access(first)
        assert (await nao.get("/me")).status == 200
        await nao.revoke()
        with pytest.raises(NaoSignInNeededError):
            await nao.token()
