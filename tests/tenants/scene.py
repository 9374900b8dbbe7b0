"""Thousands of tenants of one service: clients of a pool on one connector, beside a vendor that sets cookies."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import random
from collections import Counter
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

import attrs
from aiohttp import ClientSession, DummyCookieJar, TCPConnector, web

from nauth import ClientPool
from nauth.client import VendorClient
from nauth.stores.base import TokenStore
from nauth.testing import FakeClock
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox

__all__ = ["Plan", "Report", "play"]

HOUR = timedelta(hours=1)


@attrs.frozen(kw_only=True)
class Plan:
    """How many and how long.

    Attributes:
        tenants: credentials, each with an account of its own.
        visits: requests in all, by tenants drawn by chance.
        workers: requests at the same time.
        most: clients that the pool keeps.
        sockets: connections of the one connector.
        hour: what the clock moves in all.
        seed: of what is drawn.
        keeps_cookies: whether the session has aiohttp's own jar, which it must not.
    """

    tenants: int
    visits: int
    workers: int = 50
    most: int = 500
    sockets: int = 20
    hour: timedelta = HOUR
    seed: int = 1
    keeps_cookies: bool = False


@attrs.define
class Report:
    """What came of it; `words` are those of the first failure of each kind. Memory and descriptors are of the whole process, the sandbox included."""

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
    rss_mib: list[float] = attrs.field(factory=list[float])


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not read


def _rss_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class _Vendor:
    """The sandbox, an endpoint that sets a cookie for each account, and a count of the cookies that come back."""

    def __init__(self, sandbox: NombaSandbox) -> None:
        self.cookies = 0
        self.sandbox = sandbox
        sandbox.answer("GET", "/v1/mine", self._mine)

    def _mine(self, request: web.Request) -> web.Response:
        account = request.headers["accountId"]
        self.cookies += len(request.cookies)
        response = self.sandbox.success({"account": account})
        response.set_cookie("tenant", account)
        return response


@contextlib.asynccontextmanager
async def _pool(
    plan: Plan, sandbox: NombaSandbox, store: TokenStore, clock: FakeClock
) -> AsyncGenerator[ClientPool[NombaClient, NombaCredentials]]:
    # a name, not an address: aiohttp keeps no cookies for addresses, so that nothing would be proven
    url = sandbox.base_url.replace("127.0.0.1", "localhost")
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


async def play(plan: Plan, sandbox: NombaSandbox, store: TokenStore, clock: FakeClock) -> Report:
    """Let the tenants come and go for `plan.hour` of the clock; `sandbox` runs in a thread and counts on `clock`."""
    report, drawn = Report(), random.Random(plan.seed)
    vendor = _Vendor(sandbox)
    keys = [sandbox.add_credentials(account_id=f"account-{number}") for number in range(plan.tenants)]
    # each at least once, the others by chance
    order = [*keys, *drawn.choices(keys, k=plan.visits - len(keys))]
    drawn.shuffle(order)
    step_s = plan.hour.total_seconds() / plan.visits
    visits = iter(order)
    report.descriptors_before = await asyncio.to_thread(_descriptors)

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
        for key in visits:
            await visit(pool, key)
            clock.advance(step_s)
            if report.served % max(plan.visits // 20, 1) == 0:
                await look(pool)

    async def look(pool: ClientPool[NombaClient, NombaCredentials]) -> None:
        sandbox.log.clear()
        report.most_clients = max(report.most_clients, len(pool))
        report.most_descriptors = max(report.most_descriptors, await asyncio.to_thread(_descriptors))
        report.rss_mib.append(await asyncio.to_thread(_rss_mib))

    async with _pool(plan, sandbox, store, clock) as pool:
        async with asyncio.TaskGroup() as group:
            for _ in range(plan.workers):
                group.create_task(worker(pool))
        await look(pool)
        report.evicted, report.opened = pool.stats.evicted, pool.stats.opened
    gc.collect()
    report.sign_ins, report.renewals = sandbox.requests["issue"], sandbox.requests["refresh"]
    report.cookies = vendor.cookies
    return report


def living_clients() -> int:
    """Count the clients that the process still holds."""
    gc.collect()
    return sum(isinstance(one, VendorClient) for one in gc.get_objects())
