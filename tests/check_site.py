"""Look into the built pages: every public name has an entry, clients have their methods, and nothing is torn.

uv run python tests/check_site.py docs/_build/html
"""

from __future__ import annotations

import importlib
import re
import sys
import zlib
from pathlib import Path

CLIENTS = ("nomadauth.NomadClient", "nombaauth.NombaClient", "noyoauth.NoyoClient", "naoauth.NaoClient")
METHODS = (
    "get",
    "post",
    "put",
    "patch",
    "delete",
    "request",
    "token",
    "renew",
    "call",
    "open",
    "pages",
    "auth",
)
DOORS = ("nauth", "nauth.stores", "nauth.oauth2", "nauth.testing", "nauth.sources", *(
    door.partition(".")[0] + part for door in CLIENTS for part in ("", ".pages", ".sandbox")
))  # fmt: skip


def names(site: Path) -> set[str]:
    """Return the Python names of the site's inventory."""
    raw = (site / "objects.inv").read_bytes()
    body = raw.split(b"\n", 4)[4]
    lines = zlib.decompress(body).decode().splitlines()
    return {line.split(" ", 1)[0] for line in lines if " py:" in line}


def faults(site: Path) -> list[str]:
    """Return what is wrong with the site."""
    known = names(site)
    # a name has one home, which may be another door than the one it is asked at
    homes: dict[str, set[str]] = {}
    for name in known:
        homes.setdefault(name.rpartition(".")[2], set()).add(name)
    found = [
        f"{door}.{name} is not in objects.inv"
        for door in DOORS
        for name in importlib.import_module(door).__all__
        if name not in homes
    ]
    found += [
        f"{client}.{method} is not in objects.inv"
        for client in CLIENTS
        for method in METHODS
        if f"{client}.{method}" not in known
    ]
    for page in sorted(site.rglob("*.html")):
        text = re.sub(r"<[^>]+>", "", page.read_text())
        if "attr_dict[" in text:
            found.append(f"{page.name} shows attrs' inner text for a default")
        found += [
            f"{page.name} has a torn docstring: {torn}"
            for torn in re.findall(r"Type:\s+[A-Z][a-z]+ \w+ \w+.*", text)
        ]
    print(f"{len(known)} names")
    return found


def main(site: str) -> int:
    """Print what is wrong and return how much."""
    found = faults(Path(site))
    for fault in found:
        print(fault)
    return len(found)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
