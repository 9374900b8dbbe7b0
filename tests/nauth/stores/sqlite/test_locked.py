"""An `SQLiteStore` whose file another process keeps locked: callers, closing, exit and forks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import Future
from pathlib import Path

import attrs
import pytest

from nauth.errors import StoreError
from nauth.stores.base import StoreKey
from nauth.stores.sqlite import schema, thread
from nauth.stores.sqlite.files import BusyError
from nauth.stores.sqlite.store import SQLiteStore
from nauth.stores.sqlite.thread import CLOSE_S, JobThread
from tests.support.authenticator import made
from tests.support.manager import KEY
from tests.support.sqlite.files import LONG, NOW, Shelf, held, outside

SLACK_S = 1.0
"""What a busy machine may add to a bound."""


@contextlib.contextmanager
def locked(path: Path) -> Generator[sqlite3.Connection]:
    """Keep the file locked as a tool or a process that hangs does."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as db:
        db.execute("BEGIN EXCLUSIVE")
        yield db


@contextlib.asynccontextmanager
async def lock(shelf: Shelf) -> AsyncGenerator[None]:
    stack = contextlib.ExitStack()
    await outside(stack.enter_context, locked(shelf.path))
    try:
        yield
    finally:
        await outside(stack.close)


def identity(number: int) -> StoreKey:
    return attrs.evolve(KEY, identity=str(number))


async def test_all_wait_at_the_same_time(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty callers of a locked store fail after one wait, not after forty in a row."""
    monkeypatch.setattr(thread, "BUSY_S", 0.3)
    store = shelf.open()
    await store.load(KEY)
    async with lock(shelf):
        began = time.monotonic()
        calls = (store.lease(identity(number), LONG) for number in range(40))
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        took_s = time.monotonic() - began
    assert [type(outcome) for outcome in outcomes] == [StoreError] * 40
    assert "SQLITE_BUSY" in str(outcomes[39])
    assert 0.3 <= took_s < 0.3 + SLACK_S
    assert await store.lease(KEY, LONG) is not None


async def test_a_lock_that_ends(shelf: Shelf) -> None:
    """Callers of a store that is locked for a moment notice nothing but the wait."""
    store = shelf.open()
    await store.load(KEY)
    async with lock(shelf):
        waiting = asyncio.ensure_future(store.lease(KEY, LONG))
        await asyncio.sleep(0.1)
        assert not waiting.done()
    assert await waiting is not None


async def test_what_was_given_up_is_skipped(shelf: Shelf) -> None:
    """A cancelled caller's job ends with it, its lease and the wait for the lock; a commit goes through."""
    store = shelf.open()
    lease = await held(store)
    async with lock(shelf):
        given_up = asyncio.ensure_future(store.lease(identity(1), LONG))
        behind = asyncio.ensure_future(store.commit(lease, made("a"), expected_version=0, age=NOW))
        await asyncio.sleep(0.1)
        given_up.cancel()
        behind.cancel()
        await asyncio.wait([given_up, behind])
    record = await store.load(KEY)
    assert record is not None
    assert record.token == made("a")
    assert await shelf.open().lease(identity(1), LONG) is not None


async def test_opening_a_locked_store(shelf: Shelf) -> None:
    """A store that was made before can be opened and read while another process writes."""
    await shelf.put(shelf.open(), made("a"))
    async with lock(shelf):
        record = await shelf.open().load(KEY)
    assert record is not None


async def test_closing_is_bounded(shelf: Shelf) -> None:
    """Closing a locked store with forty calls under way takes two seconds; its lease is then free."""
    store = shelf.open()
    await held(store)
    async with lock(shelf):
        calls = [asyncio.ensure_future(store.lease(identity(number), LONG)) for number in range(40)]
        await asyncio.sleep(0)
        began = time.monotonic()
        await store.aclose()
        took_s = time.monotonic() - began
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreError}
    assert took_s < CLOSE_S + SLACK_S
    await held(shelf.open())


async def test_closing_waits_for_no_disk_that_hangs(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that never returns does not keep `aclose` waiting, nor a loop that has ended meanwhile."""
    monkeypatch.setattr("nauth.stores.sqlite.store.CLOSE_S", 0.05)
    store, hanging = shelf.open(), threading.Event()
    job = asyncio.ensure_future(store._do(lambda _: hanging.wait()))
    await asyncio.sleep(0)
    await store.aclose()
    assert not job.done()
    hanging.set()
    await job


_PROGRAM = """
import asyncio, sys
from datetime import timedelta
from nauth.stores import SQLiteStore, StoreKey

store = SQLiteStore(sys.argv[1])

async def main():
    calls = [
        asyncio.ensure_future(store.lease(StoreKey(vendor="v", base_url="b", identity=str(number)), timedelta(hours=1)))
        for number in range(40)
    ]
    await asyncio.sleep(0.1)
    calls[0].cancel()

asyncio.run(main())
print("over", flush=True)
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store's file, made before."""

    async def make() -> None:
        store = SQLiteStore(tmp_path / "tokens.db")
        await store.load(KEY)
        await store.aclose()

    asyncio.run(make())
    return tmp_path / "tokens.db"


@contextlib.contextmanager
def program(text: str, path: Path) -> Generator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(text), str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own text
        try:
            yield process
        finally:
            process.kill()


def test_exit_is_bounded(path: Path) -> None:
    """A program ends within the bound though its store is locked and was not closed, and complains of nothing."""
    with locked(path), program(_PROGRAM, path) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "over\n"
        began = time.monotonic()
        assert process.wait(20) == 0
        assert time.monotonic() - began < CLOSE_S + SLACK_S
        assert process.stderr.read() == ""


@pytest.mark.skipif(os.name != "posix", reason="this platform has no SIGINT for one process")
def test_ctrl_c_at_the_exit(path: Path) -> None:
    """Ctrl-C ends the wait at the exit."""
    with locked(path), program(_PROGRAM.replace("sleep(0.1)", "sleep(0.3)"), path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "over\n"
        process.send_signal(signal.SIGINT)
        began = time.monotonic()
        process.wait(20)
        assert time.monotonic() - began < SLACK_S


_STORES_NOTHING = """
import asyncio, sys
from datetime import timedelta
from nauth import Secret, Token
from nauth.stores import SQLiteStore, StoreKey

KEY = StoreKey(vendor="v", base_url="b", identity="i")
store = SQLiteStore(sys.argv[1])

async def main():
    lease = await store.lease(KEY, timedelta(hours=1))
    print("ready", flush=True)
    input()
    commit = asyncio.ensure_future(
        store.commit(lease, Token(access_token=Secret("late")), expected_version=0, age=timedelta(0))
    )
    await asyncio.sleep(0.1)

asyncio.run(main())
print("over", flush=True)
"""


def test_a_commit_is_done_at_the_exit(path: Path) -> None:
    """A commit that waits for the lock when the program ends is done if the lock ends within the bound."""
    command = [sys.executable, "-c", _STORES_NOTHING, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own text
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        with locked(path):
            process.stdin.write("go\n")
            process.stdin.flush()
            assert process.stdout.readline() == "over\n"
        assert process.wait(20) == 0

    async def look() -> str:
        store = SQLiteStore(path)
        record = await store.load(attrs.evolve(KEY, vendor="v", base_url="b", identity="i"))
        await store.aclose()
        assert record is not None
        return record.token.access_token.reveal()

    assert asyncio.run(look()) == "late"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
async def test_a_fork_does_not_wait_for_the_lock(shelf: Shelf) -> None:
    """A fork on the loop, or in another thread, holds the loop for a moment only while callers wait for the lock."""
    store = shelf.open()
    await store.load(KEY)

    def fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)

    async with lock(shelf):
        calls = [asyncio.ensure_future(store.lease(identity(number), LONG)) for number in range(10)]
        await asyncio.sleep(0.05)
        began = time.monotonic()
        fork()
        on_the_loop_s = time.monotonic() - began
        elsewhere = asyncio.ensure_future(outside(fork))
        longest_s, last = 0.0, time.monotonic()
        while not elsewhere.done():
            more = asyncio.ensure_future(store.lease(identity(10), LONG))
            await asyncio.sleep(0)
            longest_s, last = max(longest_s, time.monotonic() - last), time.monotonic()
            more.cancel()
        await elsewhere
    assert on_the_loop_s < SLACK_S
    assert longest_s < SLACK_S
    assert None not in await asyncio.gather(*calls)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
async def test_a_fork_waits_for_the_call_and_no_loop_waits_for_the_fork(shelf: Shelf) -> None:
    """A fork begins when the thread is outside SQLite; until then event loops go on handing jobs in."""
    store, inside, leave = shelf.open(), threading.Event(), threading.Event()

    def job(_: object) -> None:
        inside.set()
        leave.wait()

    busy = asyncio.ensure_future(store._do(job))
    await outside(inside.wait)
    forked: Future[None] = Future()

    def fork() -> None:
        child = os.fork()
        if child == 0:
            os._exit(0)
        forked.set_result(None)
        os.waitpid(child, 0)

    forking = asyncio.ensure_future(outside(fork))
    await asyncio.sleep(0.1)
    assert not forked.done()
    loading = asyncio.ensure_future(store.load(KEY))  # would hang here if handing in waited for the fork
    await asyncio.sleep(0)
    newer = shelf.open()
    await newer.load(KEY)  # a thread that is made meanwhile is waited for as well
    leave.set()
    await asyncio.gather(busy, forking, loading)


def test_a_thread_that_was_never_used() -> None:
    """Stopping a thread without a job runs the closing job; joining one that never started returns at once."""
    idle = JobThread(lambda: "closed")
    idle.join(10)
    assert not idle.running
    assert idle.stop().result(10) == "closed"
    idle.join(10)
    with pytest.raises(StoreError, match="closed"):
        idle.run(int)


def test_a_job_that_fails_is_told() -> None:
    """Whatever a job raises reaches the caller; a lock that outlasts `stop` is a plain `StoreError`."""
    busy, tries = JobThread(int), list[float]()

    def job() -> None:
        tries.append(time.monotonic())
        raise BusyError("locked")

    with pytest.raises(ZeroDivisionError):
        busy.run(lambda: 1 // 0).result(10)
    failing = busy.run(job)
    busy.stop(0.05).result(10)
    error = failing.exception(10)
    assert type(error) is StoreError
    assert len(tries) > 2


def test_the_exit_stops_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the exit every thread that runs does its closing job; those of a parent process are left alone."""
    closed = list[str]()
    running, idle = JobThread(lambda: closed.append("running")), JobThread(lambda: closed.append("idle"))
    monkeypatch.setattr(thread, "_threads", [running, idle])
    running.run(int).result(10)
    thread._finish()
    assert closed == ["running"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_a_child_forgets_the_parents_threads(path: Path) -> None:
    """A forked child ends by the ordinary way at once, though the parent's thread waits for a lock."""
    text = """
    import asyncio, os, sys
    from datetime import timedelta
    from nauth.stores import SQLiteStore, StoreKey
    store = SQLiteStore(sys.argv[1])
    async def main():
        call = asyncio.ensure_future(store.lease(StoreKey(vendor="v", base_url="b", identity="i"), timedelta(hours=1)))
        await asyncio.sleep(0.1)
        return os.fork()
    child = 0
    try:
        child = asyncio.run(main())
    finally:
        if child:
            print(os.waitpid(child, 0)[1], flush=True)
    """
    with locked(path), program(text, path) as process:
        assert process.stdout is not None
        began = time.monotonic()
        assert process.stdout.readline() == "0\n"
        assert time.monotonic() - began < CLOSE_S + 2 * SLACK_S
        process.wait(20)


async def test_two_processes_make_the_tables(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two processes that find an empty file, the second finds the first one's tables when its turn comes."""
    await shelf.put(shelf.open(), made("a"))
    answers = iter([False, True])
    monkeypatch.setattr(schema, "_fits", lambda *_: next(answers))
    assert await shelf.open().load(KEY) is not None


async def test_two_threads_make_the_worker(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two threads that use a store for the first time at once, one makes its thread and both use it."""
    store, others = shelf.open(), list[Future[object]]()

    @contextlib.contextmanager
    def overtaken() -> Generator[None]:
        monkeypatch.undo()
        others.append(store._hand_in(lambda tables: tables, keep=False))
        yield

    monkeypatch.setattr("nauth.stores.sqlite.store.unforked", overtaken())
    mine = await store._do(lambda tables: tables)
    assert [other.result(10) for other in others] == [mine]


_LOCKS = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
input()
"""

_LIVES_ON = """
import asyncio, os, sys, time
from datetime import timedelta
from nauth.errors import StoreError
from nauth.stores import SQLiteStore, StoreKey

store = SQLiteStore(sys.argv[1])
errors, longest_s = 0, 0.0

async def asks(number):
    global errors
    key = StoreKey(vendor="v", base_url="b", identity=str(number))
    while True:
        try:
            await store.lease(key, timedelta(hours=1))
        except StoreError:
            errors += 1
            await asyncio.sleep(0)

async def beats():
    global longest_s
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        longest_s = max(longest_s, time.monotonic() - began)

def forks():
    if not (child := os.fork()):
        os._exit(0)
    os.waitpid(child, 0)

async def main():
    work = [asyncio.ensure_future(asks(number)) for number in range(40)]
    work.append(asyncio.ensure_future(beats()))
    for _ in range(60):
        forks()  # on the loop
        await asyncio.to_thread(forks)
        await asyncio.sleep(0.5)
    calls = [asyncio.ensure_future(asks(number)) for number in range(40, 80)]
    await asyncio.sleep(0.1)
    began = time.monotonic()
    await store.aclose()
    print(errors, longest_s, time.monotonic() - began, flush=True)
    for one in (*work, *calls):
        one.cancel()

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this platform does not fork")
def test_locked_by_another_process_for_half_a_minute(path: Path) -> None:
    """Callers fail again and again, no fork holds the loop, and closing and exit are bounded, while it stays locked."""
    locks = [sys.executable, "-c", _LOCKS, str(path)]
    with subprocess.Popen(locks, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:  # noqa: S603 - our own text
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with program(_LIVES_ON, path) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            errors, longest_s, closing_s = map(float, process.stdout.readline().split())
            began = time.monotonic()
            assert process.wait(20) == 0
            exit_s = time.monotonic() - began
            assert process.stderr.read() == ""
        other.kill()
    assert errors >= 40 * 4
    assert longest_s < SLACK_S
    assert closing_s < CLOSE_S + SLACK_S
    assert exit_s < CLOSE_S + SLACK_S
