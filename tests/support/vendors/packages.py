"""The four packages as a reader finds them: their modules, their classes by suffix, their errors."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from nauth.errors import NauthError
from tests.support.vendors.table import VENDORS, Vendor

__all__ = ["ROOT", "every_vendor", "exceptions", "face", "leaves", "load", "named", "package", "rooms"]

ROOT = Path(__file__).parents[3]
every_vendor = pytest.mark.parametrize("vendor", VENDORS, ids=lambda vendor: vendor.name)


def package(vendor: Vendor) -> str:
    """Name the vendor's package."""
    return f"{vendor.name}auth"


def rooms(vendor: Vendor) -> set[str]:
    """Name the package's modules, by path."""
    base = ROOT / package(vendor)
    return {".".join(path.relative_to(base).with_suffix("").parts) for path in base.rglob("*.py")}


def load(vendor: Vendor, room: str = "__init__") -> ModuleType:
    """Import one of the package's modules."""
    return importlib.import_module(f"{package(vendor)}.{room}".removesuffix(".__init__"))


def named(vendor: Vendor, suffix: str, room: str = "__init__") -> Any:
    """Return the class with the vendor's prefix."""
    return getattr(load(vendor, room), f"{vendor.prefix}{suffix}")


def exceptions(table: Mapping[tuple[str, str], object], vendor: Vendor) -> set[str]:
    """Return what is declared for this vendor."""
    return {what for name, what in table if name == vendor.name}


def leaves(vendor: Vendor) -> Mapping[str, type[NauthError]]:
    """Return suffix -> class of all that derives from the vendor's base."""
    module, base = load(vendor, "errors"), named(vendor, "Error")
    found = {name: getattr(module, name) for name in module.__all__}
    return {
        name.removeprefix(vendor.prefix): thing
        for name, thing in found.items()
        if isinstance(thing, type) and issubclass(thing, base) and thing is not base
    }


def face(client: type) -> list[str]:
    """Name what the class offers to its users."""
    return [name for name in dir(client) if not name.startswith("_")]
