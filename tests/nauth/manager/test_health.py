"""`current` and `health`: how a client is doing, from memory alone."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nauth.errors import VendorUnavailableError
from nauth.manager.health import Health, HealthState
from nauth.time_formats import instant
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.support.manager import Rig, all_blocked

START = 1_782_950_400.0


def _state(rig: Rig) -> HealthState:
    return rig.manager.health.state


async def test_the_states() -> None:
    """None, fresh, stale, expired and closed follow each other; reading them calls neither vendor nor store."""
    rig = Rig()
    assert rig.manager.health == Health(
        state=HealthState.NONE,
        expires_at=None,
        last_error=None,
        failed_ago=None,
        retry_after=None,
        renewing=False,
    )
    gate = rig.close_gate()
    caller = asyncio.create_task(rig.manager.token())
    await all_blocked()
    assert rig.manager.health.renewing
    gate.set()
    await caller
    calls = list(rig.calls)
    health = rig.manager.health
    assert (health.state, health.expires_at) == (HealthState.FRESH, instant(START + 3600))
    assert health.has_token
    rig.clock.advance(3545)
    assert _state(rig) is HealthState.STALE
    rig.clock.advance(60)
    assert _state(rig) is HealthState.EXPIRED
    assert not rig.manager.health.has_token
    assert rig.calls == calls
    await rig.manager.aclose()
    assert _state(rig) is HealthState.CLOSED
    assert not rig.manager.health.ready()


async def test_a_failure() -> None:
    """The last error is named with its age and the pause left; a success ends it."""
    rig = Rig()
    rig.vendor.errors.append(VendorUnavailableError("down"))
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    rig.clock.advance(4)
    health = rig.manager.health
    assert health.last_error == "VendorUnavailableError"
    assert (health.failed_ago, health.retry_after) == (timedelta(seconds=4), timedelta(seconds=6))
    assert health.ready()
    assert not health.ready(grace=timedelta(seconds=4))
    rig.clock.advance(60)
    assert rig.manager.health.retry_after is None
    assert not rig.manager.health.ready()
    await rig.name()
    assert rig.manager.health.last_error is None
    assert rig.manager.health.ready()


async def test_of_a_client() -> None:
    """A client shows its manager's token and health."""
    async with (
        NombaSandbox() as sandbox,
        NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba,
    ):
        assert (nomba.current, nomba.health.has_token) == (None, False)
        token = await nomba.token()
        assert (nomba.current, nomba.health.has_token) == (token, True)
        assert sandbox.token_calls == 1
