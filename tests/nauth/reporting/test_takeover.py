"""A session that another process keeps ending is noticed, and the remedy said once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from nauth.events import Cause, RenewalSucceeded, TokenRefused
from nauth.reporting.takeover import TakeoverWatch
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox

START = datetime(2026, 7, 2, tzinfo=UTC)


def _told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [
        record.getMessage()
        for record in caplog.records
        if record.__dict__.get("nauth.event") == "session.taken_over"
    ]


def _renewed(minutes: float, *, cause: Cause = Cause.REJECTED, identity: str = "i") -> RenewalSucceeded:
    return RenewalSucceeded(
        cause=cause,
        waiters=1,
        took=timedelta(seconds=1),
        refreshed=False,
        vendor="nomba",
        identity=identity,
        at=START + timedelta(minutes=minutes),
    )


def test_the_third_within_ten_minutes(caplog: pytest.LogCaptureFixture) -> None:
    """Three early ends within ten minutes are told, once; the text names both remedies."""
    watch = TakeoverWatch()
    watch(_renewed(0))
    watch(TokenRefused(cooldown=timedelta(seconds=10), vendor="nomba", identity="i", at=START))
    assert _told(caplog) == []
    for minutes in range(1, 9):
        watch(_renewed(minutes))
    (text,) = _told(caplog)
    assert "NAUTH_STORE" in text
    assert "store=" in text


@pytest.mark.parametrize("step, cause", [(6, Cause.REJECTED), (1, Cause.STALE), (1, Cause.EXPIRED)])
def test_what_is_no_takeover(step: int, cause: Cause, caplog: pytest.LogCaptureFixture) -> None:
    """Rare refusals, and renewals at a token's end, are not told."""
    watch = TakeoverWatch()
    for number in range(20):
        watch(_renewed(number * step, cause=cause))
    assert _told(caplog) == []


def test_each_credential_counts_for_itself(caplog: pytest.LogCaptureFixture) -> None:
    """Many tenants with one refusal each are no takeover; what is remembered of them is bounded."""
    watch = TakeoverWatch()
    for number in range(1200):
        watch(_renewed(0, identity=str(number)))
    assert _told(caplog) == []
    assert len(watch._seen) == 1000


def test_an_event_without_a_time(caplog: pytest.LogCaptureFixture) -> None:
    """An event that a test made, without a time, counts for nothing."""
    watch = TakeoverWatch()
    for _ in range(5):
        watch(TokenRefused(cooldown=timedelta(seconds=1)))
    assert _told(caplog) == []


async def test_a_second_process(caplog: pytest.LogCaptureFixture) -> None:
    """A client whose session a second sign-in ends three times says so."""
    from nauth.reporting.takeover import TAKEOVERS  # noqa: PLC0415 - the process's own

    TAKEOVERS.forget()
    async with (
        NombaSandbox() as sandbox,
        NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba,
    ):
        await nomba.check()
        for _ in range(3):
            sandbox.take_over()
            await nomba.check()
    assert len(_told(caplog)) == 1
