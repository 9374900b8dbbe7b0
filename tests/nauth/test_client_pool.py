"""`ClientPool`: opens once, lends, closes what is idle, and never what is in use."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nauth import client_pool
from nauth.client_pool import ClientPool, PoolStats
from nauth.errors import ClosedError, ConfigurationError, NauthError, VendorUnavailableError
from nauth.testing import FakeClock
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox
from tests.support.loops import all_blocked


class _Client:
    def __init__(self, key: str) -> None:
        self.key = key
        self.closed = 0

    async def aclose(self) -> None:
        self.closed += 1


async def test_lends_and_keeps() -> None:
    """The same key is the same client, and is closed with the pool."""
    async with ClientPool(_Client) as pool:
        async with pool.client("a") as first, pool.client("a") as second, pool.client("b") as other:
            assert first is second
            assert other is not first
            assert pool.stats == PoolStats(open=2, in_use=2, opened=2, evicted=0)
        async with pool.client("a") as third:
            assert third is first
        assert repr(pool) == "<ClientPool: 2 open>"
    assert (first.closed, other.closed) == (1, 1)
    with pytest.raises(ClosedError):
        async with pool.client("a"):
            raise AssertionError
    await pool.aclose()
    assert first.closed == 1


async def test_opens_once() -> None:
    """Of visits at the same time one opens; a cancelled one takes the client from no other visit."""
    gate, calls = asyncio.Event(), 0

    async def open_slowly(key: str) -> _Client:
        nonlocal calls
        calls += 1
        await gate.wait()
        return _Client(key)

    pool = ClientPool(open_slowly)

    async def visit() -> _Client:
        async with pool.client("a") as client:
            return client

    visits = [asyncio.create_task(visit()) for _ in range(10)]
    await all_blocked()
    visits[0].cancel()
    await all_blocked()
    gate.set()
    found = await asyncio.gather(*visits[1:])
    assert len(set(map(id, found))) == 1
    assert calls == 1
    await pool.aclose()


@pytest.mark.parametrize("error", [NauthError("the secrets manager is down"), KeyError("tenant")])
async def test_a_failure_is_not_remembered(error: Exception) -> None:
    """All visits that waited get the error; the next one tries again."""
    errors = [error]

    def open_or_fail(key: str) -> _Client:
        if errors:
            raise errors.pop()
        return _Client(key)

    pool = ClientPool(open_or_fail)
    with pytest.raises(type(error)):
        async with pool.client("a"):
            raise AssertionError
    async with pool.client("a") as client:
        assert client.key == "a"
    await pool.aclose()


async def test_idle_clients_leave() -> None:
    """A client that was not used for the idle time is closed at a later visit of another."""
    clock = FakeClock()
    pool = ClientPool(_Client, idle=timedelta(minutes=10), clock=clock)
    async with pool.client("a") as old:
        pass
    clock.advance(timedelta(minutes=9))
    async with pool.client("b"):
        pass
    assert len(pool) == 2
    clock.advance(timedelta(minutes=2))
    async with pool.client("c"):
        pass
    await all_blocked()
    assert old.closed == 1
    assert pool.stats == PoolStats(open=2, in_use=0, opened=3, evicted=1)
    await pool.aclose()


async def test_none_in_use_is_closed() -> None:
    """Beyond `most` the one used longest ago goes, but never one in use: the pool grows then."""
    pool = ClientPool(_Client, most=1)
    async with pool.client("a") as first, pool.client("b") as second:
        async with pool.client("c") as third:
            assert len(pool) == 3
        await all_blocked()
        assert (first.closed, second.closed, third.closed) == (0, 0, 1)
    await all_blocked()
    assert len(pool) == 1
    await pool.aclose()


async def _all_cancelled() -> list[asyncio.Task[object]]:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    return others


@pytest.mark.parametrize("turns", range(5))
async def test_all_is_cancelled_while_a_client_is_opened(turns: int) -> None:
    """The loop goes on after it cancelled all tasks, even before the opening's first step: the next visit opens anew."""
    gate = asyncio.Event()

    async def open_slowly(key: str) -> _Client:
        await gate.wait()
        return _Client(key)

    pool = ClientPool(open_slowly)

    async def visit() -> _Client:
        async with pool.client("a") as client:
            return client

    visitor = asyncio.create_task(visit())
    for _ in range(turns):
        await asyncio.sleep(0)
    others = await _all_cancelled()
    next_one = asyncio.create_task(visit())
    await asyncio.gather(*others, return_exceptions=True)
    assert visitor.cancelled()
    gate.set()
    async with asyncio.timeout(5):
        assert (await next_one).key == "a"
        await pool.aclose()
    assert next_one.result().closed == 1


async def test_an_opening_that_was_cut_off_is_told_to_its_visitors() -> None:
    """A visitor that was not cancelled itself gets a typed error, and does not wait for ever."""

    async def never_opens(key: str) -> _Client:
        await asyncio.Event().wait()
        return _Client(key)

    pool = ClientPool(never_opens)

    async def visit() -> None:
        async with pool.client("a"):
            raise AssertionError

    visitor = asyncio.create_task(visit())
    await all_blocked()
    for task in asyncio.all_tasks() - {visitor, asyncio.current_task()}:
        task.cancel()
    with pytest.raises(VendorUnavailableError, match="ask the pool again"):
        async with asyncio.timeout(5):
            await visitor
    assert not len(pool)
    await pool.aclose()


async def test_closing_does_not_wait_for_ever_for_what_is_being_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A client that fails to open after its pool was closed fails its visitor, and disturbs no other."""
    monkeypatch.setattr(client_pool, "_DRAIN", timedelta(milliseconds=1))
    gate = asyncio.Event()

    async def open_too_late(key: str) -> _Client:
        await gate.wait()
        raise NauthError("too late")

    pool = ClientPool(open_too_late)

    async def visit() -> None:
        async with pool.client("a"):
            raise AssertionError

    visitor = asyncio.create_task(visit())
    await all_blocked()
    closing = asyncio.create_task(pool.aclose())
    while len(pool):  # noqa: ASYNC110 - until a deadline of a millisecond has passed
        await asyncio.sleep(0)
    gate.set()
    with pytest.raises(NauthError, match="too late"):
        await visitor
    await closing


async def test_closing_waits_for_users() -> None:
    """Closing the pool waits for who uses a client, for ten seconds at most, and for what is being opened."""
    pool = ClientPool(_Client)
    gate = asyncio.Event()

    async def use() -> int:
        async with pool.client("a") as client:
            await gate.wait()
            return client.closed

    user = asyncio.create_task(use())
    await all_blocked()
    closing = asyncio.create_task(pool.aclose())
    await all_blocked()
    assert not closing.done()
    gate.set()
    assert await user == 0
    await closing


async def test_a_visit_does_not_look_at_all() -> None:
    """Eviction is spread over visits: none looks at more than a few clients."""
    clock = FakeClock()
    pool = ClientPool(_Client, clock=clock, idle=timedelta(seconds=1))
    for number in range(100):
        async with pool.client(str(number)):
            pass
    clock.advance(5)
    async with pool.client("one more"):
        pass
    assert pool.stats.evicted == 8
    await pool.aclose()


@pytest.mark.parametrize("options", [{"most": 0}, {"idle": timedelta(seconds=-1)}])
def test_wrong_settings(options: dict[str, object]) -> None:
    """A pool for no client, or with a negative time, is refused."""
    with pytest.raises(ConfigurationError):
        ClientPool(_Client, **options)  # type: ignore[arg-type]


def _pool_on(sandbox: NombaSandbox) -> ClientPool[NombaClient, NombaCredentials]:
    def opened(key: NombaCredentials) -> NombaClient:
        return NombaClient(key, base_url=sandbox.base_url)

    return ClientPool(opened, most=1)


async def test_eviction_costs_no_sign_in() -> None:
    """A client that was evicted comes back with the token of the store; a request under pressure is not cut."""
    async with (
        NombaSandbox() as sandbox,
        _pool_on(sandbox) as pool,
    ):
        tenants = [sandbox.credentials, sandbox.second_credentials]

        async def visit(number: int) -> None:
            async with (
                pool.client(tenants[number % 2]) as client,
                client.get("/v1/transfers/banks") as response,
            ):
                assert response.status == 200

        await asyncio.gather(*(visit(number) for number in range(20)))
        for number in range(6):
            await visit(number)
        assert pool.stats.evicted >= 5
        sandbox.assert_called("issue", times=2)
