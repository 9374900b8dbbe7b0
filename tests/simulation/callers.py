"""What callers do: ask for tokens, make requests with them, report 401s, lose patience, force, revoke."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

import anyio

from nauth.errors import NauthError
from nauth.token import Token
from tests.simulation.endings import check_recovery
from tests.simulation.loop import is_over

if TYPE_CHECKING:
    from tests.simulation.process import Node

__all__ = ["BEHAVIOURS", "close", "finally_works"]


async def _ask(node: Node, rejected: Token | None = None, *, force: bool = False) -> Token:
    """Ask for a token in the way that the arguments say, under the judge's eyes."""
    judge, manager = node.world.judge, node.manager
    wait = judge.wait_begins(node, rejected, force=force)
    try:
        token = await (manager.renew(rejected) if force or rejected is not None else manager.token())
    except NauthError as error:
        judge.refused_to(wait, error)
        raise
    except BaseException:
        judge.wait_ends(wait)
        raise
    judge.handed(wait, token)
    return token


async def _accepted(node: Node, token: Token) -> bool:
    """Make a request of the vendor's API."""
    world = node.world
    answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    name = token.access_token.reveal()
    world.scheduler.at(
        world.scheduler.now + world.plan.api_latency_s * world.draw(), _serve, node, name, answer
    )
    return await answer


def _serve(node: Node, name: str, answer: asyncio.Future[bool]) -> None:
    if not answer.done() and not is_over(answer.get_loop()):
        answer.set_result(node.world.vendor.accepts(name))


async def _plain(node: Node, mood: float) -> None:
    """Behave as the middleware does: one replay with another token after a 401."""
    token = await _ask(node)
    if await _accepted(node, token):
        return
    token = await _ask(node, token)
    if not await _accepted(node, token):
        node.world.judge.replay_refused(node)
        node.manager.refused(token)


async def _patient(node: Node, mood: float) -> None:
    """Call again and again, failing or not."""
    for turn in range(3):
        try:
            await _plain(node, mood)
        except NauthError:
            if turn == 2:
                raise
        await node.clock.sleep(mood * (1.0, 20.0, 120.0)[turn])


async def _impatient(node: Node, mood: float) -> None:
    """Give up after a while, as a request's timeout does."""
    try:
        async with asyncio.timeout(mood * mood * 6):
            await _plain(node, mood)
    except TimeoutError:
        node.log("timed out")


async def _scoped(node: Node, mood: float) -> None:
    """Give up after a while, in an anyio scope and among others."""
    with anyio.move_on_after(mood * mood * 6):
        async with asyncio.TaskGroup() as group:
            for _ in range(2):
                group.create_task(_hushed(node, mood), name="in a group")


async def _hushed(node: Node, mood: float) -> None:
    try:
        await _plain(node, mood)
    except NauthError:
        return


async def _cancelled(node: Node, mood: float) -> None:
    """Be cancelled from outside at some moment."""
    task = asyncio.current_task()
    assert task is not None
    timer = asyncio.get_running_loop().call_later(mood * mood * 6, task.cancel)
    try:
        await _plain(node, mood)
    except asyncio.CancelledError:
        node.log("cancelled")
    finally:
        timer.cancel()


async def _force(node: Node, mood: float) -> None:
    """Renew whatever the token's state."""
    await _ask(node, force=True)


async def _reject(node: Node, mood: float) -> None:
    """Report a 401 that has another cause than the token, or one to a request that cannot be repeated."""
    token = await _ask(node)
    if mood < 0.5:
        node.world.judge.hurt("reject")
        node.manager.reject(token)
    else:
        token = await _ask(node, token)
    await _plain(node, mood)


async def _revoke(node: Node, mood: float) -> None:
    """Sign out."""
    node.world.judge.revoking()
    try:
        await node.manager.revoke()
    except NauthError as error:
        node.log(f"could not revoke: {type(error).__name__}")
        raise
    node.world.judge.revoked(node)


async def _visit(node: Node, mood: float) -> None:
    """Open a client for one request, as handlers of requests do, and close it, or forget to."""
    guest = node.process.join()
    try:
        await _plain(guest, mood)
    finally:
        if mood < 0.6:
            node.world.judge.hurt("close")
            try:
                await close(guest)
            finally:
                node.process.part(guest)
        else:
            node.process.part(guest)


async def close(node: Node) -> None:
    """Close the manager."""
    node.closed, node.closes_at = True, min(node.closes_at, node.world.scheduler.now)
    await node.manager.aclose()
    node.world.closed = node.world.scheduler.now
    node.log("closed")


async def finally_works(node: Node) -> None:
    """When all is well again, a token that the vendor accepts must be had within a few attempts."""
    for _ in range(4):
        try:
            token = await _ask(node)
            if await _accepted(node, token):
                return
            token = await _ask(node, token)
            if await _accepted(node, token):
                return
            node.world.judge.replay_refused(node)
            node.manager.refused(token)
        except NauthError as error:
            node.log(f"still refused: {type(error).__name__} {error}")
        await node.clock.sleep(200)
    check_recovery(node)


BEHAVIOURS: dict[str, Callable[[Node, float], Coroutine[Any, Any, None]]] = {
    "plain": _plain,
    "patient": _patient,
    "impatient": _impatient,
    "scoped": _scoped,
    "cancelled": _cancelled,
    "force": _force,
    "reject": _reject,
    "revoke": _revoke,
    "visit": _visit,
}
