"""What fleets are put through, and the report of what came of it."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterable

import attrs

from tests.multiprocess.counts import Counts
from tests.multiprocess.fleet import Fleet
from tests.multiprocess.vendor import Moment

__all__ = ["ALL_MOMENTS", "Report", "broken", "kills", "lifetimes", "report"]

ALL_MOMENTS: tuple[Moment | None, ...] = ("before", "after", "answered", None)
"""When workers are killed: while they renew, or (None) at any moment."""

_SLACK_S = 5.0
"""What a slow machine may add to the longest wait."""

_SOONEST = 0.6
"""Part of a token's life that `Order.policy` lets pass before it renews."""


@attrs.frozen(kw_only=True)
class Report:
    """The figures of one run.

    Attributes:
        took_s: the run, without the start of its processes.
        issues: tokens made by signing in.
        refreshes: tokens made by refresh token.
        stored: tokens seen in the store by a reader outside.
        lost: tokens made and never stored.
        due: the most renewals that the policy can have asked for in that time.
        reuses: spent refresh tokens that came back to the vendor.
        refusals: requests that the vendor answered 401, by what ailed their token.
        adopted: tokens that a process took over from another.
        counts: of the workers, summed.
        killed: workers killed, and of those the ones during a renewal, by moment.
        recovery_s: the longest time from a kill during a renewal until a new token was stored.
        lease_s: how long a lease holds.
        reads: how many times the store was read from outside.
        unreadable: how many of them failed, by error.
        backwards: how many times the version went back.
        complaints: what workers wrote to standard error.
    """

    took_s: float
    issues: int
    refreshes: int
    stored: int
    lost: int
    due: int
    reuses: int
    refusals: dict[str, int]
    counts: Counts
    killed: dict[str, int]
    recovery_s: float
    lease_s: float
    reads: int
    unreadable: dict[str, int]
    backwards: int
    complaints: list[str]


async def lifetimes(fleet: Fleet, *, processes: int, count: int, skews_s: Iterable[float] = ()) -> Report:
    """Start all at once on nothing, and let `count` lifetimes go by."""
    await fleet.launch(processes, skews_s=skews_s)
    started = time.monotonic()
    await fleet.watcher.wait_for(count + 1)
    await fleet.stop()
    return report(fleet, started)


async def kills(fleet: Fleet, *, processes: int, moments: Iterable[Moment | None]) -> Report:
    """Kill a worker at each of `moments`, replace it and wait until the fleet has renewed before the next."""
    await fleet.launch(processes)
    started = time.monotonic()
    killed, slowest_s = Counter[str](), 0.0
    await fleet.watcher.wait_for(1)
    for moment in moments:
        if moment is None:
            await asyncio.sleep(random.uniform(0, fleet.order.lifetime_s))
            name = random.choice(list(fleet.members))
            fleet.kill(name)
        else:
            name = await fleet.vendor.lay_ambush(moment)
        killed[moment or "anytime"] += 1
        struck = time.monotonic()
        stored = len(fleet.watcher.stored)
        await fleet.replace(name)
        await fleet.watcher.wait_for(stored + 1)
        if moment is not None:
            slowest_s = max(slowest_s, fleet.watcher.stored[stored].at - struck)
    await fleet.stop()
    return report(fleet, started, killed=killed, recovery_s=slowest_s)


def report(
    fleet: Fleet, started: float, *, killed: Counter[str] | None = None, recovery_s: float = 0.0
) -> Report:
    """Put together what vendor, store and workers have counted since `started`."""
    made, vendor, watcher = fleet.vendor.made, fleet.vendor, fleet.watcher
    calls, took_s = Counter(token.call for token in made), time.monotonic() - started
    return Report(
        took_s=took_s,
        issues=calls["issue"],
        refreshes=calls["refresh"],
        stored=len(watcher.stored),
        lost=len(made) - len(watcher.stored),
        due=int(took_s / (fleet.order.lifetime_s * _SOONEST)),
        reuses=vendor.refresh_reuses,
        refusals=dict(vendor.refusals),
        counts=fleet.counts,
        killed=dict(killed or {}),
        recovery_s=recovery_s,
        lease_s=fleet.order.lease_s,
        reads=watcher.loads,
        unreadable=watcher.unreadable,
        backwards=watcher.backwards,
        complaints=fleet.complaints,
    )


def broken(run: Report, *, kernel_frees: bool, old_token_dies: bool) -> list[str]:
    """Name every promise that the run broke.

    Args:
        run: the figures.
        kernel_frees: whether the lease of a killed process ends with it, as SQLite's does.
        old_token_dies: whether requests in flight may meet a 401.
    """
    kills_, counts = sum(run.killed.values()), run.counts
    renewals = run.issues + run.refreshes - 1
    allowed = {"expired", "replaced"} if old_token_dies or kills_ else {"expired"}
    # a busy machine holds a request back beyond its token's end; handing out what has ended would show in each life
    belated = 0 if kills_ else run.refusals.get("expired", 0)
    longest_s = run.lease_s / 2 if kernel_frees else run.lease_s + _SLACK_S
    promises = {
        "no request fails": not counts.failed and (kills_ or counts.requests == counts.ok),
        "one sign-in, and at most one more for each kill": 1 <= run.issues <= 1 + kills_,
        "each token reaches the store, but at most one for each kill": 0 <= run.lost <= kills_,
        "no refresh token comes back, but at most one for each kill": run.reuses <= kills_,
        "one renewal a lifetime, and at most one more for each kill": renewals <= run.due + kills_,
        "no 401 but where the vendor ends tokens": set(run.refusals) <= allowed
        and belated <= counts.requests / 100,
        "the store's record is always readable": not run.unreadable and not run.backwards,
        "no caller waits longer than the lease": max(counts.longest_s, run.recovery_s) < longest_s,
        "nothing is complained of": not run.complaints and not counts.warnings,
        "no renewal fails": kills_ or not counts.quiet + counts.loud,
    }
    return [promise for promise, kept in promises.items() if not kept]
