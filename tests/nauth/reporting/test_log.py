"""The log: stable names, nothing per request or waiter, no secret."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from nauth.errors import StoreError, VendorUnavailableError
from nauth.events import Cause, OriginRefused, RenewalJoined, RequestReplayed, TokenAdopted
from nauth.reporting import Reporter
from nauth.reporting.log_writer import LogWriter
from nauth.testing import FakeClock
from nauth.time_formats import instant
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.support.manager import KEY, Rig, all_blocked, held_open
from tests.support.secret_places import shown_in


def _lines(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str, int]]:
    return [
        (record.__dict__["nauth.event"], record.name, record.levelno)
        for record in caplog.records
        if "nauth.event" in record.__dict__
    ]


async def test_the_story(caplog: pytest.LogCaptureFixture) -> None:
    """Start, success, a quiet failure and one that callers feel each have their name and level."""
    caplog.set_level(logging.DEBUG, "nauth")
    rig = Rig()
    await held_open(rig, *(rig.manager.token() for _ in range(100)))
    await all_blocked()
    rig.clock.advance(3545)
    rig.vendor.errors.append(VendorUnavailableError("down", request_id="r-1"))
    await rig.name()
    await all_blocked()
    rig.clock.advance(3600)
    rig.vendor.errors.append(VendorUnavailableError("down"))
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    await all_blocked()
    assert _lines(caplog) == [
        ("renewal.started", "nauth.renewal", logging.DEBUG),
        ("renewal.succeeded", "nauth.renewal", logging.INFO),
        ("renewal.started", "nauth.renewal", logging.DEBUG),
        ("renewal.failed", "nauth.renewal", logging.WARNING),
        ("renewal.started", "nauth.renewal", logging.DEBUG),
        ("renewal.failed", "nauth.renewal", logging.ERROR),
    ]
    ours = [record for record in caplog.records if record.name.startswith("nauth.")]
    good, quiet, loud = ours[1], ours[3], ours[5]
    for record in ours:
        assert (record.__dict__["vendor"], record.__dict__["identity"]) == ("fake", KEY.identity[:8])
        assert record.__dict__["at"].startswith("2026-07-02T")
    assert (good.__dict__["source"], good.__dict__["waiters"]) == ("issue", 100)
    assert good.__dict__["expires_at"] == "2026-07-02T01:00:00+00:00"
    assert (quiet.__dict__["quiet"], quiet.__dict__["request_id"]) == (True, "r-1")
    assert "still valid" in quiet.getMessage()
    assert loud.__dict__["retry_after_s"] == 10
    assert "in 10 s" in loud.getMessage()


async def test_the_other_events(caplog: pytest.LogCaptureFixture) -> None:
    """A replay, an adopted token, a refused token and a foreign origin, which is said once for each."""
    caplog.set_level(logging.DEBUG, "nauth")
    write = LogWriter()
    write(RequestReplayed(method="GET", status=200))
    write(TokenAdopted(age=timedelta(seconds=3), pushed=True, expires_at=instant(0.0)))
    for _ in range(2):
        write(OriginRefused(origin="https://a.example:443"))
    write(RenewalJoined(cause=Cause.COLD, waiters=1))  # said at the renewal's end, for all who waited
    for number in range(150):
        write(OriginRefused(origin=f"https://{number}.example:443"))
    assert _lines(caplog)[:3] == [
        ("request.replayed", "nauth.request", logging.INFO),
        ("token.adopted", "nauth.renewal", logging.DEBUG),
        ("origin.refused", "nauth.request", logging.WARNING),
    ]
    assert len(_lines(caplog)) == 2 + 100


async def test_a_refused_token(caplog: pytest.LogCaptureFixture) -> None:
    """A token refused on arrival is reported with the cool-down that this begins, once for many requests."""
    rig = Rig()
    token = await rig.manager.token()
    for _ in range(3):
        rig.manager.refused(token)
    await all_blocked()
    (record,) = (one for one in caplog.records if one.__dict__.get("nauth.event") == "token.refused")
    assert record.levelno == logging.WARNING
    assert record.__dict__["cooldown_s"] > 0


async def test_a_failing_store(caplog: pytest.LogCaptureFixture) -> None:
    """A failed operation of the store is a warning that names it."""
    rig = Rig()
    rig.store.will("commit", StoreError("down"))
    await rig.name()
    await all_blocked()
    failed = [one for one in caplog.records if one.__dict__.get("nauth.event") == "store.failed"]
    assert [one.__dict__["operation"] for one in failed] == ["commit"]
    assert {one.name for one in failed} == {"nauth.store"}
    await rig.manager.aclose()


@pytest.mark.slow
async def test_nothing_per_request(caplog: pytest.LogCaptureFixture) -> None:
    """A thousand requests write two lines: one renewal began, and it succeeded. None holds a secret."""
    caplog.set_level(logging.DEBUG, "nauth")
    async with (
        NombaSandbox() as sandbox,
        NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba,
    ):

        async def one() -> None:
            async with nomba.get("/v1/transfers/banks") as response:
                assert response.status == 200

        await asyncio.gather(*(one() for _ in range(1000)))
        token = await nomba.token()
    assert [name for name, *_ in _lines(caplog)] == ["renewal.started", "renewal.succeeded"]
    for secret in (token.access_token, sandbox.credentials.client_secret):
        assert not shown_in(caplog.records, secret)


async def test_without_an_observer_waiters_cost_no_event() -> None:
    """`RenewalJoined` is made only where an observer asked for it."""
    clock = FakeClock()
    assert not Reporter(None, vendor="v", identity="i", clock=clock).joins
    assert Reporter(print, vendor="v", identity="i", clock=clock).joins
    reporter = Reporter(None, vendor="v", identity="0123456789", clock=clock)
    assert repr(reporter) == "<Reporter v 01234567>"
    assert Reporter.of(reporter, vendor="w", identity="j", clock=clock) is reporter


async def test_events_say_whose_they_are() -> None:
    """Each event has the vendor, the short identity, and the instant of the client's clock."""
    rig = Rig()
    await rig.name()
    rig.clock.advance(5)
    await all_blocked()
    assert {(event.vendor, event.identity) for event in rig.events} == {("fake", "digest")}
    assert {event.at for event in rig.events} == {instant(1_782_950_400.0)}
