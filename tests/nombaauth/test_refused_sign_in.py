"""A refused sign-in says where it was asked, and tells a wrong address from wrong credentials as far as Nomba does."""

from __future__ import annotations

import attrs
import pytest

from nauth.errors import NauthError
from nauth.testing import Fault
from nombaauth import NombaCredentialsRejectedError, NombaMalformedResponseError
from nombaauth.errors import Endpoint, refusal
from tests.support.vendors.stages import NombaStage as Stage

_SECRET_WORDS = ("NOMBA_CLIENT_SECRET", "private key")


@pytest.mark.parametrize(
    "body,kind",
    [(b"<h1>404</h1>", "text/html"), (b"", "text/plain"), (b'{"detail":"x"}', "application/json")],
)
async def test_a_404_without_nombas_body_is_another_service(body: bytes, kind: str) -> None:
    """A wrong base URL is named with its address, and no secret is blamed."""
    async with Stage.opened() as stage:
        stage.sandbox.faults.add(Fault(status=404, body=body, content_type=kind), endpoint="issue")
        client = await stage.client()
        with pytest.raises(NombaMalformedResponseError, match="this is not Nomba's API") as told:
            await client.token()
        assert f"{stage.sandbox.base_url}/v1/auth/token/issue" in str(told.value)
        assert not [word for word in _SECRET_WORDS if word in str(told.value)]


async def test_an_address_outside_nigeria() -> None:
    """A 403 on issue names the caller's address beside keys and account."""
    async with Stage.opened(ip_allow_list="issue_403") as stage:
        client = await stage.client()
        with pytest.raises(
            NombaCredentialsRejectedError, match="outside Nigeria, or not on the account's IP allow-list"
        ):
            await client.token()


@pytest.mark.parametrize(
    "status,code,named,left_out",
    [
        (401, "01", ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET"], ["NOMBA_ACCOUNT_ID"]),
        (200, "01", ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET"], ["NOMBA_ACCOUNT_ID"]),
        (401, "401", ["NOMBA_CLIENT_ID", "NOMBA_CLIENT_SECRET", "NOMBA_ACCOUNT_ID"], ["Nigeria"]),
        (403, "403", ["Nigeria", "NOMBA_ACCOUNT_ID", "environment"], []),
        (200, "403", ["Nigeria"], []),
        (404, "404", ["no record", "NOMBA_ACCOUNT_ID"], ["not Nomba's API"]),
    ],
)
def test_code_and_status_tell_the_causes_apart(
    status: int, code: str, named: list[str], left_out: list[str]
) -> None:
    """What Nomba's code or status rules out is not in the text."""
    text = str(refusal(Endpoint.ISSUE, status, code=code, where="https://api.nomba.com/v1/auth/token/issue"))
    assert [word for word in named if word not in text] == []
    assert [word for word in left_out if word in text] == []


@pytest.mark.parametrize("wrong", ["client_id", "client_secret", "account_id"])
async def test_each_text_shows_the_address(wrong: str) -> None:
    """Whatever was wrong, the address that refused is in the text."""
    async with Stage.opened() as stage:
        client = await stage.client(attrs.evolve(stage.sandbox.credentials, **{wrong: "wrong"}))
        with pytest.raises(NauthError) as told:
            await client.token()
        assert f"from {stage.sandbox.base_url}/v1/auth/token/issue" in str(told.value)
