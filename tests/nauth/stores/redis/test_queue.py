"""Calls of a `RedisStore` that wait for their turn: sent in few exchanges, in order, and never blamed for the queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable
from datetime import timedelta
from typing import Any, Self

import attrs
import pytest
import pytest_asyncio

from nauth.errors import StoreError
from nauth.loop_ref import LoopRef
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.base import Record, StoreKey
from nauth.stores.encrypted import EncryptedStore
from nauth.stores.memory import MemoryStore
from nauth.stores.redis import executor as executors
from nauth.stores.redis import subscription as subscriptions
from nauth.stores.redis.executor import ScriptExecutor
from nauth.stores.redis.scripts import LOAD, RELEASE, allowed, loaded
from nauth.stores.redis.store import RedisLease, RedisStore
from nauth.stores.sqlite.store import SQLiteStore
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY
from tests.support.redis.clients import NOW, SECOND, TIMEOUT, client, lease, put, until, up
from tests.support.redis.servers import Server
from tests.support.tcp_proxy import Proxy


@pytest_asyncio.fixture
async def proxy(valkey: Server) -> AsyncIterator[Proxy]:
    async with Proxy(valkey.port) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def store(proxy: Proxy, prefix: str) -> AsyncIterator[RedisStore]:
    async with RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT) as opened:
        await opened.load(KEY)
        yield opened


@pytest.fixture
def one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls queue behind the first."""
    monkeypatch.setattr(executors, "_AT_ONCE", 1)


def key(number: int) -> StoreKey:
    return attrs.evolve(KEY, identity=str(number))


def work(seconds: float) -> None:
    """Keep the event loop busy."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


async def test_many_cold_keys(valkey: Server, prefix: str) -> None:
    """Hundreds of cold keys on one store all get their token; ten thousand do in `tests.bench.cold_keys`."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        managers = [TokenManager(FakeAuthenticator(), key=key(number), store=store) for number in range(300)]
        await asyncio.gather(*(manager.token() for manager in managers))
        await asyncio.gather(*(manager.aclose() for manager in managers))


async def test_leases_of_other_keys_cost_a_lease_nothing(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds of held leases are not looked through for each further one: that would be quadratic."""
    looks, remaining, gone = 0, RedisLease.remaining, LoopRef.gone

    def counted(taken: RedisLease) -> timedelta:
        nonlocal looks
        looks += 1
        return remaining.__get__(taken)  # type: ignore[no-any-return]  # a property's

    def asked(loop: LoopRef) -> bool:
        nonlocal looks
        looks += 1
        return gone.__get__(loop)  # type: ignore[no-any-return]  # as above

    monkeypatch.setattr(RedisLease, "remaining", property(counted))
    monkeypatch.setattr(LoopRef, "gone", property(asked))
    await asyncio.gather(*(lease(store, key(number)) for number in range(300)))
    assert looks <= 8 * 300


async def test_leases_that_have_ended_are_forgotten(store: RedisStore) -> None:
    """Where many leases end by time, with no commit and no release, the store does not remember them for ever."""
    short = timedelta(milliseconds=1)
    await asyncio.gather(*(store.lease(key(number), short) for number in range(300)))
    await asyncio.gather(*(store.lease(key(number), short) for number in range(300, 600)))
    assert len(store._out) < 600


@pytest.mark.usefixtures("one_worker")
async def test_who_begins_waits_behind_those_who_go_on(
    store: RedisStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reads and commits are sent before leases that were asked for earlier: first renewals end, then others begin."""
    monkeypatch.setattr(executors, "_BATCH", 1)
    held, done = await lease(store), list[str]()
    calls = {
        "read": store.load(KEY),
        "lease": store.lease(key(1), SECOND),
        "another lease": store.lease(key(2), SECOND),
        "commit": store.commit(held, made("a"), expected_version=0, age=NOW),
    }

    async def noted(name: str, call: Awaitable[object]) -> None:
        await call
        done.append(name)

    await asyncio.gather(*(noted(name, call) for name, call in calls.items()))
    assert done == ["read", "commit", "lease", "another lease"]


@pytest.mark.usefixtures("one_worker")
async def test_the_wait_for_a_turn_counts_towards_no_deadline(
    store: RedisStore, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that wait for longer than a deadline until it is their turn are answered."""
    monkeypatch.setattr(executors, "_BATCH", 1)
    proxy.delay_s = 0.02
    began = asyncio.get_running_loop().time()
    await asyncio.gather(*(store.load(key(number)) for number in range(40)))
    assert asyncio.get_running_loop().time() - began > 2 * TIMEOUT.total_seconds()


async def test_few_exchanges(store: RedisStore, proxy: Proxy) -> None:
    """A thousand reads at once go in some dozens of pieces, and each gets its own answer."""
    for number in range(20):
        await put(store, made(str(number)), key(number))
    store._states.here().executor.timeout_s = 20
    passed = proxy.passed
    found = await asyncio.gather(*(store.load(key(number % 25)) for number in range(1000)))
    assert proxy.passed - passed < 100
    for number, record in enumerate(found):
        assert (None if record is None else record.token) == (
            made(str(number % 25)) if number % 25 < 20 else None
        )


async def test_a_busy_event_loop_is_not_the_servers_fault(store: RedisStore) -> None:
    """An answer that arrived while the loop was busy for longer than the deadline is read."""
    loading = asyncio.ensure_future(store.load(KEY))
    await asyncio.sleep(0)
    work(2 * TIMEOUT.total_seconds())
    assert await loading is None


async def test_a_silent_server_is_waited_for_once(store: RedisStore, proxy: Proxy, one_worker: None) -> None:
    """Where the server does not answer at all, those who wait for their turn fail with the first, commits too."""
    taken = await lease(store)
    proxy.hang()
    began = asyncio.get_running_loop().time()
    calls = [asyncio.ensure_future(store.load(key(number))) for number in range(200)]
    calls.append(asyncio.ensure_future(store.commit(taken, made("a"), expected_version=0, age=NOW)))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    took_s = asyncio.get_running_loop().time() - began
    proxy.flow()
    assert {type(outcome) for outcome in outcomes} == {StoreError}
    assert len({id(outcome) for outcome in outcomes}) == 201
    assert took_s < 3 * TIMEOUT.total_seconds()


@pytest.mark.usefixtures("one_worker")
async def test_a_caller_that_gives_up_is_not_sent(
    store: RedisStore, proxy: Proxy, prefix: str, valkey: Server
) -> None:
    """A lease or a read whose caller went before its turn is not asked for; a commit and a release are."""
    held, other = await lease(store, key(1)), await lease(store, key(2))
    executor = store._states.here().executor
    executor.timeout_s = 10
    proxy.hang()
    first = asyncio.ensure_future(store.load(KEY))
    await until(lambda: executor._tasks and not executor._queue)
    calls = (
        store.load(KEY),
        store.lease(key(3), 60 * SECOND),
        executor.ask_all(LOAD, ["a", "b"], read=loaded),
        store.commit(held, made("a"), expected_version=0, age=NOW),
        store.release(other),
    )
    waiting = [asyncio.ensure_future(call) for call in calls]
    await until(lambda: len(executor._queue) + len(executor._last) == 6)
    for call in waiting:
        call.cancel()
    await asyncio.wait(waiting)
    assert [call.outcome.done() for call in executor._queue] == [True] * 3 + [False] * 2
    assert [call.outcome.done() for call in executor._last] == [True]
    proxy.flow()
    await first
    await until(lambda: not executor._tasks)
    assert await store.load(key(1)) is not None
    async with client(valkey.url) as server:
        assert await server.keys(f"{prefix}:*:lease") == []


async def test_a_server_that_forgot_the_scripts(store: RedisStore, valkey: Server) -> None:
    """A server that was restarted gets the scripts again, for many calls at once, too."""
    await put(store, made("a"))
    async with client(valkey.url) as server:
        await server.script_flush()
    found = await asyncio.gather(*(store.load(KEY) for _ in range(100)))
    assert None not in found


async def test_one_call_that_fails(store: RedisStore, prefix: str, valkey: Server) -> None:
    """Of calls in one exchange, that which fails for reasons of its own fails alone."""
    for number in range(3):
        await put(store, made("a"), key(number))
    async with client(valkey.url) as server:
        (first, *_) = await server.keys(f"{prefix}:*:token")
        await server.set(first, "something else")
    calls = (store.load(key(number)) for number in range(3))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Record", "Record", "StoreError"]


async def test_a_token_ages_in_the_queue(store: RedisStore, one_worker: None) -> None:
    """What a commit says of its token's age counts the wait for its turn; a lease begins when it is sent."""
    taken = await lease(store)
    await asyncio.gather(store.load(KEY), store.load(KEY))
    loading = asyncio.ensure_future(store.load(KEY))
    committing = asyncio.ensure_future(store.commit(taken, made("a"), expected_version=0, age=NOW))
    leasing = asyncio.ensure_future(store.lease(key(1), SECOND))
    await asyncio.sleep(0)
    work(0.3)  # all three wait in the queue
    record = await committing
    assert record.age >= timedelta(seconds=0.3)
    granted = await leasing
    assert granted is not None
    assert granted.remaining > timedelta(seconds=0.7)
    await loading


class Bare:
    """A client that can run one command at a time, and whose answers a test gives."""

    def __init__(self) -> None:
        self.answers: list[object] = []
        self.asked = 0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self.asked += 1
        await asyncio.sleep(0)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def aclose(self) -> None:
        pass


class Batch(list[object]):
    """The pipeline of a `Piping`."""

    def __init__(self, client: Piping) -> None:
        super().__init__()
        self.client = client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def execute_command(self, *args: Any) -> None:
        self.append(args)

    async def execute(self, *, raise_on_error: bool) -> list[object]:
        assert not raise_on_error
        self.client.batches.append(len(self))
        return [self.client.answers.pop(0) for _ in self]


class Piping(Bare):
    """One that can pipeline."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []

    def pipeline(self, *, transaction: bool) -> Batch:
        assert not transaction
        return Batch(self)


async def test_a_client_that_cannot_pipeline() -> None:
    """A client of others' making needs `execute_command` alone."""
    bare = Bare()
    bare.answers = [1, 0]
    executor = ScriptExecutor(bare, prefix="p", timeout_s=5)
    assert await executor.ask_all(RELEASE, ["a", "b"], read=allowed) == [True, False]


async def test_a_node_that_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of calls to several nodes, those whose connection broke are sent once more, and then fail."""
    monkeypatch.setattr(executors, "_PAUSE_S", 0)
    piping = Piping()
    executor = ScriptExecutor(piping, prefix="p", timeout_s=5)
    piping.answers = [1, ConnectionError(), ConnectionError(), 1, ConnectionError()]
    outcomes = await executor.ask_all(RELEASE, ["a", "b", "c"], read=allowed)
    assert outcomes[:2] == [True, True]
    assert isinstance(outcomes[2], StoreError)
    assert "cannot be reached" in str(outcomes[2])
    assert piping.batches == [3, 2]


async def test_closed_while_calls_wait(store: RedisStore, proxy: Proxy, one_worker: None) -> None:
    """A store that is closed while the server hangs leaves no caller waiting for ever."""
    proxy.hang()
    calls = [asyncio.ensure_future(store.load(key(number))) for number in range(100)]
    await asyncio.sleep(0)
    executor = store._states.here().executor
    executor.timeout_s *= 4  # of the exchange: closing gives up first
    await asyncio.sleep(0.05)
    executor.timeout_s /= 8
    await store.aclose()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    proxy.flow()
    assert {str(outcome)[:25] for outcome in outcomes} == {"this RedisStore was close"}


async def test_news_that_cannot_be_read(
    store: RedisStore, prefix: str, valkey: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that another program has written is tried a few times and then left; other news goes on."""
    monkeypatch.setattr(subscriptions, "_SAFETY_S", 0.01)
    heard: list[Record | None] = []
    store.subscribe(KEY, heard.append)
    store.subscribe(key(1), heard.append)
    await put(store, made("a"))
    await until(lambda: len(heard) == 1)
    subscription = store._states.here().subscription
    async with client(valkey.url) as server:
        (name,) = await server.keys(f"{prefix}:*:token")
        await server.hset(name, "token", "not ours")
        digest = next(iter(store._states.subscribers._topics))
        await server.publish(f"{prefix}:changes", f"committed {digest}")
        await put(store, made("b"), key(1))
        await until(lambda: len(heard) == 2)
        await until(lambda: subscription._telling is not None and subscription._telling.done())
    assert subscription._news == {}
    assert up(store)()


@pytest.mark.parametrize(
    "store, queues",
    [
        (MemoryStore(), False),
        (SQLiteStore("tokens.db"), True),
        (RedisStore("redis://"), True),
        (EncryptedStore(RedisStore("redis://"), {"k": Secret("A" * 43 + "=")}), True),
        (EncryptedStore(MemoryStore(), {"k": Secret("A" * 43 + "=")}), False),
    ],
    ids=lambda one: str(one)[:30],
)
def test_which_stores_queue(store: object, queues: bool) -> None:
    """Stores with a queue of their own say so, through an `EncryptedStore` as well."""
    assert getattr(store, "queues", False) is queues
