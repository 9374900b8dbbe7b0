"""What every sweep wants."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def _swift() -> Iterator[None]:
    """Spare the collections that look for lost exceptions everything that was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
