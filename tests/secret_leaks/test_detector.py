"""The detector finds what is planted in each of the places where a secret could be."""

from __future__ import annotations

import json
import logging
import types
import warnings
from collections.abc import Callable, Mapping
from typing import cast
from urllib.parse import quote

import attrs
import pytest

from nauth.errors import NauthError
from tests.support.leaks.detector import OURS, Canaries, Witness
from tests.support.leaks.errors import leaks


@attrs.frozen
class _Loose:
    token: str


class _Careless:
    def __init__(self, token: str) -> None:
        self.token = token

    def __repr__(self) -> str:
        return f"<{self.token}>"


def _fail(canary: str) -> None:
    raise NauthError("nothing to see")


def _as_ours(function: types.FunctionType) -> types.FunctionType:
    """Return `function` as if it stood in a file of the library."""
    return types.FunctionType(function.__code__.replace(co_filename=f"{OURS[0]}odd.py"), globals())


def _plant_error(witness: Witness, canary: str) -> None:
    try:
        _as_ours(cast("types.FunctionType", _fail))(canary)
    except NauthError as error:
        witness.caught("planted", error)


PLANTS: Mapping[str, Callable[[Witness, str], object]] = {
    "log": lambda _, canary: logging.getLogger("nauth").debug("got %s", canary),
    "stdout": lambda _, canary: print(canary),  # noqa: T201 - the plant
    "warning": lambda _, canary: warnings.warn(canary, stacklevel=1),
    "repr": lambda witness, canary: witness.shown("x", _Careless(canary)),
    "asdict": lambda witness, canary: witness.shown("x", _Loose(canary)),
    "pickle": lambda witness, canary: witness.shown("x", [canary]),
    "event": lambda witness, canary: witness.event(_Loose(canary)),
    "local": _plant_error,
    "cut off": lambda witness, canary: witness.shown("x", _Careless(canary[:25])),
    "quoted": lambda witness, canary: witness.shown("x", _Careless(quote(canary, safe=""))),
}


@pytest.mark.parametrize("name", PLANTS)
def test_the_detector_finds_what_is_planted(name: str) -> None:
    """A canary in each of the places where one could be is found, and nothing else."""
    canary = "sk+live/0123456789abcdef0123456789abcdef0123456789=="
    canaries, witness = Canaries(), Witness()
    canaries.add("secret", canary)
    with witness.watching():
        pass
    assert witness.leaks(canaries) == []
    with witness.watching():
        PLANTS[name](witness, canary)
    assert bool(witness.render()) is (name == "local")
    found = witness.leaks(canaries)
    assert found
    assert all(leak.endswith("shows secret") for leak in found)
    if name == "local":
        assert any(leak.startswith("rich") for leak in found)


def test_the_leak_finder_of_single_errors_finds() -> None:
    """`leaks` sees texts, attributes, causes, and locals of frames outside the tests."""
    with pytest.raises(TypeError) as plain:
        json.loads({"a": "CANARY"})  # type: ignore[arg-type]  # to get a frame with a local that shows
    assert leaks(plain.value, ["CANARY"]) == ["loads: s"]
    assert leaks(NauthError("x", code="CANARY"), ["CANARY"]) != []
    outer = NauthError("x")
    outer.__cause__ = NauthError("CANARY")
    assert leaks(outer, ["CANARY"]) != []
