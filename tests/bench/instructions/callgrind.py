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
import traceback
from collections.abc import Callable
from pathlib import Path

__all__ = ["counted", "in_child", "mark", "missing", "whole"]

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


def _begin() -> None:
    """Let callgrind begin: five times as fast until then. Where this is not possible it has begun with the process."""
    if not _CAN_BEGIN_LATE:
        return
    page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(_REQUEST)
    call = ctypes.CFUNCTYPE(ctypes.c_uint64, ctypes.c_void_p)(
        ctypes.addressof(ctypes.c_char.from_buffer(page))
    )
    request = (ctypes.c_uint64 * 6)(_BEGIN)
    call(ctypes.addressof(request))


def mark() -> None:
    """End one count and begin the next. Without callgrind it does nothing."""
    os.getsid(0)


def missing() -> str | None:
    """Return why nothing can be counted here; None if it can."""
    if shutil.which("valgrind") is None:
        return "valgrind is not installed; its callgrind counts the instructions"
    return None


def counted(*arguments: str) -> dict[str, int]:
    """Run this Python with `arguments`, a program of `in_child`s; return what each counted between its two marks.

    Raises:
        SystemExit: the program failed; the text is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        late = ("--instr-atstart=no",) if _CAN_BEGIN_LATE else ()
        said = _finished(
            _under_callgrind(Path(folder) / "out.%p", (f"--dump-before={_MARK}", *late), arguments)
        )
        found = {}
        for line in said.splitlines():
            pid, name = line.split(maxsplit=1)
            # what came before the first mark, then what lies between the two, then the rest
            parts = sorted(Path(folder).glob(f"out.{pid}.*"), key=lambda path: int(path.suffix[1:]))
            found[name] = _total(parts[1].read_text())
        return found


def in_child(name: str, work: Callable[[], object]) -> None:
    """Do `work`, which marks twice, in a forked child, and tell callgrind's reader whose count it is.

    In one process, what ran first would be cheaper: the interpreter adapts its code to the types that it meets first.
    """
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            _begin()
            work()
            code = 0
        except Exception:  # noqa: BLE001 - the parent must not go on twice
            traceback.print_exc()
        finally:
            os._exit(code)
    if os.waitpid(pid, 0)[1]:
        raise SystemExit(f"{name} failed")
    print(pid, name, flush=True)


def whole(*arguments: str) -> int:
    """Run this Python with `arguments` and return the instructions of the whole process.

    A run that is not counted writes the bytecode first. Programs start from bytecode; without it each module that was
    changed since, and each one in an environment that writes none, would count with what compiling it takes.

    Raises:
        SystemExit: the program failed; the text is what it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        bytecode = Path(folder) / "bytecode"
        _finished([sys.executable, *arguments], bytecode)
        out = Path(folder) / "out"
        _finished(_under_callgrind(out, (), arguments), bytecode)
        return _total(out.read_text())


def _under_callgrind(out: Path, options: tuple[str, ...], arguments: tuple[str, ...]) -> list[str]:
    return [
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={out}",
        *options,
        sys.executable,
        *arguments,
    ]


def _finished(command: list[str], bytecode: Path | None = None) -> str:
    """Run `command` to its end and return its output. Bytecode is written to the folder `bytecode`, or not at all."""
    # one seed for all hashes, so that dictionaries and sets are laid out alike in each run
    environment = os.environ | {"PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
    if bytecode is not None:
        environment |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(bytecode)}
    done = subprocess.run(  # noqa: S603 - our own scripts
        command, env=environment, capture_output=True, text=True, check=False, timeout=_LIMIT_S
    )
    if done.returncode != 0:
        raise SystemExit(done.stdout + done.stderr)
    return done.stdout


def _total(text: str) -> int:
    found = re.search(r"^(?:summary|totals): (\d+)", text, re.MULTILINE)
    if found is None:
        raise SystemExit("callgrind has written no total")
    return int(found[1])
