"""The thread storm's share of the ordinary suite."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_a_short_storm() -> None:
    """Six threads, whose loops end or are closed at any moment, never wait for ever."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.simulation.thread_storm", "--seconds", "3", "--stall", "40"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        timeout=55,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert " served" in done.stdout
