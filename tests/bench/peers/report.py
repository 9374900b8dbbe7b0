"""Tables and plots from results.json: the page's parts between its marks, and SVG files beside the other figures.

Only what a run has found is written; the page's own words are written by people.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.plots import Bar, bars

__all__ = ["PAGE", "TABLES", "write"]

_DOCS = Path(__file__).parents[3] / "docs"
PAGE = Path("explanation", "beside-other-libraries.md")
_OURS = "nauth"

Found: TypeAlias = Mapping[str, Any]
Cell: TypeAlias = Callable[[Found], str]
Results: TypeAlias = Mapping[str, Mapping[str, Found]]


def _count(errors: Mapping[str, int]) -> int:
    return sum(errors.values())


def _with_errors(cell: Cell) -> Cell:
    def written(figures: Found) -> str:
        failed = _count(figures.get("errors", {}))
        return cell(figures) + (f"; {failed:,} failed" if failed else "")

    return written


def _calls(figures: Found) -> str:
    return f"{figures['calls']:,}"


def _ratio(figures: Found) -> str:
    return f"{figures['ratio']:.2f}"


def _times(figures: Found) -> str:
    ratio = figures["ratio"]
    return f"{ratio:.1f}" if ratio < 10 else f"{ratio:,.0f}"


def _down(figures: Found) -> str:
    return f"{figures['calls']:,}, then {figures['calls_second_wave']:,}"


def _stream(figures: Found) -> str:
    if figures["torn"]:
        return f"torn: {figures['accepted_bytes'][0]:,} of 3,000 bytes accepted"
    if figures["accepted_bytes"]:
        return "sent whole again"
    if _count(figures["errors"]):
        return "an error"
    return "the 401 is given back"


def _threads(figures: Found) -> str:
    return f"{figures['calls']:,}" + (f"; {figures['hanging']} hang" if figures["hanging"] else "")


def _redirect(figures: Found) -> str:
    return "**sent along**" if figures["leaked"] else "kept back"


TABLES: dict[str, Sequence[tuple[str, str, Cell]]] = {
    "crowds": [
        ("cold", "1,000 callers, no token: token calls", _with_errors(_calls)),
        ("window", "1,000 callers during early renewal: how many wait", lambda f: f"{f['waiting']:,}"),
        ("short", "300 calls within 3 s, tokens of 20 s: token calls", _with_errors(_calls)),
        (
            "late_401s",
            "200 late 401s: token calls, successes",
            lambda f: f"{f['calls']:,}, {f['succeeded']:,}",
        ),
    ],
    "failures": [
        ("down", "endpoint down, two waves of 1,000: token calls", _down),
        (
            "window_down",
            "endpoint down while a token lives, 3,000 callers: token calls, errors",
            lambda f: f"{f['calls']:,}, {_count(f['errors']):,}",
        ),
        ("leader", "first of 100 callers cancelled: token calls", _with_errors(_calls)),
        ("all_cancelled", "all 100 cancelled, one more comes: token calls", _with_errors(_calls)),
        (
            "rotating",
            "refresh token works once, caller cancelled: the next caller",
            lambda f: "refused, for good" if _count(f["errors"]) else "gets its token",
        ),
    ],
    "requests": [
        ("redirect", "redirect to another origin: the token is", _redirect),
        ("stream", "a stream meets a 401", _stream),
        ("request_latency", "p99.9 of a request during a renewal, times that after it", _ratio),
        ("throughput", "requests a second, times plain aiohttp", _ratio),
    ],
    "loops": [
        ("second_loop", "second event loop, 10 callers: token calls", _with_errors(_calls)),
        ("threads", "two threads, 50 callers each: token calls", _with_errors(_threads)),
        ("loops", "20 jobs, a loop each: token calls", _with_errors(_calls)),
        ("processes", "8 processes: token calls", _with_errors(_calls)),
    ],
    "costs": [
        ("hot", "a fresh token, times an empty coroutine", _times),
        ("latency", "p99.9 of a token, during a renewal, ms", lambda f: f"{f['during_ms']:.2f}"),
        ("memory", "one more cache, bytes", lambda f: f"{f['bytes']:,}"),
        ("imports", "import, times aiohttp", _ratio),
    ],
}


def _cell(found: Found | None, cell: Cell, notes: list[str]) -> str:
    if found is None:
        return "not run"
    if "hangs" in found:
        return f"over {found['hangs']:.0f} s; {found['calls']:,} calls by then"
    if "broke" in found:
        return f"fails {_note(found['broke'], notes)}"
    if "cannot" in found:
        return f"cannot do {_note(found['cannot'], notes)}"
    return cell(found["figures"])


def _note(text: str, notes: list[str]) -> str:
    """Return the number under which `text` stands below the table."""
    if text not in notes:
        notes.append(text)
    return f"({notes.index(text) + 1})"


def _table(results: Results, columns: Sequence[tuple[str, str, Cell]]) -> str:
    notes: list[str] = []
    lines = [
        "| | " + " | ".join(title for _, title, _ in columns) + " |",
        "| --- |" + " --- |" * len(columns),
    ]
    for peer in PEERS:
        cells = [_cell(results.get(name, {}).get(peer), cell, notes) for name, _, cell in columns]
        if all(text.startswith("cannot") for text in cells):
            continue
        lines.append(f"| {f'**{peer}**' if peer == _OURS else peer} | " + " | ".join(cells) + " |")
    said = "; ".join(f"({number}) {note}" for number, note in enumerate(notes, start=1))
    return "\n".join(lines) + (f"\n\n{said}.\n" if said else "\n")


def _setting(setting: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {text}" for name, text in setting["versions"].items())
    low, high = setting["load"]
    return (
        f"Run on {setting['date']}: {setting['system']}, {setting['cores']} cores shared with other work (load {low} to {high}), "
        f"CPython {setting['python']}. Versions: {versions}.\n"
    )


def _bar(results: Results, scenario: str, value: Callable[[Found], float], text: Cell) -> list[Bar]:
    rows = []
    for peer, found in results.get(scenario, {}).items():
        if "figures" in found:
            figures = found["figures"]
            rows.append(Bar(peer, value(figures), text(figures), ours=peer == _OURS))
        elif "hangs" in found:
            rows.append(Bar(peer, found["calls"], f"{found['calls']:,}, then over {found['hangs']:.0f} s"))
    return rows


def _plots(results: Results) -> dict[str, str]:
    """Return the charts, by the name of their file."""
    return {
        "peers-waiting": bars(
            "Of 1,000 callers, how many wait while a token is renewed early",
            _bar(results, "window", lambda f: f["waiting"], lambda f: f"{f['waiting']:,}"),
        ),
        "peers-down": bars(
            "Token calls while the endpoint is down: two waves of 1,000 callers (logarithmic)",
            _bar(
                results,
                "down",
                lambda f: f["calls"] + f["calls_second_wave"],
                lambda f: f"{f['calls'] + f['calls_second_wave']:,}",
            ),
            log=True,
        ),
        "peers-late": bars(
            "Token calls for 200 requests whose token was ended (shown where all 200 succeed)",
            _bar(
                {
                    "late_401s": {
                        peer: found
                        for peer, found in results.get("late_401s", {}).items()
                        if found.get("figures", {}).get("succeeded") == 200
                    }
                },
                "late_401s",
                lambda f: f["calls"],
                _calls,
            ),
        ),
        "peers-hot": bars(
            "A fresh token, times a coroutine that returns at once (logarithmic)",
            sorted(_bar(results, "hot", lambda f: f["ratio"], _times), key=lambda bar: bar.value or 0.0),
            log=True,
        ),
        "peers-throughput": bars(
            "Requests a second, times a plain aiohttp session",
            sorted(
                _bar(results, "throughput", lambda f: f["ratio"], _ratio), key=lambda bar: -(bar.value or 0.0)
            ),
        ),
    }


def write(kept: Mapping[str, Any], docs: Path = _DOCS) -> None:
    """Draw the plots, and put the tables between the page's marks."""
    results: Results = kept["rows"]
    for name, drawing in _plots(results).items():
        (docs / "figures" / f"{name}.svg").write_text(drawing)
    parts = {name: _table(results, columns) for name, columns in TABLES.items()}
    parts["setting"] = _setting(kept["setting"])
    page = (docs / PAGE).read_text()
    for name, text in parts.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
        found = pattern.search(page)
        if found is None:
            raise SystemExit(f"the page has no place for {name}: {begin}{end}")
        # not as the replacement's text: it may have backslashes
        start, stop = found.span()
        page = f"{page[:start]}{begin}\n{text}\n{end}{page[stop:]}"
    (docs / PAGE).write_text(page)
    print(f"wrote {PAGE.name} and {len(_plots(results))} plots")
