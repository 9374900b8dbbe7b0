"""A client in a module, and a loop for each job: no job fails, no token is lost, no call of the vendor is made twice."""

from __future__ import annotations

import signal
from subprocess import TimeoutExpired

import pytest

from tests.deployments.conftest import Start, shared
from tests.deployments.vendor import Vendor

pytestmark = [pytest.mark.deployment, pytest.mark.timeout(180)]

JOBS = "tests.deployments.jobs"
MANY = 24


def _all_well(vendor: Vendor, said: list[object], count: int) -> None:
    assert said == [200] * count
    assert vendor.reused == 0
    assert len(vendor.made) <= vendor.most_calls()


@pytest.mark.parametrize(
    "kind",
    [
        "asyncio.run",
        "asyncio.Runner",
        "anyio.run",
        "uvloop.run",
        "async_to_sync",
        "cancel all",
        "one loop",
        "standing loop",
    ],
)
def test_a_loop_for_each_job(kind: str, start: Start, vendor: Vendor) -> None:
    """Every job is served, though each ends its loop while a renewal may be under way."""
    _all_well(vendor, start("-m", JOBS, kind, str(MANY)).rest(), MANY)


def test_taskiq(start: Start, vendor: Vendor) -> None:
    """The tasks of a queue share the process's client."""
    pytest.importorskip("taskiq")
    _all_well(vendor, start("-m", JOBS, "taskiq", str(MANY)).rest(), MANY)


@shared
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing(method: str, start: Start, vendor: Vendor) -> None:
    """The children of a process that has a token use it, and renew it once among them."""
    _all_well(vendor, start("-m", JOBS, method, "8").rest(), 1 + 3 * 8)


def test_interrupted_once(start: Start, vendor: Vendor) -> None:
    """Ctrl-C during a renewal ends the loop and loses no token: the jobs that follow are served."""
    vendor.expect_a_call()
    child = start("-m", JOBS, "interrupted", "8")
    assert child.hear() == 200
    child.tell(signal.SIGINT)
    assert child.hear() == "interrupted"
    _all_well(vendor, child.rest(), 8)


def test_interrupted_during_a_call(start: Start, vendor: Vendor) -> None:
    """Ctrl-C while the vendor has rotated and not yet answered: the answer is awaited and kept."""
    child = start("-m", JOBS, "interrupted", "8")
    vendor.wait_for_a_call()
    child.tell(signal.SIGINT)
    assert child.hear() == "interrupted"
    _all_well(vendor, child.rest(), 8)


def test_interrupted_twice(start: Start, vendor: Vendor) -> None:
    """The second Ctrl-C ends the process at once."""
    vendor.delay_s = 4.0
    child = start("-m", JOBS, "interrupted", "0")
    vendor.wait_for_a_call()
    child.tell(signal.SIGINT)
    with pytest.raises(TimeoutExpired):
        child.process.wait(0.3)
    child.tell(signal.SIGINT)
    assert child.end() < 2.0


def test_stopped(start: Start, vendor: Vendor) -> None:
    """A process that was stopped for longer than a token lives goes on as if nothing had been."""
    child = start("-m", JOBS, "one loop", "12")
    first = [child.hear() for _ in range(3)]
    child.tell(signal.SIGSTOP)
    with pytest.raises(TimeoutExpired):
        child.process.wait(vendor.life_s + 1.0)
    child.tell(signal.SIGCONT)
    _all_well(vendor, first + child.rest(), 12)


def test_loops_closed_without_cancelling(start: Start, vendor: Vendor) -> None:
    """A loop that is closed with a renewal pending loses that call, and the next answer comes within two seconds."""
    vendor.delay_s = 0.0
    said = start("-m", JOBS, "loop.close", "12").rest()
    assert said == [200] * 12
