"""The user's face: requests with the token, the typed check, pages of groups."""

from __future__ import annotations

import json
import logging

import pytest
from aiohttp import ClientSession

from nauth.errors import OriginError
from nauth.testing import Fault
from noyoauth import HOSTS, ConfigurationError, GroupsPage, NoyoMalformedResponseError, NoyoNotFoundError
from noyoauth.sandbox import NoyoSandbox
from noyoauth.sandbox.data import EIN, group
from tests.support.vendors.stages import NoyoStage as Stage

# --- requests ---------------------------------------------------------------------------------------------------------


async def test_a_check_is_one_small_page(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    """Noyo's own test of a token, typed, with `page_size=5`; the employer's tax number stays out of sight."""
    caplog.set_level(logging.DEBUG)
    page = await (await stage.client()).check()
    assert type(page) is GroupsPage
    assert (page.meta.page_size, page.meta.offset, page.response[0].name) == (5, 0, "Sandbox Group")
    assert page.response[0].federal_ein == EIN
    assert EIN not in f"{page!r} {stage.sandbox.log!r} {stage.events!r} {caplog.text}"
    assert stage.calls == 1


async def test_every_request_carries_the_token(stage: Stage) -> None:
    """Token, Accept and User-Agent are put on; a caller's own headers win."""
    client = await stage.client()
    token = await client.token()
    async with client.get("/api/v1/groups") as response:
        assert (response.status, (await response.json())["meta"]["page_size"]) == (200, 20)
    await (await client.get("/api/v1/groups", headers={"User-Agent": "mine"})).read()
    first, second = (exchange.headers for exchange in stage.sandbox.log[-2:])
    assert first["Authorization"] == token.authorization == f"Bearer {token.access_token.reveal()}"
    assert first["Accept"] == "application/json"
    assert (first["User-Agent"], second["User-Agent"]) == ("nauth (noyoauth)", "mine")


async def test_a_foreign_origin_is_refused(stage: Stage) -> None:
    """With a base URL of one's own, Noyo's hosts are foreign too unless they are named."""
    client = await stage.client()
    for url in ("https://example.com/", HOSTS["live"].tracking, HOSTS["sandbox"].fulfillment):
        with pytest.raises(OriginError):
            client.get(url)
    assert stage.sandbox.log == []


async def test_further_origins_may_be_named(stage: Stage) -> None:
    """What is named gets the token."""
    async with NoyoSandbox(clock=stage.clock) as other:
        client = await stage.client(origins=[other.base_url])
        async with client.get(f"{other.base_url}/api/v1/groups") as response:
            assert response.status == 401  # that double knows nothing of the first one's tokens
        assert other.log[0].headers["Authorization"].startswith("Bearer ")


async def test_a_redirect_to_another_origin_takes_no_token_along(stage: Stage) -> None:
    """The bearer is stripped on the second hop."""
    async with NoyoSandbox(clock=stage.clock) as other:
        client = await stage.client()
        away = Fault(status=307, headers={"Location": f"{other.base_url}/ping"})
        stage.sandbox.faults.add(away, endpoint="groups")
        async with client.get("/api/v1/groups") as response:
            assert (response.status, response.url.path) == (200, "/ping")
        assert "Authorization" not in other.log[0].headers


async def test_a_session_of_ones_own_is_used_and_left_open(stage: Stage) -> None:
    """Requests and typed calls go through the given session, whatever it does with statuses; closing leaves it."""
    async with ClientSession(raise_for_status=True) as session:
        client = await stage.client(session=session)
        await client.check()
        stage.sandbox.faults.add(Fault(status=404), endpoint="groups")
        with pytest.raises(NoyoNotFoundError):
            await client.check()
        await client.aclose()
        assert not session.closed
    assert stage.calls == 1


# --- groups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("total", ["present", "absent"])
@pytest.mark.parametrize("page_num", ["consistent", "inconsistent"])
@pytest.mark.parametrize(
    "count, pages", [(0, [0]), (1, [1]), (5, [5]), (6, [5, 1]), (10, [5, 5]), (12, [5, 5, 2])]
)
async def test_all_pages_are_read_by_offset(count: int, pages: list[int], total: str, page_num: str) -> None:
    """Every group once, in order, whether or not Noyo counts them and however it numbers pages."""
    async with Stage.opened(total_records=total, page_num=page_num) as stage:
        stage.sandbox.groups = [group(number) for number in range(1, count + 1)]
        client = await stage.client()
        read = [page async for page in client.groups(page_size=5)]
        # a last page that is full cannot be told from another one without a count
        unsure = [0] if total == "absent" and count and count % 5 == 0 else []
        assert [len(page.response) for page in read] == pages + unsure
        names = [found.id for page in read for found in page.response]
        assert names == [wanted["id"] for wanted in stage.sandbox.groups]
        assert stage.calls == 1


async def test_a_page_is_fetched_when_it_is_asked_for(stage: Stage) -> None:
    """Stopping early costs nothing more; the default is the largest page."""
    stage.sandbox.add_groups(300)
    client = await stage.client()
    async for page in client.groups():
        assert page.meta.page_size == 100
        break
    assert stage.sandbox.requests["groups"] == 1


def _page(ids: list[int], offset: int, page_size: int, **meta: int) -> Fault:
    wire = {
        "meta": {"offset": offset, "page_size": page_size} | meta,
        "response": [group(number) for number in ids],
    }
    return Fault(status=200, body=json.dumps(wire).encode())


async def test_smaller_pages_than_asked_for_are_no_end(stage: Stage) -> None:
    """A server may cap the size; its own word of it decides what a short page is."""
    client = await stage.client()
    for fault in (_page([1, 2], 0, 2), _page([3, 4], 2, 2), _page([5], 4, 0)):
        stage.sandbox.faults.add(fault, endpoint="groups")
    assert [len(page.response) async for page in client.groups()] == [2, 2, 1]


async def test_a_list_that_ends_before_its_count_ends(stage: Stage) -> None:
    """A total that is too high costs one empty page, not a hang."""
    client = await stage.client()
    for fault in (_page([1], 0, 100, total_records=9), _page([], 1, 100, total_records=9)):
        stage.sandbox.faults.add(fault, endpoint="groups")
    assert [len(page.response) async for page in client.groups()] == [1, 0]


async def test_a_server_that_ignores_the_offset_is_found_out(stage: Stage) -> None:
    """The same page again is an error, and no endless list."""
    client = await stage.client()
    stage.sandbox.faults.add(_page([1, 2], 0, 2), endpoint="groups", times=9)
    with pytest.raises(NoyoMalformedResponseError, match="same page"):
        _ = [page async for page in client.groups()]
    assert stage.sandbox.requests["groups"] == 2


async def test_a_page_size_is_checked_at_once(stage: Stage) -> None:
    """Before anything is iterated or sent."""
    client = await stage.client()
    with pytest.raises(ConfigurationError, match="page_size"):
        client.groups(page_size=1)
    assert stage.sandbox.log == []


# --- revocation -------------------------------------------------------------------------------------------------------


async def test_nothing_can_be_revoked(stage: Stage) -> None:
    """The client offers no such call, and the manager's refuses without sending or forgetting anything."""
    client = await stage.client()
    token = await client.token()
    assert not hasattr(client, "revoke")
    with pytest.raises(ConfigurationError, match="no way to revoke"):
        await client._manager.revoke()
    assert await client.token() is token
    assert stage.calls == 1
