"""How results are printed."""

from __future__ import annotations

import pytest

from nauth.cli.output import shown


@pytest.mark.parametrize(
    "value, masked",
    [("short", "(set)"), ("0123456789abcdef", "0123...cdef"), ("0123456789\tabcdef", "(set)")],
)
def test_an_id_is_masked(monkeypatch: pytest.MonkeyPatch, value: str, masked: str) -> None:
    """The ends of a long id are shown; of a short or unprintable one only that it is set."""
    monkeypatch.setenv("NOMBA_CLIENT_ID", value)
    assert shown("NOMBA_CLIENT_ID", "NOMBA_ACCOUNT_ID") == {"client id": masked}


def test_a_whole_id(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is asked for whole is shown whole."""
    monkeypatch.setenv("NOMBA_CLIENT_ID", "0123456789abcdef")
    assert shown("NOMBA_CLIENT_ID", whole=True) == {"client id": "0123456789abcdef"}
