"""How results are printed."""

from __future__ import annotations

import sys

import pytest

from nauth.cli.output import print_pairs, print_text, shown


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


@pytest.mark.parametrize("err", [False, True])
def test_a_terminal_breaks_lines(
    err: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between words; an address stays whole, an empty line stays, and a value hangs below its beginning."""
    stream = sys.stderr if err else sys.stdout
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    print_text("some words that are many\n\nsee https://example.com/a-long-way", err=err)
    print_pairs({"name": "a value of five words"}, err=err)
    seen = capsys.readouterr()
    assert (seen.err if err else seen.out).splitlines() == [
        "some words that are",
        "many",
        "",
        "see",
        "https://example.com/a-long-way",
        "  name  a value of",
        "        five words",
    ]


def test_a_pipe_keeps_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no terminal is, a line stays a line."""
    monkeypatch.setenv("COLUMNS", "20")
    print_text("some words that are many more than twenty", err=True)
    assert capsys.readouterr().err == "some words that are many more than twenty\n"
