"""Observers: which events they get, when, and that they break no request."""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from datetime import timedelta
from typing import Any

import pytest

from nauth.errors import ConfigurationError, VendorUnavailableError
from nauth.event_delivery import notify
from nauth.events import (
    Cause,
    Event,
    RenewalFailed,
    RenewalJoined,
    RenewalStarted,
    RenewalSucceeded,
    TokenAdopted,
)
from nauth.manager.token_manager import TokenManager
from nauth.reporting.reporter import Reporter
from nauth.testing.clock import FakeClock
from nauth.time_formats import instant
from tests.support.authenticator import HOUR
from tests.support.manager import KEY, Rig, all_blocked, held_open

STARTED = RenewalStarted(cause=Cause.COLD)


def test_without_a_loop() -> None:
    """Where no loop runs the observer is called at once; without an observer nothing happens."""
    told: list[Event] = []
    notify(told.append, STARTED)
    notify(None, STARTED)
    assert told == [STARTED]


class _App:
    """Observes, and holds the event loop that it runs in."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop

    def observe(self, event: Event) -> None:
        """Do nothing."""


def _left_untold() -> weakref.ref[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    app = _App(loop)
    loop.call_soon(notify, app.observe, STARTED)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    return weakref.ref(loop)


def test_a_closed_loop_is_let_go() -> None:
    """What waited in a loop that was closed is forgotten with the next loop's first event, and keeps no loop alive."""
    first = _left_untold()
    second = _left_untold()
    gc.collect()
    assert first() is None, "the next loop's first event has let it go"
    assert second() is not None, "no event has come since"
    _left_untold()
    gc.collect()
    assert second() is None


async def test_from_a_later_turn() -> None:
    """In a loop the observer is called from a later turn."""
    told: list[Event] = []
    notify(told.append, STARTED)
    assert told == []
    await all_blocked()
    assert told == [STARTED]


async def test_a_turn_tells_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """A turn delivers what fits into a millisecond, one at least, and everything else goes on in between."""
    told: list[Event] = []
    now_s = 0.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now_s)

    def slow(event: Event) -> None:
        nonlocal now_s
        now_s += 0.0004
        told.append(event)

    for _ in range(7):
        notify(slow, STARTED)
    seen: list[int] = []
    for _ in range(4):
        await asyncio.sleep(0)
        seen.append(len(told))
    assert seen == [3, 6, 7, 7]
    for _ in range(600):
        notify(told.append, STARTED)
    await asyncio.sleep(0)
    assert len(told) == 607


async def test_what_an_observer_causes_waits_for_the_next_turn() -> None:
    """An observer that causes an event each time holds no turn."""
    told: list[Event] = []

    def again(event: Event) -> None:
        told.append(event)
        notify(again if len(told) < 5 else None, event)

    notify(again, STARTED)
    seen: list[int] = []
    for _ in range(6):
        await asyncio.sleep(0)
        seen.append(len(told))
    assert seen == [1, 2, 3, 4, 5, 5]


async def test_stamped_when_it_happens() -> None:
    """An event says when it happened, not when the loop came round to telling it."""
    clock, told = FakeClock(), list[Event]()
    reporter = Reporter(told.append, vendor="fake", identity="0123456789", clock=clock)
    began = clock.wall()
    for _ in range(2):
        notify(reporter, STARTED)
        clock.advance(30)
    await all_blocked()
    assert [event.at for event in told] == [instant(began), instant(began + 30)]
    assert {(event.vendor, event.identity) for event in told} == {("fake", reporter.identity)}


async def test_what_waits_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the bound events are dropped, with one line in the log that counts them, and afterwards all goes on."""
    told: list[Event] = []
    for _ in range(3_000):
        notify(told.append, STARTED)
    await all_blocked()
    assert len(told) == 1_000
    lines = [line for line in caplog.records if line.__dict__.get("nauth.event") == "events.dropped"]
    assert len(lines) == 1
    assert "2000 events were dropped, the least important first (RenewalStarted 2000)" in caplog.text
    notify(told.append, STARTED)
    await all_blocked()
    assert len(told) == 1_001
    assert caplog.text.count("were dropped") == 1


async def test_the_least_important_is_dropped(caplog: pytest.LogCaptureFixture) -> None:
    """A failed renewal takes the place of one that began, and then of one that succeeded; the order stays."""
    told: list[Event] = []
    succeeded = RenewalSucceeded(cause=Cause.COLD, waiters=1, took=timedelta(0), refreshed=False)
    failed = RenewalFailed(
        cause=Cause.COLD, waiters=1, took=timedelta(0), error="E", quiet=False, retry_after=None
    )
    for event, count in ((STARTED, 600), (succeeded, 400), (failed, 700), (STARTED, 10), (succeeded, 10)):
        for _ in range(count):
            notify(told.append, event)
    await all_blocked()
    assert told == [succeeded] * 300 + [failed] * 700
    assert "720 events were dropped" in caplog.text
    assert "RenewalStarted 610, RenewalSucceeded 110" in caplog.text


async def test_a_failure_is_not_lost_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    """Where failures alone are more than may wait, the line names them."""
    told: list[Event] = []
    failed = RenewalFailed(
        cause=Cause.COLD, waiters=1, took=timedelta(0), error="E", quiet=False, retry_after=None
    )
    for _ in range(1_003):
        notify(told.append, failed)
    await all_blocked()
    assert told == [failed] * 1_000
    assert "(RenewalFailed 3)" in caplog.text


async def test_one_event_for_ten_thousand_callers() -> None:
    """The observer of a cold start is told that callers wait, not of each of them."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.manager.token()) for _ in range(100)]
    await all_blocked()
    gate.set()
    await asyncio.gather(*callers)
    await all_blocked()
    assert [type(event) for event in rig.events] == [RenewalStarted, RenewalJoined, RenewalSucceeded]
    last = rig.events[-1]
    assert isinstance(last, RenewalSucceeded)
    assert last.waiters == 100


async def test_raising_observer(caplog: pytest.LogCaptureFixture) -> None:
    """An observer that raises breaks no request; the log names the classes and quotes nothing."""
    rig = Rig()

    def observer(event: Event) -> None:
        raise RuntimeError("planted-secret")

    manager = TokenManager(rig.vendor, key=KEY, store=rig.store, clock=rig.clock, observer=observer)
    token = await manager.token()
    await all_blocked()
    assert token.access_token.reveal() == "t1"
    assert "the observer raised RuntimeError on RenewalStarted" in caplog.text
    assert "planted-secret" not in caplog.text


async def test_observer_that_calls_back() -> None:
    """An observer may ask the manager for a token: it runs outside the renewal."""
    rig = Rig()
    asked: list[asyncio.Task[str]] = []
    rig.events.clear()

    def observer(event: Event) -> None:
        asked.append(asyncio.get_running_loop().create_task(rig.name()))

    rig.manager._observer = Reporter(observer, vendor="fake", identity="", clock=rig.clock)
    assert await rig.name() == "t1"
    await all_blocked()
    assert {task.result() for task in asked} == {"t1"}


async def test_the_story_of_a_renewal() -> None:
    """A cold start, a background renewal, an outage, a 401 and a forced renewal are told in order."""
    rig = Rig(rotating=True)
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.manager.token()) for _ in range(2)]
    await all_blocked()
    rig.clock.advance(1.5)
    gate.set()
    first, _ = await asyncio.gather(*callers)
    await all_blocked()
    cold = Cause.COLD
    assert rig.events == [
        RenewalStarted(cause=cold),
        RenewalJoined(cause=cold, waiters=1),
        RenewalSucceeded(cause=cold, waiters=2, took=timedelta(seconds=1.5), refreshed=False),
    ]

    rig.events.clear()
    rig.clock.advance(3540)
    rig.vendor.errors.append(VendorUnavailableError("down", retry_after=timedelta(seconds=2)))
    await rig.name()
    await all_blocked()
    told = timedelta(seconds=2)
    assert rig.events == [
        RenewalStarted(cause=Cause.STALE),
        RenewalFailed(
            cause=Cause.STALE,
            waiters=0,
            took=timedelta(0),
            error="VendorUnavailableError",
            quiet=True,
            retry_after=told,
        ),
    ]

    rig.events.clear()
    rig.clock.advance(2)
    await held_open(rig, rig.manager.renew(rejected=first))
    await all_blocked()
    assert rig.events == [
        RenewalStarted(cause=Cause.REJECTED),
        RenewalJoined(cause=Cause.REJECTED, waiters=1),
        RenewalSucceeded(cause=Cause.REJECTED, waiters=1, took=timedelta(0), refreshed=True),
    ]

    rig.events.clear()
    rig.vendor.errors.append(VendorUnavailableError("down"))
    rig.clock.advance(HOUR)
    with pytest.raises(VendorUnavailableError):
        await held_open(rig, rig.name())
    await all_blocked()
    assert rig.events[-1] == RenewalFailed(
        cause=Cause.EXPIRED,
        waiters=1,
        took=timedelta(0),
        error="VendorUnavailableError",
        quiet=False,
        retry_after=timedelta(seconds=10),
    )

    rig.events.clear()
    rig.clock.advance(10)
    await held_open(rig, rig.manager.renew())
    await all_blocked()
    assert [type(event) for event in rig.events] == [RenewalStarted, RenewalJoined, RenewalSucceeded]
    assert rig.events[0] == RenewalStarted(cause=Cause.FORCED)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
async def test_a_caller_who_did_not_wait() -> None:
    """A renewal by an eager task that is over before its caller could wait is told without a waiter."""
    rig = Rig()
    asyncio.get_running_loop().set_task_factory(getattr(asyncio, "eager_task_factory"))  # noqa: B009 - 3.12 has it
    assert await rig.name() == "t1"
    await all_blocked()
    assert rig.events == [
        RenewalStarted(cause=Cause.COLD),
        RenewalSucceeded(cause=Cause.COLD, waiters=0, took=timedelta(0), refreshed=False),
    ]


async def test_adoption_is_told_with_its_age() -> None:
    """A token taken from the store is told as such, with its age; one's own commit is not."""
    rig = Rig()
    await rig.name()
    await all_blocked()
    assert not [event for event in rig.events if isinstance(event, TokenAdopted)]
    rig.clock.advance(7)
    await rig.another().token()
    await all_blocked()
    assert rig.events[-1] == TokenAdopted(age=timedelta(seconds=7), pushed=False)


class _Later:
    """An object whose call is async."""

    async def __call__(self, event: object) -> None:
        """Never awaited."""


async def _later(event: object) -> None:
    """Never awaited."""


@pytest.mark.parametrize(
    "observer, words",
    [(5, "a function of one event, not int"), (_later, "not an async one"), (_Later(), "not an async one")],
)
def test_what_is_no_observer(observer: Any, words: str) -> None:
    """An observer that would observe nothing is refused when the client is made."""
    with pytest.raises(ConfigurationError, match=words):
        Reporter.of(observer, vendor="v", identity="i", clock=FakeClock())
