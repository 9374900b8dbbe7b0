"""The package itself: its version, its names, and `python -m nauth`."""

from __future__ import annotations

import importlib
import runpy
import sys
from importlib.metadata import version

import pytest

import nauth


def test_version() -> None:
    """`nauth.__version__` is the installed distribution's."""
    assert nauth.__version__ == version("nauth")


def test_unknown_name() -> None:
    """A name that the package does not have is told as Python tells it."""
    with pytest.raises(AttributeError, match="'nauth' has no attribute 'no_such_name'"):
        getattr(nauth, "no_such_name")  # noqa: B009 - a plain attribute would not pass the type checker


def test_as_a_module(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m nauth` is the `nauth` command; importing the module runs nothing."""
    importlib.import_module("nauth.__main__")
    monkeypatch.setattr(sys, "argv", ["nauth", "--version"])
    monkeypatch.delitem(sys.modules, "nauth.__main__")
    with pytest.raises(SystemExit) as left:
        runpy.run_module("nauth", run_name="__main__")
    assert left.value.code in {0, None}
    assert version("nauth") in capsys.readouterr().out
