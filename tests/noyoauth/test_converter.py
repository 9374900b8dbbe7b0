"""Noyo's wire rules: instants as numbers, and numbers that are none."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from nauth.wire.converter import decode
from noyoauth import GroupsPage, NoyoMalformedResponseError
from noyoauth.converter import CONVERTER, tame
from noyoauth.sandbox.data import group


def _page(**changed: Any) -> GroupsPage:
    wire = {"meta": {"offset": 0, "page_size": 5}, "response": [{**group(1), **changed}]}
    return decode(CONVERTER, wire, GroupsPage, error=NoyoMalformedResponseError)


@pytest.mark.parametrize("stamp", [1_782_950_400, 1_782_950_400.0])
def test_an_instant_is_seconds_since_1970(stamp: float) -> None:
    """Whole or not, they become an aware datetime."""
    assert _page(created=stamp).response[0].created == datetime(2026, 7, 2, tzinfo=UTC)


@pytest.mark.parametrize("stamp", ["1782950400", "CANARY", None, True, [], {}, 10**30, -(10**30)])
def test_any_other_instant_is_malformed(stamp: object) -> None:
    """Text, flags, null and what lies beyond the calendar are named by place and type, never by value."""
    with pytest.raises(NoyoMalformedResponseError) as refused:
        _page(created=stamp)
    (problem,) = refused.value.problems
    assert problem.startswith("$.response[0].created: expected seconds since 1970, got ")
    assert "CANARY" not in str(refused.value)


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_becomes_its_own_text(number: str) -> None:
    """The rest of the document stays readable."""
    assert json.loads(tame(f'{{"a": {number}, "b": 1.5, "c": 2}}'.encode())) == {
        "a": number,
        "b": 1.5,
        "c": 2,
    }


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"{", b"[" * 100_000, b"1" * 5000])
def test_what_is_no_json_is_left_to_the_core(body: bytes) -> None:
    """Nothing is raised and nothing changed."""
    assert tame(body) == body
