"""What the client's user is told when something fails: each failure typed, few calls spent on it."""

from __future__ import annotations

import pytest

from naoauth import (
    NaoApiKey,
    NaoCredentialsRejectedError,
    NaoMalformedResponseError,
)
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


async def test_a_redirect_of_the_sessions_call_is_not_followed(stage: Stage) -> None:
    """It would carry the password along; the error names the address."""
    stage.sandbox.faults.add(
        Fault(status=302, headers={"Location": "https://evil.example/"}), endpoint="sessions"
    )
    with pytest.raises(NaoMalformedResponseError, match=r"127\.0\.0\.1:\d+/api/v2/sessions"):
        await (await stage.client()).check()
    assert len(stage.sandbox.log) == 1
