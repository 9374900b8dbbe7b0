"""Near the end of a token's life and after it: who waits, who does not, and by which clock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nauth.errors import (
    CredentialsRejectedError,
    ExpiredOnArrivalError,
    OutcomeUnknownError,
    VendorUnavailableError,
)
from nauth.token import MAX_LIFETIME, RenewalPolicy
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY, Rig, all_blocked, immediately

DOWN = VendorUnavailableError("down")
SECOND = timedelta(seconds=1)


async def test_no_caller_waits_while_the_token_lives() -> None:
    """A thousand callers near the token's end get it at once, without a turn of the loop, and cause one renewal."""
    rig = Rig()
    await rig.name()
    gate = rig.close_gate()
    rig.clock.advance(3540)
    assert {immediately(rig.name()) for _ in range(1000)} == {"t1"}
    await all_blocked()
    rig.clock.advance(0.2)
    assert {immediately(rig.name()) for _ in range(1000)} == {"t1"}
    gate.set()
    await all_blocked()
    assert immediately(rig.name()) == "t2"
    assert rig.calls == ["issue", "issue"]


async def test_fresh_until_the_margin() -> None:
    """Before the margin nothing is renewed."""
    rig = Rig()
    await rig.name()
    rig.clock.advance(3539)
    assert immediately(rig.name()) == "t1"
    await all_blocked()
    assert rig.calls == ["issue"]


async def test_failing_renewals_are_quiet_and_bounded() -> None:
    """While the old token lives, no caller sees an error; tries double their pause up to the cap."""
    rig = Rig()
    await rig.name()
    rig.clock.advance(3540)
    rig.vendor.error = DOWN
    tries: list[int] = []
    for second in range(60):
        before = len(rig.calls)
        for _ in range(10):
            assert immediately(rig.name()) == "t1"
            await all_blocked()
        tries += [second] * (len(rig.calls) - before)
        rig.clock.advance(1)
    assert tries == [0, 1, 3, 7, 15, 23, 31, 39, 47, 55]
    with pytest.raises(VendorUnavailableError):
        await rig.name()


async def test_back_off_starts_anew_after_success() -> None:
    """A renewal that worked ends the growing of the pauses."""
    rig = Rig()
    await rig.name()
    for _ in range(2):
        rig.clock.advance(3540)
        rig.vendor.errors.append(DOWN)
        for pause in (0, 1):
            rig.clock.advance(pause)
            await rig.name()
            await all_blocked()
    assert await rig.name() == "t3"
    assert rig.calls == ["issue"] * 5


async def test_retry_after_holds_background_renewals_back() -> None:
    """A vendor that says when to come again is obeyed in the background, and after the token's end."""
    rig = Rig(lifetime=timedelta(seconds=100))
    await rig.name()
    rig.clock.advance(50)
    rig.vendor.errors.append(VendorUnavailableError("later", retry_after=timedelta(seconds=60)))
    await rig.name()
    await all_blocked()
    rig.clock.advance(49)
    assert await rig.name() == "t1"
    rig.clock.advance(1)
    with pytest.raises(VendorUnavailableError) as caught:
        await rig.name()
    assert caught.value.retry_after == timedelta(seconds=10)
    assert rig.calls == ["issue", "issue"]
    rig.clock.advance(10)
    assert await rig.name() == "t2"


async def test_expiry_during_the_pause_asks_at_once() -> None:
    """A quiet pause does not hold back callers who have no token any more."""
    rig = Rig(lifetime=timedelta(seconds=2))
    await rig.name()
    rig.clock.advance(1.5)
    rig.vendor.errors.append(DOWN)
    await rig.name()
    await all_blocked()
    rig.clock.advance(0.5)
    assert await rig.name() == "t2"


async def test_expired_callers_wait_for_the_background_renewal() -> None:
    """Who comes after the end joins the renewal that began before it."""
    rig = Rig()
    await rig.name()
    gate = rig.close_gate()
    rig.clock.advance(3599)
    await rig.name()
    rig.clock.advance(1)
    late = asyncio.create_task(rig.name())
    await all_blocked()
    assert not late.done()
    gate.set()
    assert await late == "t2"
    assert rig.calls == ["issue", "issue"]


async def test_wall_clock_alone_expires() -> None:
    """A wall clock that steps forward costs one renewal."""
    rig = Rig()
    await rig.name()
    rig.clock.step_wall(HOUR)
    assert await rig.name() == "t2"
    assert immediately(rig.name()) == "t2"


async def test_suspend() -> None:
    """A machine that slept past the token's end does not hand it out, though its monotonic clock stood still."""
    rig = Rig()
    await rig.name()
    rig.clock.suspend(HOUR)
    assert await rig.name() == "t2"


async def test_suspend_into_the_margin() -> None:
    """A machine that woke shortly before the token's end hands it out and renews."""
    rig = Rig()
    await rig.name()
    rig.clock.suspend(3550)
    assert immediately(rig.name()) == "t1"
    await all_blocked()
    assert immediately(rig.name()) == "t2"


async def test_wall_clock_stepped_back() -> None:
    """A wall clock that was set back does not prolong a token."""
    rig = Rig()
    await rig.name()
    rig.clock.step_wall(-HOUR)
    rig.clock.advance(HOUR)
    assert await rig.name() == "t2"


async def test_lifetime_counts_from_sending() -> None:
    """The time that the answer and the storing took is part of the token's life."""
    rig = Rig()
    gate = rig.close_gate()
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    rig.clock.advance(100)

    async def slow_store() -> None:
        rig.clock.advance(8)

    rig.store.will("commit", slow_store)
    gate.set()
    await caller
    token = rig.manager.current
    assert token is not None
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == rig.clock.wall() - 108 + 3600
    rig.vendor.error = DOWN
    rig.clock.advance(3600 - 108 - 1)
    assert await rig.name() == "t1"
    await all_blocked()
    rig.clock.advance(1)
    with pytest.raises(VendorUnavailableError):
        await rig.name()


async def test_slow_store_while_adopting() -> None:
    """The time that a store takes after it was read is part of an adopted token's life."""
    rig = Rig()
    await rig.name()
    second = rig.another()

    async def slow_store() -> None:
        rig.clock.advance(8)

    rig.store.will("release", slow_store)
    await second.token()
    assert second._cache.held.expire_mono == rig.manager._cache.held.expire_mono


async def test_jitter_is_only_earlier() -> None:
    """Jitter spreads renewals over the time before the margin, never after it, nor beyond half of the life."""
    policy = RenewalPolicy(margin=timedelta(seconds=60), jitter=timedelta(seconds=30))
    starts = set()
    for _ in range(50):
        rig = Rig(policy=policy)
        await rig.name()
        starts.add(rig.manager._cache.held.renew_mono - rig.clock.monotonic())
    assert len(starts) > 1
    assert all(3510 < start <= 3540 for start in starts)
    rig = Rig(policy=policy, lifetime=timedelta(seconds=50))
    await rig.name()
    assert rig.manager._cache.held.renew_mono - rig.clock.monotonic() >= 25


async def test_short_lives() -> None:
    """A token that lives shorter than the margin is not renewed with every request."""
    rig = Rig(lifetime=timedelta(seconds=50))
    for _ in range(50):
        await rig.name()
        await all_blocked()
        rig.clock.advance(0.49)
    assert rig.calls == ["issue"]


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-5)])
async def test_dead_on_arrival(lifetime: timedelta) -> None:
    """A token without any life left is an error and a cool-down, never handed out and not asked for again at once."""
    rig = Rig(lifetime=lifetime)
    for _ in range(2):
        with pytest.raises(ExpiredOnArrivalError, match="already over") as caught:
            await rig.name()
        assert caught.value.retry_after == timedelta(seconds=10)
    assert rig.calls == ["issue"]
    assert await rig.stored() is None


@pytest.mark.parametrize("lifetime", [timedelta(days=36525), timedelta.max, None])
async def test_long_lives(lifetime: timedelta | None) -> None:
    """A token may live for a century, for ever in numbers, or for ever."""
    rig = Rig(lifetime=lifetime)
    await rig.name()
    rig.clock.advance(min(lifetime or timedelta.max, MAX_LIFETIME) / 2)
    assert immediately(rig.name()) == "t1"
    await all_blocked()
    assert rig.calls == ["issue"]


async def test_late_expired_on_arrival_is_quiet() -> None:
    """If a renewal returns an expired token, callers keep the valid one; the new refresh token is kept."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(3540)
    rig.vendor.answers.append(made("late", lifetime=timedelta(0), refresh="r-new"))
    assert await rig.name() == "t1"
    await all_blocked()
    assert immediately(rig.name()) == "t1"
    assert await rig.stored() == ("late", "r-new", 2)
    rig.clock.advance(1)
    await rig.name()
    await all_blocked()
    assert rig.calls == ["issue", "refresh r1", "refresh r-new"]
    assert immediately(rig.name()) == "t2"


async def test_expired_on_arrival_keeps_the_rotated_token() -> None:
    """A dead token is not handed out; the refresh token that came with it serves the next try."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    rig.vendor.answers.append(made("late", lifetime=timedelta(0), refresh="r-new"))
    with pytest.raises(ExpiredOnArrivalError):
        await rig.name()
    rig.clock.advance(10)
    assert await rig.name() == "t2"
    assert rig.calls == ["issue", "refresh r1", "refresh r-new"]


async def test_refresh_is_preferred() -> None:
    """A token with a refresh token is refreshed, not issued anew."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    assert await rig.name() == "t2"
    rig.clock.advance(HOUR)
    assert await rig.name() == "t3"
    assert rig.calls == ["issue", "refresh r1", "refresh r2"]


async def test_refresh_answer_without_refresh_token() -> None:
    """A refresh answer that leaves the refresh token out keeps the old one; extras are merged."""
    rig = Rig()
    rig.vendor.answers.extend([made("a", refresh="keep", session="s1"), made("b"), made("c", session="s2")])
    for name, session in (("a", "s1"), ("b", "s1"), ("c", "s2")):
        assert await rig.name() == name
        token = rig.manager.current
        assert token is not None
        assert token.extra == {"session": session}
        rig.clock.advance(HOUR)
    assert await rig.name() == "t1"
    assert rig.calls == ["issue", "refresh keep", "refresh keep", "refresh keep"]


async def test_refused_refresh_issues() -> None:
    """A refused refresh token leads to an issue in the same renewal; nothing of the old session is kept."""
    rig = Rig()
    rig.vendor.answers.extend([made("a", refresh="dead", session="s1"), made("b")])
    await rig.name()
    rig.clock.advance(HOUR)
    rig.vendor.errors.append(CredentialsRejectedError("no"))
    assert await rig.name() == "b"
    token = rig.manager.current
    assert token is not None
    assert token.refresh_token is None
    assert token.extra == {}
    assert rig.calls == ["issue", "refresh dead", "issue"]


@pytest.mark.parametrize("error", [DOWN, OutcomeUnknownError("lost")])
async def test_doubt_burns_no_issue(error: Exception) -> None:
    """A refresh that failed without a refusal is not followed by an issue."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    rig.vendor.errors.append(error)
    with pytest.raises(type(error)):
        await rig.name()
    assert rig.calls == ["issue", "refresh r1"]
    rig.clock.advance(10)
    assert await rig.name() == "t2"
    assert "issue" not in rig.calls[1:]


async def test_refused_refresh_adopts_what_a_sibling_rotated() -> None:
    """When the refresh token is refused, a newer record in the store is taken instead of issuing."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    rig.vendor.errors.append(CredentialsRejectedError("used before"))
    rig.store.will("load", None, lambda: rig.store.plant(KEY, made("sibling")))
    assert await rig.name() == "sibling"
    assert rig.calls == ["issue", "refresh r1"]


@pytest.mark.parametrize("useless", [made("dead", lifetime=-SECOND), made("t1")])
async def test_refused_refresh_adopts_nothing_useless(useless: object) -> None:
    """A record that is dead, or the very token that was refused, is not adopted."""
    rig = Rig(rotating=True)
    first = await rig.manager.token()
    rig.vendor.errors.append(CredentialsRejectedError("used before"))
    rig.store.will("load", None, lambda: rig.store.plant(KEY, useless))  # type: ignore[arg-type]  # a Token
    token = await rig.manager.renew(rejected=first)
    assert token.access_token.reveal() == "t2"
    assert rig.calls == ["issue", "refresh r1", "issue"]
