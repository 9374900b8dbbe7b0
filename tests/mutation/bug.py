"""What a planted bug is."""

from __future__ import annotations

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
    """Describe a bug in a module of the core; `tests` are named by what comes after `test_`."""
    paths = tuple(f"tests/nauth/test_{test}.py" for test in tests)
    return Planted(name, f"common/nauth/{module}.py", old, new, paths, simulated)
