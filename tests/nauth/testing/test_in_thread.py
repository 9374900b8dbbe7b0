"""A sandbox in a thread: for plain tests, and for clients on other loops than the test's."""

from __future__ import annotations

import asyncio
import threading
import time
import urllib.request
from datetime import timedelta

import pytest

from nauth.errors import ConfigurationError
from nauth.testing import FakeClock, Fault
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox


async def _check(sandbox: NombaSandbox) -> None:
    async with NombaClient(sandbox.credentials, base_url=sandbox.base_url) as client:
        await client.check()


def test_with() -> None:
    """`with` runs it, any number of loops may talk to it, and no thread is left."""
    before = threading.active_count()
    with NombaSandbox.in_thread(second_issue="keeps_first") as sandbox:
        for _ in range(3):
            asyncio.run(_check(sandbox))
        sandbox.assert_called("balance", times=3)
        with pytest.raises(AssertionError, match="3 requests to 'balance' instead of 1"):
            sandbox.assert_called("balance", times=1)
    assert threading.active_count() == before
    with pytest.raises(ConfigurationError):
        _ = sandbox.base_url


def test_start_and_stop() -> None:
    """For unittest there are `start_in_thread` and `stop`; it can run again afterwards, but not twice at a time."""
    sandbox = NombaSandbox()
    for _ in range(2):
        assert sandbox.start_in_thread() is sandbox
        with pytest.raises(ConfigurationError, match="running already"):
            sandbox.start_in_thread()
        sandbox.stop()
        sandbox.stop()


def test_a_port_that_is_taken() -> None:
    """What fails at the start comes out of `with`, and leaves no thread."""
    before = threading.active_count()
    with (
        NombaSandbox() as first,
        pytest.raises(OSError, match="in use"),
        NombaSandbox(port=int(first.base_url.rpartition(":")[2])),
    ):
        raise AssertionError
    assert threading.active_count() == before


async def test_waiting_across_threads() -> None:
    """`wait_for` wakes at once, though the request arrives in another thread."""
    sandbox = NombaSandbox()
    await asyncio.to_thread(sandbox.start_in_thread)
    try:
        waiting = asyncio.ensure_future(sandbox.wait_for("balance"))
        await asyncio.sleep(0)
        started = time.perf_counter()
        await _check(sandbox)
        await waiting
        assert time.perf_counter() - started < 2
    finally:
        await asyncio.to_thread(sandbox.stop)


def test_wait_until() -> None:
    """A plain test waits by blocking, and is told if nothing comes."""
    with NombaSandbox() as sandbox:
        caller = threading.Thread(target=lambda: asyncio.run(_check(sandbox)))
        caller.start()
        sandbox.wait_until("balance", committed=True)
        caller.join()
        sandbox.wait_until("balance")
        with pytest.raises(TimeoutError, match="1 of 5 requests to balance"):
            sandbox.wait_until("balance", 5, timeout=timedelta(milliseconds=10))


def test_a_gate_between_threads() -> None:
    """A `threading.Event` holds a response until the test's thread opens it."""
    with NombaSandbox() as sandbox:
        gate = threading.Event()
        sandbox.faults.add(Fault(gate=gate), endpoint="balance")
        caller = threading.Thread(target=lambda: asyncio.run(_check(sandbox)))
        caller.start()
        sandbox.wait_until("balance", committed=True)
        assert caller.is_alive()
        gate.set()
        caller.join(10)
        assert not caller.is_alive()


def test_the_clock_across_threads() -> None:
    """Two threads may sleep on one clock while a third moves it."""
    clock, over = FakeClock(), threading.Event()
    errors: list[BaseException] = []

    async def sleep() -> None:
        while not over.is_set():
            await asyncio.gather(*(clock.sleep(0.001) for _ in range(20)))

    def run() -> None:
        try:
            asyncio.run(sleep())
        except BaseException as error:  # noqa: BLE001 - the test's own thread asserts
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    ends = time.monotonic() + 0.3
    while time.monotonic() < ends:
        clock.advance(0.01)
    over.set()
    while any(thread.is_alive() for thread in threads):
        clock.advance(0.01)
        time.sleep(0.001)
    assert errors == []


def test_another_programs_client() -> None:
    """A client that knows nothing of asyncio reaches it, too."""
    with NombaSandbox() as sandbox, pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{sandbox.base_url}/v1/accounts/balance")  # noqa: S310 - loopback
    assert caught.value.code == 401
    caught.value.close()
