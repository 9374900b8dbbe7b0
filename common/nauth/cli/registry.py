"""The vendors that the command knows: every installed distribution's entry points in the group `nauth.vendors`.

A vendor package declares ``[project.entry-points."nauth.vendors"]`` with a line such as ``nomba = "nombaauth.cli:VENDOR"``,
which names a `nauth.cli.vendor.Vendor`. Nothing in the core names a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points

from nauth.cli.vendor import Vendor
from nauth.errors import ConfigurationError

__all__ = ["GROUP", "VENDORS"]

GROUP = "nauth.vendors"
"""The entry-point group that vendors register in."""


def _loader(entry: EntryPoint) -> Callable[[], Vendor]:
    def load() -> Vendor:
        vendor = entry.load()
        if not isinstance(vendor, Vendor):
            raise ConfigurationError(
                f"the entry point {entry.name!r} in {GROUP!r} names a {type(vendor).__name__}, not a "
                "nauth.cli.vendor.Vendor: correct it in the package that declares it"
            )
        return vendor

    return load


# a vendor is imported when it is named: `nauth --version` needs none of them
VENDORS: Mapping[str, Callable[[], Vendor]] = {
    entry.name: _loader(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)
}
"""Name on the command line -> function that imports and returns the `Vendor`."""
