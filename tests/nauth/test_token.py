from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from math import inf
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nauth.errors import ConfigurationError
from nauth.manager.held_token import age_on_arrival, place_on_clocks
from nauth.secret import Secret
from nauth.sources.base import Fields
from nauth.time_formats import instant
from nauth.token import MAX_LIFETIME, RenewalPolicy, Token, TokenState, margin_s

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
WALL = NOON.timestamp()


def token(**changes: Any) -> Token:
    return Token(**{"access_token": Secret("canary-access"), "lifetime": timedelta(seconds=1000), **changes})


def policy(margin: float, jitter: float) -> RenewalPolicy:
    return RenewalPolicy(margin=timedelta(seconds=margin), jitter=timedelta(seconds=jitter))


def test_values_may_be_copied_deeply() -> None:
    """A record that holds a token, or a source's fields, can be copied with `copy.deepcopy`; both never change."""
    given, fields = token(extra={"session": "1"}), Fields({"key": Secret("canary")}, unread={"other": "list"})
    assert copy.deepcopy([given, fields])[0] is given
    assert copy.deepcopy({"fields": fields})["fields"] is fields
    with pytest.raises(TypeError):
        fields.unread["x"] = "y"  # type: ignore[index]


def test_repr_shows_no_secret() -> None:
    """A token's repr names what it holds and shows none of it, the extra values included."""
    shown = repr(token(refresh_token=Secret("canary-refresh"), extra={"session": "canary-session"}))
    assert "canary" not in shown
    assert "<session>" in shown


@pytest.mark.parametrize(
    "changes, fault",
    [
        ({"access_token": "plain"}, TypeError),
        ({"access_token": None}, TypeError),
        ({"access_token": Secret("")}, ValueError),
        ({"refresh_token": "plain"}, TypeError),
        ({"expires_at": datetime(2024, 1, 1)}, ValueError),  # noqa: DTZ001 - the point of the test
    ],
)
def test_token_refuses(changes: dict[str, object], fault: type[Exception]) -> None:
    """A token refuses plain strings, an empty access token and naive instants, without showing them."""
    with pytest.raises(fault) as caught:
        token(**changes)
    assert "plain" not in str(caught.value)
    assert next(iter(changes)) in str(caught.value)


def test_authorization() -> None:
    """The header's value has the scheme before the token, and no space where there is no scheme."""
    assert token().authorization == "Bearer canary-access"
    assert token(scheme="").authorization == "canary-access"


def test_same_access() -> None:
    """Tokens are the same for a 401 when their access tokens are, whatever else differs."""
    one = token()
    assert one.same_access(one)
    assert one.same_access(token(scheme="X"))
    assert not one.same_access(token(access_token=Secret("b")))
    assert not one.same_access(None)


def test_token_is_immutable_and_hashable() -> None:
    """Neither the token nor its extra can change, not even through the mapping it was made from."""
    source = {"id": "1"}
    one = token(extra=source)
    source["id"] = "2"
    assert one.extra == {"id": "1"}
    assert one == token(extra={"id": "1"})
    assert hash(one) == hash(token(extra={"id": "1"}))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        one.scheme = "X"  # type: ignore[misc] # the point of the test
    with pytest.raises(TypeError):
        one.extra["id"] = "3"  # type: ignore[index] # the point of the test


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(RenewalPolicy)])
def test_policy_refuses(name: str) -> None:
    """Every setting of a policy but two is a duration that is not negative; the text names the setting."""
    faulty: list[Any] = [5.5, None, -1, timedelta(seconds=-1)]
    for value in faulty:
        with pytest.raises(ConfigurationError, match=rf"RenewalPolicy\.{name} must"):
            RenewalPolicy(**{name: value})


@pytest.mark.parametrize("attempts", [0, -1, True, 2.0])
def test_policy_attempts(attempts: Any) -> None:
    """Attempts count the first one too, so fewer than one makes no sense."""
    with pytest.raises(ConfigurationError, match="counts the first attempt too"):
        RenewalPolicy(attempts=attempts)


def test_policy_zeroes() -> None:
    """Zero switches a setting off, but a renewal must have some time."""
    off = timedelta(0)
    assert RenewalPolicy(margin=off, jitter=off, backoff=off, backoff_cap=off, cooldown=off).margin == off
    with pytest.raises(ConfigurationError, match="longer than zero"):
        RenewalPolicy(deadline=off)


def test_pause_doubles_to_the_cap() -> None:
    """Pauses double with each failure up to the cap, after any number of failures."""
    rules = RenewalPolicy(backoff_cap=timedelta(seconds=10))
    pauses = [rules.pause_s(timedelta(seconds=1), failures) for failures in (1, 2, 3, 4, 5, 100_000)]
    assert pauses == [1, 2, 4, 8, 10, 10]


def test_pause_is_never_shorter_than_its_base() -> None:
    """A base above the cap stays as it is."""
    assert RenewalPolicy(backoff_cap=timedelta(seconds=1)).pause_s(timedelta(seconds=7), 3) == 7


def test_margin() -> None:
    """The margin is the policy's with a draw of jitter, halved life being the bound, and zero if none is wanted."""
    assert margin_s(1000, policy(60, 20), 0.5) == 70
    assert margin_s(80, policy(60, 20), 0.0) == 30
    assert margin_s(80, policy(60, 20), 0.5) == 35
    assert margin_s(1000, policy(0, 0), 0.9) == 0


@settings(deadline=None, max_examples=300)
@given(st.floats(1e-3, 1e8), st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1, exclude_max=True))
def test_margin_is_at_most_half(lifetime: float, margin: float, jitter: float, spread: float) -> None:
    """No policy and no draw renews in the first half of a token's life."""
    assert 0 <= margin_s(lifetime, policy(margin, jitter), spread) <= lifetime / 2 * (1 + 1e-9)


@pytest.mark.parametrize(
    "mono, wall, state",
    [
        (0, 0, TokenState.FRESH),
        (899, 899, TokenState.FRESH),
        (900, 0, TokenState.STALE),
        (0, 900, TokenState.STALE),
        (999, 999, TokenState.STALE),
        (1000, 0, TokenState.EXPIRED),
        (0, 1000, TokenState.EXPIRED),
        (-50, 1e9, TokenState.EXPIRED),
    ],
)
def test_either_clock_ages_a_token(mono: float, wall: float, state: TokenState) -> None:
    """A token is stale or expired as soon as one of the two clocks says so."""
    placed = place_on_clocks(token(), policy(100, 0), version=3, age_s=0, mono=5, wall=WALL, spread=0)
    assert placed.version == 3
    assert placed.state(5 + mono, WALL + wall) is state


def test_age_counts_from_the_request() -> None:
    """The time the request took is taken off the token's life."""
    placed = place_on_clocks(token(), policy(100, 0), version=0, age_s=30, mono=0, wall=0, spread=0)
    assert (placed.renew_mono, placed.expire_mono) == (870, 970)


def test_endless_token() -> None:
    """A token without a lifetime is fresh for ever, until it is known to be dead."""
    placed = place_on_clocks(
        token(lifetime=None), policy(100, 0), version=0, age_s=30, mono=0, wall=0, spread=0
    )
    assert placed.state(1e18, 1e18) is TokenState.FRESH
    assert placed.dead().state(-1e18, -1e18) is TokenState.EXPIRED
    assert placed.dead().token is placed.token
    assert placed.dead().expire_wall == -inf


@pytest.mark.parametrize("lifetime", [timedelta(0), timedelta(seconds=-9)])
def test_dead_on_arrival(lifetime: timedelta) -> None:
    """A token whose life is over when it comes is expired at once."""
    placed = place_on_clocks(
        token(lifetime=lifetime), policy(100, 0), version=0, age_s=0, mono=0, wall=0, spread=0
    )
    assert placed.state(0, 0) is TokenState.EXPIRED


def test_longest_lifetime() -> None:
    """More than a year is a broken stamp and is cut."""
    placed = place_on_clocks(
        token(lifetime=timedelta.max), policy(0, 0), version=0, age_s=0, mono=0, wall=0, spread=0
    )
    assert placed.expire_mono == MAX_LIFETIME.total_seconds()


@pytest.mark.parametrize(
    "changes, age",
    [
        ({}, 20.0),
        ({"lifetime": None, "expires_at": NOON}, 20.0),
        ({"expires_at": NOON + timedelta(seconds=995)}, 5.0),
        ({"expires_at": NOON + timedelta(seconds=900)}, 20.0),
        ({"expires_at": NOON + timedelta(seconds=1010)}, 0.0),
        ({"expires_at": NOON, "lifetime": timedelta.max}, 20.0),
    ],
)
def test_age_on_arrival(changes: dict[str, object], age: float) -> None:
    """A token that says when it was asked for is believed within the time the caller waited, and never crashes."""
    assert age_on_arrival(token(**changes), waited_s=20.0, wall=WALL) == age


def test_instant() -> None:
    """Epoch seconds become an aware UTC datetime."""
    assert instant(WALL) == NOON
    assert instant(WALL).tzinfo is UTC
