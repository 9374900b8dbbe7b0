"""`Flight`: one outcome, a future for each waiter."""

from __future__ import annotations

import asyncio

import pytest

from nauth.errors import CredentialsRejectedError, VendorUnavailableError, unexpected
from nauth.events import Cause
from nauth.manager.single_flight import ABANDONED, Flight, Outcome
from tests.support.authenticator import made
from tests.support.manager import all_blocked

GOOD = Outcome(token=made("good"))


def flight() -> Flight:
    return Flight(Cause.COLD, asyncio.get_running_loop())


async def test_all_waiters_get_the_outcome() -> None:
    """All waiting callers get the one outcome."""
    one = flight()
    waiters = [asyncio.create_task(one.wait()) for _ in range(3)]
    await all_blocked()
    assert repr(one) == "<Flight cold: under way, 3 waiting>"
    one.finish(GOOD)
    assert await asyncio.gather(*waiters) == [GOOD] * 3
    assert repr(one) == "<Flight cold: over, 0 waiting>"


async def test_the_first_outcome_stands() -> None:
    """A second landing changes nothing."""
    one = flight()
    one.finish(GOOD)
    one.finish(ABANDONED)
    assert one.outcome is GOOD


async def test_joining_late() -> None:
    """A caller that joins after the end gets the outcome at once: an eager task may end before any can join."""
    one = flight()
    one.finish(GOOD)
    waiter = one.join()
    assert waiter.result() is GOOD
    assert len(one) == 0
    assert await one.wait() is GOOD


async def test_waiter_cancelled_while_waiting() -> None:
    """A waiter that is cancelled leaves; the others stay."""
    one = flight()
    waiters = [asyncio.create_task(one.wait()) for _ in range(2)]
    await all_blocked()
    waiters[0].cancel()
    await asyncio.wait([waiters[0]])
    assert len(one) == 1
    one.finish(GOOD)
    assert await waiters[1] is GOOD


async def test_waiter_cancelled_in_the_tick_of_landing() -> None:
    """A waiter whose future was cancelled, but who had no turn yet to leave, does not disturb the landing."""
    one = flight()
    waiters = [asyncio.create_task(one.wait()) for _ in range(2)]
    await all_blocked()
    waiters[0].cancel()
    one.finish(GOOD)
    outcomes = await asyncio.gather(*waiters, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1] is GOOD


async def test_waiter_cancelled_just_after_landing() -> None:
    """A waiter cancelled after the landing, before its turn, is cancelled without harm."""
    one = flight()
    waiter = asyncio.create_task(one.wait())
    await all_blocked()
    one.finish(GOOD)
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert len(one) == 0


def test_unwrap() -> None:
    """An outcome is its token, or an error object that is new each time and carries the data."""
    assert GOOD.unwrap() is GOOD.token
    failed = Outcome(error=CredentialsRejectedError("no", code="7"))
    seen: list[CredentialsRejectedError] = []
    for _ in range(2):
        with pytest.raises(CredentialsRejectedError) as caught:
            failed.unwrap()
        seen.append(caught.value)
    assert seen[0] is not seen[1]
    assert seen[0].code == "7"
    assert failed.error is not None
    assert failed.error.__traceback__ is None


def test_abandoned() -> None:
    """A cancelled renewal is a failure that can be tried again, and says what may have happened."""
    with pytest.raises(VendorUnavailableError, match="event loop is shutting down or its client was closed"):
        ABANDONED.unwrap()


def deepest() -> None:
    raise LookupError("planted-secret")


def test_unexpected_names_class_and_place() -> None:
    """The description of a bug names the innermost frame and none of the bug's own text."""
    with pytest.raises(LookupError) as caught:
        deepest()
    described = unexpected(caught.value)
    assert "LookupError in deepest" in str(described)
    assert "test_single_flight.py:" in str(described)
    assert "planted-secret" not in str(described)


def test_landing_in_a_closed_loop_wakes_no_caller() -> None:
    """A renewal that the garbage collector ends after its loop was closed lands without an error."""
    loop = asyncio.new_event_loop()
    flight = Flight(Cause.COLD, loop)
    waiter = flight.join()
    waiter.add_done_callback(lambda _: None)
    loop.close()
    flight.finish(ABANDONED)
    assert flight.outcome is ABANDONED
    assert not waiter.done()
