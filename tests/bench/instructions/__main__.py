"""Count instructions, compare with the recorded figures and with the bars.

    uv run python -m tests.bench.instructions            # what CI runs: fails 5 % above the record, tells of bars
    uv run python -m tests.bench.instructions record     # writes recorded.json anew, for a change made on purpose
    uv run python -m tests.bench.instructions imports    # what each `import` costs: ten minutes, so apart

``--only TEXT`` counts the rows whose name has that text. Needs valgrind; exits 77 with the reason where there is none.
Instructions are the same every time, whatever else the machine does, but they are those of one Python and one
aiohttp: with others the record is not compared, and the bars, which are ratios, still are. A figure that stands just below
its bar may come out just above it on the next day, so a bar alone fails nothing.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path

import attrs

from tests.bench.instructions.callgrind import counted, missing, whole
from tests.bench.instructions.scenarios import AUTH, CLIENT, CLIENTS, PLAIN, SCENARIOS
from tests.bench.instructions.server import serving

RECORD = Path(__file__).with_name("recorded.json")
LEEWAY = 1.05
"""How far above its record a figure may be."""
SKIPPED = 77


@attrs.frozen
class Row:
    """A figure of ours beside the one that it is measured by."""

    name: str
    floor: str
    bar: float


def _rows() -> list[Row]:
    rows = [Row("manager.token()", "empty coroutine", 2.0), Row("client.token()", "empty coroutine", 2.0)]
    for where, bar, nomba in (("same path", 1.04, 1.07), ("another path each time", 1.06, 1.08)):
        rows += [
            Row(
                f"{through.format(vendor)}, {where}",
                f"{PLAIN.format(vendor)}, {where}",
                nomba if vendor == "nomba" else bar,
            )
            for vendor in CLIENTS
            for through in (AUTH, CLIENT)
        ]
    return [
        *rows,
        Row("call() of one row", "get() and json()", 1.2),
        *(
            Row(f"{vendor} client, call() of one row", f"{vendor} client, get() and json() of one row", 1.2)
            for vendor in CLIENTS
        ),
        Row("Nomba renewal", "POST on a new connection", 2.75),
        Row("10,000 cold callers", "10,000 on one future", 1.2),
        Row("10,000 callers cancelled", "10,000 futures cancelled", 1.2),
    ]


ROWS = _rows()
ALONE = ("manager renewal",)
"""Figures that have no floor; they are compared with the record only."""

# `import nauth` alone imports no public name: the second row is what a program with a manager of its own pays. The third is
# what every public name takes, of which typed calls bring cattrs: between the bars of the core and of a vendor package
IMPORTS = {
    "import nauth": 1.25,
    "from nauth import BearerAuth, TokenManager": 1.25,
    "from nauth import *": 1.3,
    "import nomadauth": 1.5,
    "import nombaauth": 1.5,
    "import noyoauth": 1.5,
    "import naoauth": 1.5,
}


_WIDTH = 58
"""Of the longest name of a row, in characters."""


def _setting() -> dict[str, str]:
    names = ("aiohttp", "yarl", "multidict", "attrs", "anyio")
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        **{name: version(name) for name in names},
    }


def _measure(names: list[str]) -> dict[str, int]:
    """Return instructions for each time that a scenario's work is done."""
    with serving() as where:
        found = counted("-m", "tests.bench.instructions.scenarios", where.sandbox, where.host, *names)
    return {name: found[name] // SCENARIOS[name].times for name in names}


def _names(only: str) -> list[str]:
    wanted: dict[str, None] = {}
    for row in ROWS:
        if only in row.name:
            wanted |= {row.floor: None, row.name: None}
    return [*wanted, *(name for name in ALONE if only in name)]


def _ratio(row: Row, found: dict[str, int]) -> float:
    return found[row.name] / found[row.floor]


def _judge(found: dict[str, int], recorded: dict[str, int], missed: list[str]) -> bool:
    """Print the figures with what is above its bar; say whether all are near their record."""
    good = True
    print(f"{'':{_WIDTH}}{'instructions':>14}{'recorded':>14}{'ratio':>8}{'bar':>7}")
    for row in (row for row in ROWS if row.name in found):
        ratio = _ratio(row, found)
        if ratio > row.bar:
            print(f"{'':{_WIDTH}}above its bar{', as when it was recorded' if row.name in missed else ''}:")
        faults = _above(row.name, found, recorded)
        good = good and not faults
        print(f"{row.floor:{_WIDTH}}{found[row.floor]:14,}{recorded.get(row.floor, 0):14,}")
        print(
            f"{row.name:{_WIDTH}}{found[row.name]:14,}{recorded.get(row.name, 0):14,}{ratio:8.3f}{row.bar:7.2f} {', '.join(faults)}"
        )
    for name in (name for name in ALONE if name in found):
        faults = _above(name, found, recorded)
        good = good and not faults
        print(f"{name:{_WIDTH}}{found[name]:14,}{recorded.get(name, 0):14,} {', '.join(faults)}")
    return good


def _above(name: str, found: dict[str, int], recorded: dict[str, int]) -> list[str]:
    return (
        ["more than 5 % above its record"]
        if name in recorded and found[name] > recorded[name] * LEEWAY
        else []
    )


def _imports() -> bool:
    floor = whole("-c", "import aiohttp")
    print(f"{'import aiohttp':{_WIDTH}}{floor:16,} instructions")
    good = True
    for statement, bar in IMPORTS.items():
        found = whole("-c", statement)
        good = good and found / floor <= bar
        print(f"{statement:{_WIDTH}}{found:16,} instructions  ratio {found / floor:.3f} (bar {bar})")
    return good


def main() -> int:
    """Count, compare, judge."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", default="check", choices=("check", "record", "imports"))
    parser.add_argument("--only", default="", metavar="TEXT")
    given = parser.parse_args()
    reason = missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return SKIPPED
    if given.what == "imports":
        return 0 if _imports() else 1
    found = _measure(_names(given.only))
    kept = (
        json.loads(RECORD.read_text())
        if RECORD.exists()
        else {"setting": {}, "missed": [], "instructions": {}}
    )
    if given.what == "record":
        same = kept["setting"] == _setting()
        instructions = {**(kept["instructions"] if same else {}), **found}
        missed = [
            row.name for row in ROWS if row.name in instructions and _ratio(row, instructions) > row.bar
        ]
        made = {"setting": _setting(), "missed": missed, "instructions": instructions}
        RECORD.write_text(json.dumps(made, indent=2) + "\n")
        _judge(found, {}, missed)
        return 0
    recorded: dict[str, int] = kept["instructions"]
    if kept["setting"] != _setting():
        print(f"the record is not compared: it was made with {kept['setting']}, and this is {_setting()}")
        recorded = {}
    return 0 if _judge(found, recorded, kept["missed"]) else 1


if __name__ == "__main__":
    sys.exit(main())
