"""How long a token lives, by every figure that an answer or the token itself may hold."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nomadauth import AccountLoginResponse, Secret
from nomadauth.config import MAX_TOKEN_LIFETIME
from nomadauth.lifetime import expiry_of, sso_expiry, token_lifetime

_NOW_S = 1_782_950_400.0  # 2026-07-02T00:00:00Z
_NOW = datetime.fromtimestamp(_NOW_S, UTC)
_OPAQUE = Secret("opaque")
_HOUR, _DEFAULT = timedelta(hours=1), timedelta(minutes=45)


def _jwt(**claims: object) -> Secret:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    return Secret(f"{part({'alg': 'RS256'})}.{part(claims)}.sig")


def _life(token: Secret = _OPAQUE, **fields: Any) -> timedelta:
    answer = AccountLoginResponse(**fields)
    return token_lifetime(answer, token, sent_wall_s=_NOW_S)


@pytest.mark.parametrize("name", ["expiration_seconds", "expires_in"])
@pytest.mark.parametrize(
    "value, life",
    [
        (3600.0, _HOUR),
        (3600, _HOUR),
        ("3600", _HOUR),
        (" 3600.0 ", _HOUR),
        (2700, _DEFAULT),
        (2, timedelta(seconds=2)),
        (0.5, timedelta(seconds=0.5)),
        (1e300, MAX_TOKEN_LIFETIME),
        (10**400, MAX_TOKEN_LIFETIME),
        (None, _DEFAULT),
        (0, _DEFAULT),
        (-3600.0, _DEFAULT),
        ("", _DEFAULT),
        ("soon", _DEFAULT),
        (True, _DEFAULT),
        ([], _DEFAULT),
        (float("nan"), _DEFAULT),
        (float("inf"), _DEFAULT),
    ],
)
def test_the_answers_figure(name: str, value: object, life: timedelta) -> None:
    """A positive finite number or numeric text counts; everything else means the documented 45 minutes."""
    fields: dict[str, Any] = {name: value}
    assert _life(**fields) == life


def test_the_documented_field_comes_first() -> None:
    """`expiresIn` is looked at only where `expirationSeconds` says nothing."""
    assert _life(expiration_seconds=3600, expires_in=60) == _HOUR
    assert _life(expiration_seconds=0, expires_in=60) == timedelta(minutes=1)


@pytest.mark.parametrize(
    "stated, span, life",
    [(3600, 2700, 2700), (2700, 3600, 2700), (None, 1800, 1800), (0, 1800, 1800), (3600, -5, 3600)],
)
def test_the_smaller_of_answer_and_token(stated: int | None, span: int, life: int) -> None:
    """A token that ends before the answer says so is believed, and the other way round."""
    token = _jwt(iat=1_000_000, exp=1_000_000 + span)
    assert _life(token, expiration_seconds=stated) == timedelta(seconds=life)


def test_a_long_lived_token_is_capped() -> None:
    """Cognito lets no token live longer than a day."""
    assert _life(_jwt(iat=0, exp=10**9)) == MAX_TOKEN_LIFETIME
    assert _life(_jwt(exp=_NOW_S + 10**9)) == MAX_TOKEN_LIFETIME


@pytest.mark.parametrize("left, life", [(600, 600), (0, 2700), (-600, 2700)])
def test_an_end_alone_needs_this_machines_clock(left: int, life: int) -> None:
    """`exp - now`; one that seems over shows that a clock is wrong, not that the token is."""
    assert _life(_jwt(exp=_NOW_S + left)) == timedelta(seconds=life)


def test_a_stated_figure_beats_an_end_alone() -> None:
    """No clock is asked where the answer says enough."""
    assert _life(_jwt(exp=_NOW_S + 60), expiration_seconds=3600) == _HOUR


def test_the_expires_of_a_sign_on() -> None:
    """It comes before the token's own end."""
    assert _life(_jwt(exp=_NOW_S + 60), expires="600") == timedelta(minutes=10)


@pytest.mark.parametrize(
    "value",
    [
        3600,
        3600.0,
        "3600",
        " 3600 ",
        "3600.0",
        _NOW_S + 3600,
        int((_NOW_S + 3600) * 1000),
        str(int(_NOW_S + 3600)),
        "1782954000000",
        "2026-07-02T01:00:00Z",
        "2026-07-02T01:00:00",
        "2026-07-02T02:00:00+01:00",
    ],
)
def test_every_form_of_expires(value: object) -> None:
    """Seconds, epoch seconds, epoch milliseconds and ISO 8601 name the same instant."""
    assert sso_expiry(value, now=_NOW) == _NOW + _HOUR


@pytest.mark.parametrize(
    "value", [None, "", "soon", True, [], {}, -1, 0, float("nan"), 1e300, 10**400, "9" * 400]
)
def test_garbage_is_no_expiry(value: object) -> None:
    """What cannot be read says nothing, and never raises."""
    assert sso_expiry(value, now=_NOW) is None


@pytest.mark.parametrize(
    "value, expected",
    [("\x1c0", None), ("0\x1f", None), ("\x1c3600", _NOW + _HOUR), ("3600\x1e ", _NOW + _HOUR)],
)
def test_white_space_of_every_kind_is_dropped(value: str, expected: datetime | None) -> None:
    """`str.strip` drops more of it than `float` does; nothing is left over that would raise."""
    assert sso_expiry(value, now=_NOW) == expected


def test_what_was_stated_comes_before_what_the_token_says() -> None:
    """Without either, the lifetime is unknown."""
    assert expiry_of(_jwt(exp=_NOW_S), _NOW + _HOUR) == _NOW + _HOUR
    assert expiry_of(_jwt(exp=_NOW_S), None) == _NOW
    assert expiry_of(_OPAQUE, None) is None
