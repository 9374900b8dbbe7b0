"""`Switchboard` reads switches and complains with what there is."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest

from nauth.errors import ConfigurationError
from nauth.testing.switches import Switchboard

BOARD = Switchboard("XSandbox", {"colour": ("red", "blue"), "life": ("unlimited", "seconds:60")})


def test_values_are_checked() -> None:
    """A listed value passes as it is; a special one is read by its own function."""
    read = BOARD.checked(
        {"colour": "blue", "life": "seconds:5"}, {"life": lambda value: BOARD.limit("life", value)}
    )
    assert read == {"colour": "blue", "life": timedelta(seconds=5)}


@pytest.mark.parametrize(
    "options, said",
    [
        ({"color": "red"}, "has no switch 'color'. It has: colour, life"),
        ({"colour": "green"}, r"XSandbox\(colour=...\) is not .* but another str. It takes: red, blue"),
    ],
)
def test_what_is_wrong_is_named(options: dict[str, object], said: str) -> None:
    """An unknown switch or value is refused with the list of what there is."""
    with pytest.raises(ConfigurationError, match=said):
        BOARD.checked(options, {})


@pytest.mark.parametrize("value, life_s", [(2, 2), (0.5, 0.5), (timedelta(minutes=1), 60), ("seconds:7", 7)])
def test_spans(value: object, life_s: float) -> None:
    """A duration is a timedelta, a number of seconds, or seconds in words."""
    assert BOARD.limit("life", value) == timedelta(seconds=life_s)


def test_unlimited() -> None:
    """No limit is None."""
    assert BOARD.limit("life", "unlimited") is None


@pytest.mark.parametrize("value", [0, -1, True, math.nan, math.inf, "soon", "seconds:x", None, timedelta(0)])
def test_bad_spans(value: object) -> None:
    """What is no positive duration is refused."""
    with pytest.raises(ConfigurationError, match="or a positive timedelta"):
        BOARD.limit("life", value)
