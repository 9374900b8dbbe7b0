"""`HeldToken`: what is held after a token was refused, revoked or replaced, and what must not come back."""

from __future__ import annotations

from datetime import timedelta

from nauth.manager.held_token import NOTHING, HeldToken, place_on_clocks, successor
from nauth.token import RenewalPolicy
from tests.support.authenticator import made

OLD, NEW = made("old"), made("new")


def holding(name: str = "old", *, version: int = 1, age_s: float = 0.0, stored: bool = True) -> HeldToken:
    return place_on_clocks(
        made(name),
        RenewalPolicy(),
        version=version,
        age_s=age_s,
        mono=100.0,
        wall=1000.0,
        spread=0.0,
        stored=stored,
    )


def followed(before: HeldToken, after: HeldToken) -> HeldToken:
    return successor(before, after, mono=100.0, wall=1000.0)


def test_revoked() -> None:
    """A revoked token leaves nothing but its version, and is known to be dead."""
    left = holding(version=3).without(OLD, 2)
    assert (left.token, left.version, left.unusable) == (None, 3, (OLD,))
    assert left.rules_out(OLD, 100.0)
    assert not left.rules_out(NEW, 100.0)


def test_revoked_though_another_is_held() -> None:
    """Revoking the store's token leaves another one that is held here in place."""
    left = holding("new", version=3).without(OLD, 7)
    assert (left.token, left.version, left.unusable) == (NEW, 7, (OLD,))


def test_discarded_by_a_sibling() -> None:
    """A sibling's discard leaves the version and what is known to be dead."""
    left = holding(version=3).without(OLD, 3).discarded()
    assert (left.token, left.version, left.unusable) == (None, 3, (OLD,))


def test_dead_tokens_stay_dead() -> None:
    """What was revoked or refused is remembered by what follows it."""
    assert followed(NOTHING.without(OLD, 1), holding("new")).unusable == (OLD,)
    assert followed(holding().dead(), holding("new")).unusable == (OLD,)
    assert followed(holding(), holding("new")).unusable == ()


def test_two_revoked() -> None:
    """The stored and the held token, revoked one after the other, are both remembered; older ones not for ever."""
    left = holding("new", version=3).without(OLD, 7).without(NEW, 7)
    assert left.unusable == (NEW, OLD)
    assert left.rules_out(OLD, 100.0)
    assert left.rules_out(NEW, 100.0)
    assert left.without(OLD, 7).unusable == (OLD, NEW)
    assert left.without(made("third"), 7).without(made("fourth"), 7).unusable == (
        made("fourth"),
        made("third"),
        NEW,
    )


def test_vendor_hands_it_out_again() -> None:
    """A vendor that hands the same token out again says that it is alive."""
    assert followed(NOTHING.without(OLD, 1), holding()).unusable == ()


def test_step_back() -> None:
    """Beside a token that could not be stored, an older record is a step back, whatever its version says."""
    unsaved = holding(stored=False, age_s=10)
    assert unsaved.rules_out(NEW, 89.0)
    assert not unsaved.rules_out(NEW, 91.0)
    assert not holding(age_s=10).rules_out(NEW, 89.0)


def test_knows_dead() -> None:
    """Only the token held, and only once it was refused, is known to be dead by that."""
    assert holding().dead().was_refused(OLD)
    assert not holding().was_refused(OLD)
    assert not holding().dead().was_refused(NEW)


def test_useless_newcomer() -> None:
    """A token that is dead on arrival leaves the living one in its place, with its refresh token and where it is."""
    newcomer = holding("new", version=2, age_s=timedelta(days=1).total_seconds(), stored=False)
    after = followed(holding(), newcomer)
    assert (after.token, after.version, after.stored) == (OLD, 2, False)
