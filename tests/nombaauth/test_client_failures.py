"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nombaauth import (
    ConfigurationError,
    NombaCredentials,
    NombaThrottledError,
)
from tests.support.vendors.stages import NombaStage as Stage


def _wrong(credentials: NombaCredentials, **changed: str) -> NombaCredentials:
    return attrs.evolve(credentials, **changed)


async def test_a_line_break_inside_the_account_id_is_a_setting_to_fix(stage: Stage) -> None:
    """Nothing is sent, and the error is about the configuration."""
    client = await stage.client(_wrong(stage.sandbox.credentials, account_id="a\r\nX-Evil: 1"))
    with pytest.raises(ConfigurationError, match="line break"):
        await client.token()
    assert stage.sandbox.log == []


async def test_throttled_is_throttled_through_every_door() -> None:
    """A caller who meets the 429 of a sign-in, by `token`, `check` or a request, is told so and for how long."""
    async with Stage.opened(rate_class="low", rate_headers="window_60s") as stage:
        await (await stage.client()).token()
        client = await stage.client(stage.sandbox.second_credentials)
        doors: list[Callable[[], Any]] = [
            client.token,
            client.check,
            lambda: client.get("/v1/transfers/banks"),
        ]
        for door in doors:
            with pytest.raises(NombaThrottledError) as refused:
                await door()
            assert refused.value.retry_after == timedelta(seconds=60)
        assert stage.calls[0] == 2
