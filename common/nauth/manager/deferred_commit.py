"""Store a token that the store did not take when it was made. Runs only inside the manager's own task."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from nauth.clock import Clock
from nauth.errors import NauthError
from nauth.manager.held_token import HeldToken
from nauth.manager.loop_state import LoopState
from nauth.manager.renewal import Renewal, Renewed
from nauth.owned_tasks import Work, current_work, hidden
from nauth.stores.base import Lease, Record

__all__ = ["commit_until_stored"]

_LEASE = timedelta(seconds=15)
"""Time for reading the record and writing it, each within the store's deadline."""

_AT_LEAST_S = 1.0
"""Pause between two attempts even where the policy's `backoff` is zero: the store is down, after all."""


async def commit_until_stored(
    made: Renewed,
    renewal: Renewal,
    loop_state: LoopState,
    *,
    holding: Callable[[], HeldToken],
    stored: Callable[[Record], None],
    closing: Callable[[], bool],
) -> None:
    """Retry the failed commit of `made` until it succeeds or another token has replaced it.

    Siblings still see the record before it. Where the vendor rotates refresh tokens, theirs is spent, and the one in
    `made` may be the only copy of the one that works.

    Args:
        made: a token that could not be committed, with the version that it was based on.
        renewal: whose store; its policy's `backoff` spaces the attempts.
        loop_state: keeps the sleep between attempts, so that closing can cut them short.
        holding: returns what is held now.
        stored: told of the record, this token's or a newer one, while the lease is still held.
        closing: tells that this attempt must be the last. So it is where the loop ends: it cuts the pause short, and
            what could not be stored then is taken up by the next loop that uses the manager.
    """
    store, failures, work = renewal.store, 0, current_work()
    while made.token.same_access(holding().token):
        failures += 1
        if not work.ending:
            await _rest(
                loop_state, work, renewal.clock, renewal.policy.pause_s(renewal.policy.backoff, failures)
            )
        last = closing() or work.ending
        try:
            if (lease := await store.lease(_LEASE)) is not None:
                collected = False
                try:
                    record = await _attempt(made, renewal, holding, lease)
                    if record is not None:
                        stored(record)  # now: its age is as it was just read
                    return
                except GeneratorExit:
                    collected = True  # the loop was closed under this: nothing can be awaited any more
                    raise
                finally:
                    if not collected:
                        await store.release(lease)
        except NauthError:
            pass
        if last:
            break


async def _rest(loop_state: LoopState, work: Work, clock: Clock, seconds: float) -> None:
    sleep = hidden(asyncio.ensure_future(clock.sleep(max(seconds, _AT_LEAST_S))))
    loop_state.sleeps = (*loop_state.sleeps, sleep)
    work.wake = sleep.cancel
    collected = False
    try:
        await asyncio.wait({sleep})  # unlike `await sleep`, it ends quietly where closing cancels the sleep
    except GeneratorExit:
        collected = True  # the loop was closed under this: nothing can be cancelled there any more
        raise
    finally:
        work.wake = None
        loop_state.sleeps = tuple(other for other in loop_state.sleeps if other is not sleep)
        if not collected:
            sleep.cancel()


async def _attempt(
    made: Renewed, renewal: Renewal, holding: Callable[[], HeldToken], lease: Lease
) -> Record | None:
    record = await renewal.store.load()
    if not made.token.same_access(holding().token):
        return None  # revoked or renewed while this waited for the store
    version, age = 0, timedelta(seconds=renewal.clock.monotonic() - made.asked_at)
    if record is not None:
        version = record.version
        # this very token, of which only the answer was lost
        if record.token.same_access(made.token):
            return record
        # or a sibling has renewed since; but not a token from before this one that the store has taken late
        late = made.supersedes(record.token) or renewal.steps_back(record, holding())
        if version > made.version and not late:
            return record
    return await renewal.store.commit(lease, made.token, expected_version=version, age=age)
