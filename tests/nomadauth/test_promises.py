"""The promises, counted: how many calls a crowd costs."""

from __future__ import annotations

import asyncio

import pytest

from nauth.errors import TokenRefusedError
from nauth.testing import Fault
from nomadauth import NomadCredentialsRejectedError, NomadPassword
from tests.support.vendors.stages import NomadStage as Stage

_CROWD = 300


async def test_a_cold_crowd_logs_in_once(stage: Stage) -> None:
    """N coroutines without a token: one login, one token for all."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(_CROWD)))
    assert len({token.access_token for token in tokens}) == 1
    assert stage.calls == (1, 0, 0)


async def test_two_clients_share_one_login(stage: Stage) -> None:
    """On a single-session tenant a second login would end the first session."""
    first, second = await stage.client(), await stage.client()
    await asyncio.gather(*(client.check() for client in (first, second) for _ in range(20)))
    assert stage.calls == (1, 0, 0)


async def test_a_crowd_of_401s_renews_once(stage: Stage) -> None:
    """Every request is refused, one refresh follows, and each is replayed."""
    client = await stage.client()
    await client.token()
    stage.sandbox.kill_sessions()
    found = await asyncio.gather(*(client.check() for _ in range(50)))
    assert {entry.message for entry in found} == {"Pong Auth"}
    assert stage.calls == (1, 1, 0)


async def test_a_late_401_for_an_old_token_renews_nothing(stage: Stage) -> None:
    """The request is replayed with the token that is current by then."""
    client = await stage.client()
    await client.token()
    gate = asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint="ping_auth", times=10)
    flying = [asyncio.create_task(client.check()) for _ in range(10)]
    await stage.sandbox.wait_for("ping_auth", 10)
    stage.sandbox.kill_sessions()
    await client.renew()
    gate.set()
    await asyncio.gather(*flying)
    assert stage.calls == (1, 1, 0)


async def test_a_shared_failure_and_its_cool_down(stage: Stage) -> None:
    """N coroutines, one refusal for all of them; then none until the cool-down is over."""
    client = await stage.client(NomadPassword("svc@example.com", "wrong"))
    outcomes = await asyncio.gather(*(client.token() for _ in range(_CROWD)), return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {NomadCredentialsRejectedError}
    assert len({id(outcome) for outcome in outcomes}) == _CROWD
    with pytest.raises(NomadCredentialsRejectedError):
        await client.token()
    assert stage.calls == (1, 0, 0)


async def test_a_cancelled_first_caller_hurts_nobody(stage: Stage) -> None:
    """The login goes on for the others."""
    client, gate = await stage.client(), asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate), endpoint="login")
    first, *others = [asyncio.create_task(client.token()) for _ in range(10)]
    await stage.sandbox.wait_for("login")
    first.cancel()
    gate.set()
    assert len({token.access_token for token in await asyncio.gather(*others)}) == 1
    with pytest.raises(asyncio.CancelledError):
        await first
    assert stage.calls == (1, 0, 0)


async def test_a_stale_window_keeps_nobody_waiting(stage: Stage) -> None:
    """Just under 45 minutes into an hour the old token is served while one refresh runs."""
    client, gate = await stage.client(), asyncio.Event()
    old = await client.token()
    stage.clock.advance(2700 - 61)
    assert (await client.token()) is old
    assert stage.calls == (1, 0, 0)
    stage.sandbox.faults.add(Fault(gate=gate), endpoint="refresh")
    stage.clock.advance(61)
    assert all(token is old for token in await asyncio.gather(*(client.token() for _ in range(50))))
    await stage.sandbox.wait_for("refresh")
    gate.set()
    await stage.renewals(2)
    assert not (await client.token()).same_access(old)
    assert stage.calls == (1, 1, 0)


@pytest.mark.parametrize("rotation", ["new_old_dies", "same", "omitted", "new_old_lives"])
async def test_a_rotating_refresh_token_is_never_used_twice(rotation: str) -> None:
    """Twenty lives, one refresh each, and one login in all."""
    async with Stage.opened(refresh_rotation=rotation, refresh_kills_old_token="yes") as stage:
        client = await stage.client()
        for _ in range(20):
            await asyncio.gather(*(client.check() for _ in range(10)))
            stage.clock.advance(3601)
        assert stage.sandbox.refresh_reuses == 0
        assert stage.calls == (1, 19, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("endpoint", ["login", "refresh"])
async def test_a_lost_answer_is_asked_for_again(when: str, endpoint: str) -> None:
    """Before or after Nomad has acted, with refresh tokens that die on use: in the end everybody has a token."""
    async with Stage.opened(refresh_rotation="new_old_dies") as stage:
        client = await stage.client()
        if endpoint == "refresh":
            await client.token()
        stage.sandbox.faults.add(Fault(drop=when), endpoint=endpoint)  # type: ignore[arg-type]  # a literal by the table
        await client.renew()
        await client.check()
        logins = {"login": 2, "refresh": 1 + (when == "after")}[endpoint]
        assert stage.sandbox.requests["login"] == logins


async def test_a_fixed_credential_never_makes_a_token_call(stage: Stage) -> None:
    """A crowd of 401s costs one request each, and nothing else."""
    client = await stage.client(stage.sandbox.api_key)  # the default tenant accepts tokens only
    outcomes = await asyncio.gather(*(client.check() for _ in range(20)), return_exceptions=True)
    assert all(isinstance(outcome, TokenRefusedError) for outcome in outcomes)
    assert stage.sandbox.unauthorized == 20
    assert stage.sandbox.token_calls == 0
