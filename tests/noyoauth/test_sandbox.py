"""The double of Noyo does what the documents say."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest

from nauth.stores import MemoryStore
from noyoauth import NoyoClient, NoyoCredentials, NoyoCredentialsRejectedError
from noyoauth.sandbox import NoyoSandbox
from tests.support.vendors.callers.noyo import GRANT, Caller, calling


@pytest.fixture
async def noyo() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


# --- what is always refused -------------------------------------------------------------------------------------------


def _basic(text: str) -> dict[str, str]:
    return {"Authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


@pytest.mark.parametrize(
    "options",
    [
        {"json": None, "data": GRANT},
        {"json": None, "data": json.dumps(GRANT)},
        {"json": GRANT | {"scope": "all"}},
        {"json": GRANT | {"client_id": "x"}},
        {"json": {"grant_type": "password"}},
        {"json": {}},
        {"json": []},
        {"json": None, "data": b"{", "headers": _basic("a:b") | {"Content-Type": "application/json"}},
        {"headers": {}},
        {"headers": {"Authorization": "Bearer x"}},
        {"headers": {"Authorization": "Basic !!!"}},
        {"headers": {"Authorization": "Basic /w=="}},
        {"headers": _basic("no colon")},
    ],
)
async def test_a_token_request_of_another_form_is_refused(options: dict[str, Any], noyo: Caller) -> None:
    """Form encoding, another or a further member, no Basic pair, or one that cannot be read: 400."""
    assert (await noyo.issue(**options)).status == 400
    assert noyo.sandbox.live_tokens == 0


async def test_a_percent_encoded_pair_is_refused(noyo: Caller) -> None:
    """What RFC 6749 asks for is not what Noyo takes: 400, as against 401 for a wrong secret."""
    given = noyo.sandbox.credentials
    encoded = f"{quote(given.client_id, safe='')}:{quote(given.client_secret.reveal(), safe='')}"
    assert (await noyo.issue(headers=_basic(encoded))).status == 400
    assert (await noyo.issue(headers=_basic(f"{given.client_id}:wrong%20"))).status == 401


# --- resources --------------------------------------------------------------------------------------------------------


async def test_resources_answer_as_documented(noyo: Caller) -> None:
    """A list with its envelope, a bare record, an echo, and a ping that proves nothing."""
    token, sandbox = await noyo.token(), noyo.sandbox
    page = (await noyo.groups(token)).body
    assert page["meta"] == {"offset": 0, "page_num": 1, "page_size": 20, "total_records": 1}
    (only,) = page["response"]
    assert (await noyo.call("GET", f"/api/v1/groups/{only['id']}", token=token)).body == only
    echoed = (await noyo.call("POST", "/api/v1/echo", token=token, data=b"abc")).body
    assert echoed == {"length": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}
    assert (await noyo.call("GET", "/ping", token="x")).status == 200
    assert sandbox.token_calls == sandbox.live_tokens == 1


@pytest.mark.parametrize(
    "query", ["?page_size=4", "?page_size=101", "?page_size=x", "?page_size=-5", "?offset=-1", "?offset=x"]
)
async def test_a_query_out_of_bounds_is_refused(query: str, noyo: Caller) -> None:
    """The documented limits hold."""
    assert (await noyo.groups(await noyo.token(), query)).status == 400


async def test_groups_can_be_added(noyo: Caller) -> None:
    """Each with an id of its own."""
    noyo.sandbox.add_groups(6)
    noyo.sandbox.add_groups(5)
    token = await noyo.token()
    pages = [(await noyo.groups(token, f"?page_size=5&offset={offset}")).body for offset in (0, 5, 10, 15)]
    assert [len(page["response"]) for page in pages] == [5, 5, 2, 0]
    assert len({found["id"] for page in pages for found in page["response"]}) == 12


async def test_the_controls(noyo: Caller) -> None:
    """Tokens can be killed, calls rejected, and the window made longer."""
    token = await noyo.token()
    noyo.sandbox.reject_all = True
    assert (await noyo.groups(token)).status == 401
    noyo.sandbox.reject_all = False
    assert (await noyo.groups(token)).status == 200
    noyo.sandbox.kill_sessions()
    assert (await noyo.groups(token)).status == 401
    noyo.sandbox.window = timedelta(minutes=1)
    assert noyo.sandbox.window == timedelta(minutes=1)


async def test_two_secrets_for_a_while() -> None:
    """With an overlap the old secret is good until the next rotation; without one it is refused at once."""
    async with NoyoSandbox() as sandbox:
        old = sandbox.credentials

        async def works(credentials: NoyoCredentials) -> bool:
            client = NoyoClient(
                credentials,
                environment="sandbox",
                base_url=sandbox.base_url,
                token_url=sandbox.token_url,
                store=MemoryStore(),
            )
            async with client:
                try:
                    await client.token()
                except NoyoCredentialsRejectedError:
                    return False
                return True

        new = sandbox.rotate_secret(overlap=True)
        assert [await works(old), await works(new), await works(sandbox.second_credentials)] == [
            True,
            True,
            True,
        ]
        newest = sandbox.rotate_secret()
        assert [await works(old), await works(new), await works(newest)] == [False, False, True]
