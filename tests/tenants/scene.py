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
from collections.abc import AsyncGenerator, Generator, Sequence
from datetime import timedelta
from math import inf
from statistics import median

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
"""How often each tenant comes before memory is judged. Bounded tables are full by then: what was remembered of the last
thousand credentials, the pages that a store caches."""


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
        looks: how often memory and descriptors are looked at after the warm-up.
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
        """What they may have grown: the requests under way at each look are not the same."""
        return 0.02 * self.objects[0]


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


def _order(plan: Plan, keys: Sequence[NombaCredentials]) -> Generator[tuple[int, NombaCredentials]]:
    """Number the visits: each tenant comes as often as the warm-up wants, in any order, and then whichever chance draws."""
    drawn = random.Random(plan.seed)
    warm = itertools.chain.from_iterable(drawn.sample(keys, k=len(keys)) for _ in range(WARM_ROUNDS))
    later = (drawn.choice(keys) for _ in itertools.count())
    yield from zip(
        itertools.count(1) if plan.real else range(1, plan.visits + 1),
        itertools.chain(warm, later),
        strict=False,
    )


@attrs.frozen
class _FakeHour:
    """Time that passes with each visit, here and at the vendor's."""

    plan: Plan
    clock: FakeClock
    vendor: Vendor

    def over(self, visits: int) -> bool:
        """Let time pass."""
        step_s = self.plan.hour.total_seconds() / self.plan.visits
        self.clock.advance(step_s)
        self.vendor.advance(step_s)
        return False


@attrs.define
class _RealMinutes:
    """The machine's time, counted from the end of the warm-up."""

    plan: Plan
    began_s: float = inf

    def over(self, visits: int) -> bool:
        """Say whether the time is over."""
        now_s = time.monotonic()
        if visits == self.plan.warm:
            self.began_s = now_s
        return now_s - self.began_s >= self.plan.hour.total_seconds()


async def play(plan: Plan, vendor: Vendor, store: TokenStore, clock: FakeClock | SystemClock) -> Report:
    """Let the tenants come and go for `plan.hour` of the clock, which is the vendor's too."""
    report = Report()
    every = max((plan.visits - plan.warm) // plan.looks, 1)
    visits = _order(plan, vendor.keys)
    passing = _FakeHour(plan, clock, vendor) if isinstance(clock, FakeClock) else _RealMinutes(plan)
    report.descriptors_before = await asyncio.to_thread(_descriptors)
    report.rss_before_mib = await asyncio.to_thread(rss_mib)

    async def visit(pool: ClientPool[NombaClient, NombaCredentials], key: NombaCredentials) -> None:
        try:
            async with pool.client(key) as nomba:
                reply = await nomba.call("GET", "/v1/mine", dict[str, str])
        except Exception as error:  # noqa: BLE001 - counted: one failure ends no run
            report.failed[type(error).__name__] += 1
            report.words.setdefault(type(error).__name__, f"{error} (cause: {error.__cause__!r})")
            return
        report.served += 1
        report.foreign += reply.data["account"] != key.account_id

    async def worker(pool: ClientPool[NombaClient, NombaCredentials]) -> None:
        for number, key in visits:
            await visit(pool, key)
            if number >= plan.warm and (number - plan.warm) % every == 0:
                await look(pool)
            if passing.over(number):
                visits.close()
                return

    async def look(pool: ClientPool[NombaClient, NombaCredentials]) -> None:
        report.most_clients = max(report.most_clients, len(pool))
        report.most_descriptors = max(report.most_descriptors, await asyncio.to_thread(_descriptors))
        # what awaits the collector is no leak
        gc.collect()
        report.objects.append(len(gc.get_objects()))
        report.rss_mib.append(await asyncio.to_thread(rss_mib))
        # the vendor's journal is emptied, too
        counts = await vendor.look()
        report.sign_ins, report.renewals, report.cookies = counts.sign_ins, counts.renewals, counts.cookies
        report.vendor_rss_mib.append(counts.rss_mib)

    async with _pool(plan, vendor, store, clock) as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.workers):
                group.create_task(worker(pool))
        await look(pool)
        report.evicted, report.opened = pool.stats.evicted, pool.stats.opened
    gc.collect()
    return report


def living_clients() -> int:
    """Count the clients that the process still holds."""
    gc.collect()
    return sum(isinstance(one, VendorClient) for one in gc.get_objects())
