"""Look into a built wheel: our own top-level names, typed, and nothing else.

uv run python tests/check_wheel.py dist/nauth-*.whl
"""

from __future__ import annotations

import sys
import zipfile

OWNED = {"nauth", "nomadauth", "nombaauth", "noyoauth", "naoauth"}


def main(path: str) -> int:
    """Print what is wrong with the wheel at `path`; return the number of faults."""
    names = zipfile.ZipFile(path).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {top for top in tops if not top.endswith(".dist-info")}
    faults = [f"top-level names are {sorted(packages)}, not {sorted(OWNED)}"] if packages != OWNED else []
    faults += [
        f"{package}/py.typed is missing" for package in sorted(OWNED) if f"{package}/py.typed" not in names
    ]
    for fault in faults:
        print(fault)
    print(f"{len(names)} files, {len(faults)} faults")
    return len(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
