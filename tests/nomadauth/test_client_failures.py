"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiohttp import web

from nauth.errors import ClosedError
from nauth.stores import MemoryStore
from nauth.testing import Fault
from nomadauth import (
    NomadApiKey,
    NomadClient,
    NomadCredentialsRejectedError,
    NomadMalformedResponseError,
    NomadNotSentError,
    NomadPassword,
    NomadPermissionDeniedError,
    NomadStaticToken,
    NomadThrottledError,
    NomadTokenRefusedError,
    NomadUnavailableError,
    RenewalPolicy,
)
from tests.support.http.vendor import served
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NomadStage as Stage


async def test_a_wrong_password_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the password anywhere."""
    client = await stage.client(NomadPassword("svc@example.com", "CANARY"))
    for _ in range(3):
        with pytest.raises(NomadCredentialsRejectedError, match="NOMAD_MEDIA_PASSWORD") as refused:
            await client.check()
        assert leaks(refused.value, ["CANARY"]) == []
    assert stage.calls == (1, 0, 0)
    stage.clock.advance(10)
    with pytest.raises(NomadCredentialsRejectedError):
        await client.token()
    assert stage.calls == (2, 0, 0)


async def test_a_wrong_base_url_says_so(stage: Stage) -> None:
    """A host that answers pages instead of JSON is named as the likely cause."""
    client = await stage.client(base_url=f"{stage.sandbox.base_url}/wrong")
    with pytest.raises(NomadCredentialsRejectedError, match="check the base URL"):
        await client.check()


async def test_a_401_that_stays_is_raised_and_starts_a_cool_down(stage: Stage) -> None:
    """One renewal, one replay, then the error; further 401s renew nothing."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    for _ in range(4):
        with pytest.raises(NomadTokenRefusedError, match="another login"):
            await client.check()
    assert stage.calls == (1, 1, 0)
    assert stage.sandbox.requests["ping_auth"] == 2 + 3


async def test_a_403_with_a_live_token_renews_nothing(stage: Stage) -> None:
    """Permission denied is not an expired token."""
    client = await stage.client()
    stage.sandbox.faults.add(Fault(status=403), endpoint="ping_auth", times=3)
    for _ in range(3):
        with pytest.raises(NomadPermissionDeniedError):
            await client.check()
    assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("status", [500, 503])
async def test_an_outage_is_not_a_wrong_password(status: int, stage: Stage) -> None:
    """While the old token lives it is served; no login is spent on the doubt."""
    client = await stage.client()
    old = await client.token()
    stage.sandbox.faults.add(Fault(status=status), endpoint="refresh", times=50)
    stage.clock.advance(3000)
    assert (await client.token()) is old
    await stage.renewals(2)
    await client.check()
    assert stage.sandbox.requests["login"] == 1
    stage.clock.advance(3600)
    with pytest.raises(NomadUnavailableError):
        await client.check()
    assert stage.sandbox.requests["login"] == 1


async def test_throttled_is_throttled_with_the_wait(stage: Stage) -> None:
    """A wait that is too long for the deadline is told at once."""
    stage.sandbox.faults.add(Fault(status=429, headers={"Retry-After": "120"}), endpoint="login")
    client = await stage.client()
    with pytest.raises(NomadThrottledError) as refused:
        await client.check()
    assert refused.value.retry_after == timedelta(seconds=120)


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and never a wrong password."""
    async with Stage.opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NomadNotSentError):
            await client.check()


async def test_a_static_token_that_is_refused_is_refused_at_once(stage: Stage) -> None:
    """Every call raises; nothing is renewed, nothing replayed."""
    client = await stage.client(NomadStaticToken("withdrawn"))
    for number in range(1, 4):
        with pytest.raises(NomadTokenRefusedError, match="withdrawn, sent with the wrong scheme"):
            await client.check()
        assert stage.sandbox.requests["ping_auth"] == number
    assert stage.sandbox.token_calls == 0


async def test_a_web_page_is_not_a_working_token() -> None:
    """A 200 from something that is no API proves nothing."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<html>", content_type="text/html")

    async with (
        served(page) as url,
        NomadClient(NomadApiKey("k"), base_url=url, store=MemoryStore()) as client,
    ):
        with pytest.raises(NomadMalformedResponseError):
            await client.check()


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.logout, client.renew, client.ping):
        with pytest.raises(ClosedError):
            await door()
