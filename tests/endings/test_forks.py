"""A process that forks: what was locked or under way in the parent does not hold the child up."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import traceback
from collections.abc import Callable

import pytest

from nauth.after_fork import Guard, begin_child, forgets, guard
from nauth.errors import StoreError
from nauth.manager import backoff_table
from nauth.stores import MemoryStore
from nauth.stores import memory as memory_module
from tests.endings.kit import Vendor, manager_on, turns
from tests.support.manager import Rig

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this machine does not fork")


def in_a_child(act: Callable[[], object]) -> int:
    """Run `act` in a forked child with five seconds to live; return its exit code."""
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
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def _guards() -> dict[str, tuple[object, Guard]]:
    store = MemoryStore()
    manager = manager_on(store, Vendor())
    return {
        "store": (store, store._guard),
        "listeners": (store, store._listeners._guard),
        "waiters": (store, store._waiters._guard),
        "cache": (manager, manager.cache.guard),
        "loop_states": (manager, manager._loops._guard),
        "default stores": (None, memory_module._stores_guard),
        "back-off": (None, backoff_table._guard),
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
