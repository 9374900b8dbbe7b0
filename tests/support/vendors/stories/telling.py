"""What the stories of the vendors' switches have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from nauth.client import VendorClient

__all__ = ["life_s", "values"]


def values(switches: Mapping[str, tuple[str, ...]], *names: str) -> list[Any]:
    """Return name and value, as parameters of a test, of every value of the switches named, or of all."""
    return [
        pytest.param(name, value, id=f"{name}-{value}")
        for name in names or switches
        for value in switches[name]
    ]


def life_s(client: VendorClient) -> float:
    """Return the life of the token that the client holds, in seconds."""
    token = client._manager.current
    assert token is not None
    assert token.lifetime is not None
    return token.lifetime.total_seconds()
