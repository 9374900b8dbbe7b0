"""What the package promises beside what all clients do: rotation, and answers that are lost."""

from __future__ import annotations

import asyncio

import pytest

from nauth.testing import Fault
from tests.support.vendors.stages import NomadStage as Stage


@pytest.mark.parametrize("rotation", ["new_old_dies", "same", "omitted", "new_old_lives"])
async def test_a_rotating_refresh_token_is_never_used_twice(rotation: str) -> None:
    """Twenty lives, one refresh each, and one login in all."""
    async with Stage.opened(refresh_rotation=rotation, refresh_kills_old_token="yes") as stage:
        client = await stage.client()
        for _ in range(20):
            await asyncio.gather(*(client.check() for _ in range(10)))
            stage.clock.advance(3601)
        assert stage.sandbox.refresh_reuses == 0
        assert stage.calls == (1, 19, 0)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("endpoint", ["login", "refresh"])
async def test_a_lost_answer_is_asked_for_again(when: str, endpoint: str) -> None:
    """Before or after Nomad has acted, with refresh tokens that die on use: in the end every caller has a token."""
    async with Stage.opened(refresh_rotation="new_old_dies") as stage:
        client = await stage.client()
        if endpoint == "refresh":
            await client.token()
        stage.sandbox.faults.add(Fault(drop=when), endpoint=endpoint)  # type: ignore[arg-type]  # a literal by the table
        await client.renew()
        await client.check()
        logins = {"login": 2, "refresh": 1 + (when == "after")}[endpoint]
        assert stage.sandbox.requests["login"] == logins
