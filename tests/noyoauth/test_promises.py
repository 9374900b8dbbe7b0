"""What the package promises, shown on real sockets: herds, cancelled callers, siblings, refusals that go on."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import attrs
import pytest
from aiohttp import ClientTimeout

from nauth.events import RenewalFailed
from nauth.testing import Fault
from noyoauth import NoyoCredentialsRejectedError
from tests.support.vendors.stages import NoyoStage as Stage


async def test_a_cold_herd_costs_one_token_call(stage: Stage) -> None:
    """Everybody gets the same token from exactly one call."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(2000)))
    assert len({id(token) for token in tokens}) == 1
    assert stage.calls == 1


async def test_a_refused_herd_costs_one_token_call(stage: Stage) -> None:
    """A refusal is shared as well, each caller raising an error of its own."""
    client = await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))
    errors = await asyncio.gather(*(client.token() for _ in range(500)), return_exceptions=True)
    assert {type(error) for error in errors} == {NoyoCredentialsRejectedError}
    assert len({id(error) for error in errors}) == 500
    assert stage.calls == 1


async def test_a_cancelled_first_caller_hurts_nobody(stage: Stage) -> None:
    """The renewal belongs to no caller: 99 others are served by the one call."""
    client, gate = await stage.client(), asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate), endpoint="token")
    first = asyncio.create_task(client.token())
    others = [asyncio.create_task(client.token()) for _ in range(99)]
    await stage.sandbox.wait_for("token", committed=True)
    first.cancel()
    gate.set()
    assert len({token.access_token.reveal() for token in await asyncio.gather(*others)}) == 1
    with pytest.raises(asyncio.CancelledError):
        await first
    assert stage.calls == 1


async def test_a_storm_of_401_costs_one_token_call(stage: Stage) -> None:
    """A hundred requests with one dead token: one renewal, every request answered."""
    client = await stage.client()
    await client.token()
    stage.sandbox.kill_sessions()

    async def status() -> int:
        async with client.get("/api/v1/groups", timeout=ClientTimeout(total=30)) as response:
            return response.status

    assert set(await asyncio.gather(*(status() for _ in range(100)))) == {200}
    assert stage.calls == 2


async def test_two_clients_with_one_key_share_one_token(stage: Stage) -> None:
    """A client opened per request costs no sign-in."""
    for _ in range(20):
        async with await stage.client() as client:
            await client.check()
    assert stage.calls == 1


async def test_an_outage_in_the_window_is_not_seen(stage: Stage) -> None:
    """While the old token lives, failures of the renewal are quiet and bounded by the back-off."""
    client = await stage.client()
    old = await client.token()
    stage.sandbox.faults.add(Fault(status=503), endpoint="token", times=1000)
    stage.clock.advance(545)
    for _ in range(200):
        assert (await client.token()) is old
    await stage.renewals(2)
    assert stage.count(RenewalFailed) == 1
    assert stage.calls == 4  # one token, and the three attempts of one renewal


async def test_an_outage_without_a_token_is_shared_and_then_passes(stage: Stage) -> None:
    """After the old token's end callers are told at once, with the wait, and the vendor is left alone meanwhile."""
    client = await stage.client()
    headers = {"Retry-After": "90"}
    stage.sandbox.faults.add(Fault(status=503, headers=headers), endpoint="token")
    errors = await asyncio.gather(*(client.token() for _ in range(100)), return_exceptions=True)
    errors += await asyncio.gather(*(client.token() for _ in range(100)), return_exceptions=True)
    assert {getattr(error, "retry_after", None) for error in errors} == {timedelta(seconds=90)}
    assert stage.calls == 1
    stage.clock.advance(90)
    await client.token()
    assert stage.calls == 2


async def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    """The token nobody knows dies by itself; a second call is all it costs, also where only the newest lives."""
    async with Stage.opened(concurrent_tokens="newest_only") as stage:
        client = await stage.client()
        stage.sandbox.faults.add(Fault(drop="after"), endpoint="token")
        await client.check()
        assert stage.calls == 2


async def test_fifty_requests_with_a_short_life_cost_one_call() -> None:
    """The margin never exceeds half of the life, so a token of two seconds is not renewed per request."""
    async with Stage.opened(real_lifetime="short") as stage:
        client = await stage.client()
        for _ in range(50):
            await client.check()
        assert stage.calls == 1
