"""Plant each bug of the list in a copy of the tree and see whether the proof notices.

    uv run python -m tests.mutation.run [--jobs 2] [--only NAME ...]

For bugs in the core the simulation has the first look, with a fixed range of seeds; then come the tests named beside
the bug. Prints who caught what and the score; fails if a bug got away.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import attrs

from tests.mutation.planted import PLANTED, Planted

ROOT = Path(__file__).parents[2]
SOURCES = ("common", "nomadauth", "nombaauth", "noyoauth", "naoauth", "tests", "pyproject.toml")
SEEDS = 1_500
"""How many seeds the simulation gets for each bug; about three seconds."""
LIMIT_S = 240


@attrs.frozen
class Verdict:
    """What became of one planted bug; an empty `by` says that it got away."""

    planted: Planted
    by: str
    took_s: float


def plant(bug: Planted, tree: Path) -> None:
    """Write the bug into the copy of the tree at `tree`.

    Raises:
        ValueError: the text to replace is not there exactly once, so the list is out of date.
    """
    path = tree / bug.path
    text = path.read_text()
    if text.count(bug.old) != 1:
        raise ValueError(f"{bug.name}: the text to replace stands {text.count(bug.old)} times in {bug.path}")
    path.write_text(text.replace(bug.old, bug.new))


def judge(bug: Planted, tree: Path) -> Verdict:
    """Plant `bug` in the copy at `tree`, let the proof run, and take the bug out again."""
    started = time.perf_counter()
    before = (tree / bug.path).read_text()
    plant(bug, tree)
    try:
        by = _simulated(tree) if bug.simulated else ""
        by = by or _tested(bug, tree)
    finally:
        (tree / bug.path).write_text(before)
    return Verdict(bug, by, time.perf_counter() - started)


def _simulated(tree: Path) -> str:
    done = _run(tree, "-m", "tests.simulation.run", "--base", "1", "--seeds", str(SEEDS), "--processes", "1")
    seed = re.search(r"seed (\d+)", done.stdout)
    return f"simulation, seed {seed[1]}" if done.returncode == 1 and seed else ""


def _tested(bug: Planted, tree: Path) -> str:
    # the quick tests first: most bugs need no others
    for marked in ("not slow and not deployment", "slow and not deployment"):
        done = _run(
            tree,
            "-m",
            "pytest",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-m",
            marked,
            "--timeout",
            "60",
            *bug.tests,
        )
        failed = re.search(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        # 1: tests ran and failed. Anything else would be a bug that cannot even be imported, or a list out of date
        if done.returncode == 1 and failed:
            return failed[1]
    return ""


def _run(tree: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": f"{tree}{os.pathsep}{tree / 'common'}", "PYTEST_ADDOPTS": ""}
    try:
        return subprocess.run(  # noqa: S603 - our own interpreter on our own files
            [sys.executable, *command],
            cwd=tree,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, stdout="FAILED time-limit (it hangs)\n", stderr="")


def _copy(where: Path) -> Path:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, where / name, ignore=ignored)
        else:
            shutil.copy(source, where / name)
    return where


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge the bugs and print the report; return the process's exit code."""
    parser = argparse.ArgumentParser(description="Plant bugs and see who catches them.")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=None)
    parser.add_argument(
        "--most", type=int, default=None, help="plant no more than this; of one list always the same"
    )
    options = parser.parse_args(arguments)
    bugs = [bug for bug in PLANTED if not options.only or bug.name in options.only]
    if options.most is not None and options.most < len(bugs):
        bugs = random.Random(len(bugs)).sample(bugs, options.most)
    with tempfile.TemporaryDirectory() as folder:
        trees: SimpleQueue[Path] = SimpleQueue()
        for number in range(options.jobs):
            tree = Path(folder) / str(number)
            tree.mkdir()
            trees.put(_copy(tree))

        def one(bug: Planted) -> Verdict:
            tree = trees.get()
            try:
                verdict = judge(bug, tree)
            finally:
                trees.put(tree)
            print(f"{verdict.took_s:6.1f} s  {bug.name}: {verdict.by or 'GOT AWAY'}", flush=True)
            return verdict

        with ThreadPoolExecutor(options.jobs) as pool:
            verdicts = list(pool.map(one, bugs))
    caught = sum(1 for verdict in verdicts if verdict.by)
    simulated = sum(1 for verdict in verdicts if verdict.by.startswith("simulation"))
    print(f"{caught} of {len(verdicts)} planted bugs caught, {simulated} of them by the simulation")
    return 0 if caught == len(verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
