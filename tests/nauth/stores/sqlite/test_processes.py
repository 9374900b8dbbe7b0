"""`SQLiteStore` between real processes: killed, forked, started together."""

from __future__ import annotations

import asyncio
import contextlib
import random
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest

from nauth.stores.sqlite.store import SQLiteStore
from tests.support.sqlite.child_process import HOUR, KEY, increment

CHILD = Path(__file__).parents[3] / "support" / "sqlite" / "child_process.py"
NOBODY_WAITS_S = 20
"""Nothing here waits for a lease to end by time: those last an hour."""


@contextlib.contextmanager
def child(path: Path, deed: str, times: int = 0, *, umask: int = -1) -> Generator[subprocess.Popen[str]]:
    """Run a process on the store at `path`; it is gone after the block."""
    # -P: its own folder has modules that are called as the library's are
    command = [sys.executable, "-P", str(CHILD), str(path), deed, str(times)]
    with subprocess.Popen(  # noqa: S603 - our own file
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, umask=umask
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> str:
    """Return the next line that the process says."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def tell(process: subprocess.Popen[str]) -> None:
    """Let the process go on."""
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def count(path: Path) -> int:
    """Return the number in the record."""

    async def look() -> int:
        store = SQLiteStore(path)
        try:
            record = await store.load(KEY)
        finally:
            await store.aclose()
        assert record is not None
        return int(record.token.access_token.reveal())

    return asyncio.run(look())


async def go_on(path: Path) -> None:
    """Renew once where others have done it before."""
    store = SQLiteStore(path)
    await asyncio.wait_for(increment(store, 1), NOBODY_WAITS_S)
    await store.aclose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.db"


def test_a_killed_holder_frees_its_lease_at_once(path: Path) -> None:
    """A lease of an hour is free as soon as its process is dead, and waiters wake."""

    async def inherit(holder: subprocess.Popen[str]) -> None:
        store = SQLiteStore(path)
        assert await store.lease(KEY, HOUR) is None
        waiter = asyncio.create_task(store.changed(KEY, timeout=HOUR))
        holder.kill()
        await asyncio.to_thread(holder.wait)
        await asyncio.wait_for(waiter, NOBODY_WAITS_S)
        lease = await store.lease(KEY, HOUR)
        assert lease is not None
        await store.release(lease)
        await store.aclose()

    with child(path, "hold") as holder:
        assert heard(holder) == "ready"
        asyncio.run(inherit(holder))


def test_a_process_that_leaves_without_closing(path: Path) -> None:
    """Not closing the store holds up neither the exit nor the others."""

    async def inherit() -> None:
        store = SQLiteStore(path)
        assert await store.lease(KEY, HOUR) is not None
        await store.aclose()

    with child(path, "leave") as process:
        assert heard(process) == "ready"
        assert process.wait(NOBODY_WAITS_S) == 0
        asyncio.run(inherit())


@pytest.mark.slow
def test_increments_of_processes_are_exact(path: Path) -> None:
    """Four processes that start together on no file at all lose none of a thousand compare-and-sets."""
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(child(path, "increment", 250)) for _ in range(4)]
        for process in processes:
            assert heard(process) == "ready"
        for process in processes:
            tell(process)
        for process in processes:
            assert process.wait(NOBODY_WAITS_S) == 0
    assert count(path) == 1000
    assert list(path.with_name("tokens.db-alive").iterdir()) == []


def test_files_are_private(path: Path) -> None:
    """With any umask, other users cannot open any file of the store."""
    with child(path, "hold", umask=0) as process:
        assert heard(process) == "ready"
        found = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")}
        (alive,) = (name for name in found if len(name) == 16)
        assert found == {
            "tokens.db": 0o600,
            "tokens.db-wal": 0o600,
            "tokens.db-shm": 0o600,
            "tokens.db-alive": 0o700,
            alive: 0o600,
        }


def test_a_umask_that_locks_all_out(path: Path) -> None:
    """A umask of 0777 does not keep the owner from the store."""
    with child(path, "hold", umask=0o777) as process:
        assert heard(process) == "ready"
        assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.rglob("*")} == {0o600, 0o700}


@pytest.mark.slow
def test_killed_writers_leave_it_readable(path: Path) -> None:
    """A process killed while it writes loses nothing that was committed, and no process waits for its lease."""
    last, chance = 0, random.Random(7)
    for _ in range(10):
        with child(path, "forever") as process:
            assert heard(process) == "ready"
            between = count(path)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(chance.random() / 50)  # the moment is the point, and any will do
            process.kill()
            process.wait()
        now = count(path)
        assert last < between <= now
        asyncio.run(go_on(path))
        last = now + 1
        assert count(path) == last


def test_forked_children_begin_anew(path: Path) -> None:
    """A child can use the store it inherits, and neither it nor its end touches the parent's lease."""

    async def refused() -> None:
        store = SQLiteStore(path)
        assert await store.lease(KEY, HOUR) is None
        await store.aclose()

    with child(path, "fork") as process:
        assert heard(process) == "0", "the child failed"
        asyncio.run(refused())
        tell(process)
        assert process.wait(NOBODY_WAITS_S) == 0


def test_forks_during_work(path: Path) -> None:
    """Children forked during a call of the store's thread to SQLite neither hang nor fail."""
    with child(path, "fork often", 30) as process:
        assert heard(process) == "done"
        assert process.wait(NOBODY_WAITS_S) == 0
