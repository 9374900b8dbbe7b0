"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

import pytest
from aiohttp import web

from nauth.stores import MemoryStore
from nauth.testing import Fault
from nomadauth import (
    NomadApiKey,
    NomadClient,
    NomadCredentialsRejectedError,
    NomadMalformedResponseError,
    NomadStaticToken,
    NomadTokenRefusedError,
    NomadUnavailableError,
)
from tests.support.http.vendor import served
from tests.support.vendors.stages import NomadStage as Stage


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
