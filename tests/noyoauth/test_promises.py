"""What the package promises beside what all clients do: short lives, lost answers, outages that are not seen."""

from __future__ import annotations

from nauth.events import RenewalFailed
from nauth.testing import Fault
from tests.support.vendors.stages import NoyoStage as Stage


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


async def test_an_answer_that_is_lost_is_asked_for_again() -> None:
    """A token whose response was lost dies by itself; a second call is all it costs, also where only the newest lives."""
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
