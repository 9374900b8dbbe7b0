"""Write docs/reference/command-options.md from the command itself: ``python -m tests.support.command_page``."""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys

from tests.support.pages import ROOT

__all__ = ["PAGE", "generated"]

PAGE = ROOT / "docs" / "reference" / "command-options.md"


def generated() -> str:
    """Return the page as the command's own help says it."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "common")])
    command = [sys.executable, "-m", "typer", "nauth.cli.app", "utils", "docs", "--name", "nauth"]
    done = subprocess.run(  # noqa: S603 - our own interpreter
        command, env={**os.environ, "PYTHONPATH": paths}, capture_output=True, text=True, check=True
    )
    # not `console`: these lines are patterns, and blocks of that kind are run by tests
    text = html.unescape(done.stdout).replace("```console\n$ ", "```text\n")
    text = text.replace("# `nauth`\n", "# Every option of the command\n", 1)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(generated())
