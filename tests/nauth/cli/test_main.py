"""The command starts as a process of its own, and says what it lacks."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest


def _python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-W", "error", "-c", code, *args]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own code


_MAIN = "from nauth.cli import main; main()"


def test_version() -> None:
    """`nauth --version` prints the version of the distribution."""
    done = _python(_MAIN, "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"nauth {version('nauth')}\n", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
@pytest.mark.parametrize("args, code", [("--version", 1), ("logins --json", 1), ("frob", 2)])
def test_a_full_disk(args: str, code: int) -> None:
    """Output that cannot be written is a sentence on stderr, and no traceback: not as it fails, nor as Python ends."""
    line = f'{shlex.quote(sys.executable)} -c "{_MAIN}" {args} > /dev/full'
    done = subprocess.run(["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert code != 1 or "No space left on device" in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="a POSIX shell")
@pytest.mark.parametrize(
    "args, closed, code",
    [("logins", ">&-", 0), ("check nomba", "2>&-", 2), ("check nomba", "<&- >&- 2>&-", 2)],
)
def test_closed_streams(args: str, closed: str, code: int) -> None:
    """A standard stream that the shell has closed changes nothing of the exit code."""
    line = f'{shlex.quote(sys.executable)} -c "{_MAIN}" {args} {closed}'
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NOMBA_")}
    done = subprocess.run(  # noqa: S603 - our own code
        ["/bin/sh", "-c", line], capture_output=True, text=True, check=False, timeout=30, env=environ
    )
    assert (done.returncode, "Traceback" in done.stderr) == (code, False)


@pytest.mark.parametrize("missing", ["typer", "rich.live"])
def test_missing_extra(missing: str) -> None:
    """Without typer or rich the command says what to install, and exits with 2."""
    done = _python(f"import sys; sys.modules[{missing!r}] = None; {_MAIN}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"the nauth command needs {missing}: install nauth[cli]\n"


def test_missing_own_module() -> None:
    """A missing module that the extra does not bring is not explained away."""
    done = _python(f"import sys; sys.modules['nauth.redact'] = None; {_MAIN}")
    assert done.returncode == 1
    assert "ModuleNotFoundError: import of nauth.redact halted" in done.stderr


def test_interrupted_while_importing() -> None:
    """Ctrl-C while the command is still being loaded exits with 130 and without a traceback."""
    code = f"""
import importlib.abc, signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
class Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "nauth.cli.app":
            signal.raise_signal(signal.SIGINT)
sys.meta_path.insert(0, Finder())
{_MAIN}
"""
    done = _python(code)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
