"""Import a heavy package at the moment it is used."""

from __future__ import annotations

import importlib
from types import ModuleType

from nauth.errors import ConfigurationError

__all__ = ["needed"]


def needed(module: str, *, extra: str, what: str) -> ModuleType:
    """Import `module`.

    Raises:
        ConfigurationError: it is not installed; names the extra to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
    raise ConfigurationError(f"{what} needs the package {package}: pip install nauth[{extra}]")
