"""A service's own tests, written as its author would: a payout service, and Nomba's sandbox taught what it calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal

import attrs
import pytest
from aiohttp import web

from nauth.stores import MemoryStore
from nauth.testing import Fault
from nombaauth import (
    NombaBadRequestError,
    NombaClient,
    NombaCredentialsRejectedError,
    NombaOutcomeUnknownError,
)
from nombaauth.sandbox import NombaSandbox

# --- the service ------------------------------------------------------------------------------------------------------


@attrs.frozen
class Recipient:
    """Whose account it is."""

    account_name: str


@attrs.frozen(kw_only=True)
class Order:
    """What is to be paid."""

    amount: Decimal
    account_number: str
    bank_code: str
    merchant_tx_ref: str
    narration: str | None = None


@attrs.frozen
class Transfer:
    """What became of it."""

    id: str
    status: str


class Payouts:
    """Looks the recipient up, pays, and asks what became of a payment whose response was lost."""

    def __init__(self, nomba: NombaClient) -> None:
        self._nomba = nomba

    async def pay(self, order: Order) -> Transfer:
        """Pay once."""
        recipient = await self._nomba.call(
            "POST",
            "/v1/transfers/bank/lookup",
            Recipient,
            json={"accountNumber": order.account_number, "bankCode": order.bank_code},
            repeatable=True,
        )
        order = attrs.evolve(order, narration=recipient.data.account_name)
        try:
            return (await self._nomba.call("POST", "/v1/transfers/bank", Transfer, json=order)).data
        except NombaOutcomeUnknownError:
            return await self.status(order.merchant_tx_ref)

    async def status(self, reference: str) -> Transfer:
        """Ask what became of a payment."""
        path = "/v1/transactions/accounts/single"
        return (await self._nomba.call("GET", path, Transfer, params={"merchantTxRef": reference})).data


# --- its tests --------------------------------------------------------------------------------------------------------

ORDER = Order(
    amount=Decimal("1500.10"), account_number="0123456789", bank_code="090001", merchant_tx_ref="ref-1"
)


@pytest.fixture
async def nomba() -> AsyncIterator[NombaSandbox]:
    """The vendor, with the three endpoints that the service calls."""
    paid: dict[str, object] = {}

    async def pay(request: web.Request) -> object:
        body = await request.json()
        assert body["amount"] == "1500.10"
        paid[body["merchantTxRef"]] = {"id": "t-1", "status": "SUCCESS"}
        return paid[body["merchantTxRef"]]

    async with NombaSandbox() as sandbox:
        sandbox.answer("POST", "/v1/transfers/bank/lookup", {"accountName": "Ada Stores"})
        sandbox.answer("POST", "/v1/transfers/bank", pay)
        sandbox.answer(
            "GET",
            "/v1/transactions/accounts/single",
            lambda request: (
                paid.get(request.query["merchantTxRef"]) or sandbox.failure(404, "no such payment")
            ),
        )
        yield sandbox


@pytest.fixture
async def payouts(nomba: NombaSandbox) -> AsyncIterator[Payouts]:
    """The service, on the sandbox."""
    async with NombaClient(nomba.credentials, base_url=nomba.base_url, store=MemoryStore()) as client:
        yield Payouts(client)


async def test_a_payment(nomba: NombaSandbox, payouts: Payouts) -> None:
    """It is paid once, to the name that was looked up."""
    assert await payouts.pay(ORDER) == Transfer("t-1", "SUCCESS")
    assert nomba.requests["POST /v1/transfers/bank"] == 1


async def test_too_little_money(nomba: NombaSandbox, payouts: Payouts) -> None:
    """Nomba says so in a 200; the service hears of it."""
    nomba.answer("POST", "/v1/transfers/bank", nomba.failure(200, "insufficient funds", code="400"))
    with pytest.raises(NombaBadRequestError, match="insufficient funds"):
        await payouts.pay(ORDER)


async def test_a_lost_response_is_looked_up(nomba: NombaSandbox, payouts: Payouts) -> None:
    """Nomba paid and its response was lost: the service asks, and does not pay again."""
    nomba.faults.add(Fault(drop="after"), endpoint="POST /v1/transfers/bank")
    assert await payouts.pay(ORDER) == Transfer("t-1", "SUCCESS")
    assert nomba.requests["POST /v1/transfers/bank"] == 1
    assert nomba.requests["GET /v1/transactions/accounts/single"] == 1


async def test_a_token_that_died(nomba: NombaSandbox, payouts: Payouts) -> None:
    """The service does not notice."""
    await payouts.pay(ORDER)
    nomba.kill_sessions()
    assert (await payouts.status("ref-1")).status == "SUCCESS"


async def test_two_keys(nomba: NombaSandbox) -> None:
    """Two tenants, each with its key; the secret of one is rotated, and the other one works on."""
    tenants = [nomba.credentials, nomba.add_credentials(account_id="tenant-2")]
    nomba.rotate_secret()
    first, second = (NombaClient(key, base_url=nomba.base_url, store=MemoryStore()) for key in tenants)
    async with first, second:
        with pytest.raises(NombaCredentialsRejectedError):
            await Payouts(first).pay(ORDER)
        assert (await Payouts(second).pay(ORDER)).status == "SUCCESS"
