"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

import pytest

from nauth.testing import Fault
from noyoauth import (
    NoyoConflictError,
    NoyoError,
    NoyoTokenRefusedError,
)
from tests.support.leaks.errors import leaks
from tests.support.vendors.stages import NoyoStage as Stage


async def test_a_409_is_a_conflict(stage: Stage) -> None:
    """Noyo answers so where two callers changed one record."""
    client = await stage.client()
    stage.sandbox.faults.add(Fault(status=409), endpoint="groups")
    with pytest.raises(NoyoConflictError):
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
