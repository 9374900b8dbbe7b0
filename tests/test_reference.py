"""The reference says what the code has: names, settings, defaults, errors, the command."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from itertools import pairwise

import pytest

from tests.support import command_page, defaults
from tests.support.pages import ROOT, pages

DOCS = ROOT / "docs"
VENDORS = ("nomadauth", "nombaauth", "noyoauth", "naoauth")
DOORS = (
    "nauth", "nauth.stores", "nauth.oauth2", "nauth.testing", "nauth.sources", *VENDORS,
    *(f"{vendor}.{part}" for vendor in VENDORS for part in ("pages", "sandbox")),
)  # fmt: skip
LISTED = re.compile(r"^(?:   |\.\. (?:autodata|py:data):: )((?:nauth|n[a-z]+auth)(?:\.\w+)+)$", re.MULTILINE)
VARIABLE = re.compile(r"(?:NOMBA|NOMAD_MEDIA|NOYO|NAO|NAUTH|VAULT|SSL_CERT|HTTPS?|ALL|NO)_[A-Z_]*[A-Z]")


def listed() -> list[str]:
    """Return every name that a page of the reference describes."""
    return [
        name
        for page in sorted((DOCS / "reference").glob("*.md"))
        for name in LISTED.findall(page.read_text())
    ]


def _resolve(name: str) -> object:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("door", DOORS)
def test_every_public_name_is_in_the_reference(door: str) -> None:
    """Each name of `__all__` is described at its home, whichever of its doors that is."""
    module = importlib.import_module(door)
    homes: dict[str, list[object]] = {}
    for name in listed():
        homes.setdefault(name.rpartition(".")[2], []).append(_resolve(name))
    missing = [
        name
        for name in module.__all__
        if not any(getattr(module, name) == each for each in homes.get(name, ()))
    ]
    assert missing == []


def test_no_name_is_described_twice() -> None:
    """A name has one home; the other doors link to it."""
    names = listed()
    assert sorted(names) == sorted(set(names))


def _strings() -> Iterator[str]:
    for folder in (ROOT / "common", *(ROOT / vendor for vendor in VENDORS)):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    yield node.value


def test_every_variable_has_a_row() -> None:
    """The page of settings names each variable that the code names, and no other."""
    read = {text for text in _strings() if VARIABLE.fullmatch(text)}
    read |= {f"{prefix}_CREDENTIALS" for prefix in ("NOMBA", "NOMAD_MEDIA", "NOYO", "NAO")}
    page = (DOCS / "reference" / "settings.md").read_text()
    told = {name for name in re.findall(r"`([A-Z_]+)`", page) if VARIABLE.fullmatch(name)}
    assert told - {"NO_PROXY"} == read  # that one is composed in the code


def test_defaults_are_those_of_the_code() -> None:
    """Each default has its row, with the code's figure."""
    page = (DOCS / "reference" / "defaults.md").read_text()
    told = [tuple(row) for row in re.findall(r"^\| (.*?) \| (.*?) \|$", page, re.MULTILINE)][2:]
    assert told == list(defaults.rows())


def test_command_page_is_the_commands_own_help() -> None:
    """The page of options is what `python -m tests.support.command_page` writes."""
    assert command_page.PAGE.read_text() == command_page.generated()


def _errors() -> set[str]:
    found: set[str] = set()
    for door in DOORS:
        module = importlib.import_module(door)
        things = {name: getattr(module, name) for name in module.__all__}
        found |= {
            name for name, thing in things.items() if isinstance(thing, type) and issubclass(thing, Exception)
        }
    return found


def test_every_error_has_a_heading() -> None:
    """Troubleshooting has a heading with the exact name of each public error class, and says something below it."""
    page = (DOCS / "project" / "troubleshooting.md").read_text()
    headings = set(re.findall(r"^### `(\w+Error)`$\n\n\S", page, re.MULTILINE))
    assert headings == _errors()


def test_troubleshooting_begins_with_whose_fault_it_is() -> None:
    """The first table sorts what one sees into vendor, us, store and network."""
    page = (DOCS / "project" / "troubleshooting.md").read_text()
    first = page.split("\n## ")[1]
    assert first.startswith("Vendor, us, store or network?")
    assert "| --- |" in first


HEADINGS = ["First call", "Settings", "Ways to sign in", "Lifetime and renewal", "Errors", "Not offered"]


@pytest.mark.parametrize("vendor", ["nomad", "nomba", "noyo", "nao"])
def test_vendor_pages_have_the_same_headings(vendor: str) -> None:
    """What is found on one vendor's page is found in the same place on another's."""
    page = (DOCS / "vendors" / f"{vendor}.md").read_text()
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == HEADINGS


@pytest.mark.parametrize("vendor", VENDORS)
def test_vendor_page_lists_every_error(vendor: str) -> None:
    """Each error of a vendor stands on its page."""
    page = (DOCS / "vendors" / f"{vendor.removesuffix('auth')}.md").read_text()
    module = importlib.import_module(vendor)
    prefix = vendor.removesuffix("auth").capitalize()
    names = [name for name in module.__all__ if name.startswith(prefix) and name.endswith("Error")]
    internal = {f"{prefix}RefreshRefusedError", f"{prefix}Error"}
    assert [name for name in names if name not in page and name not in internal] == []


def test_headings_do_not_skip_a_level() -> None:
    """No page jumps from one level to the one after next."""
    for page in pages():
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
        levels = [len(mark) for mark in re.findall(r"^(#+) ", text, re.MULTILINE)]
        assert [pair for pair in pairwise(levels) if pair[1] - pair[0] > 1] == [], page


def test_docstrings_are_not_torn() -> None:
    """No property's first line has a colon: Sphinx would take the words before it for the property's type."""
    torn: list[str] = []
    for folder in (ROOT / "common", *(ROOT / vendor for vendor in VENDORS)):
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.FunctionDef) and any(
                    isinstance(mark, ast.Name) and mark.id in {"property", "cached_property"}
                    for mark in node.decorator_list
                ):
                    first = (ast.get_docstring(node) or "").split("\n")[0]
                    if re.search(r"[\w`]: ", first):
                        torn.append(f"{path.relative_to(ROOT)}:{node.lineno} {first}")
    assert torn == []
