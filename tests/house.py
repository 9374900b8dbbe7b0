"""Count the rooms of the core: ``uv run python tests/house.py [folder that holds nauth]``.

A room is a module or folder directly under `nauth`, an arrow an import between two of them, a floor the longest chain of
imports below a room, and a circle a group of rooms that import each other.
"""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path


def arrows(core: Path) -> dict[str, set[str]]:
    """Return, for each room, the rooms it imports from, the vendors' packages among them."""
    found: dict[str, set[str]] = {}
    for path in sorted(core.rglob("*.py")):
        room = path.relative_to(core).parts[0].removesuffix(".py")
        if room == "__init__":
            continue
        taken = found.setdefault(room, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                top, _, rest = node.module.partition(".")
                if top == "nauth":
                    taken |= {rest.partition(".")[0]} if rest else {alias.name for alias in node.names}
                elif top in {"nomadauth", "nombaauth", "noyoauth", "naoauth"}:
                    taken.add(top)
        taken.discard(room)
    return found


def main(core: Path) -> None:
    """Print the figures of the core that lies at `core`."""
    graph = arrows(core)
    inside = {room: taken & set(graph) for room, taken in graph.items()}
    vendors = sum(len(taken - set(graph)) for taken in graph.values())
    try:
        floor: dict[str, int] = {}
        for room in TopologicalSorter(inside).static_order():
            floor[room] = 1 + max((floor[below] for below in inside[room]), default=0)
        circle, floors = "none", str(max(floor.values()))
    except CycleError as error:
        circle, floors = " -> ".join(error.args[1]), "unknown"
    count = sum(map(len, inside.values()))
    print(
        f"rooms {len(graph)}, floors {floors}, arrows {count}, arrows into vendors {vendors}, circle: {circle}"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "common") / "nauth")
