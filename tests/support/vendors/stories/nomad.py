"""One story of a life with Nomad Media, told chapter by chapter, in which the caller sees nothing but success."""

from __future__ import annotations

from nomadauth import NomadCheck, NomadClient
from tests.support.vendors.stages import NomadStage as Stage
from tests.support.vendors.stories.telling import life_s

__all__ = ["ages", "story", "succeeds"]


async def succeeds(client: NomadClient) -> None:
    """Typed check and plain request, both answered as asked."""
    assert type(await client.check()) is NomadCheck
    async with client.get("/account/user") as response:
        assert response.status == 200
        body = {name.lower(): value for name, value in (await response.json()).items()}
        assert body["email"] == "svc@example.com"


async def ages(stage: Stage, client: NomadClient) -> None:
    """Let the token grow stale and be replaced behind the scenes; then let it end."""
    old, ended = await client.token(), stage.ended
    stage.clock.advance(max(life_s(client) * 0.8, life_s(client) - 600))
    assert (await client.token()) is old  # stale: served at once
    await stage.renewals(ended + 1)
    assert not (await client.token()).same_access(old)
    await succeeds(client)
    stage.clock.advance(life_s(client) + 1)
    await succeeds(client)


async def story(stage: Stage) -> list[tuple[int, int, int]]:
    """Live through everything and return the token calls after each chapter."""
    book = []
    first, sandbox = await stage.client(), stage.sandbox

    await succeeds(first)  # sign in
    book.append(stage.calls)

    sandbox.kill_sessions()  # every token dies, the refresh token lives
    await succeeds(first)
    book.append(stage.calls)

    await ages(stage, first)
    book.append(stage.calls)

    sandbox.kill_sessions(kill_refresh=True)  # the refresh is refused: sign in again
    await succeeds(first)
    book.append(stage.calls)

    second = await stage.client()  # one session for both
    await succeeds(second)
    assert (await second.token()).same_access(await first.token())
    book.append(stage.calls)

    sandbox.take_over()  # another process signs in
    for client in (first, second):
        await succeeds(client)
    book.append(stage.calls)

    assert (await first.ping()).ping_status is not None  # the session's id is remembered
    await first.logout()  # a live token
    for client in (second, first):
        await succeeds(client)
    book.append(stage.calls)

    sandbox.kill_sessions()
    await second.logout()  # a dead one
    await succeeds(first)
    book.append(stage.calls)
    return book
