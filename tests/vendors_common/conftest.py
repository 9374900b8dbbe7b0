"""Ways to sign in, each with the vendor's sandbox running."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.support.vendors.table import Case, Stage, opened


@pytest.fixture
async def stage(case: Case) -> AsyncIterator[Stage]:
    """One way to sign in, and a vendor to do it at."""
    async with opened(case) as made:
        yield made
