"""How long a token lives, by the rules that its documents' contradictions call for."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from noyoauth import AnswerMeta, ConfigurationError, ExpiresInUnit, LifetimeRules, Secret, TokenAnswer
from noyoauth.lifetime import stated_lifetime, token_lifetime

_NOW_S = 1_782_950_400.0  # 2026-07-02T00:00:00Z
_TEN = timedelta(seconds=600)


def jwt(**claims: Any) -> str:
    """Return a token with these claims, signed with no known key."""
    parts = (
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({}, claims)
    )
    return f"{'.'.join(parts)}.c2ln"


def _life(
    token: str, expires_in: object = None, *, skew_s: float = 0, date_s: float | None = None, **rules: Any
) -> float:
    date = None if date_s is None else format_datetime(datetime.fromtimestamp(date_s, UTC), usegmt=True)
    meta = AnswerMeta(status=200, date=date, sent_wall_s=_NOW_S + skew_s)
    answer = TokenAnswer(access_token=Secret(token), expires_in=expires_in)
    return token_lifetime(answer, meta, LifetimeRules(**rules)).total_seconds()


@pytest.mark.parametrize("skew_s", [0, 3600, -3600])
@pytest.mark.parametrize("expires_in", [864_000, 600, None, "soon"])
def test_a_jwts_own_times_come_first(skew_s: float, expires_in: object) -> None:
    """With `iat` and `exp` 600 apart it lives 600 s, whatever `expires_in` and this machine's clock say."""
    assert _life(jwt(iat=_NOW_S, exp=_NOW_S + 600), expires_in, skew_s=skew_s) == 600


def test_a_jwt_is_believed_beyond_the_cap() -> None:
    """The ten minutes are a cap on `expires_in`, not on what the token says of itself."""
    assert _life(jwt(iat=int(_NOW_S), exp=int(_NOW_S) + 864), 864_000) == 864
    assert (
        _life(jwt(iat=int(_NOW_S), exp=int(_NOW_S) + 864), 864_000, max_lifetime=timedelta(seconds=60)) == 864
    )


@pytest.mark.parametrize(
    "skew_s, date_s, lived",
    [
        (0, None, 590),
        (100, None, 490),
        (0, _NOW_S, 590),
        (3600, _NOW_S, 590),
        (-3600, _NOW_S, 590),
        (0, _NOW_S + 300, 290),
        (590, None, 9),
        (601, None, 600),  # over by this clock: the documented life
        (600, None, 600),
    ],
)
def test_an_exp_alone_is_compared_with_a_clock(skew_s: float, date_s: float | None, lived: float) -> None:
    """By the answer's own `Date`, else by this machine's clock, less a leeway; what is not positive counts as none."""
    assert _life(jwt(exp=_NOW_S + 600), skew_s=skew_s, date_s=date_s) == pytest.approx(lived)


@pytest.mark.parametrize(
    "token",
    [
        "opaque",
        "a.b.c",
        jwt(),
        jwt(iat=1),
        jwt(iat=_NOW_S, exp=_NOW_S),
        jwt(iat=_NOW_S + 600, exp=_NOW_S),
        jwt(iat=_NOW_S, exp="x"),
        jwt(exp=str(_NOW_S + 5)),
        jwt(exp=True),
        jwt(exp=_NOW_S - 5),
        "x" * 70_000,
    ],
)
@pytest.mark.parametrize(
    "expires_in, lived",
    [
        (864_000, 600),
        (600_000, 600),
        (300_000, 300),
        (600, 600),
        (864, 600),
        (86_400, 86.4),
        ("864000", 600),
        ("300", 300),
        (9_999, 600),
        (10_000, 10),
        (10_000.0, 10),
        (0.5, 0.5),
        (None, 600),
        (0, 600),
        (-1, 600),
        ("soon", 600),
        ("1e400", 600),
        ("", 600),
        (True, 600),
        ([5], 600),
        ({}, 600),
        (float("inf"), 600),
        (float("nan"), 600),
        (10**400, 600),
        (1e-9, 600),
    ],
)
def test_without_a_usable_jwt_expires_in_counts_up_to_ten_minutes(
    token: str, expires_in: object, lived: float
) -> None:
    """From 10,000 on milliseconds, below seconds, at most 600 s, and 600 s where nothing can be read."""
    assert _life(token, expires_in) == lived


@pytest.mark.parametrize(
    "unit, expires_in, lived",
    [
        ("ms", 600, 0.6),
        ("s", 864_000, 864_000),
        ("auto", 864_000, 864),
        ("ms", 864_000, 864),
        ("s", 10**30, 366 * 86_400),
        ("ms", 10**30, 366 * 86_400),
        ("ms", 0.0001, None),
    ],
)
def test_the_unit_can_be_said(unit: ExpiresInUnit, expires_in: object, lived: float | None) -> None:
    """A user who knows better is believed, up to a year."""
    found = stated_lifetime(expires_in, unit)
    assert (None if found is None else found.total_seconds()) == lived


def test_the_cap_can_be_moved() -> None:
    """Up, so that the documented 864 s hold, and down; what cannot be read stays at the documented ten minutes."""
    assert _life("opaque", 864_000, max_lifetime=timedelta(days=1)) == 864
    assert _life("opaque", 864_000, max_lifetime=timedelta(seconds=30)) == 30
    assert _life("opaque", None, max_lifetime=timedelta(days=1)) == 600
    assert _life("opaque", None, max_lifetime=timedelta(seconds=30)) == 30


@pytest.mark.parametrize(
    "rules, words",
    [
        ({"max_lifetime": 600}, "max_lifetime must be a timedelta, not int"),
        ({"max_lifetime": timedelta(0)}, "max_lifetime must be longer than zero"),
        ({"expires_in_unit": "minutes"}, "expires_in_unit must be 'auto' or 'ms' or 's'"),
        ({"expires_in_unit": ["ms"]}, "expires_in_unit"),
    ],
)
def test_wrong_rules_are_refused(rules: dict[str, Any], words: str) -> None:
    """A bare number has no unit, and a cap of nothing would renew on every call."""
    with pytest.raises(ConfigurationError, match=words):
        LifetimeRules(**rules)
    assert LifetimeRules().max_lifetime == _TEN
