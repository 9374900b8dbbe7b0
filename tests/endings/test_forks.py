"""A process that forks: what was locked or under way in the parent does not hold the child up."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path

import pytest

from nauth.after_fork import Guard, begin_child, forgets, guard
from nauth.errors import StoreError
from nauth.stores import MemoryStore
from nauth.stores import memory as memory_module
from tests.endings.kit import Vendor, manager_on, store_of, turns
from tests.support.manager import Rig

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this machine does not fork")

_BUSY_S = 1.5
"""What a machine that is busy with other tests may add."""


def in_a_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked child with five seconds to live; return its exit code."""
    return end_of(fork(act))


def end_of(pid: int) -> int:
    """Wait for a child and return its exit code."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def fork(act: Callable[[], object]) -> int:
    """Run `act` in a forked child with five seconds to live; return its process id."""
    pid = os.fork()
    if pid == 0:
        signal.alarm(5)
        code = 1
        try:
            act()
            code = 0
        except BaseException:  # noqa: BLE001 - the child must never go on with the parent's tests
            traceback.print_exc()
        os._exit(code)
    return pid


def _guards() -> dict[str, tuple[object, Guard]]:
    store = MemoryStore()
    manager = manager_on(store, Vendor())
    return {
        "store": (store, store._guard),
        "listeners": (store, store._listeners._guard),
        "waiters": (store, store._waiters._guard),
        "managers": (manager, manager.cache.guard),
        "default stores": (None, memory_module._stores_guard),
    }


@pytest.mark.parametrize("name", _guards())
def test_a_guard_held_at_the_fork_is_open_in_the_child(name: str) -> None:
    """Another thread of the parent holds the guard for ever; the child, which has no such thread, can take it."""
    owner, lock = _guards()[name]
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with lock:
            inside.set()
            leave.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()

    def take() -> None:
        assert lock.acquire(timeout=4)

    try:
        assert in_a_child(take) == 0
    finally:
        leave.set()
        thread.join()
    del owner


def test_a_child_forked_during_a_renewal_is_answered() -> None:
    """The parent holds the lease and has sent its call; the child's first `token()` waits for neither."""
    vendor, store = Vendor(), MemoryStore()
    manager = manager_on(store, vendor)

    def ask() -> None:
        asyncio.events._set_running_loop(None)
        vendor.gate = None
        assert not manager._loops.busy()
        assert asyncio.run(asyncio.wait_for(manager.token(), 3)).access_token.reveal() == "t2"

    async def during() -> int:
        vendor.gate = asyncio.Event()
        caller = asyncio.create_task(manager.token())
        await turns(10)
        assert vendor.rotated == 1
        code = in_a_child(ask)
        vendor.gate.set()
        await caller
        return code

    assert asyncio.run(during()) == 0


@pytest.mark.parametrize("store", ["memory", "sqlite", "redis"])
def test_the_first_token_of_a_child_in_every_store(
    store: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Forked during the parent's renewal, a child has a token a second after the vendor's answer, at the latest.

    With memory it makes a call of its own; with a store that both share it waits for its parent's.
    """
    url = request.getfixturevalue("valkey").url if store == "redis" else None
    vendor = Vendor()

    def ask() -> None:
        asyncio.events._set_running_loop(None)
        vendor.gate = None
        began = time.monotonic()
        token = asyncio.run(asyncio.wait_for(manager.token(), 4))
        assert time.monotonic() - began < 0.2 + 1.0 + _BUSY_S
        assert token.access_token.reveal() == ("t2" if store == "memory" else "t1")

    async def during() -> int:
        vendor.gate = asyncio.Event()
        caller = asyncio.create_task(manager.token())
        while not vendor.rotated:  # noqa: ASYNC110 - the kit has no event for it
            await asyncio.sleep(0.001)
        pid = fork(ask)
        asyncio.get_running_loop().call_later(0.2, vendor.gate.set)
        await caller
        code = await asyncio.to_thread(end_of, pid)
        await opened.aclose()
        return code

    with store_of(store, tmp_path, url) as opener:
        opened = opener()
        manager = manager_on(opened, vendor)
        assert asyncio.run(during()) == 0


@pytest.mark.slow
async def test_a_commit_of_the_parents_is_taken_up() -> None:
    """A deferred commit that the parent was making is made by the child, which cannot know how that ended."""
    rig = Rig(rotating=True)

    rig.store.will("commit", StoreError("down"))
    await rig.manager.token()
    before = rig.manager._commit
    assert before is not None
    begin_child()
    await rig.manager.token()
    assert rig.manager._commit is not before
    await rig.manager.aclose()


def test_hooks_go_with_their_objects() -> None:
    """A guard and an object that forgets are held weakly, and asked while they live."""
    told: list[str] = []

    class Subject:
        def after_fork(self) -> None:
            told.append("forgot")

    subject, lock = Subject(), guard()
    forgets(subject)
    lock.acquire()
    begin_child()
    assert told == ["forgot"]
    del subject
    begin_child()
    assert told == ["forgot"]
