"""The comparison with other libraries.

    uv run --group peers python -m tests.bench.peers            # every row, in one run; writes results.json
    uv run --group peers python -m tests.bench.peers report     # tables and plots, from results.json

``--peer TEXT`` and ``--scenario NAME`` run a part, and change only these rows of results.json. Each scenario with each
library has a process of its own and a time limit, so that a library that hangs is a row that says so.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.bench.peers.catalogue import PEERS, installed
from tests.bench.peers.report import write
from tests.bench.peers.scenarios import SCENARIOS
from tests.bench.peers.server import Control, serving

RESULTS = Path(__file__).with_name("results.json")
LIMIT_S = 60.0
"""More than the longest that a peer's own retries of one failed call take, beside the waits of a scenario."""


def _row(peer: str, scenario: str, control: Control) -> dict[str, Any]:
    kind = PEERS[peer]
    if not installed(kind):
        return {"cannot": "not installed here"}
    if scenario in kind.cannot:
        return {"cannot": kind.cannot[scenario]}
    return _played(peer, scenario, control)


def _played(peer: str, scenario: str, control: Control) -> dict[str, Any]:
    limit_s = LIMIT_S * (4 if scenario == "imports" else 1)
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.peers.one", peer, scenario, control.url, folder]
        # not subprocess.run: killing a process on a time limit must not wait for its children's output
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:  # noqa: S603 - our own script
            assert process.stdout is not None
            process.stdout.readline()
            try:
                out, err = process.communicate(timeout=limit_s)
            except subprocess.TimeoutExpired:
                process.kill()
                return {"hangs": limit_s, "calls": control()["calls"]}
    try:
        played: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        return {"broke": (err.strip().splitlines() or ["it printed nothing"])[-1][:200]}
    return played


def _setting() -> dict[str, Any]:
    names = {peer.package for peer in PEERS.values() if peer.package and installed(peer)} | {
        "aiohttp",
        "httpx",
        "httpx2",
    }
    if installed(PEERS["msal, msal-extensions"]):
        names.add("msal-extensions")
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "versions": {name: version(name) for name in sorted(names)},
    }


def main() -> int:
    """Run the rows, keep what they brought."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="run", choices=("run", "report"))
    parser.add_argument("--peer", default="", metavar="TEXT")
    parser.add_argument("--scenario", default="", choices=["", *SCENARIOS])
    parser.add_argument("--missing", action="store_true", help="only what results.json has no row for")
    given = parser.parse_args()
    kept: dict[str, Any] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"rows": {}}
    if given.what == "report":
        write(kept)
        return 0
    started, loads = time.monotonic(), [os.getloadavg()[0]]
    rows: dict[str, dict[str, Any]] = kept["rows"]
    with serving() as control:
        for scenario in SCENARIOS if not given.scenario else [given.scenario]:
            for name in PEERS:
                if given.peer not in name or (given.missing and name in rows.get(scenario, {})):
                    continue
                found = _row(name, scenario, control)
                rows.setdefault(scenario, {})[name] = found
                loads.append(os.getloadavg()[0])
                print(f"{scenario:16} {name:24} {json.dumps(found)}", flush=True)
                # at once: what stands in the file is never lost to a run that is broken off
                setting = {**_setting(), "load": [round(min(loads), 1), round(max(loads), 1)]}
                RESULTS.write_text(json.dumps({"setting": setting, "rows": rows}, indent=1) + "\n")
    print(f"{(time.monotonic() - started) / 60:.0f} minutes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
