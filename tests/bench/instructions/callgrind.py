"""Count the instructions between two points of a program, with valgrind's callgrind."""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["begin", "counted", "mark", "missing", "whole"]

_MARK = "getsid"
"""A function of the C library that nothing here calls otherwise. callgrind writes down what it has counted since the last
time and begins anew whenever it is called."""

_LIMIT_S = 1800


_BEGIN = (ord("C") << 24) + (ord("T") << 16) + 4
"""callgrind's client request to begin: CALLGRIND_START_INSTRUMENTATION in valgrind/callgrind.h."""

_REQUEST = bytes.fromhex("4889f8 31d2 48c1c703 48c1c70d 48c1c73d 48c1c733 4887db 4889d0 c3")
"""The rotations that valgrind takes for a client request, as its header's macro has them for x86-64. Without valgrind they do
nothing."""

_CAN_BEGIN_LATE = platform.machine() == "x86_64" and sys.platform == "linux"


def begin() -> None:
    """Let callgrind begin: five times as fast until then. Where this is not possible it has begun with the process."""
    if not _CAN_BEGIN_LATE:
        return
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_REQUEST)
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    call(ctypes.addressof((ctypes.c_uint64 * 6)(_BEGIN)))


def mark() -> None:
    """End one count and begin the next. Without callgrind it does nothing."""
    os.getsid(0)


def missing() -> str | None:
    """Return why nothing can be counted here; None if it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed; its callgrind counts the instructions"
    return None


def counted(*arguments: str) -> list[int]:
    """Run this Python with `arguments`, a program that begins, and return the instructions between each two of its marks.

    Raises:
        SystemExit: the program failed; the text is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        late = ("--instr-atstart=no",) if _CAN_BEGIN_LATE else ()
        _run(out, (f"--dump-before={_MARK}", *late), arguments)
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
