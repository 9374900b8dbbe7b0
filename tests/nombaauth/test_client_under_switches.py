"""One story under every value of every switch: whatever Nomba turns out to do, the caller only sees success.

Where a value must change the outcome (a wrong secret, an address list, a quota of one POST a minute) the tables below
say how, value by value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import NauthError
from nombaauth import (
    NombaApiError,
    NombaCredentialsRejectedError,
    NombaError,
    NombaMalformedResponseError,
    NombaNotFoundError,
    NombaPermissionDeniedError,
    NombaThrottledError,
    NombaTokenRefusedError,
)
from nombaauth.sandbox import SWITCHES
from tests.support.vendors.stages import NombaStage as Stage
from tests.support.vendors.stories.nomba import story, succeeds
from tests.support.vendors.stories.telling import values

# what a switch needs beside it for its values to matter
_BESIDE: dict[str, dict[str, Any]] = {
    "expires_at_skew": {"refresh_bearer": "expired_ok"},
    "refresh_kills_old_access": {"refresh_rotation": "new_old_dies"},
    "auth_quota": {"rate_class": "regular"},
    "rate_headers": {"rate_class": "regular"},
    "error_body": {"refresh_bearer": "live_only"},
}

# told in tables of their own: no caller can succeed under them, or not without waiting for the window
_OTHER_STORY = {
    ("ip_allow_list", "401"),
    ("ip_allow_list", "403"),
    ("ip_allow_list", "issue_403"),
    ("rate_class", "low"),
}


@asynccontextmanager
async def _on(switch: str, value: str, **more: Any) -> AsyncIterator[Stage]:
    async with Stage.opened(**(_BESIDE.get(switch, {}) | {switch: value} | more)) as stage:
        yield stage


_PLAIN = [
    (1, 0, 0),
    (2, 1, 0),  # live_only: a dead bearer may not refresh, so an issue follows
    (2, 2, 0),
    (3, 3, 0),
    (4, 4, 0),
    (4, 4, 0),
    (5, 5, 0),
    (6, 5, 1),
    (7, 5, 2),
]
"""(issue, refresh, revoke) after each chapter, as documented."""

_OPEN_REFRESH = [
    (1, 0, 0),
    (1, 1, 0),
    (1, 2, 0),
    (1, 3, 0),
    (2, 4, 0),
    (2, 4, 0),
    (3, 5, 0),
    (4, 5, 1),
    (5, 5, 2),
]
"""Where a refresh needs no live bearer, the long-lived secret travels only if the refresh token itself is dead."""

_BOOKS: dict[tuple[str, str], list[tuple[int, int, int]]] = {
    ("refresh_bearer", "expired_ok"): _OPEN_REFRESH,
    ("refresh_bearer", "not_needed"): _OPEN_REFRESH,
    # a stamp that lies by an hour: the token is over before the client thinks so, which costs nothing more
    ("expires_at_skew", "none"): _OPEN_REFRESH,
    ("expires_at_skew", "plus_1h"): _OPEN_REFRESH,
    ("expires_at_skew", "minus_1h"): _OPEN_REFRESH,
    # no session is ended by the second sign-in, so it costs nothing
    ("second_issue", "keeps_first"): [*_PLAIN[:6], (4, 4, 0), (5, 4, 1), (6, 4, 2)],
    ("session_scope", "none"): [*_PLAIN[:6], (4, 4, 0), (5, 4, 1), (6, 4, 2)],
    # every refresh token is dead by the time it is wanted
    ("refresh_ttl", "seconds:60"): [
        (1, 0, 0),
        (2, 1, 0),
        (3, 2, 0),
        (4, 3, 0),
        (5, 4, 0),
        (5, 4, 0),
        (6, 5, 0),
        (7, 5, 1),
        (8, 5, 2),
    ],
}


@pytest.mark.parametrize(
    "switch, value", [case for case in values(SWITCHES) if tuple(case.values) not in _OTHER_STORY]
)
async def test_the_story_is_the_same_under_every_switch(switch: str, value: str) -> None:
    """Success in every chapter, with exactly as many token calls as it needs."""
    async with _on(switch, value) as stage:
        book = await story(stage)
        assert book == _BOOKS.get((switch, value), _PLAIN)
        assert stage.sandbox.live_tokens >= 1
        assert stage.sandbox.refresh_reuses == 0


@pytest.mark.parametrize(
    "switch, value",
    values(SWITCHES, "refresh_rotation", "refresh_refused", "refresh_kills_old_access"),
)
@pytest.mark.parametrize("bearer", ["expired_ok", "not_needed"])
async def test_the_story_where_refreshing_is_open(switch: str, value: str, bearer: str) -> None:
    """With every way of rotating and refusing, no refresh token is used twice and no issue spent in doubt."""
    async with _on(switch, value, refresh_bearer=bearer) as stage:
        assert await story(stage) == _OPEN_REFRESH
        assert stage.sandbox.refresh_reuses == 0


@pytest.mark.parametrize(
    "switch, value, transport",
    [
        (switch, value, transport)
        for switch in (
            "expired_token_signal",
            "error_body",
            "code_type",
            "refresh_refused",
            "revoke_dead_token",
        )
        for value in SWITCHES[switch]
        for transport in SWITCHES["failure_transport"]
        # a 200 with code 02 is a failed validation on a resource: see the next test
        if (value, transport) != ("401_code_02", "http_200") or switch != "expired_token_signal"
    ],
)
@pytest.mark.slow
async def test_the_story_however_failures_travel(switch: str, value: str, transport: str) -> None:
    """A failure inside a 200, in any body, is as good as one with a status."""
    async with _on(switch, value, failure_transport=transport) as stage:
        assert await story(stage) == _PLAIN


async def test_a_code_02_inside_a_success_is_no_401() -> None:
    """On a resource, 02 means a failed validation: nothing is renewed or sent twice on the strength of it."""
    async with Stage.opened(expired_token_signal="401_code_02", failure_transport="http_200") as stage:
        client = await stage.client()
        await client.check()
        stage.sandbox.kill_sessions()
        with pytest.raises(NombaApiError):
            await client.check()
        assert stage.calls == (1, 0, 0)


async def test_a_refresh_token_that_has_died_of_age_leads_to_an_issue() -> None:
    """Sixty seconds is all it lives: the stale renewal is refused and signs in again, unseen."""
    async with Stage.opened(refresh_ttl="seconds:60", refresh_bearer="not_needed") as stage:
        client = await stage.client()
        await client.token()
        stage.clock.advance(1700)
        await client.token()
        await stage.renewals(2)
        await succeeds(client)
        assert stage.calls == (2, 1, 0)


# --- where no caller can succeed --------------------------------------------------------------------------------------

_REJECTED, _STRANGE = NombaCredentialsRejectedError, NombaMalformedResponseError

_BAD_SECRET: dict[str, type[NombaError]] = dict.fromkeys(SWITCHES["bad_secret"], _REJECTED) | {
    "200_data_null": _STRANGE
}


@pytest.mark.parametrize("transport", SWITCHES["failure_transport"])
@pytest.mark.parametrize("value", SWITCHES["bad_secret"])
async def test_a_wrong_secret(value: str, transport: str) -> None:
    """Refused in any form: one call, a typed error that says what to check, and no second call."""
    async with Stage.opened(bad_secret=value, failure_transport=transport) as stage:
        client = await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))
        for _ in range(3):
            with pytest.raises(_BAD_SECRET[value]) as refused:
                await client.check()
            assert type(refused.value) is _BAD_SECRET[value]
            assert ("NOMBA_CLIENT_SECRET" in str(refused.value)) == (_BAD_SECRET[value] is _REJECTED)
        assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("value", SWITCHES["bad_account_id"])
async def test_a_wrong_account_id_at_sign_in(value: str) -> None:
    """The error names the account id, whatever the status."""
    async with Stage.opened(bad_account_id=value) as stage:
        client = await stage.client(attrs.evolve(stage.sandbox.credentials, account_id="wrong"))
        with pytest.raises(NombaCredentialsRejectedError, match="NOMBA_ACCOUNT_ID"):
            await client.check()
        assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize(
    "value, leaf, calls",
    [
        ("401", NombaTokenRefusedError, 2),
        ("403", NombaPermissionDeniedError, 1),
        ("404", NombaNotFoundError, 1),
        ("200_code_401", NombaTokenRefusedError, 2),
    ],
)
async def test_a_wrong_account_id_on_a_call(value: str, leaf: type[NauthError], calls: int) -> None:
    """One renewal at most, none for 403 and 404; the error names the header."""
    async with Stage.opened(bad_account_id=value) as stage:
        client = await stage.client()
        for _ in range(3):
            with pytest.raises(leaf, match="accountId"):
                await client.api.get_balance(account_id="wrong")
        assert stage.sandbox.token_calls == calls
        await succeeds(client)


@pytest.mark.parametrize(
    "value, leaf",
    [("403", NombaPermissionDeniedError), ("401", NombaTokenRefusedError), ("works", None)],
)
async def test_a_sub_account_in_the_header(value: str, leaf: type[NauthError] | None) -> None:
    """Where it is refused the error names the header, and the sub-account in the path works all the same."""
    async with Stage.opened(sub_account_header=value) as stage:
        client, sub = await stage.client(), stage.sandbox.sub_account_id
        if leaf is None:
            assert (await client.api.get_balance(account_id=sub)).code == "00"
        else:
            with pytest.raises(leaf, match="accountId"):
                await client.api.get_balance(account_id=sub)
        async with client.get(f"/v1/accounts/{sub}/balance") as response:
            assert (await response.json())["data"]["amount"] == "1250.5"


@pytest.mark.parametrize(
    "value, leaf, calls",
    [
        ("issue_ok_then_403", NombaPermissionDeniedError, (1, 0, 0)),
        ("issue_ok_then_401", NombaTokenRefusedError, (1, 1, 0)),
        ("issue_refused", NombaCredentialsRejectedError, (1, 0, 0)),
    ],
)
async def test_keys_of_the_other_environment(
    value: str, leaf: type[NauthError], calls: tuple[int, int, int]
) -> None:
    """Whether refused at once or only later, the error names the mix-up, and nothing is tried over and over."""
    async with Stage.opened(wrong_environment=value) as stage:
        client = await stage.client(stage.sandbox.other_environment)
        for _ in range(3):
            with pytest.raises(leaf, match="environment"):
                await client.check()
        assert stage.calls == calls


@pytest.mark.parametrize(
    "value, leaf, calls",
    [("401", NombaTokenRefusedError, (1, 1, 0)), ("403", NombaPermissionDeniedError, (1, 0, 0))],
)
async def test_an_address_off_the_allow_list(
    value: str, leaf: type[NauthError], calls: tuple[int, int, int]
) -> None:
    """The error names the list; a 401 costs one renewal, a 403 none."""
    async with Stage.opened(ip_allow_list=value) as stage:
        client = await stage.client()
        for _ in range(3):
            with pytest.raises(leaf, match="IP allow-list"):
                await client.check()
        assert stage.calls == calls


# --- thrift -----------------------------------------------------------------------------------------------------------


async def test_a_low_traffic_account_spends_one_post_on_a_life() -> None:
    """Twenty clients and twenty calls cost the minute's only POST; the renewal costs the next; nothing is throttled."""
    async with Stage.opened(rate_class="low") as stage:
        for _ in range(20):
            async with await stage.client() as client:
                await client.check()
        assert stage.calls == (1, 0, 0)
        client = await stage.client()
        old = await client.token()
        stage.clock.advance(1600)
        assert (await client.token()) is old
        await stage.renewals(2)
        await client.check()
        assert stage.calls == (1, 1, 0)
        assert 429 not in {exchange.status for exchange in stage.sandbox.log}


@pytest.mark.parametrize("quota", SWITCHES["auth_quota"])
async def test_a_low_traffic_account_recovers_when_its_window_does(quota: str) -> None:
    """A refused refresh has used the POST up: the sign-in waits, typed, for the window, and then succeeds."""
    async with Stage.opened(
        rate_class="low", auth_quota=quota, rate_headers="window_60s", refresh_bearer="live_only"
    ) as stage:
        client = await stage.client()
        await client.check()
        stage.clock.advance(60)
        stage.sandbox.kill_sessions()
        if quota == "none":
            await client.check()
            assert stage.calls == (2, 1, 0)
            return
        for _ in range(3):
            with pytest.raises(NombaThrottledError) as refused:
                await client.check()
            assert refused.value.retry_after == timedelta(seconds=60)
        assert stage.calls == (2, 1, 0)
        stage.clock.advance(60)
        await client.check()  # the refresh that would be refused again does not use up this minute's POST
        assert stage.calls == (3, 1, 0)


@pytest.mark.parametrize(
    "value, wait_s, posts",
    [
        ("window_1s", 1, 3),
        ("window_60s", 60, 1),
        ("absent", None, 3),
        ("retry_after_seconds", 60, 1),
        ("retry_after_date", 60, 1),
    ],
)
async def test_every_way_to_name_the_wait(value: str, wait_s: int | None, posts: int) -> None:
    """A wait within the deadline is waited for, at most twice; a longer one is told at once."""
    async with Stage.opened(rate_class="low", rate_headers=value) as stage:
        await (await stage.client()).token()
        client = await stage.client(stage.sandbox.second_credentials)
        with pytest.raises(NombaThrottledError) as refused:
            await client.token()
        assert stage.calls[0] == 1 + posts
        assert refused.value.retry_after is not None  # a cool-down at least
        assert refused.value.retry_after == timedelta(seconds=max(wait_s or 0, 10))
