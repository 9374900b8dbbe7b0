"""Everything that can be asked of a manager, stopped at every await point in turn, and at every turn of the renewal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from nauth.errors import CredentialsRejectedError, StoreError, VendorUnavailableError
from tests.cancellation.kit import StageMaker, every_task, every_way, turn
from tests.cancellation.world import World
from tests.support.authenticator import HOUR, made
from tests.support.cancel_everywhere import MOMENTS, Act, Report, Way, in_loop, sweep
from tests.support.manager import KEY

_STALE = timedelta(seconds=3550)
"""An age at which a token of an hour still serves and is renewed."""
_COOLDOWN_S = 11.0


def _play(
    work: Callable[[World], Coroutine[Any, Any, object]],
    *,
    before: Callable[[World], Awaitable[object]] | None = None,
    then: tuple[str, ...],
    serves: str,
    raises: type[Exception] | None = None,
    closes: bool = False,
    beside: bool = False,
) -> StageMaker:
    """Return the stage of one thing that can be asked of a manager.

    Args:
        work: what is stopped.
        before: what happened until then.
        then: every call that the vendor has got once the next caller has its token.
        serves: the token of that caller.
        raises: what the work raises if it is not stopped.
        closes: the next caller comes to a new manager on the same store.
        beside: another caller waits for the same outcome, and is not stopped.
    """

    @asynccontextmanager
    async def stage() -> AsyncGenerator[Act]:
        world = World()
        if before is not None:
            await before(world)
        others: list[asyncio.Task[str]] = []

        def run() -> Coroutine[Any, Any, object]:
            if beside:
                others.append(asyncio.get_running_loop().create_task(world.name(), name="another caller"))
            return work(world)

        async def after(report: Report) -> None:
            flight = world.manager._loops.here().flight
            assert flight is None or len(flight) == sum(not task.done() for task in others)
            await world.quiet()
            assert {task.result() for task in others} <= {serves}
            if report.ended == "raised":
                assert type(report.error) is raises
            else:
                assert report.struck or raises is None
            assert world.newest in await world.keepers(world.manager) or world.vendor.revoked
            if raises is not None:
                world.clock.advance(_COOLDOWN_S)
            await _next(world)

        async def _next(world: World) -> None:
            if closes:
                await world.manager.aclose()
            heir = world.another() if closes else world.manager
            token = await heir.token()
            assert token.access_token.reveal() == serves
            assert world.vendor.accepts(token)
            assert tuple(world.calls) == then
            await world.quiet(heir)
            assert world.newest in await world.keepers(world.manager, heir)
            await heir.aclose()

        yield Act(work=run, after=after)

    return stage


async def _signed_in(world: World) -> None:
    await world.manager.token()


async def _expired(world: World) -> None:
    await world.manager.token()
    world.clock.advance(HOUR)


async def _stale(world: World) -> None:
    await world.manager.token()
    world.clock.advance(_STALE)


async def _renewing(world: World) -> None:
    await _stale(world)
    await world.manager.token()


async def _refused(world: World) -> None:
    await _expired(world)
    world.vendor.errors.append(CredentialsRejectedError("no"))


async def _vendor_down(world: World) -> None:
    world.vendor.errors.append(VendorUnavailableError("down"))


async def _store_down(world: World) -> None:
    world.store.will("commit", StoreError("down"), StoreError("down"))


async def _depositing(world: World) -> None:
    world.store.will("commit", StoreError("down"))
    await world.manager.token()


async def _looking(world: World) -> None:
    token = await world.manager.token()
    world.manager.refused(token)
    await world.store.plant(KEY, made("t9", refresh="r1"))


async def _sibling_first(world: World) -> None:
    sibling = world.another()
    asyncio.get_running_loop().create_task(sibling.token(), name="sibling").add_done_callback(
        lambda _: sibling
    )
    await turn()


async def _reject(world: World) -> None:
    token = world.manager.current
    assert token is not None
    await world.manager.renew(token)


MANAGER: dict[str, StageMaker] = {
    "token, cold": _play(World.name, then=("issue",), serves="t1"),
    "token, cold, with others": _play(World.name, then=("issue",), serves="t1", beside=True),
    "token, expired": _play(World.name, before=_expired, then=("issue", "refresh r1"), serves="t2"),
    "token, stale": _play(World.name, before=_stale, then=("issue", "refresh r1"), serves="t2"),
    "token, refresh refused": _play(
        World.name, before=_refused, then=("issue", "refresh r1", "issue"), serves="t2", beside=True
    ),
    "token, vendor down": _play(
        World.name, before=_vendor_down, then=("issue", "issue"), serves="t1", raises=VendorUnavailableError
    ),
    "token, store down": _play(World.name, before=_store_down, then=("issue",), serves="t1"),
    "token, sibling signs in": _play(World.name, before=_sibling_first, then=("issue",), serves="t1"),
    "renew": _play(
        lambda world: world.manager.renew(),
        before=_signed_in,
        then=("issue", "refresh r1"),
        serves="t2",
    ),
    "renew, rejected": _play(_reject, before=_signed_in, then=("issue", "refresh r1"), serves="t2"),
    "renew, looking": _play(_reject, before=_looking, then=("issue",), serves="t9"),
    "revoke": _play(
        lambda world: world.manager.revoke(),
        before=_signed_in,
        then=("issue", "revoke t1", "issue"),
        serves="t2",
    ),
    "aclose, idle": _play(
        lambda world: world.manager.aclose(), before=_signed_in, then=("issue",), serves="t1", closes=True
    ),
    "aclose, renewing": _play(
        lambda world: world.manager.aclose(),
        before=_renewing,
        then=("issue", "refresh r1"),
        serves="t2",
        closes=True,
    ),
    "aclose, depositing": _play(
        lambda world: world.manager.aclose(), before=_depositing, then=("issue",), serves="t1", closes=True
    ),
}


@every_task
@every_way
@pytest.mark.parametrize("name", MANAGER)
def test_a_manager_outlives_every_cancellation(name: str, way: Way, eager: bool) -> None:
    """The vendor gets the calls it would have got anyway; what it rotated is held; the next caller is served."""

    async def run() -> int:
        return sum([await sweep(MANAGER[name], way, moment) for moment in MOMENTS])

    count = in_loop(run, eager=eager)
    # a token that is still good is handed out without a single await
    assert count or name in {"token, stale", "aclose, idle"}
