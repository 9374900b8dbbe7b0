"""What a `RedisStore` leaves behind: nothing, however its loop, its process or its owner ends."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import warnings

import attrs
import pytest

from nauth.stores.base import Record
from nauth.stores.redis.scripts import LOAD
from nauth.stores.redis.store import RedisStore, _digest
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.redis.clients import lease, put, until
from tests.support.redis.servers import Server

_PROGRAM = """
import asyncio, gc, sys
from datetime import timedelta
from nauth.secret import Secret
from nauth.stores import StoreKey
from nauth.stores.redis import RedisStore
from nauth.token import Token

KEY = StoreKey(vendor="v", base_url="https://localhost", identity=sys.argv[2])
store = RedisStore(sys.argv[1])

async def use():
    store.subscribe(KEY, print)
    lease = await store.lease(KEY, timedelta(seconds=9))
    waiting = asyncio.create_task(store.changed(KEY, timeout=timedelta(hours=1)))
    await asyncio.sleep(0.1)
    asyncio.create_task(store.lease(KEY, timedelta(seconds=9)))

asyncio.run(use(), debug=True)
{again}
gc.collect()
print("done")
"""


@pytest.mark.parametrize("again", ["", "del store"])
@pytest.mark.slow
def test_a_loop_that_ends(valkey: Server, prefix: str, again: str) -> None:
    """A loop that ends with waiters, a subscription and a request under way ends without a complaint."""
    program = textwrap.dedent(_PROGRAM).format(again=again)
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-X", "dev", "-W", "error", "-c", program, valkey.url, prefix],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    complaints = [line for line in ran.stderr.splitlines() if not line.startswith("Executing")]
    assert (ran.returncode, ran.stdout, complaints) == (0, "done\n", [])


def test_an_exchange_that_begins_at_the_loops_end(valkey: Server, prefix: str) -> None:
    """What a worker sends while the loop shuts its generators down is answered, and asyncio warns of nothing."""
    store, found = RedisStore(valkey.url, prefix=prefix), list[Record | None]()

    async def late() -> None:
        loop = asyncio.get_running_loop()
        while not loop._asyncgens_shutdown_called:  # type: ignore[attr-defined]  # noqa: ASYNC110 - asyncio tells of it nowhere
            await asyncio.sleep(0)
        found.append(
            await store._states._table[loop].executor.ask(LOAD, _digest(KEY), read=lambda _, __: None)
        )

    async def main() -> None:
        await store.load(KEY)
        store._states.here().executor.own(late())

    asyncio.run(main())
    assert found == [None]


async def test_closing_and_going_on(valkey: Server, prefix: str) -> None:
    """Closing twice is harmless, and a closed store that is used again connects again."""
    store = RedisStore(valkey.url, prefix=prefix)
    await store.aclose()
    await put(store, made("a"))
    await store.aclose()
    await store.aclose()
    assert await store.load(KEY) is not None
    await store.aclose()
    assert "0 event loops" in repr(store)


async def test_left_open(valkey: Server, prefix: str) -> None:
    """A store that is dropped without being closed says so, once, and closes its connections."""
    store: RedisStore | None = RedisStore(valkey.url, prefix=prefix)
    assert store is not None
    store.subscribe(KEY, print)
    await put(store, made("a"))
    state = store._states.here()
    await until(lambda: state.subscription._up)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store = None
        gc.collect()
    assert [str(one.message)[:20] for one in caught] == ["unclosed <RedisStore"]
    await until(lambda: state.subscription._reader is not None and state.subscription._reader.done())
    pool = state.executor.client.connection_pool  # type: ignore[attr-defined]  # redis-py's
    await until(lambda: not any(one.is_connected for one in pool._available_connections))
    await asyncio.sleep(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()


def test_a_loop_that_was_closed_behind_our_back(valkey: Server, prefix: str) -> None:
    """A loop closed without its shutdown is forgotten, and its state does not stand in the way."""
    store = RedisStore(valkey.url, prefix=prefix)
    loop = asyncio.new_event_loop()

    async def make() -> None:
        store._states.here()

    loop.run_until_complete(make())
    loop.close()
    asyncio.run(put(store, made("a")))
    assert loop not in store._states._table


def test_dropped_while_its_loop_closes(valkey: Server, prefix: str) -> None:
    """A loop that is closed in the moment of the warning does no harm."""
    store = RedisStore(valkey.url, prefix=prefix)

    async def make() -> None:
        store._states.here()

    class Closing(asyncio.SelectorEventLoop):
        def call_soon_threadsafe(self, *args: object, **options: object) -> asyncio.Handle:
            raise RuntimeError("Event loop is closed")

    loop = Closing()
    loop.run_until_complete(make())
    (state,) = store._states._table.values()
    assert state.abandon()
    store._states._table.clear()
    loop.run_until_complete(state.aclose())
    loop.close()


def test_unfinished() -> None:
    """A store whose making failed is dropped without a word."""
    gc.collect()
    RedisStore.__new__(RedisStore)
    gc.collect()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_fork(valkey: Server, prefix: str) -> None:
    """A forked child makes connections of its own and leaves its parent's alone."""
    store = RedisStore(valkey.url, prefix=prefix)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(put(store, made("parent")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that other threads are not copied
        child = os.fork()
    if not child:
        code = 1
        try:
            asyncio.get_event_loop_policy().set_event_loop(None)
            asyncio._set_running_loop(None)
            asyncio.run(put(store, made("child")))
            assert not store._states.abandon()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status == 0
    record = loop.run_until_complete(store.load(KEY))
    assert record is not None
    assert record.token == made("child")
    loop.run_until_complete(lease(store))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


async def test_another_process(valkey: Server, prefix: str) -> None:
    """What was made in another process is left alone and made anew."""
    async with RedisStore(valkey.url, prefix=prefix) as store:
        parents = store._states.here()
        store._states._pid = 0
        assert not store._states.abandon()
        assert store._states.here() is not parents
        assert not parents.closed
        await put(store, made("a"))
        await parents.aclose()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
def test_a_lease_of_a_closed_loop_is_given_back(valkey: Server, prefix: str) -> None:
    """What a closed loop of this process held is free for the next one, of whichever key that asks first."""
    store = RedisStore(valkey.url, prefix=prefix)
    with asyncio.Runner() as first:
        first.run(lease(store))

    async def asks() -> None:
        await lease(store, attrs.evolve(KEY, identity="another"))
        await lease(store)
        await store.aclose()

    asyncio.run(asks())
