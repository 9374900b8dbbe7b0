from __future__ import annotations

import copy
import json
import logging
import pickle

import attrs
import pytest

from nauth.secret import Secret

CANARY = "sk_live_canary"


@attrs.frozen(kw_only=True)
class Holder:
    secret: Secret


@pytest.mark.parametrize(
    "shown",
    [
        repr(Secret(CANARY)),
        str(Secret(CANARY)),
        f"{Secret(CANARY)}",
        f"{Secret(CANARY)!r:>30}",
        f"{Secret(CANARY):>30}",
        "%s %r" % (Secret(CANARY), Secret(CANARY)),  # noqa: UP031 - the form loggers use
        str([Secret(CANARY)]),
        repr(Holder(secret=Secret(CANARY))),
        str(attrs.asdict(Holder(secret=Secret(CANARY)))),
    ],
)
def test_nothing_shows_it(shown: str) -> None:
    """No way of turning a Secret into text gives its value."""
    assert CANARY not in shown
    assert "**********" in shown


def test_logging_masks(caplog: pytest.LogCaptureFixture) -> None:
    """A logger given the Secret writes the mask."""
    logging.getLogger("test").warning("using %s and %r", Secret(CANARY), Secret(CANARY))
    assert CANARY not in caplog.text
    assert caplog.text.count("**********") == 2


def test_width_applies_to_the_mask() -> None:
    """A format specification pads the mask, so that the width tells nothing of the value."""
    assert f"{Secret('x'):>25}" == f"{Secret('a much longer one'):>25}"


def test_reveal() -> None:
    """Only `reveal` gives the value."""
    assert Secret(CANARY).reveal() == CANARY


@pytest.mark.parametrize("opened", [pickle.dumps, json.dumps, vars, lambda secret: secret.__reduce__()])
def test_serialising_fails_loudly(opened: object) -> None:
    """Pickle and json refuse it by name instead of writing the value."""
    assert callable(opened)
    with pytest.raises(TypeError) as caught:
        opened(Secret(CANARY))
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("value", [None, 1, b"x", ["x"], type("Shouting", (str,), {})("x")])
def test_only_plain_text(value: object) -> None:
    """Anything but a plain str is refused by its type's name."""
    for make in (Secret, Secret.of):
        with pytest.raises(TypeError, match=type(value).__name__):
            make(value)  # type: ignore[arg-type] # the point of the test


def test_of() -> None:
    """`of` wraps text and Secrets alike and drops white space copied around them."""
    assert Secret.of(f" {CANARY}\n") == Secret(CANARY)
    assert Secret.of(Secret(f"\t{CANARY}")) == Secret(CANARY)


def test_equality_and_hash() -> None:
    """Secrets compare and hash by value, with odd Unicode too, and never equal a plain string."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("\ud800\u00e9") == Secret("\ud800\u00e9")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_truth() -> None:
    """An empty Secret is false, like the string it holds."""
    assert Secret("a")
    assert not Secret("")


def test_copies_are_the_same_object() -> None:
    """Copying keeps one object, since it cannot change."""
    secret = Secret("a")
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


@pytest.mark.parametrize(
    "value, fit",
    [
        ("abc.DEF-123~", True),
        ("", False),
        ("a b", False),
        ("a\r\nb: c", False),
        ("é", False),
        ("\x7f", False),
    ],
)
def test_sendable(value: str, fit: bool) -> None:
    """Only printable ASCII without white space may stand in a header: a line break would start another one."""
    assert Secret(value).sendable is fit
