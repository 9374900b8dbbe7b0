"""One story of a life with Noyo, told chapter by chapter, in which the caller sees nothing but success."""

from __future__ import annotations

from noyoauth import GroupsPage, NoyoClient
from tests.support.vendors.stages import NoyoStage as Stage
from tests.support.vendors.stories.telling import life_s

__all__ = ["story", "succeeds"]


async def succeeds(client: NoyoClient) -> None:
    """Typed check and plain request, both answered as asked."""
    page = await client.check()
    assert type(page) is GroupsPage
    assert page.response[0].name == "Sandbox Group"
    async with client.get("/api/v1/groups") as response:
        assert response.status == 200


async def story(stage: Stage) -> list[int]:
    """Live through everything and return the token calls after each chapter."""
    book = []
    sandbox, clock = stage.sandbox, stage.clock
    # with credentials of the day, so that a rotated key is found
    first = await stage.client(lambda: sandbox.credentials)

    await succeeds(first)  # sign in
    book.append(sandbox.committed["token"])

    sandbox.kill_sessions()  # every token dies
    await succeeds(first)
    book.append(sandbox.committed["token"])

    old, ended = await first.token(), stage.ended
    clock.advance(life_s(first) * 0.95)
    assert (await first.token()) is old  # stale: served at once
    await stage.renewals(ended + 1)
    assert not (await first.token()).same_access(old)  # and replaced behind the scenes
    await succeeds(first)
    book.append(sandbox.committed["token"])

    clock.advance(life_s(first) + 1)  # over
    await succeeds(first)
    book.append(sandbox.committed["token"])

    second = await stage.client(lambda: sandbox.credentials)  # one token for both
    await succeeds(second)
    assert (await second.token()).same_access(await first.token())
    book.append(sandbox.committed["token"])

    sandbox.take_over()  # another process signs in, twice
    sandbox.take_over()
    for client in (first, second):
        await succeeds(client)
    book.append(sandbox.committed["token"])

    sandbox.rotate_key()  # an admin replaces the key
    for client in (second, first):
        await succeeds(client)
    await first.renew()
    await succeeds(second)
    book.append(sandbox.committed["token"])

    clock.advance(599)  # whatever was believed: to the end of the documented life, and past it
    await succeeds(first)
    clock.advance(2)
    await succeeds(first)
    assert sandbox.live_tokens >= 1
    return book
