"""`BackoffState`: three reasons to leave the vendor alone."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from nauth.errors import NauthError, NotSentError, TokenRefusedError, VendorUnavailableError
from nauth.manager.backoff import BackoffState
from nauth.secret import Secret
from nauth.token import RenewalPolicy, Token

POLICY = RenewalPolicy()
TOKEN, NEXT = Token(access_token=Secret("t1")), Token(access_token=Secret("t2"))


def down(retry_after_s: float | None = None) -> VendorUnavailableError:
    return VendorUnavailableError(
        "down", retry_after=None if retry_after_s is None else timedelta(seconds=retry_after_s)
    )


def _told(error: NauthError) -> float:
    assert error.retry_after is not None
    return error.retry_after.total_seconds()


def cooling(pauses: BackoffState, now: float) -> float | None:
    """Return the seconds that callers are told to wait, or None if a renewal may start."""
    try:
        pauses.check(now)
    except NauthError as error:
        return _told(error)
    return None


def test_at_first_nothing_pauses() -> None:
    """A new manager may do everything."""
    pauses = BackoffState(POLICY)
    assert pauses.may_try_quietly(0)
    assert cooling(pauses, 0) is None
    assert pauses.refusal(0) is None


@pytest.mark.parametrize("valid", [True, False])
def test_a_failure_elsewhere_does_not_shorten_a_pause(*, valid: bool) -> None:
    """Callers go on to get the error that named the longer pause, whatever another loop's renewal met meanwhile."""
    pauses, other = BackoffState(POLICY), NotSentError("the proxy refused")
    pauses.failed(down(600), 0, valid=False)
    pauses.failed(other, 100, valid=valid)
    with pytest.raises(VendorUnavailableError, match="down"):
        pauses.check(599)
    assert not pauses.may_try_quietly(599)
    assert cooling(pauses, 600) is None
    assert other.retry_after == (None if valid else timedelta(seconds=500))


def test_quiet_pauses_double() -> None:
    """While the old token lives, pauses double to the cap, and callers are told nothing."""
    pauses, now, lengths = BackoffState(POLICY), 0.0, []
    for _ in range(8):
        error = down()
        pauses.failed(error, now, valid=True)
        assert error.retry_after is None
        assert cooling(pauses, now) is None
        wait = next(second for second in range(100) if pauses.may_try_quietly(now + second))
        lengths.append(wait)
        now += wait
    assert lengths == [1, 2, 4, 8, 16, 32, 60, 60]


def test_success_forgets() -> None:
    """A success ends the pause, the cool-down and the growing."""
    pauses = BackoffState(POLICY)
    for _ in range(5):
        pauses.failed(down(), 0, valid=False)
    pauses.succeeded()
    assert pauses.may_try_quietly(0)
    assert cooling(pauses, 0) is None
    pauses.failed(down(), 0, valid=True)
    assert pauses.may_try_quietly(1)


def test_cool_down() -> None:
    """Without a valid token callers get a copy of the error, counted down, until the end of the cool-down."""
    pauses, error = BackoffState(POLICY), down()
    pauses.failed(error, 100, valid=False)
    assert error.retry_after == timedelta(seconds=10)
    assert cooling(pauses, 100) == 10
    assert cooling(pauses, 109.5) == 0.5
    assert not pauses.may_try_quietly(109.5)
    assert cooling(pauses, 110) is None
    with pytest.raises(VendorUnavailableError) as caught:
        pauses.check(105)
    assert caught.value is not error
    assert error.retry_after == timedelta(seconds=10)


@pytest.mark.parametrize("valid", [True, False])
def test_the_vendors_time_counts(*, valid: bool) -> None:
    """A wait that the vendor asked for holds for all callers, also while the old token lives."""
    pauses = BackoffState(POLICY)
    pauses.failed(down(50), 0, valid=valid)
    assert cooling(pauses, 49) == 1
    assert not pauses.may_try_quietly(49)
    assert cooling(pauses, 50) is None
    assert pauses.may_try_quietly(50)


def test_the_vendors_time_does_not_shorten() -> None:
    """A time shorter than the cool-down does not shorten it."""
    pauses = BackoffState(POLICY)
    pauses.failed(down(1), 0, valid=False)
    assert cooling(pauses, 1) == 9


def refused(pauses: BackoffState, now: float) -> float | None:
    """Return the seconds for which 401s renew nothing, or None if they may."""
    error = pauses.refusal(now)
    return None if error is None else _told(error)


def test_refused_pauses_double_until_it_is_calm() -> None:
    """A refused new token pauses renewals after 401s; the pause doubles to the cap and starts anew after a calm."""
    pauses, now, lengths = BackoffState(POLICY), 0.0, []
    for _ in range(5):
        pauses.refused(now, TOKEN)
        left = refused(pauses, now)
        assert left is not None
        lengths.append(left)
        now += left
        assert refused(pauses, now) is None
    assert lengths == [10, 20, 40, 60, 60]
    pauses.refused(now + 61, TOKEN)
    assert refused(pauses, now + 61) == 10


def test_many_who_find_out_are_one_refusal() -> None:
    """Requests that find out during the pause do not prolong it."""
    pauses = BackoffState(POLICY)
    for _ in range(100):
        pauses.refused(0, TOKEN)
    pauses.refused(5, TOKEN)
    assert refused(pauses, 5) == 5
    assert re.search(r"paused for 5\.0 s more", str(pauses.refusal(5)))
    assert isinstance(pauses.refusal(5), TokenRefusedError)


def test_looks_in_the_store_are_spaced() -> None:
    """While renewals after a 401 are paused, the store is asked once per back-off."""
    pauses = BackoffState(POLICY)
    assert [pauses.may_recheck(now) for now in (0, 0.5, 0.99, 1, 1.5)] == [True, False, False, True, False]


def test_success_does_not_forgive_a_refusal() -> None:
    """A renewal that worked is no proof that its token will be taken."""
    pauses = BackoffState(POLICY)
    pauses.refused(0, TOKEN)
    pauses.succeeded()
    assert refused(pauses, 0) == 10


def test_a_401_of_an_accepted_token_is_news() -> None:
    """It may renew in spite of the pause, unless the endpoint is one that refuses new tokens."""
    pauses = BackoffState(POLICY)
    pauses.refused(0, TOKEN, "odd")
    assert pauses.refusal(1, TOKEN, "good") is not None  # accepted nowhere yet: may be refused everywhere
    assert pauses.accepted(1, TOKEN, "good")
    assert pauses.refusal(1, TOKEN, "good") is None
    assert pauses.refusal(1, TOKEN, "other") is None
    assert pauses.refusal(1, TOKEN, "odd") is not None
    assert pauses.refusal(1, TOKEN) is not None
    assert pauses.refusal(1, NEXT, "good") is not None
    assert not pauses.accepted(11, TOKEN, "good")


def test_news_that_was_none_is_believed_once() -> None:
    """Where the renewal it allowed was in vain, only an endpoint that has accepted this very token counts."""
    pauses = BackoffState(POLICY)
    pauses.refused(0, TOKEN, "odd")
    pauses.accepted(1, TOKEN, "good")
    pauses.refused(2, TOKEN, "found out late")
    assert pauses.refusal(2, TOKEN, "other") is None
    pauses.refused(2, NEXT, "other")
    assert pauses.refusal(3, NEXT, "third") is not None
    pauses.accepted(3, NEXT, "good")
    assert pauses.refusal(3, NEXT, "third") is not None
    assert pauses.refusal(3, NEXT, "good") is None
    pauses.refused(10, NEXT, "odd")  # the next pause begins
    assert pauses.refusal(11, NEXT, "third") is None


def test_endpoints_without_end() -> None:
    """Paths may hold ids: what is remembered of them is bounded."""
    pauses = BackoffState(POLICY)
    for number in range(1_000):
        pauses.refused(0, TOKEN, f"/{number}")
    assert len(pauses._odd) == 256
