"""Count the instructions between two points of a program, with valgrind's callgrind."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["counted", "mark", "missing", "whole"]

_MARK = "getsid"
"""A function of the C library that nothing here calls otherwise. callgrind writes down what it has counted since the last
time and begins anew whenever it is called."""

_LIMIT_S = 1800


def mark() -> None:
    """End one count and begin the next. Without callgrind it does nothing."""
    os.getsid(0)


def missing() -> str | None:
    """Return why nothing can be counted here; None if it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed; its callgrind counts the instructions"
    return None


def counted(*arguments: str) -> list[int]:
    """Run this Python with `arguments` and return the instructions between each two of its marks.

    Raises:
        SystemExit: the program failed; the text is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        _run(out, (f"--dump-before={_MARK}",), arguments)
        # callgrind numbers what it writes: out.1 for what came before the first mark, and so on
        parts = sorted(Path(folder).glob("out.*"), key=lambda path: int(path.suffix[1:]))
        return [_total(part.read_text()) for part in parts[1:]]


def whole(*arguments: str) -> int:
    """Run this Python with `arguments` and return the instructions of the whole process.

    Raises:
        SystemExit: the program failed; the text is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        _run(out, (), arguments)
        return _total(out.read_text())


def _run(out: Path, options: tuple[str, ...], arguments: tuple[str, ...]) -> None:
    command = [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
        *options,
        sys.executable,
        *arguments,
    ]
    # one seed for all hashes, so that dictionaries and sets are laid out alike in each run
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(  # noqa: S603 - our own scripts
        command, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)


def _total(text: str) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if found is None:
        raise SystemExit("callgrind has written no total")
    return int(found[1])
