"""`nauth.oauth2`, stopped at every await point in turn, and at every turn of a manager's renewal."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from naoauth import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.errors import InteractionRequiredError
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import AuthorizationCode, ClientCredentials, TokenEndpoint
from nauth.oauth2.errors import Operation
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nauth.token import Token
from nauth.transport.base import Answer, Request
from tests.cancellation.kit import StageMaker, every_task, every_way, turn
from tests.support.authenticator import made
from tests.support.cancel_everywhere import MOMENTS, Act, Report, Way, in_loop, settled, sweep
from tests.support.transport import FakeTransport, answer

_TOKENS = [{"access_token": f"at-{n}", "refresh_token": f"rt-{n}", "expires_in": 3600} for n in range(1, 9)]


class AuthServer:
    """An authorization server that takes two turns of the loop for each answer, and a client of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(clock=self.clock)
        tokens = iter(_TOKENS)

        async def act(request: Request) -> Answer:
            await turn()
            revoking = request.url.path == "/revoke"
            made = answer(200) if revoking else answer(200, next(tokens))
            await turn()
            return made

        self.transport.otherwise = act
        self.endpoint = TokenEndpoint(
            "https://auth.example.com/token",
            client_id="id",
            client_secret="s",
            revocation_url="https://auth.example.com/revoke",
            transport=self.transport,
        )
        self.token = made("at-0", refresh="rt-0")

    def code(self) -> AuthorizationCode:
        return AuthorizationCode(
            self.endpoint,
            authorization_url="https://auth.example.com/authorize",
            redirect_uri="https://app.example/cb",
        )


async def _exchange(server: AuthServer) -> tuple[AuthorizationCode, TokenManager, str]:
    code = server.code()
    manager = TokenManager(
        code, key=server.endpoint.key("x"), store=MemoryStore(clock=server.clock), clock=server.clock
    )
    query = parse_qs(urlsplit(code.authorization_url()).query)
    return code, manager, f"https://app.example/cb?code=c&state={query['state'][0]}"


@asynccontextmanager
async def _exchanging() -> AsyncGenerator[Act]:
    server = AuthServer()
    _, manager, callback = await _exchange(server)

    async def after(report: Report) -> None:
        await settled()
        token = await manager.token()
        assert token.refresh_token == Secret("rt-1")
        assert len(server.transport.requests) == 1
        await manager.aclose()
        await settled()

    yield Act(work=lambda: manager_exchange(manager, callback), after=after)


async def manager_exchange(manager: TokenManager, callback: str) -> Token:
    code = manager._renewal.authenticator
    assert isinstance(code, AuthorizationCode)
    return await code.exchange(callback, manager)


@asynccontextmanager
async def _code_issued() -> AsyncGenerator[Act]:
    server = AuthServer()
    code, manager, callback = await _exchange(server)
    code.accept(callback)

    async def after(report: Report) -> None:
        await settled()
        # a caller who calls it directly is the only one that has the token; the code is never sent twice
        with pytest.raises(InteractionRequiredError):
            await code.issue()
        assert len(server.transport.requests) == 1
        await manager.aclose()

    yield Act(work=code.issue, after=after)


def _of_server(work: Callable[[AuthServer], Coroutine[Any, Any, object]], calls: int) -> StageMaker:
    @asynccontextmanager
    async def stage() -> AsyncGenerator[Act]:
        server = AuthServer()

        async def after(report: Report) -> None:
            await settled()
            assert 0 < len(server.transport.requests) <= calls
            assert report.struck or len(server.transport.requests) == calls
            await work(server)

        yield Act(work=lambda: work(server), after=after)

    return stage


OAUTH2: dict[str, StageMaker] = {
    "TokenEndpoint.token": _of_server(
        lambda server: server.endpoint.token(Operation.CLIENT_CREDENTIALS, {"scope": "a"}), 1
    ),
    "TokenEndpoint.refresh": _of_server(lambda server: server.endpoint.refresh(server.token), 1),
    "TokenEndpoint.revoke": _of_server(lambda server: server.endpoint.revoke(server.token), 2),
    "ClientCredentials.issue": _of_server(lambda server: ClientCredentials(server.endpoint).issue(), 1),
    "ClientCredentials.refresh": _of_server(
        lambda server: ClientCredentials(server.endpoint).refresh(server.token), 1
    ),
    "ClientCredentials.revoke": _of_server(
        lambda server: ClientCredentials(server.endpoint).revoke(server.token), 2
    ),
    "AuthorizationCode.refresh": _of_server(lambda server: server.code().refresh(server.token), 1),
    "AuthorizationCode.revoke": _of_server(lambda server: server.code().revoke(server.token), 2),
    "AuthorizationCode.issue": _code_issued,
    "AuthorizationCode.exchange": _exchanging,
}


@every_task
@every_way
@pytest.mark.parametrize("name", OAUTH2)
def test_oauth2_outlives_every_cancellation(name: str, way: Way, eager: bool) -> None:
    """No code or refresh token is sent twice, nothing is left behind, and what a manager exchanged is kept."""

    async def run() -> int:
        return sum([await sweep(OAUTH2[name], way, moment) for moment in MOMENTS])

    assert in_loop(run, eager=eager)


@every_task
@every_way
@pytest.mark.parametrize("closing", [False, True], ids=["refresh", "aclose"])
def test_an_endpoint_with_its_own_connections_outlives_every_cancellation(
    way: Way, closing: bool, eager: bool
) -> None:
    """`TokenEndpoint` on real sockets leaves no session or connection open."""

    async def run() -> int:
        async with NaoSandbox(clock=FakeClock(jump=True), oauth_refresh="kept") as sandbox:

            @asynccontextmanager
            async def stage() -> AsyncGenerator[Act]:
                given = sandbox.credentials_of("oauth")
                assert isinstance(given, NaoOAuth)
                assert given.refresh_token is not None
                endpoint = TokenEndpoint(
                    sandbox.base_url + sandbox.token_path,
                    client_id=given.client_id,
                    client_secret=given.client_secret,
                    client_auth="body",
                )
                seed = made("a", refresh=given.refresh_token.reveal())
                if closing:
                    await endpoint.refresh(seed)

                async def after(report: Report) -> None:
                    if not closing:
                        assert (await endpoint.refresh(seed)).access_token
                    await endpoint.aclose()
                    await settled()

                yield Act(work=endpoint.aclose if closing else lambda: endpoint.refresh(seed), after=after)

            return await sweep(stage, way, "waiting")

    assert in_loop(run, eager=eager) or closing
