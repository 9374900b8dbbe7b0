"""The promises of every client, counted on real sockets: one suite for all vendors and all ways to sign in."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from nauth.client import VendorClient
from nauth.errors import VendorUnavailableError
from nauth.events import RenewalFailed, RenewalSucceeded
from nauth.testing import Fault
from tests.support.killers import Killer, aborted, cancelled, timed_out
from tests.support.vendors.packages import named
from tests.support.vendors.table import CASES, FIXED, Stage

_SECOND = timedelta(seconds=1)

# the same vendors at their harshest are for the long run
every_way = pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=pytest.mark.slow if case.name.endswith("harsh") else ())
        for case in CASES
    ],
)
every_fixed_credential = pytest.mark.parametrize("case", FIXED, ids=lambda case: case.name)


# --- a herd on a cold client ------------------------------------------------------------------------------------------


@every_way
async def test_a_cold_herd_costs_one_call(stage: Stage) -> None:
    """Two thousand coroutines get the same token from exactly one call to the vendor."""
    client = await stage.client()
    tokens = await asyncio.gather(*(client.token() for _ in range(2000)))
    assert len({id(token) for token in tokens}) == 1
    assert stage.token_calls == stage.sandbox.requests[stage.case.signs_in] == 1
    assert await stage.status(client) == 200


@every_way
async def test_a_refusal_is_shared_and_cools_down(stage: Stage) -> None:
    """One sign-in; each caller gets a typed error of its own with the wait, in which the vendor gets no call."""
    client = await stage.client(wrong=True)
    errors = await asyncio.gather(*(client.token() for _ in range(2000)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 2000
    assert stage.token_calls == stage.case.refusal_calls
    errors += await asyncio.gather(*(client.token() for _ in range(100)), return_exceptions=True)
    assert {(type(error), getattr(error, "retry_after", None)) for error in errors} == {
        (stage.case.refusal, timedelta(seconds=10))
    }
    assert stage.token_calls == stage.case.refusal_calls


@every_way
async def test_an_outage_is_shared_and_passes(stage: Stage) -> None:
    """The vendor's own `Retry-After` counts; once it is over, one call brings all callers a token."""
    client, outage = await stage.client(), Fault(status=503, headers={"Retry-After": "90"})
    stage.sandbox.faults.add(outage, endpoint=stage.case.signs_in)
    for _ in range(2):
        errors = await asyncio.gather(*(client.token() for _ in range(500)), return_exceptions=True)
        assert all(isinstance(error, VendorUnavailableError) for error in errors)
        assert {getattr(error, "retry_after", None) for error in errors} == {timedelta(seconds=90)}
        assert stage.token_calls == 1
    stage.clock.advance(90)
    tokens = await asyncio.gather(*(client.token() for _ in range(500)))
    assert len({id(token) for token in tokens}) == 1
    assert stage.token_calls == 2


# --- the first caller is stopped while the answer is on its way -------------------------------------------------------


@every_way
@pytest.mark.parametrize("killer", [cancelled, timed_out, aborted])
@pytest.mark.parametrize("moment", ["cold", "expired"])
async def test_a_stopped_first_caller_hurts_no_other(
    stage: Stage, killer: Killer[VendorClient], moment: str
) -> None:
    """The vendor has acted and its answer is held: the new token is kept, by one renewal, and serves all others."""
    client, gate, committed, case = await stage.client(), asyncio.Event(), asyncio.Event(), stage.case
    endpoint, calls, old = case.signs_in, 1, None
    if moment == "expired":
        old = await client.token()
        assert old.lifetime is not None
        stage.clock.advance(old.lifetime + _SECOND)
        endpoint, calls = case.revives, 1 + case.revival_calls
    before = stage.sandbox.committed[endpoint]
    stage.sandbox.faults.add(Fault(gate=gate, hold="after"), endpoint=endpoint)

    victim = asyncio.create_task(killer(client, committed))
    await stage.sandbox.wait_for(endpoint, before + 1, committed=True)
    others = [asyncio.create_task(client.token()) for _ in range(50)]
    await asyncio.sleep(0)
    committed.set()
    await victim
    gate.set()
    tokens = await asyncio.gather(*others)

    assert len({id(token) for token in tokens}) == 1
    assert not tokens[0].same_access(old)
    record = await stage.store.load(client._manager.key)
    assert record is not None
    assert record.token == tokens[0]
    assert await stage.status(client) == 200
    assert (stage.token_calls, stage.refresh_reuses) == (calls, 0)


@every_way
async def test_a_stopped_only_caller_leaves_the_token_to_the_next_client(stage: Stage) -> None:
    """With no other caller waiting, closing waits for the answer, and the next client finds the token in the store."""
    client, gate, committed = await stage.client(), asyncio.Event(), asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate, hold="after"), endpoint=stage.case.signs_in)
    victim = asyncio.create_task(cancelled(client, committed))
    await stage.sandbox.wait_for(stage.case.signs_in, committed=True)
    committed.set()
    await victim
    closing = asyncio.create_task(client.aclose())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert await stage.status(await stage.client()) == 200
    assert (stage.token_calls, stage.refresh_reuses) == (1, 0)


# --- the stale window -------------------------------------------------------------------------------------------------


@every_way
async def test_a_stale_token_is_served_while_one_renewal_runs(stage: Stage) -> None:
    """No caller waits: the old token is handed out at once until the new one is there."""
    client, gate, case = await stage.client(), asyncio.Event(), stage.case
    old = await client.token()
    jitter: timedelta = client._manager._policy.jitter
    stage.age(client, old, beyond_margin=-jitter - _SECOND)
    assert await client.token() is old
    assert stage.token_calls == 1

    before = stage.sandbox.committed[case.renews]
    stage.sandbox.faults.add(Fault(gate=gate, hold="after"), endpoint=case.renews)
    stage.clock.advance(jitter + 2 * _SECOND)
    tokens = await asyncio.gather(*(client.token() for _ in range(500)))
    await stage.sandbox.wait_for(case.renews, before + 1, committed=True)
    tokens += await asyncio.gather(*(client.token() for _ in range(500)))
    assert {id(token) for token in tokens} == {id(old)}

    gate.set()
    await stage.renewals(2)
    assert not (await client.token()).same_access(old)
    assert await stage.status(client) == 200
    assert (stage.token_calls, stage.refresh_reuses) == (2, 0)
    assert stage.count(RenewalFailed) == 0


@every_way
@pytest.mark.parametrize(
    "fault",
    [Fault(status=503), Fault(drop="before"), Fault(body=b"<html>", content_type="text/html", status=200)],
    ids=["503", "dropped", "garbage"],
)
async def test_a_failing_renewal_is_seen_by_no_caller(stage: Stage, fault: Fault) -> None:
    """While the old token lives, callers and requests go on with it; one good answer ends the trouble."""
    client = await stage.client()
    old = await client.token()
    stage.age(client, old, beyond_margin=_SECOND)
    stage.sandbox.faults.add(fault, endpoint=stage.case.renews, times=1000)
    tokens = await asyncio.gather(*(client.token() for _ in range(200)))
    await stage.renewals(2)
    tokens += await asyncio.gather(*(client.token() for _ in range(200)))
    assert {id(token) for token in tokens} == {id(old)}
    assert await stage.status(client) == 200
    assert stage.count(RenewalFailed) == 1

    stage.sandbox.faults.clear()
    stage.clock.advance(2)
    assert await client.token() is old
    await stage.renewals(3)
    assert not (await client.token()).same_access(old)
    assert (stage.count(RenewalFailed), stage.count(RenewalSucceeded)) == (1, 2)


# --- siblings ---------------------------------------------------------------------------------------------------------


@every_way
async def test_two_clients_share_one_sign_in(stage: Stage) -> None:
    """Cold at the same moment they cost one call; thrown out together, one renewal; and there is no ping-pong."""
    clients = [await stage.client(), await stage.client()]
    tokens = await asyncio.gather(*(client.token() for _ in range(200) for client in clients))
    assert len({token.access_token for token in tokens}) == 1
    assert stage.token_calls == 1
    stage.sandbox.kill_sessions()
    statuses = await asyncio.gather(*(stage.status(client) for _ in range(25) for client in clients))
    assert set(statuses) == {200}
    for _ in range(5):
        assert {await stage.status(client) for client in clients} == {200}
    assert (stage.token_calls, stage.refresh_reuses) == (1 + stage.case.revival_calls, 0)


# --- 401 and 403 ------------------------------------------------------------------------------------------------------


@every_way
async def test_late_401s_cost_one_renewal(stage: Stage) -> None:
    """The token dies under a hundred requests in flight: one renewal, and all succeed."""
    client, gate, endpoint = await stage.client(), asyncio.Event(), stage.case.vendor.endpoint
    await client.token()
    stage.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint=endpoint, times=100)
    requests = [asyncio.create_task(stage.status(client)) for _ in range(100)]
    await stage.sandbox.wait_for(endpoint, 100)
    stage.sandbox.kill_sessions()
    gate.set()
    assert Counter(await asyncio.gather(*requests)) == {200: 100}
    assert stage.sandbox.unauthorized == 100
    assert stage.count(RenewalSucceeded) == 2
    assert (stage.token_calls, stage.refresh_reuses) == (1 + stage.case.revival_calls, 0)


@every_way
async def test_a_late_401_for_a_replaced_token_renews_nothing(stage: Stage) -> None:
    """Requests whose token was replaced while they were on their way are sent again with the token held by then."""
    client, gate, endpoint = await stage.client(), asyncio.Event(), stage.case.vendor.endpoint
    await client.token()
    stage.sandbox.faults.add(Fault(gate=gate, hold="before"), endpoint=endpoint, times=10)
    requests = [asyncio.create_task(stage.status(client)) for _ in range(10)]
    await stage.sandbox.wait_for(endpoint, 10)
    stage.sandbox.kill_sessions()
    await client.renew()
    calls = stage.token_calls
    gate.set()
    assert Counter(await asyncio.gather(*requests)) == {200: 10}
    assert stage.sandbox.unauthorized == 10
    assert (stage.token_calls, stage.refresh_reuses) == (calls, 0)


@every_way
@pytest.mark.slow
async def test_a_vendor_that_always_refuses_gets_two_token_calls(stage: Stage) -> None:
    """Two hundred requests get their 401; one renewal is tried for all of them, and `check` raises the typed kind."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    statuses = await asyncio.gather(*(stage.status(client) for _ in range(150)))
    statuses += [await stage.status(client) for _ in range(50)]
    assert Counter(statuses) == {401: 200}
    with pytest.raises(named(stage.case.vendor, "TokenRefusedError", "errors")) as refused:
        await client.check()  # type: ignore[attr-defined]  # every vendor's client has it
    assert refused.value.status == 401
    assert stage.token_calls == 2
    stage.sandbox.reject_all = False
    assert await stage.status(client) == 200
    assert stage.token_calls == 2


@pytest.mark.parametrize("case", [*CASES, *FIXED], ids=lambda case: case.name)
async def test_403_never_renews(stage: Stage) -> None:
    """Permission is not a matter of the token's age."""
    client, endpoint = await stage.client(), stage.case.vendor.endpoint
    await client.token()
    calls = stage.token_calls
    stage.sandbox.faults.add(Fault(status=403), endpoint=endpoint, times=50)
    assert Counter(await asyncio.gather(*(stage.status(client) for _ in range(50)))) == {403: 50}
    assert stage.sandbox.requests[endpoint] == 50
    assert await stage.status(client) == 200
    assert stage.token_calls == calls


# --- credentials that are sent as they are ----------------------------------------------------------------------------


@every_fixed_credential
async def test_a_fixed_credential_needs_no_token_call(stage: Stage) -> None:
    """A cold herd, two clients and ten years later: still nothing to ask the vendor for."""
    clients = [await stage.client(), await stage.client()]
    tokens = await asyncio.gather(*(client.token() for _ in range(1000) for client in clients))
    assert len({token.access_token for token in tokens}) == 1
    stage.clock.advance(timedelta(days=3650))
    assert {await stage.status(client) for client in clients} == {200}
    assert stage.token_calls == 0
    assert stage.sandbox.requests.total() == 2


@every_fixed_credential
async def test_a_401_for_a_fixed_credential_is_handed_back_at_once(stage: Stage) -> None:
    """One request each, no token call, no cool-down: the next request still goes out."""
    client, endpoint = await stage.client(), stage.case.vendor.endpoint
    stage.sandbox.reject_all = True
    assert Counter(await asyncio.gather(*(stage.status(client) for _ in range(200)))) == {401: 200}
    assert stage.sandbox.requests[endpoint] == 200
    with pytest.raises(stage.case.refusal) as refused:
        await client.check()  # type: ignore[attr-defined]  # every vendor's client has it
    assert refused.value.status == 401
    arrived: int = stage.sandbox.requests.total()
    assert await stage.status(client) == 401
    assert stage.sandbox.requests.total() == arrived + 1
    stage.sandbox.reject_all = False
    assert await stage.status(client) == 200
    assert stage.token_calls == 0
