"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import ClosedError, NauthError
from nauth.testing import Fault
from nombaauth import (
    ConfigurationError,
    NombaCredentials,
    NombaCredentialsRejectedError,
    NombaMalformedResponseError,
    NombaNotFoundError,
    NombaNotSentError,
    NombaPermissionDeniedError,
    NombaThrottledError,
    NombaUnavailableError,
    RenewalPolicy,
)
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NombaStage as Stage


def _wrong(credentials: NombaCredentials, **changed: str) -> NombaCredentials:
    return attrs.evolve(credentials, **changed)


async def test_a_wrong_secret_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the secret anywhere."""
    wrong = _wrong(stage.sandbox.credentials, client_secret="CANARY-" + "x" * 80)
    client = await stage.client(wrong)
    for _ in range(3):
        with pytest.raises(NombaCredentialsRejectedError, match="NOMBA_CLIENT_SECRET") as refused:
            await client.check()
        assert leaks(refused.value, [wrong.client_secret.reveal()]) == []
        assert refused.value.retry_after == timedelta(seconds=10)
    assert stage.calls == (1, 0, 0)
    stage.clock.advance(10)
    with pytest.raises(NombaCredentialsRejectedError):
        await client.token()
    assert stage.calls == (2, 0, 0)


async def test_a_line_break_inside_the_account_id_is_a_setting_to_fix(stage: Stage) -> None:
    """Nothing is sent, and the error is about the configuration."""
    client = await stage.client(_wrong(stage.sandbox.credentials, account_id="a\r\nX-Evil: 1"))
    with pytest.raises(ConfigurationError, match="line break"):
        await client.token()
    assert stage.sandbox.log == []


async def test_throttled_is_throttled_through_every_door() -> None:
    """Whoever meets the 429 of a sign-in, by `token`, `check` or a request, is told so and for how long."""
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


@pytest.mark.parametrize(
    "fault, leaf",
    [
        (Fault(status=500), NombaUnavailableError),
        (Fault(status=404), NombaNotFoundError),
        (Fault(status=403), NombaPermissionDeniedError),
        (Fault(body=b"<html>", content_type="text/html"), NombaMalformedResponseError),
        (Fault(body=b'{"code":"00","data":null}'), NombaMalformedResponseError),
    ],
)
async def test_a_check_names_what_went_wrong(fault: Fault, leaf: type[NauthError], stage: Stage) -> None:
    """Each failure of the resource call is a leaf of Nomba's own, and none renews."""
    client = await stage.client()
    stage.sandbox.faults.add(fault, endpoint="balance", times=3)
    with pytest.raises(leaf):
        await client.check()
    assert stage.calls == (1, 0, 0)


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and it says that trying again is safe."""
    async with Stage.opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NombaNotSentError) as refused:
            await client.check()
        assert refused.value.retry_after is not None


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.revoke, client.renew):
        with pytest.raises(ClosedError):
            await door()
