"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from nauth.errors import ClosedError, NauthError
from nauth.testing import Fault
from noyoauth import (
    NoyoConflictError,
    NoyoCredentialsRejectedError,
    NoyoError,
    NoyoMalformedResponseError,
    NoyoNotFoundError,
    NoyoNotSentError,
    NoyoPermissionDeniedError,
    NoyoTokenRefusedError,
    NoyoUnavailableError,
    RenewalPolicy,
)
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NoyoStage as Stage


async def test_a_wrong_secret_is_typed_and_not_repeated(stage: Stage) -> None:
    """One call, then the same error from the cool-down, then one more call; nothing of the secret anywhere."""
    wrong = attrs.evolve(stage.sandbox.credentials, client_secret="CANARY-" + "x" * 80)
    client = await stage.client(wrong)
    for _ in range(3):
        with pytest.raises(NoyoCredentialsRejectedError, match="NOYO_CLIENT_SECRET") as refused:
            await client.check()
        assert leaks(refused.value, ["CANARY", wrong.authorization]) == []
        assert refused.value.retry_after == timedelta(seconds=10)
    assert stage.calls == 1
    stage.clock.advance(10)
    with pytest.raises(NoyoCredentialsRejectedError):
        await client.token()
    assert stage.calls == 2


@pytest.mark.parametrize(
    "fault, leaf",
    [
        (Fault(status=500), NoyoUnavailableError),
        (Fault(status=502, body=b"<html>", content_type="text/html"), NoyoUnavailableError),
        (Fault(status=404), NoyoNotFoundError),
        (Fault(status=403), NoyoPermissionDeniedError),
        (Fault(status=409), NoyoConflictError),
        (Fault(status=302, headers={"Location": "https://example.com/"}), NoyoMalformedResponseError),
        (Fault(body=b"<html>", content_type="text/html"), NoyoMalformedResponseError),
        (Fault(body=b'{"meta":{},"response":[]}'), NoyoMalformedResponseError),
    ],
)
async def test_a_check_names_what_went_wrong(fault: Fault, leaf: type[NauthError], stage: Stage) -> None:
    """Each failure of the resource call is a leaf of Noyo's own, and none renews."""
    client = await stage.client()
    stage.sandbox.faults.add(fault, endpoint="groups", times=3)
    with pytest.raises(leaf):
        await client.check()
    assert stage.calls == 1


async def test_an_error_body_stays_typed(stage: Stage) -> None:
    """`status` may be the word "error"; the rest of the body is there for those who want it."""
    client = await stage.client()
    body = b'{"message": "bad row", "status": "error", "rows": [3]}'
    stage.sandbox.faults.add(Fault(status=422, body=body), endpoint="groups")
    with pytest.raises(NoyoError) as refused:
        await client.check()
    assert refused.value.body is not None
    assert (refused.value.body.status, refused.value.body.message) == ("error", "bad row")
    assert refused.value.body.fields["rows"] == [3]


async def test_a_401_is_renewed_once_and_replayed(stage: Stage) -> None:
    """A token that died early costs one token call, unseen."""
    client = await stage.client()
    await client.check()
    stage.sandbox.kill_sessions()
    await client.check()
    assert (stage.calls, stage.sandbox.requests["groups"]) == (2, 3)


async def test_a_401_that_stays_is_an_error(stage: Stage) -> None:
    """One renewal, one replay, then typed; in the cool-down nothing is renewed; no secret in sight."""
    client = await stage.client(environment="sandbox")
    stage.sandbox.reject_all = True
    for _ in range(3):
        with pytest.raises(
            NoyoTokenRefusedError, match=r"127\.0\.0\.1:\d+ \(environment sandbox\)"
        ) as refused:
            await client.check()
        hidden = [(await client.token()).access_token.reveal(), stage.sandbox.credentials.authorization]
        assert leaks(refused.value, hidden) == []
    assert (stage.calls, stage.sandbox.unauthorized) == (2, 4)


async def test_a_late_401_for_an_old_token_fetches_nothing(stage: Stage) -> None:
    """Who was refused with a token that is no longer current gets the current one."""
    client = await stage.client()
    old = await client.token()
    new = await client.renew()
    assert await client._manager.renew(rejected=old) is new
    assert stage.calls == 2


async def test_a_host_that_is_not_there_is_not_sent() -> None:
    """No connection: typed, and it says that trying again is safe."""
    async with Stage.opened() as stage:
        client = await stage.client(policy=RenewalPolicy(deadline=timedelta(seconds=1)))
        await stage.sandbox.aclose()
        with pytest.raises(NoyoNotSentError) as refused:
            await client.check()
        assert refused.value.retry_after is not None


async def test_a_closed_client_says_so(stage: Stage) -> None:
    """After closing, every door raises the same typed error."""
    client = await stage.client()
    await client.check()
    await client.aclose()
    for door in (client.token, client.check, client.renew, client.groups().__anext__):
        with pytest.raises(ClosedError):
            await door()
