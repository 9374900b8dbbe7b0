"""The `nauth` command, installed with ``pip install nauth[cli]``."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]

_WRONGLY_SET_UP = 2
_INTERRUPTED = 130
"""What a shell reports for a command ended by Ctrl-C."""


def main() -> NoReturn:
    """Run the command line.

    Raises:
        SystemExit: always, with exit code 0 done, 1 failed, 2 wrong setting or argument, 130 ended by Ctrl-C, 143 by
            SIGTERM.
    """
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
    sys.exit(app(prog_name="nauth"))
