"""The user's face: requests with token and account id, the typed check, revocation."""

from __future__ import annotations

from decimal import Decimal

import pytest
from aiohttp import ClientSession

from nauth.testing import Fault
from nombaauth import Balance, NombaNotFoundError, NombaPermissionDeniedError, OriginError
from tests.support.vendors.stages import NombaStage as Stage

# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_check_is_typed(stage: Stage) -> None:
    """The simplest call proves the token and gives an exact amount."""
    balance = await (await stage.client()).check()
    assert isinstance(balance, Balance)
    assert (balance.amount, balance.currency) == (Decimal("281946.0"), "NGN")
    assert balance.time_created.timestamp() == stage.clock.wall()
    assert stage.calls == (1, 0, 0)


async def test_every_request_carries_token_and_account(stage: Stage) -> None:
    """Token, account id, Accept and User-Agent are put on; a caller's own headers win."""
    client = await stage.client()
    token = await client.token()
    async with client.get("/v1/transfers/banks") as response:
        assert (response.status, (await response.json())["code"]) == (200, "00")
    await (await client.get("/v1/transfers/banks", headers={"User-Agent": "mine"})).read()
    first, second = (exchange.headers for exchange in stage.sandbox.log[-2:])
    assert first["Authorization"] == token.authorization
    assert (first["accountId"], first["Accept"]) == (stage.sandbox.credentials.account_id, "application/json")
    assert (first["User-Agent"], second["User-Agent"]) == ("nauth (nombaauth)", "mine")


async def test_one_request_may_name_a_sub_account() -> None:
    """The header can be replaced for a call; in the path the parent's header stays."""
    async with Stage.opened(sub_account_header="works") as stage:
        client, sub = await stage.client(), stage.sandbox.sub_account_id
        async with client.get("/v1/accounts/balance", headers={"accountId": sub}) as response:
            assert response.status == 200
        async with client.get(f"/v1/accounts/{sub}/balance") as response:
            assert (await response.json())["data"]["amount"] == "1250.5"
        assert [exchange.headers["accountId"] for exchange in stage.sandbox.log[-2:]] == [
            sub,
            stage.sandbox.credentials.account_id,
        ]


async def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    """The token goes to the configured host only."""
    client = await stage.client()
    with pytest.raises(OriginError):
        client.get("https://example.com/")
    assert stage.sandbox.log == []


async def test_a_session_of_ones_own_is_used_and_left_open(stage: Stage) -> None:
    """Requests and typed calls go through the given session, whatever it does with statuses; closing leaves it."""
    async with ClientSession(raise_for_status=True) as session:
        client = await stage.client(session=session)
        await client.check()
        stage.sandbox.faults.add(Fault(status=404), endpoint="balance")
        with pytest.raises(NombaNotFoundError):
            await client.check()
        await client.aclose()
        assert not session.closed
    assert stage.calls == (1, 0, 0)


async def test_a_renewal_can_be_asked_for(stage: Stage) -> None:
    """`renew` refreshes now, keeping the refresh token where none came back."""
    client = await stage.client()
    first = await client.token()
    second = await client.renew()
    assert not second.same_access(first)
    assert second.refresh_token == first.refresh_token
    assert stage.calls == (1, 1, 0)


# --- revocation -------------------------------------------------------------------------------------------------------


async def test_a_revocation_forgets_and_the_next_call_signs_in(stage: Stage) -> None:
    """The token is dead at the vendor and gone here and in the store; the next call issues, never refreshes."""
    client = await stage.client()
    await client.token()
    await client.revoke()
    assert (stage.calls, stage.sandbox.live_tokens) == ((1, 0, 1), 0)
    assert await stage.store.load(client._manager.key) is None
    await client.check()
    assert stage.calls == (2, 0, 1)


async def test_a_cold_client_revokes_nothing(stage: Stage) -> None:
    """Revoking without a token does not sign in to do so."""
    await (await stage.client()).revoke()
    assert stage.sandbox.log == []


async def test_a_failed_revocation_can_be_repeated(stage: Stage) -> None:
    """While Nomba does not confirm, the token is kept."""
    client = await stage.client()
    token = await client.token()
    stage.sandbox.faults.add(Fault(status=403), endpoint="revoke")
    with pytest.raises(NombaPermissionDeniedError):
        await client.revoke()
    assert (await client.token()) is token
    await client.revoke()
    assert stage.sandbox.live_tokens == 0


async def test_a_stale_revocation_deletes_nothing_newer(stage: Stage) -> None:
    """What a sibling has stored meanwhile is revoked as well, not left behind or mixed up."""
    first, second = await stage.client(), await stage.client()
    await first.token()
    await second.renew()
    await first.revoke()
    assert stage.sandbox.live_tokens == 1  # the one that `second` had replaced: no client holds it any more
    await second.check()
    assert stage.calls == (2, 1, 1)
