"""What a planted bug is."""

from __future__ import annotations

from pathlib import Path

import attrs

__all__ = ["Planted", "core"]


@attrs.frozen
class Planted:
    """One bug: replace `old`, which stands once in the file, by `new`.

    Attributes:
        name: what went wrong, in a word or two.
        path: the file, from the root of the project.
        old: what stands there.
        new: the mistake.
        tests: which tests should notice.
        simulated: whether the simulation can see it.
    """

    name: str
    path: str
    old: str
    new: str
    tests: tuple[str, ...]
    simulated: bool = False


def core(name: str, module: str, old: str, new: str, *tests: str, simulated: bool = True) -> Planted:
    """Describe a bug in a module of the core; "manager/stale" in `tests` is `tests/nauth/manager/test_stale.py`."""
    paths = tuple(str(Path("tests/nauth", test).with_name(f"test_{Path(test).name}.py")) for test in tests)
    return Planted(name, f"common/nauth/{module}.py", old, new, paths, simulated)
