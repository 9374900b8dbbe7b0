"""`nauth sandbox --detach`: the same command again, in a process of its own that outlives this one."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence

from nauth.errors import ConfigurationError

__all__ = ["PID", "start_detached"]

PID = "NAUTH_SANDBOX_PID"
"""The variable that names the process, so that a script can end it."""


def start_detached(arguments: Sequence[str]) -> Mapping[str, str]:
    """Run ``nauth sandbox --json`` with `arguments` in the background; return its variables and `PID` once it listens.

    Raises:
        ConfigurationError: it did not start; the text is what it said.
    """
    command = [sys.executable, "-m", "nauth", "sandbox", *arguments, "--json"]
    # a file, not a pipe: what the process says later must not break it when this one has gone
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, start_new_session=True
        )
        assert process.stdout is not None  # noqa: S101 - asked for above
        with process.stdout as answer:
            line = answer.readline()
        if not line:
            process.wait()
            said.seek(0)
            problem = said.read().decode(errors="replace").strip().removeprefix("nauth: ")
            raise ConfigurationError(f"the sandbox did not start: {problem}")
    process.returncode = 0  # it is to outlive this process, and Python would warn of it
    found: Mapping[str, str] = json.loads(line)
    return {**found, PID: str(process.pid)}
