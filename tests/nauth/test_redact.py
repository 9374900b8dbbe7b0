"""The other side's words are cleaned before a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nauth.redact import clean, not_among

_SECRET = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


@pytest.mark.parametrize(
    "said, kept",
    [
        ("Invalid credentials", "Invalid credentials"),
        ("  two\n\tlines\r\n", "two lines"),
        (f"token {_SECRET} is dead", "token [...] is dead"),
        (f'{{"token":"{_SECRET}"}}', '{"token":"[...]"}'),
        ("c0ffee00-1111-4222-8333-444455556666 unknown", "[...] unknown"),
        ("key YmFzZTY0K2FuZC9zbGFzaA== refused", "key [...] refused"),
        ("client_secret=abc%2Fdef%3Dghi%2Bjkl", "[...]"),
        ("nineteen-characters", "nineteen-characters"),
        ("twenty-characters-it", "[...]"),
        ("\x1b[31mred\x07\u202e\ud800", "[31mred"),
        ("Größe überschritten", "Größe überschritten"),
    ],
)
def test_clean(said: str, kept: str) -> None:
    """White space is folded, control characters go, and runs that could be a token are masked."""
    assert clean(said) == kept


@pytest.mark.parametrize("value", [None, 5, b"text", ["text"], {"a": "b"}, "", " \n", "\x00\x1b"])
def test_nothing_left(value: object) -> None:
    """What is no text, or holds nothing to read, is None."""
    assert clean(value) is None


def test_length() -> None:
    """No more than 200 characters are kept, of however many."""
    assert clean("word " * 1_000_000) == ("word " * 40)
    assert clean("a " * 100) == ("a " * 100).strip()


@pytest.mark.parametrize("before", ["x" * 985 + " ", "a" + " " * 980, "\x00" * 990])
def test_cut_through_a_token(before: str) -> None:
    """A token that the cut goes through leaves no beginning behind, however much shrinks before it."""
    assert _SECRET[:5] not in (clean(before + _SECRET) or "")


@given(st.text(max_size=1200), st.text(max_size=300))
def test_planted(before: str, after: str) -> None:
    """No surrounding brings half of a planted secret through."""
    text = clean(f"{before} {_SECRET} {after}") or ""
    assert _SECRET[:20] not in text
    assert len(text) <= 200
    assert text.replace(" ", "x").isprintable()


@pytest.mark.parametrize(
    "value, said",
    [
        (_SECRET, f"must be 'live' or 'sandbox', not a text of {len(_SECRET)} characters"),
        ("", "must be 'live' or 'sandbox', not a text of 0 characters"),
        (" LIVE\n", "not a text of 6 characters that differs from 'live' by case or white space"),
        ([_SECRET], "must be 'live' or 'sandbox', not list"),
    ],
)
def test_a_wrong_choice_is_not_shown(value: object, said: str) -> None:
    """Its type and length are, and what was meant where only case or white space is wrong."""
    assert not_among(("live", "sandbox"), value).endswith(said)
    assert _SECRET not in not_among(("live", "sandbox"), value)
