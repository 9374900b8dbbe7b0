"""What a user's editor infers for calls of endpoints that the clients do not name. Checked, never run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TypedDict, assert_type

import attrs

from naoauth import NaoClient
from nauth import CallOptions, NauthError, PageForm, Pages, PagesError, Reply
from nomadauth import NomadClient
from nombaauth import Envelope, NombaClient
from nombaauth.pages import NEXT_PAGE
from noyoauth import NoyoClient


@attrs.frozen
class Bank:
    """An attrs class."""

    code: str
    name: str


@dataclass
class Transfer:
    """A dataclass."""

    id: str
    amount: Decimal


class Terminal(TypedDict):
    """A typed dictionary."""

    terminal_id: str


async def nomba() -> None:
    """Ten calls of Nomba's."""
    async with NombaClient(environment="sandbox") as client:
        assert_type(client, NombaClient)
        banks = await client.call("GET", "/v1/transfers/banks", list[Bank])
        assert_type(banks, Envelope[list[Bank]])
        assert_type(banks.data[0].name, str)
        assert_type(await client.call("DELETE", "/v1/x"), Envelope[None])
        assert_type(await client.call("DELETE", "/v1/x", None), Envelope[None])
        order = Transfer("1", Decimal("1.10"))
        paid = await client.call("POST", "/v1/x", Transfer, json=order, repeatable=True, account_id="sub")
        assert_type(paid, Envelope[Transfer])
        assert_type(await client.call("GET", "/v1/x", list[Terminal]), Envelope[list[Terminal]])
        assert_type(await client.call("GET", "/v1/x", dict[str, object]), Envelope[dict[str, object]])
        assert_type(await client.call("GET", "/v1/x", tuple[Bank, ...]), Envelope[tuple[Bank, ...]])
        assert_type(await client.call("GET", "/v1/x", object), Envelope[object])
        assert_type(await client.call("GET", "/v1/x", str, params={"limit": 5}), Envelope[str])
        response = await client.get("/v1/x")
        assert_type(await client.open(response, Bank), Envelope[Bank])
        assert_type(await client.open(response), Envelope[None])


async def others(nomad: NomadClient, noyo: NoyoClient, nao: NaoClient) -> None:
    """The other vendors have no envelope."""
    assert_type(await nomad.call("GET", "/asset/1", Bank), Reply[Bank])
    assert_type((await noyo.call("GET", "/api/v1/groups/1", Terminal)).data, Terminal)
    assert_type(await nao.call("POST", "/api/v2/sites/1/publish"), Reply[None])
    assert_type(await nao.open(await nao.get("/api/v2/sites"), list[Bank]), Reply[list[Bank]])


async def pages(client: NombaClient, form: PageForm = NEXT_PAGE) -> object:
    """Lists in pages."""
    banks = client.pages("/v1/x", Bank, size=50, patience=timedelta(minutes=2))
    assert_type(banks, Pages[Bank])
    try:
        async for bank in banks:
            assert_type(bank, Bank)
        async for page in client.pages("/v1/x", Terminal, form=form, start=2).by_page():
            assert_type(page, list[Terminal])
    except PagesError as error:
        return error.cursor
    except NauthError as error:
        assert_type(error.retry_after, timedelta | None)
    return banks.cursor


OPTIONS: CallOptions = {"json": {"a": None}, "headers": {"X-Idempotent-key": "k"}, "repeatable": True}
