"""A process that uses a `SQLiteStore`, for tests that kill it: `python -P sqlite_child.py PATH DEED [NUMBER]`.

It speaks in lines: says "ready" when it stands where the test wants it, and reads a line before it goes on.
"""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from math import inf

import attrs

from nauth.secret import Secret
from nauth.stores import Lease, SQLiteStore, StoreKey
from nauth.token import Token

KEY = StoreKey(vendor="v", base_url="https://127.0.0.1", identity="i")
HOUR = timedelta(hours=1)
NOW = timedelta(0)


def say(word: str) -> None:
    """Tell the test."""
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def hear() -> str:
    """Wait for the test."""
    return sys.stdin.readline().strip()


async def increment(store: SQLiteStore, times: float) -> None:
    """Count the record's number up, once for each lease."""
    while times > 0:
        lease = await store.lease(KEY, HOUR)
        if lease is None:
            await store.changed(KEY, timeout=HOUR)
            continue
        record = await store.load(KEY)
        count, version = (
            (0, 0) if record is None else (int(record.token.access_token.reveal()), record.version)
        )
        token = Token(access_token=Secret(str(count + 1)), lifetime=HOUR)
        await store.commit(lease, token, expected_version=version, age=NOW)
        times -= 1


async def act(path: str, deed: str, times: float) -> None:
    """Do what the test asked for."""
    store = SQLiteStore(path)
    if deed == "increment":
        say("ready")
        hear()
        await increment(store, times)
        await store.aclose()
        return
    await increment(store, 1)
    if deed == "forever":
        say("ready")
        await increment(store, inf)
    assert await store.lease(KEY, HOUR)
    say("ready")
    if deed == "hold":
        hear()
    # "leave" ends without a word


def fork(path: str) -> None:
    """Fork while a lease is held; what the child does with the store must not touch the parent's lease."""
    store = SQLiteStore(path)
    lease = asyncio.run(store.lease(KEY, HOUR))
    assert lease is not None
    child = os.fork()
    if child == 0:
        asyncio.run(inherit(store, lease))
        return
    say(str(os.waitpid(child, 0)[1]))
    hear()
    token = Token(access_token=Secret("parent"), lifetime=HOUR)
    asyncio.run(store.commit(lease, token, expected_version=0, age=NOW))
    asyncio.run(store.aclose())


async def inherit(store: SQLiteStore, lease: Lease) -> None:
    """Use a store that a fork has brought along, as a stranger to the parent."""
    for _ in range(2):
        assert await store.lease(KEY, HOUR) is None
        await store.release(lease)
    other = attrs.evolve(KEY, identity="other")
    theirs = await store.lease(other, HOUR)
    assert theirs is not None
    token = Token(access_token=Secret("child"), lifetime=HOUR)
    await store.commit(theirs, token, expected_version=0, age=NOW)
    await store.aclose()


def fork_often(path: str, times: float) -> None:
    """Fork while the store's thread is at work; no child may hang on a lock that the thread held."""
    store, over = SQLiteStore(path), False

    async def work() -> None:
        while not over:
            await store.load(KEY)

    with ThreadPoolExecutor(1) as pool:
        asyncio.run(increment(store, 1))
        running = pool.submit(asyncio.run, work())
        for _ in range(int(times)):
            child = os.fork()
            if child == 0:
                record = asyncio.run(store.load(KEY))
                os._exit(0 if record is not None else 1)
            assert os.waitpid(child, 0)[1] == 0
        over = True
        running.result()
    say("done")


if __name__ == "__main__":
    where, what = sys.argv[1:3]
    how_often = float(sys.argv[3]) if len(sys.argv) > 3 else 0
    if what == "fork":
        fork(where)
    elif what == "fork often":
        fork_often(where, how_often)
    else:
        asyncio.run(act(where, what, how_often))
