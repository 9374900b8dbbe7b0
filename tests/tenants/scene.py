"""Thousands of tenants of one service: clients of a pool on one connector, before a vendor that sets cookies."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator, Sequence
from datetime import timedelta
from statistics import median
from typing import TypeAlias

import attrs
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from nauth import ClientPool
from nauth.client import VendorClient
from nauth.clock import Clock, SystemClock
from nauth.stores.base import TokenStore
from nauth.testing import FakeClock
from nombaauth import NombaClient, NombaCredentials
from tests.tenants.vendor import Vendor, rss_mib

__all__ = ["Plan", "Report", "living_clients", "play"]

HOUR = timedelta(hours=1)

WARM_ROUNDS = 2
"""How often each tenant comes before memory is judged. Most bounded tables are full by then: what is remembered of the last
thousand credentials, the pages that a store caches."""

LOADED_LOOK = 23
"""After so many served visits clients and descriptors are counted, while others are under way."""


@attrs.frozen(kw_only=True)
class Plan:
    """How many and how long.

    Attributes:
        tenants: credentials, each with an account of its own.
        visits: requests in all. The first `WARM_ROUNDS` visits of each tenant are the warm-up; the others are drawn by
            chance.
        workers: requests at the same time.
        most: clients that the pool keeps.
        sockets: connections of the one connector.
        hour: what the clock moves in all; with `real`, what it takes after the warm-up, however many visits that is.
        real: whether the clock is the machine's.
        looks: how often memory is looked at after the warm-up, each time between two visits.
        seed: of what is drawn.
        keeps_cookies: whether the session has aiohttp's own jar, which it must not.
    """

    tenants: int
    visits: int
    workers: int = 50
    most: int = 500
    sockets: int = 20
    hour: timedelta = HOUR
    real: bool = False
    looks: int = 40
    seed: int = 1
    keeps_cookies: bool = False

    @property
    def warm(self) -> int:
        """Visits of the warm-up."""
        return min(self.tenants * WARM_ROUNDS, self.visits)


@attrs.define
class Report:
    """What came of it; `words` are those of the first failure of each kind.

    Memory and descriptors are those of the service: the vendor is a process of its own. `rss_mib` is what was resident at
    each look after the warm-up, the first at its end.
    """

    served: int = 0
    failed: Counter[str] = attrs.field(factory=Counter[str])
    words: dict[str, str] = attrs.field(factory=dict[str, str])
    foreign: int = 0
    cookies: int = 0
    sign_ins: int = 0
    renewals: int = 0
    evicted: int = 0
    opened: int = 0
    most_clients: int = 0
    most_descriptors: int = 0
    descriptors_before: int = 0
    rss_before_mib: float = 0.0
    rss_mib: list[float] = attrs.field(factory=list[float])
    vendor_rss_mib: list[float] = attrs.field(factory=list[float])
    objects: list[int] = attrs.field(factory=list[int])

    @property
    def grown_mib(self) -> float:
        """By how much the last third of `rss_mib` is above the first, by their medians."""
        return _grown(self.rss_mib)

    @property
    def allowed_mib(self) -> float:
        """What it may have grown: what the allocators of Python and of C go up and down by themselves."""
        return max(1.0, 0.02 * self.rss_mib[0])

    @property
    def grown_objects(self) -> float:
        """Likewise of the objects that the collector knows: of a leak it sees each, however small."""
        return _grown(self.objects)

    @property
    def allowed_objects(self) -> float:
        """What they may have grown: a bounded table still fills after the warm-up, that of refused tokens."""
        return 1_000 + 0.05 * self.served


def _grown(looks: Sequence[float]) -> float:
    third = max(len(looks) // 3, 1)
    return median(looks[-third:]) - median(looks[:third])


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not read


@contextlib.asynccontextmanager
async def _pool(
    plan: Plan, vendor: Vendor, store: TokenStore, clock: Clock
) -> AsyncGenerator[ClientPool[NombaClient, NombaCredentials]]:
    # a name, not an address: aiohttp keeps no cookies for addresses, so that nothing would be proven
    url = vendor.url.replace("127.0.0.1", "localhost")
    connector = TCPConnector(limit=plan.sockets)
    async with (
        ClientSession(
            connector=connector, cookie_jar=None if plan.keeps_cookies else DummyCookieJar()
        ) as session,
        ClientPool[NombaClient, NombaCredentials](
            lambda key: NombaClient(key, base_url=url, session=session, store=store, clock=clock),
            most=plan.most,
            idle=timedelta(minutes=5),
            clock=clock,
        ) as pool,
    ):
        yield pool


def _order(plan: Plan, keys: Sequence[NombaCredentials]) -> Iterator[NombaCredentials]:
    """Let each tenant come as often as the warm-up wants, in any order, and then whichever chance draws, without end."""
    drawn = random.Random(plan.seed)
    warm = itertools.chain.from_iterable(drawn.sample(keys, k=len(keys)) for _ in range(WARM_ROUNDS))
    return itertools.chain(warm, (drawn.choice(keys) for _ in itertools.count()))


def _parts(plan: Plan, order: Iterator[NombaCredentials]) -> Iterator[Iterator[NombaCredentials]]:
    """Cut what comes after the warm-up into as many parts as there are looks."""
    visits = plan.visits - plan.warm
    for part in range(plan.looks):
        if plan.real:
            yield _lasting(order, plan.hour.total_seconds() / plan.looks)
        else:
            yield itertools.islice(order, visits * (part + 1) // plan.looks - visits * part // plan.looks)


def _lasting(order: Iterator[NombaCredentials], seconds: float) -> Iterator[NombaCredentials]:
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        yield next(order)


Pool: TypeAlias = ClientPool[NombaClient, NombaCredentials]


@attrs.define
class _Scene:
    plan: Plan
    vendor: Vendor
    clock: FakeClock | SystemClock
    pool: Pool
    report: Report

    async def crowd(self, keys: Iterator[NombaCredentials]) -> None:
        """Let the tenants of `keys` come, as many at a time as there are workers."""
        async with asyncio.TaskGroup() as group:
            for _ in range(self.plan.workers):
                group.create_task(self._worker(keys))

    async def _worker(self, keys: Iterator[NombaCredentials]) -> None:
        report, step_s = self.report, self.plan.hour.total_seconds() / self.plan.visits
        for key in keys:
            await self._visit(key)
            if isinstance(self.clock, FakeClock):
                self.clock.advance(step_s)
                self.vendor.advance(step_s)
            if report.served % LOADED_LOOK == 0:
                report.most_clients = max(report.most_clients, len(self.pool))
                descriptors = await asyncio.to_thread(_descriptors)
                report.most_descriptors = max(report.most_descriptors, descriptors)

    async def _visit(self, key: NombaCredentials) -> None:
        report = self.report
        try:
            async with self.pool.client(key) as nomba:
                reply = await nomba.call("GET", "/v1/mine", dict[str, str])
        except Exception as error:  # noqa: BLE001 - counted: one failure ends no run
            report.failed[type(error).__name__] += 1
            report.words.setdefault(type(error).__name__, f"{error} (cause: {error.__cause__!r})")
            return
        report.served += 1
        report.foreign += reply.data["account"] != key.account_id

    async def look(self) -> None:
        """Count, between two visits: what is held now is held for later."""
        report = self.report
        closing = [task for task in asyncio.all_tasks() if "pool close" in task.get_name()]
        await asyncio.gather(*closing)
        del closing
        gc.collect()
        report.objects.append(len(gc.get_objects()))
        report.rss_mib.append(await asyncio.to_thread(rss_mib))
        # the vendor's journal is emptied, too
        counts = await self.vendor.look()
        report.sign_ins, report.renewals, report.cookies = counts.sign_ins, counts.renewals, counts.cookies
        report.vendor_rss_mib.append(counts.rss_mib)


async def play(plan: Plan, vendor: Vendor, store: TokenStore, clock: FakeClock | SystemClock) -> Report:
    """Let the tenants come and go for `plan.hour` of the clock, which is the vendor's too."""
    report, order = Report(), _order(plan, vendor.keys)
    report.descriptors_before = await asyncio.to_thread(_descriptors)
    report.rss_before_mib = await asyncio.to_thread(rss_mib)
    async with _pool(plan, vendor, store, clock) as pool:
        scene = _Scene(plan, vendor, clock, pool, report)
        for keys in itertools.chain([itertools.islice(order, plan.warm)], _parts(plan, order)):
            await scene.crowd(keys)
            await scene.look()
        report.evicted, report.opened = pool.stats.evicted, pool.stats.opened
    return report


def living_clients() -> int:
    """Count the clients that the process still holds."""
    gc.collect()
    return sum(isinstance(one, VendorClient) for one in gc.get_objects())
