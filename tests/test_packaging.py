"""The front doors: what can be imported, and what importing costs."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
import tomllib
from importlib.metadata import requires, version
from importlib.resources import files
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOORS = ["nauth", "nauth.stores", "nauth.oauth2", "nauth.testing", "nombaauth", "nombaauth.sandbox"]
PACKAGES = ["nauth", "nomadauth", "nombaauth", "noyoauth", "naoauth"]
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


def test_top_level_names_are_the_five_owned_ones() -> None:
    """The wheel puts these five names at the top and no other; .ci/run looks into the built file, too."""
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    shipped = [path.rpartition("/")[2] for path in tool["hatch"]["build"]["targets"]["wheel"]["packages"]]
    assert sorted(shipped) == sorted(PACKAGES) == sorted(tool["check-wheel-contents"]["toplevel"])


def test_every_package_is_typed() -> None:
    """Each package that is shipped carries `py.typed`."""
    assert [name for name in PACKAGES if not (files(name) / "py.typed").is_file()] == []


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


def test_it_needs_four_packages() -> None:
    """Without extras the distribution asks for four packages, whose own needs are all that comes along."""
    names = {re.split(r"[<>=! ]", need)[0] for need in requires("nauth") or () if "extra ==" not in need}
    assert names == {"aiohttp", "anyio", "attrs", "cattrs"}


def test_the_version_is_the_distributions() -> None:
    """`nauth.__version__` is what the metadata says, and nothing else is made up on demand."""
    nauth = importlib.import_module("nauth")
    assert nauth.__version__ == version("nauth")
    with pytest.raises(AttributeError, match="no attribute"):
        nauth.no_such_name  # noqa: B018 - asking for it is the test


def test_metadata_say_who_and_where() -> None:
    """A package index shows an author, addresses and a summary that fits one line."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["authors"]
    assert {"Documentation", "Changelog", "Security"} <= project["urls"].keys()
    assert len(project["description"]) <= 110
    assert all(url.startswith("https://") for url in project["urls"].values())


README = (ROOT / "README.md").read_text()
SITE = "https://nauth.example/"


def test_readme_stands_alone() -> None:
    """Each link of the README is absolute, and those to our site name a page that exists."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert [link for link in links if not link.startswith("https://")] == []
    ours = [link.removeprefix(SITE) for link in links if link.startswith(SITE)]
    assert len(ours) >= 10
    assert [page for page in ours if not (ROOT / "docs" / page).with_suffix(".md").is_file()] == []


def test_readme_says_the_two_commands() -> None:
    """The README has the two commands of a checkout, word for word."""
    assert "pip install uv && uv run nauth demo" in README
    assert "pip install uv && uv run pytest" in README


def test_readme_renders_on_a_package_index() -> None:
    """The field's own renderer draws the README, and leaves no relative address in it."""
    renderer = pytest.importorskip("readme_renderer.markdown")
    page = renderer.render(README)
    assert page is not None
    assert re.findall(r"""(?:href|src)="(?!https://|#)[^"]*""", page) == []
