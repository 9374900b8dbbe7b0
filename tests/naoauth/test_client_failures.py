"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

import pytest

from naoauth import (
    NaoApiKey,
    NaoBadRequestError,
    NaoClient,
    NaoCredentialsRejectedError,
    NaoMalformedResponseError,
    NaoNotSentError,
    NaoOutcomeUnknownError,
    NaoPermissionDeniedError,
    NaoSession,
    NaoTokenRefusedError,
    NaoUnavailableError,
)
from nauth.errors import NauthError
from nauth.testing import Fault
from tests.support.vendors.stages import NaoStage as Stage


async def test_a_refused_api_key_costs_one_request(stage: Stage) -> None:
    """Nothing could be renewed: the 401 is final, typed, and names the JWT alternative; plain requests see it."""
    client = await stage.client(NaoApiKey("wrong"))
    with pytest.raises(NaoCredentialsRejectedError, match=r"NaoSession\(auth_token"):
        await client.check()
    assert len(stage.sandbox.log) == 1
    async with client.get("/api/v2/sites") as response:
        assert response.status == 401
    assert len(stage.sandbox.log) == 2


async def test_a_401_gets_one_new_session_and_one_replay(stage: Stage) -> None:
    """Success the second time is success."""
    client = await stage.client()
    await client.check()
    stage.sandbox.kill_sessions()
    await client.check()
    assert stage.calls == (2, 0, 0)
    assert stage.sandbox.unauthorized == 1


async def test_a_second_401_is_final(stage: Stage) -> None:
    """One renewal for any number of calls, and a typed error."""
    client = await stage.client()
    stage.sandbox.reject_all = True
    for _ in range(3):
        with pytest.raises(NaoTokenRefusedError):
            await client.check()
    assert stage.calls == (2, 0, 0)


async def test_an_outage_while_the_jwt_lives_is_not_seen(stage: Stage) -> None:
    """A failed renewal is quiet."""
    client = await stage.client()
    old = await client.token()
    assert old.lifetime is not None
    stage.clock.advance(old.lifetime * 0.997)
    stage.sandbox.faults.add(Fault(status=503), endpoint="sessions", times=9)
    assert (await client.token()) is old
    await stage.renewals(2)
    assert (await client.token()) is old
    await client.check()


@pytest.mark.parametrize(
    "fault, kind",
    [
        (Fault(status=403), NaoPermissionDeniedError),
        (Fault(status=422), NaoBadRequestError),
        (Fault(status=500), NaoUnavailableError),
        (Fault(status=200, body=b"<html>"), NaoMalformedResponseError),
        (Fault(drop="after"), NaoOutcomeUnknownError),
    ],
)
async def test_failures_of_a_check(stage: Stage, fault: Fault, kind: type[NauthError]) -> None:
    """Each typed; none renews."""
    client = await stage.client()
    await client.token()
    stage.sandbox.faults.add(fault, endpoint="sites", times=9)
    with pytest.raises(kind):
        await client.check()
    assert stage.calls == (1, 0, 0)


async def test_a_redirect_of_the_sessions_call_is_not_followed(stage: Stage) -> None:
    """It would carry the password along; the error names the address."""
    stage.sandbox.faults.add(
        Fault(status=302, headers={"Location": "https://evil.example/"}), endpoint="sessions"
    )
    with pytest.raises(NaoMalformedResponseError, match=r"127\.0\.0\.1:\d+/api/v2/sessions"):
        await (await stage.client()).check()
    assert len(stage.sandbox.log) == 1


async def test_no_connection_is_typed() -> None:
    """Nothing listens: nothing was sent."""
    async with NaoClient(NaoSession(auth_token="k"), base_url="http://127.0.0.1:1", clock=None) as client:
        with pytest.raises(NaoNotSentError):
            await client.token()
