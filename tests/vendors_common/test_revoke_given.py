"""Revoking a token that has leaked ends that one; revoking without one ends the current one and no other."""

from __future__ import annotations

import pytest

from naoauth import NaoClient
from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.token import Token
from nomadauth import NomadInteractionRequiredError
from tests.support.vendors.stages import NaoStage, NomadStage, NombaStage


async def test_nomba_revokes_the_leaked_token_and_keeps_the_current_one() -> None:
    """Where Nomba keeps older sessions, an older token lives until it is named."""
    async with NombaStage.opened(second_issue="keeps_first") as stage:
        client = await stage.client()
        leaked = await client.token()
        other = await stage.client(store=type(stage.store)(clock=stage.clock))
        current = await other.token()
        assert not current.same_access(leaked)
        await other.revoke(Token(access_token=leaked.access_token))
        assert other.current is not None
        assert other.current.same_access(current)
        assert stage.sandbox.live_tokens == 1
        await other.check()
        await other.revoke()
        assert other.health.state.value == "none"
        assert stage.sandbox.live_tokens == 0


async def test_the_current_token_given_is_forgotten_as_well() -> None:
    """Named or not, a revoked current token is not served again."""
    async with NombaStage.opened() as stage:
        client = await stage.client()
        current = await client.token()
        await client.revoke(Token(access_token=current.access_token))
        assert client.current is None
        assert not (await client.token()).same_access(current)


async def test_nomad_logs_another_session_out() -> None:
    """`logout(token)` ends the session of that token; the current one stays."""
    async with NomadStage.opened() as stage:
        first = await (await stage.client()).token()
        client = await stage.client(store=type(stage.store)(clock=stage.clock))
        current = await client.token()
        await client.logout(Token(access_token=first.access_token))
        assert client.current is not None
        assert client.current.same_access(current)
        assert stage.sandbox.live_tokens == 1


async def test_nomad_s_single_sign_on_outlives_another_session_s_logout() -> None:
    """Only logging out of its own session asks for a person."""
    async with NomadStage.opened() as stage:
        leaked = stage.signed_on()
        client = await stage.client(stage.signed_on())
        await client.token()
        await client.logout(Token(access_token=leaked.token))
        await client.renew()
        await client.logout()
        with pytest.raises(NomadInteractionRequiredError):
            await client.token()


async def test_nao_revokes_a_leaked_oauth_token() -> None:
    """At an instance with a revocation endpoint."""
    async with NaoStage.opened(oauth_revoke="200", oauth_refresh="kept") as stage:
        client: NaoClient = await stage.client(stage.application())
        leaked = await client.token()
        current = await client.renew()
        await client.revoke(Token(access_token=leaked.access_token))
        assert client.current is not None
        assert client.current.same_access(current)
        assert stage.sandbox.live_tokens == 1


async def test_a_jwt_that_is_not_the_current_one_cannot_be_revoked() -> None:
    """The caller is told so, instead of that it was done."""
    async with NaoStage.opened() as stage:
        client = await stage.client()
        current = await client.token()
        with pytest.raises(ConfigurationError, match="was not revoked"):
            await client.revoke(Token(access_token=Secret("a-leaked-jwt")))
        assert client.current is current
