"""The front doors: what can be imported, and what importing costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOORS = ["nauth", "nauth.stores", "nauth.oauth2", "nauth.testing", "nombaauth", "nombaauth.sandbox"]
HEAVY = ["rich", "typer", "redis", "cryptography", "keyring", "httpx", "httpx2", "aiobotocore", "azure"]


@pytest.mark.parametrize("door", DOORS)
def test_every_name_is_there_once(door: str) -> None:
    """Each name in `__all__` exists and is listed once; the linter holds them in order."""
    module = importlib.import_module(door)
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []


@pytest.mark.parametrize("door", ["nauth", "nombaauth"])
def test_public_objects_are_documented(door: str) -> None:
    """Each public class and function has a docstring of its own."""
    module = importlib.import_module(door)
    public = [getattr(module, name) for name in module.__all__]
    bare = [thing for thing in public if isinstance(thing, type) and "__doc__" not in vars(thing)]
    assert bare == []


def test_no_module_lies_directly_in_common() -> None:
    """`common` is a source root: a module in it would be importable under a stranger's name."""
    assert list((ROOT / "common").glob("*.py")) == []


def test_every_package_is_typed() -> None:
    """Each package that is shipped carries `py.typed`."""
    packages = [path.parent for path in ROOT.glob("*auth/__init__.py")] + [ROOT / "common" / "nauth"]
    assert [package.name for package in packages if not (package / "py.typed").exists()] == []


def test_importing_a_vendor_loads_nothing_heavy() -> None:
    """`import nombaauth` loads none of the optional dependencies and no sandbox."""
    code = (
        f"import sys, nombaauth; print([name for name in {[*HEAVY, 'aiohttp.web']} if name in sys.modules])"
    )
    done = subprocess.run(  # noqa: S603 - our own interpreter and text
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    # aiohttp's own __init__ does not import its server
    assert done.stdout.strip() == "[]"
