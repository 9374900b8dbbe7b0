"""The `nauth` command, installed with ``pip install nauth[cli]``."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

__all__ = ["main"]

_FAILED = 1
_WRONGLY_SET_UP = 2
_INTERRUPTED = 130
"""What a shell reports for a command ended by Ctrl-C."""


def main() -> NoReturn:
    """Run the command line.

    Raises:
        SystemExit: always, with exit code 0 done, 1 failed, 2 wrong setting or argument, 130 ended by Ctrl-C, 143 by
            SIGTERM.
    """
    _open_closed_streams()
    try:
        # not at the top: the library works without typer and rich, and the text below must appear if they are missing
        from nauth.cli.app import app  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"typer", "rich"}:
            raise
        sys.stderr.write(f"the nauth command needs {error.name}: install nauth[cli]\n")
        sys.exit(_WRONGLY_SET_UP)
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
    try:
        sys.exit(app(prog_name="nauth"))
    except OSError as error:
        # the disk behind stdout is full; where a pipe's reader has gone, typer ends by itself
        sys.stderr.write(f"nauth: the output cannot be written: {error.strerror}\n")
        sys.exit(_FAILED)
    finally:
        _drop_unwritten()


def _open_closed_streams() -> None:
    """Put nothing in the place of a standard stream that the shell closed (`>&-`): Python has None there."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115 - stays open


def _drop_unwritten() -> None:
    """Let go of output that cannot be written: Python would try again as it ends, and print a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        nothing = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError):
            os.dup2(nothing, sys.stdout.fileno())
        os.close(nothing)
