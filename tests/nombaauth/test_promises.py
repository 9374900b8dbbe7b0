"""What the package promises beside what all clients do: rotating pairs, large herds, and no revocation unasked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest
from aiohttp import ClientTimeout

from nauth.events import RenewalFailed, RenewalSucceeded
from nauth.testing import Fault
from nombaauth import NombaClient, NombaCredentialsRejectedError, NombaTokenRefusedError, Token
from tests.support.killers import Killer, aborted, cancelled, timed_out
from tests.support.vendors.stages import NombaStage as Stage


async def _status(client: NombaClient, **options: Any) -> int:
    async with client.get("/v1/transfers/banks", **options) as response:
        await response.read()
        return response.status


# --- (a) a herd on a cold client ------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_ten_thousand_cold_callers_cost_one_issue(stage: Stage) -> None:
    """Every caller gets the same token from exactly one call."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(10_000)))
    assert len({id(token) for token in tokens}) == 1
    assert stage.calls == (1, 0, 0)


@pytest.mark.slow
async def test_ten_thousand_refused_callers_cost_one_issue(stage: Stage) -> None:
    """A refusal is shared as well, each caller raising an error of its own; in the cool-down no call is made."""
    client = await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))
    errors = await asyncio.gather(*(client.token() for _ in range(10_000)), return_exceptions=True)
    assert {type(error) for error in errors} == {NombaCredentialsRejectedError}
    assert len({id(error) for error in errors}) == 10_000
    assert stage.calls == (1, 0, 0)
    more = await asyncio.gather(*(client.check() for _ in range(100)), return_exceptions=True)
    assert {type(error) for error in more} == {NombaCredentialsRejectedError}
    assert stage.calls == (1, 0, 0)


# --- (b) the first caller is stopped while a rotating refresh is in flight ------------------------------------------


async def _cancel_twice(client: NombaClient, under_way: asyncio.Event) -> None:
    task = asyncio.create_task(client.check())
    await under_way.wait()
    task.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def _timeout(client: NombaClient, under_way: asyncio.Event) -> None:
    async def expire(scope: asyncio.Timeout) -> None:
        await under_way.wait()
        scope.reschedule(asyncio.get_running_loop().time())

    async def wait() -> None:
        async with asyncio.timeout(None) as scope:
            killers.append(asyncio.create_task(expire(scope)))
            await client.token()

    killers: list[asyncio.Task[None]] = []
    with pytest.raises(TimeoutError):
        await wait()
    await killers[0]


async def _total(client: NombaClient, under_way: asyncio.Event) -> None:
    with pytest.raises(TimeoutError):
        await client.get("/v1/transfers/banks", timeout=ClientTimeout(total=0.05))
    await under_way.wait()


_KILLERS: list[Killer[NombaClient]] = [cancelled, _cancel_twice, _timeout, timed_out, aborted, _total]


@asynccontextmanager
async def _rotating() -> AsyncIterator[Stage]:
    async with Stage.opened(
        refresh_rotation="new_old_dies", refresh_kills_old_access="yes", refresh_bearer="expired_ok"
    ) as stage:
        yield stage


@pytest.mark.parametrize("killer", _KILLERS)
@pytest.mark.parametrize("hold", ["before", "after"])
async def test_a_stopped_caller_loses_no_rotated_pair(killer: Killer[NombaClient], hold: Any) -> None:
    """The pair arrives, is stored, serves the others, and no second call is made."""
    async with _rotating() as stage:
        client, sandbox = await stage.client(), stage.sandbox
        old = await client.token()
        stage.clock.advance(1801)
        gate, under_way = asyncio.Event(), asyncio.Event()
        sandbox.faults.add(Fault(gate=gate, hold=hold), endpoint="refresh")

        victim = asyncio.create_task(killer(client, under_way))
        await sandbox.wait_for("refresh")
        others = [asyncio.create_task(client.token()) for _ in range(3)]
        await asyncio.sleep(0)
        under_way.set()
        await victim
        gate.set()
        tokens = await asyncio.gather(*others)

        assert len({token.access_token for token in tokens}) == 1
        assert not tokens[0].same_access(old)
        assert tokens[0].refresh_token != old.refresh_token
        record = await stage.store.load(client._manager.key)
        assert record is not None
        assert record.token == tokens[0]
        assert (await client.check()).currency == "NGN"
        assert stage.calls == (1, 1, 0)
        assert (sandbox.refresh_reuses, sandbox.live_tokens) == (0, 1)


@pytest.mark.parametrize("killer", _KILLERS)
async def test_a_stopped_caller_with_no_other_waiting(killer: Killer[NombaClient]) -> None:
    """Alone, too: closing waits for the pair, and the next client finds it in the store."""
    async with _rotating() as stage:
        client, sandbox = await stage.client(), stage.sandbox
        await client.token()
        stage.clock.advance(1801)
        gate, under_way = asyncio.Event(), asyncio.Event()
        sandbox.faults.add(Fault(gate=gate), endpoint="refresh")
        victim = asyncio.create_task(killer(client, under_way))
        await sandbox.wait_for("refresh")
        under_way.set()
        await victim
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        gate.set()
        await closing
        heir = await stage.client()
        assert (await heir.check()).currency == "NGN"
        assert stage.calls == (1, 1, 0)
        assert sandbox.refresh_reuses == 0


@pytest.mark.parametrize("drops", [1, 3])
async def test_a_rotation_whose_answer_was_lost_leads_to_an_issue(drops: int) -> None:
    """The spent refresh token is refused on repetition, and one sign-in puts all callers right."""
    async with _rotating() as stage:
        client = await stage.client()
        await client.token()
        stage.clock.advance(1801)
        stage.sandbox.faults.add(Fault(drop="after"), endpoint="refresh", times=drops)
        if drops == 3:  # every attempt's answer is lost: told, and put right after the cool-down
            failed = await asyncio.gather(*(client.token() for _ in range(5)), return_exceptions=True)
            assert {type(error).__name__ for error in failed} == {"NombaOutcomeUnknownError"}
            stage.clock.advance(10)
        balances = await asyncio.gather(*(client.check() for _ in range(20)))
        assert len(balances) == 20
        assert stage.calls == (2, drops + 1, 0)
        assert stage.sandbox.live_tokens == 1


# --- (c) siblings -----------------------------------------------------------------------------------------------------


async def test_two_keys_are_two_sessions(stage: Stage) -> None:
    """Another client id or secret finds no token of another client's."""
    first = await (await stage.client()).token()
    second = await (await stage.client(stage.sandbox.second_credentials)).token()
    assert not first.same_access(second)
    with pytest.raises(NombaCredentialsRejectedError):
        await (await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))).token()


# --- (d) refusals in numbers -------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_wrong_account_id_gets_two_token_calls(stage: Stage) -> None:
    """The most common mistake costs one renewal in all: a thousand callers get their 401."""
    client, wrong = await stage.client(), {"accountId": "wrong"}
    statuses = await asyncio.gather(*(_status(client, headers=wrong) for _ in range(900)))
    statuses += [await _status(client, headers=wrong) for _ in range(100)]
    assert Counter(statuses) == {401: 1000}
    assert stage.sandbox.token_calls == 2
    assert stage.count(RenewalSucceeded) == 2


async def test_a_refusal_that_goes_on_is_typed(stage: Stage) -> None:
    """`check` names Nomba's documented causes, costs no third token call, and recovers when they are gone."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    causes = ["accountId", "revoked", "environment", "another process", "IP allow-list"]
    for _ in range(5):
        with pytest.raises(NombaTokenRefusedError) as refused:
            await client.check()
        assert [cause for cause in causes if cause not in str(refused.value)] == []
        assert refused.value.status == 401
    assert stage.sandbox.token_calls == 2
    stage.sandbox.reject_all = False
    await client.check()
    assert stage.sandbox.token_calls == 2


# --- (e) a client for each request -----------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_thousand_clients_cost_one_issue(stage: Stage) -> None:
    """Opened and closed one after another, with the process-wide store, they find the token already there."""
    for _ in range(1000):
        async with NombaClient(
            stage.sandbox.credentials, base_url=stage.sandbox.base_url, clock=stage.clock
        ) as client:
            await client.token()
    async with NombaClient(
        stage.sandbox.credentials, base_url=stage.sandbox.base_url, clock=stage.clock
    ) as client:
        await client.check()
    assert stage.calls == (1, 0, 0)


# --- (f) what never happens -------------------------------------------------------------------------------------------


async def test_closing_does_not_revoke(stage: Stage) -> None:
    """Others may share the session: it lives on at Nomba and in the store."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    assert stage.calls == (1, 0, 0)
    assert stage.sandbox.live_tokens == 1
    await (await stage.client()).check()
    assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=503),
        Fault(status=429, headers={"Retry-After": "60"}),
        Fault(body=b"<html>", content_type="text/html"),
        Fault(body=b'{"code":"500","description":"Server error"}'),
        Fault(drop="before"),
        Fault(drop="after"),
    ],
)
async def test_a_failing_renewal_hurts_no_caller_while_the_token_lives(fault: Fault, stage: Stage) -> None:
    """Every caller gets the old token, no issue is spent on the doubt, and one good answer ends it."""
    client = await stage.client()
    old = await client.token()
    stage.clock.advance(1550)
    stage.sandbox.faults.add(fault, endpoint="refresh", times=1000)
    for failures in range(1, 4):
        tokens = await asyncio.gather(*(client.token() for _ in range(20)))
        assert {id(token) for token in tokens} == {id(old)}
        await _failed(stage, failures)
        assert await _status(client) == 200
        stage.clock.advance(61)
    assert stage.count(RenewalFailed) == 3
    assert stage.calls[0] == 1
    stage.sandbox.faults.clear()
    assert (await client.token()) is old
    await stage.renewals(5)
    assert not (await client.token()).same_access(old)
    assert stage.calls[0] == 1


async def _failed(stage: Stage, count: int) -> None:
    await stage.renewals(1 + count)
    assert stage.count(RenewalFailed) == count


async def test_a_failing_renewal_of_a_dead_token_is_told_with_the_wait(stage: Stage) -> None:
    """Without a valid token all callers share the failure and its wait; afterwards one call puts them right."""
    client = await stage.client()
    await client.token()
    stage.clock.advance(1801)
    stage.sandbox.faults.add(Fault(status=503), endpoint="refresh", times=3)
    failed = await asyncio.gather(*(client.token() for _ in range(50)), return_exceptions=True)
    assert {type(error).__name__ for error in failed} == {"NombaUnavailableError"}
    assert {getattr(error, "retry_after", None) for error in failed} == {timedelta(seconds=10)}
    assert stage.calls == (1, 3, 0)
    stage.clock.advance(10)
    token: Token = await client.token()
    assert token.refresh_token is not None
    assert stage.calls == (2, 4, 0)
