"""The list of planted bugs is true: each can be planted where it says, and the tests it names exist."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutation.planted import PLANTED, Planted

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("bug", PLANTED, ids=lambda bug: bug.name)
def test_can_be_planted(bug: Planted) -> None:
    """The text to replace stands exactly once in the file, and the tests that should notice are there."""
    assert (ROOT / bug.path).read_text().count(bug.old) == 1
    assert bug.old != bug.new
    assert bug.tests
    assert all((ROOT / test).is_file() for test in bug.tests)


def test_there_are_enough() -> None:
    """Twenty bugs at least, with names of their own."""
    assert len({bug.name for bug in PLANTED}) == len(PLANTED) >= 20
