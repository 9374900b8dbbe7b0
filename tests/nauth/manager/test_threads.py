"""One manager in several threads and event loops, at the same time and one after the other."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest

from nauth import owned_tasks
from nauth.errors import OutcomeUnknownError, VendorUnavailableError
from nauth.token import Token
from tests.support.authenticator import HOUR, FakeAuthenticator
from tests.support.manager import POLICY, Rig


class Meeting(FakeAuthenticator):
    """Answers only when both threads have started their callers."""

    def __init__(self) -> None:
        super().__init__(rotating=True)
        self.ready = threading.Event()

    async def issue(self) -> Token:
        await asyncio.to_thread(self.ready.wait, 10)
        return await super().issue()


def test_two_threads() -> None:
    """Fifty callers in each of two loops in two threads are all served by one call."""
    rig = Rig()
    vendor = Meeting()
    manager = rig.another(vendor)
    started = threading.Barrier(2, action=vendor.ready.set)

    async def herd() -> list[str]:
        callers = [asyncio.create_task(manager.token()) for _ in range(50)]
        await asyncio.sleep(0)
        await asyncio.to_thread(started.wait, 10)
        return [token.access_token.reveal() for token in await asyncio.gather(*callers)]

    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(asyncio.run, herd()) for _ in range(2)]
        names = [name for run in runs for name in run.result(timeout=30)]
    assert names == ["t1"] * 100
    assert vendor.calls == ["issue"]
    assert not manager._loops.busy()


def test_one_loop_after_the_other() -> None:
    """A manager works in a second `asyncio.run`: with the token of the first, and with a renewal of its own."""
    rig = Rig(rotating=True)
    assert asyncio.run(rig.name()) == "t1"
    assert asyncio.run(rig.name()) == "t1"
    rig.clock.advance(HOUR)
    assert asyncio.run(rig.name()) == "t2"
    assert rig.calls == ["issue", "refresh r1"]
    asyncio.run(rig.manager.aclose())


def test_rooms_go_with_their_loops() -> None:
    """Nothing of a loop that is gone is kept when another one comes, and of the last one nothing but its empty state."""
    rig = Rig()
    for _ in range(3):
        rig.clock.advance(HOUR)
        asyncio.run(rig.name())
    gc.collect()
    (left,) = rig.manager._loops._all
    assert (left.loop(), left.flight, left.work, left.tasks) == (None, None, None, ())


@pytest.mark.parametrize("waiting", [True, False])
def test_loop_torn_down_in_flight(monkeypatch: pytest.MonkeyPatch, *, waiting: bool) -> None:
    """A loop that ends before a silent vendor answers frees the lease; it counts as a failure, and then is tried again."""
    monkeypatch.setattr(owned_tasks, "BOUND_S", 0.02)
    rig = Rig()
    told: list[BaseException] = []

    async def wait() -> None:
        try:
            await rig.name()
        except (VendorUnavailableError, asyncio.CancelledError) as error:
            told.append(error)

    async def start_and_leave() -> None:
        rig.close_gate()
        task = asyncio.create_task(wait())
        for _ in range(10):
            await asyncio.sleep(0)
        if not waiting:
            task.cancel()
            await task

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(start_and_leave())
    assert len(told) == 1
    assert rig.calls == ["issue"]
    rig.vendor.gate = None
    assert "0 leases" in repr(rig.store)
    with pytest.raises(OutcomeUnknownError, match="its event loop has ended"):
        asyncio.run(rig.name())
    assert rig.calls == ["issue"]
    rig.clock.advance(POLICY.cooldown)
    assert asyncio.run(rig.name()) == "t2"
    assert rig.calls == ["issue", "issue"]


def test_closing_in_another_loop() -> None:
    """A renewal in another thread's loop does not keep closing waiting; its token is stored, not held."""
    rig = Rig()
    vendor = Meeting()
    manager = rig.another(vendor)

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(asyncio.run, manager.token())
        while not manager._loops.busy():  # no event tells that a task in the other loop has begun
            threading.Event().wait(0.001)
        asyncio.run(manager.aclose())
        vendor.ready.set()
        assert run.result(timeout=30).access_token.reveal() == "t1"
    assert manager.current is None
    assert asyncio.run(rig.stored()) == ("t1", "r1", 1)
