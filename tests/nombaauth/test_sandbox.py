"""The double of Nomba does what the documents say."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator

import aiohttp
import pytest

from nauth.testing import Fault
from nombaauth.sandbox.data import BVN
from tests.support.vendors.callers.nomba import NO, OK, TTL_S, Caller, calling


@pytest.fixture
async def nomba() -> AsyncIterator[Caller]:
    async with calling() as caller:
        yield caller


async def test_tokens_look_like_the_vendors(nomba: Caller) -> None:
    """A JWT of 407 characters, a refresh token of 39, a secret of 88; no two tokens alike."""
    pairs = [await nomba.pair() for _ in range(3)]
    assert len({token for pair in pairs for token in pair}) == 6
    for access, refresh in pairs:
        assert (len(access), access.count("."), access[:20]) == (407, 2, "eyJhbGciOiJIUzI1NiJ9")
        assert refresh[26:] == "1782950400000"
        assert refresh[:26].islower()
    for name in ("credentials", "second_credentials", "other_environment"):
        assert len(getattr(nomba.sandbox, name).client_secret.reveal()) == 88


async def test_resources_answer_as_documented(nomba: Caller) -> None:
    """Balance, parent, sub-account, banks and echo answer with the envelope; other paths and ids are not found."""
    access, _ = await nomba.pair()
    balance = (await nomba.balance(access)).body
    assert balance == {
        "code": "00",
        "description": "Success",
        "data": {"amount": "281946.0", "currency": "NGN", "timeCreated": "2026-07-02T00:00:00.000Z"},
    }
    sub_id = nomba.sandbox.sub_account_id
    expected = {
        "/v1/accounts/parent": ("bvn", BVN),
        f"/v1/accounts/{sub_id}/balance": ("amount", "1250.5"),
        "/v1/accounts/parent/balance": ("amount", "281946.0"),
    }
    for path, (field, value) in expected.items():
        assert (await nomba.call("GET", path, token=access)).data[field] == value
    assert (await nomba.call("GET", "/v1/transfers/banks", token=access)).data[0]["code"] == "090001"
    for path in ("/v1/accounts/nobody/balance", "/v1/nowhere", "/v1/auth/token/issue"):
        assert (await nomba.call("GET", path, token=access)).brief == (404, "404")
    assert nomba.sandbox.requests["sub_balance"] == 3


async def test_echo_describes_the_body(nomba: Caller) -> None:
    """The echo says how many bytes came and their SHA-256, also for a streamed body."""
    access, _ = await nomba.pair()

    async def stream() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 100_000

    whole = b"x" * 300_000
    for body in (whole, stream(), b""):
        data = (await nomba.call("POST", "/v1/echo", token=access, data=body)).data
        sent = b"" if body == b"" else whole
        assert data == {"length": len(sent), "sha256": hashlib.sha256(sent).hexdigest()}


@pytest.mark.parametrize(
    "path, body",
    [
        ("issue", b"grant_type=client_credentials"),
        ("issue", b"[]"),
        ("issue", b"\xff"),
        ("issue", b'{"grant_type":"refresh_token","client_id":"a","client_secret":"b"}'),
        ("issue", b'{"grant_type":"client_credentials","client_id":"a"}'),
        ("refresh", b'{"grant_type":"refresh_token","refresh_token":7}'),
        ("refresh", b'{"refresh_token":"a"}'),
        ("revoke", b'{"clientId":"","access_token":"a"}'),
    ],
)
async def test_a_body_that_fails_validation_is_a_bad_request(nomba: Caller, path: str, body: bytes) -> None:
    """Form encoding, wrong grants and missing fields are answered 400, as every auth operation documents."""
    assert (await nomba.call("POST", f"/v1/auth/token/{path}", data=body)).brief == (400, "400")


async def test_an_unknown_key_is_a_bad_secret(nomba: Caller) -> None:
    """An unknown client id is refused like a wrong secret."""
    assert (await nomba.issue(client_id="c0ffee00-9999-4222-8333-444455556666")).brief == NO


async def test_only_the_word_bearer_opens(nomba: Caller) -> None:
    """The token without its scheme, or with another, is no token."""
    access, _ = await nomba.pair()
    for value in (access, f"Token {access}"):
        headers = {"Authorization": value, "accountId": nomba.sandbox.credentials.account_id}
        async with nomba.http.get(f"{nomba.sandbox.base_url}/v1/accounts/balance", headers=headers) as answer:
            assert answer.status == 401


async def test_a_stranger_revokes_nothing(nomba: Caller) -> None:
    """A client id that does not own the token is refused and the token lives."""
    access, _ = await nomba.pair()
    stranger = nomba.sandbox.second_credentials.client_id
    assert (await nomba.revoke(access, client_id=stranger)).brief == NO
    assert (await nomba.balance(access)).brief == OK
    revoked = await nomba.revoke(access)
    assert revoked.body == {"code": "00", "description": "Token revoked successfully"}


async def test_a_revoke_without_its_account_kills_nothing() -> None:
    """Where the account id is required, the right one revokes and a missing one leaves the token alive."""
    async with calling(revoke_account_id="required") as nomba:
        access, _ = await nomba.pair()
        await nomba.revoke(access, account=None)
        assert nomba.sandbox.live_tokens == 1
        assert (await nomba.revoke(access)).brief == OK
        assert nomba.sandbox.live_tokens == 0


async def test_a_refused_bearer_spends_no_refresh_token() -> None:
    """A refresh refused for its bearer leaves the rotating token good for a second attempt."""
    async with calling(refresh_rotation="new_old_dies") as nomba:
        access, refresh = await nomba.pair()
        assert (await nomba.refresh(refresh, None)).brief == NO
        assert (await nomba.refresh(refresh, access)).brief == OK
        assert nomba.sandbox.refresh_reuses == 0


async def test_a_taken_over_session_loses_both_tokens() -> None:
    """After a second process signed in, the first one's access and refresh tokens are dead, and one token lives."""
    async with calling(refresh_bearer="not_needed") as nomba:
        access, refresh = await nomba.pair()
        nomba.sandbox.take_over()
        assert nomba.sandbox.live_tokens == 1
        assert (await nomba.balance(access)).brief == NO
        assert (await nomba.refresh(refresh, None)).brief == (401, "02")
        assert nomba.sandbox.token_calls == 2


async def test_a_grace_is_not_extended_by_a_third_issue() -> None:
    """The first session ends five seconds after the second began, whichever comes later."""
    async with calling(second_issue="kills_after_grace") as nomba:
        access, _ = await nomba.pair()
        nomba.sandbox.take_over()
        nomba.clock.advance(4)
        nomba.sandbox.take_over()
        nomba.clock.advance(1)
        assert (await nomba.balance(access)).brief == NO


async def test_the_other_environments_key_ends_no_session_here() -> None:
    """Even with one session per account, a key of the other environment lives in another world."""
    async with calling(session_scope="account") as nomba:
        access, _ = await nomba.pair()
        await nomba.pair(nomba.sandbox.other_environment)
        assert (await nomba.balance(access)).brief == OK


async def test_killed_sessions_can_be_refreshed_unless_told() -> None:
    """Killing access tokens leaves refresh tokens good; with kill_refresh those die too."""
    async with calling(refresh_bearer="expired_ok") as nomba:
        access, refresh = await nomba.pair()
        nomba.sandbox.kill_sessions()
        assert (await nomba.balance(access)).brief == NO
        assert (await nomba.refresh(refresh, access)).brief == OK
        assert nomba.sandbox.live_tokens == 1
        nomba.sandbox.kill_sessions(kill_refresh=True)
        assert (await nomba.refresh(refresh, access)).brief == (401, "02")


async def test_reject_all_refuses_any_token_until_unset(nomba: Caller) -> None:
    """While set, a live token meets a 401 on every resource call and signing in still works."""
    access, _ = await nomba.pair()
    nomba.sandbox.reject_all = True
    assert (await nomba.balance(access)).brief == NO
    fresh, _ = await nomba.pair()
    assert (await nomba.balance(fresh)).brief == NO
    assert nomba.sandbox.unauthorized == 2
    nomba.sandbox.reject_all = False
    assert (await nomba.balance(fresh)).brief == OK
    assert nomba.sandbox.unauthorized == 2


async def test_a_suspended_machine_finds_its_token_dead(nomba: Caller) -> None:
    """Lifetimes end by the wall clock, which runs on while a laptop sleeps."""
    access, _ = await nomba.pair()
    nomba.clock.suspend(TTL_S)
    assert (await nomba.balance(access)).brief == NO


async def test_a_rate_window_ends(nomba: Caller) -> None:
    """A low-traffic account may send its next POST a minute after the first, not earlier."""
    async with calling(rate_class="low") as low:
        statuses = []
        for wait_s in (0, 59.9, 0.1):
            low.clock.advance(wait_s)
            statuses.append((await low.issue()).status)
        assert statuses == [200, 429, 200]


async def test_a_dropped_refresh_answer_has_rotated_the_pair() -> None:
    """Cut after the commit, the old refresh token is spent; cut before it, nothing happened."""
    async with calling(refresh_rotation="new_old_dies", refresh_bearer="not_needed") as nomba:
        _, refresh = await nomba.pair()
        nomba.sandbox.faults.add(Fault(drop="before"), endpoint="refresh")
        with pytest.raises(aiohttp.ClientError):
            await nomba.refresh(refresh, None)
        refresh = (await nomba.refresh(refresh, None)).data["refresh_token"]
        nomba.sandbox.faults.add(Fault(drop="after"), endpoint="refresh")
        with pytest.raises(aiohttp.ClientError):
            await nomba.refresh(refresh, None)
        assert (await nomba.refresh(refresh, None)).brief == (401, "02")
        assert nomba.sandbox.refresh_reuses == 1
        assert nomba.sandbox.requests["refresh"] == 4
        assert nomba.sandbox.live_tokens == 3


@pytest.mark.parametrize("shape", ["response_code", "html", "empty", "list"])
async def test_a_failure_inside_a_success_keeps_its_code(shape: str) -> None:
    """A 2xx refusal carries a code whatever the error body, and a codeless body keeps its HTTP status."""
    async with calling(error_body=shape, failure_transport="http_200", bad_secret="200_code_01") as nomba:
        assert (await nomba.issue(client_secret="wrong")).brief == (200, "01")
        assert (await nomba.balance(None)).status == 401


async def test_no_repr_shows_a_secret(nomba: Caller) -> None:
    """The sandbox, its log and its memory can be printed in a failing test."""
    access, refresh = await nomba.pair()
    pair = nomba.sandbox._sessions.issue(next(iter(nomba.sandbox._sessions._accesses.values())).session.key)
    await nomba.balance(access)
    text = repr([nomba.sandbox, nomba.sandbox.log, pair])
    for hidden in (access, refresh, pair.access, nomba.sandbox.credentials.client_secret.reveal()):
        assert hidden not in text


async def test_stopping_leaves_no_task() -> None:
    """After the block only the tasks from before it are left."""
    before = asyncio.all_tasks()
    async with calling() as nomba:
        await nomba.pair()
    assert asyncio.all_tasks() == before
