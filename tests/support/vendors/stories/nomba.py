"""One story of a life with Nomba, told chapter by chapter, in which the caller sees nothing but success."""

from __future__ import annotations

from decimal import Decimal

from nombaauth import Balance, NombaClient
from tests.support.vendors.stages import NombaStage as Stage
from tests.support.vendors.stories.telling import life_s

__all__ = ["story", "succeeds"]


async def succeeds(client: NombaClient) -> None:
    """Typed check and plain request, both answered as asked."""
    balance = await client.check()
    assert type(balance) is Balance
    assert (balance.amount, balance.currency) == (Decimal("281946.0"), "NGN")
    async with client.get("/v1/transfers/banks") as response:
        assert response.status == 200
        assert (await response.json())["code"] in {"00", 0}


async def story(stage: Stage) -> list[tuple[int, int, int]]:
    """Live through everything and return the token calls after each chapter."""
    book = []
    first, sandbox, clock = await stage.client(), stage.sandbox, stage.clock

    await succeeds(first)  # sign in
    book.append(stage.calls)

    sandbox.kill_sessions()  # every token dies, the refresh token lives
    await succeeds(first)
    book.append(stage.calls)

    old, ended = await first.token(), stage.ended
    clock.advance(max(life_s(first) - 200, life_s(first) * 0.6))
    assert (await first.token()) is old  # stale: served at once
    await stage.renewals(ended + 1)
    assert not (await first.token()).same_access(old)  # and replaced behind the scenes
    await succeeds(first)
    book.append(stage.calls)

    clock.advance(life_s(first) + 1)  # over
    await succeeds(first)
    book.append(stage.calls)

    sandbox.kill_sessions(kill_refresh=True)  # the refresh is refused: sign in again
    await succeeds(first)
    book.append(stage.calls)

    second = await stage.client()  # one session for both
    await succeeds(second)
    assert (await second.token()).same_access(await first.token())
    book.append(stage.calls)

    sandbox.take_over()  # another process signs in
    clock.advance(5)
    for client in (first, second):
        await succeeds(client)
    book.append(stage.calls)

    await first.revoke()  # a live token
    for client in (second, first):
        await succeeds(client)
    book.append(stage.calls)

    sandbox.kill_sessions()
    await second.revoke()  # a dead one
    await succeeds(first)
    book.append(stage.calls)
    return book
