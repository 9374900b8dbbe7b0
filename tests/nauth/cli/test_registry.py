"""Vendors register by entry point: a fifth one needs no line in the core."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nauth.cli.registry import GROUP

_ACME = """
import attrs
from nombaauth.cli import VENDOR as NOMBA

VENDOR = attrs.evolve(NOMBA, title="Acme Pay")
ODD = "not a vendor"
"""
_COMMAND = "from nauth.cli import main; main()"


@pytest.fixture
def acme(tmp_path: Path) -> Path:
    """Install a distribution `acme-pay` with a vendor of its own, in the form that an installer leaves it."""
    info = tmp_path / "acme_pay-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-pay\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{GROUP}]\nacme = acme_pay:VENDOR\nodd = acme_pay:ODD\n")
    (tmp_path / "acme_pay.py").write_text(_ACME)
    return tmp_path


def _run(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", _COMMAND, *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
    )


@pytest.mark.slow
def test_a_fifth_vendor_is_listed(acme: Path) -> None:
    """Its name stands in the command's help beside the four, and in the help of a command that takes a vendor."""
    for args in (["--help"], ["sandbox", "--help"]):
        done = _run(acme, *args)
        assert done.returncode == 0
        for name in ("acme", "nao", "nomad", "nomba", "noyo"):
            assert name in done.stdout


@pytest.mark.usefixtures("nomba")
@pytest.mark.slow
def test_a_fifth_vendor_signs_in(acme: Path) -> None:
    """`check` and `token` use its client."""
    for command in ("check", "token"):
        done = _run(acme, command, "acme", "--sign-in")
        assert done.returncode == 0, done.stderr
    assert "Acme Pay answered" in _run(acme, "check", "acme", "--sign-in").stdout


@pytest.mark.slow
def test_a_fifth_vendor_in_the_demonstration(acme: Path) -> None:
    """`demo` plays its part."""
    done = _run(acme, "demo", "--vendor", "acme", "--seconds", "3", "--coroutines", "20", "--plain")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_an_entry_point_that_names_no_vendor(acme: Path) -> None:
    """It is named with what is wrong with it, and what it holds is not shown."""
    done = _run(acme, "check", "odd")
    assert done.returncode != 0
    assert "'odd'" in done.stderr + done.stdout
    assert "not a vendor" not in done.stderr + done.stdout
