"""One story under every value of every switch: whatever Noyo turns out to do, the caller only sees success.

Where a value must change the outcome (a wrong secret, a redirect) the tables below say how, value by value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.errors import NauthError
from noyoauth import (
    NoyoCredentialsRejectedError,
    NoyoMalformedResponseError,
    NoyoNotFoundError,
    NoyoPermissionDeniedError,
    NoyoThrottledError,
    NoyoTokenRefusedError,
    NoyoUnavailableError,
)
from noyoauth.sandbox import SWITCHES
from tests.support.vendors.stages import NoyoStage as Stage
from tests.support.vendors.stories.noyo import story
from tests.support.vendors.stories.telling import life_s, values

# what a switch needs beside it for its values to matter
_BESIDE: dict[str, dict[str, Any]] = {"expires_in": {"token_kind": "opaque"}}

# told in a table of its own: no caller can succeed where there is no token to be had
_OTHER_STORY = {("token_redirect", "307_other_host"), ("token_redirect", "302_same_host")}


@asynccontextmanager
async def _on(switch: str, value: str, **more: Any) -> AsyncIterator[Stage]:
    async with Stage.opened(**(_BESIDE.get(switch, {}) | {switch: value} | more)) as stage:
        yield stage


_PLAIN = [1, 2, 3, 4, 4, 4, 5]
"""Token calls after each chapter, as documented."""

_BOOKS: dict[tuple[str, str], list[int]] = {
    # another process's token ends ours: one more call, for both clients
    ("concurrent_tokens", "newest_only"): [1, 2, 3, 4, 4, 5, 6],
    ("concurrent_tokens", "max:2"): [1, 2, 3, 4, 4, 5, 6],
    ("key_rotation", "old_key_and_tokens_die"): [1, 2, 3, 4, 4, 4, 6],
}

# a refusal that a retry outlasts is one more request that did its work, which was to refuse
_BOOKS |= {
    (switch, value): [calls + 1 for calls in _PLAIN]
    for switch, values in SWITCHES.items()
    if switch in {"throttle", "maintenance"}
    for value in values
    if value != "off"
}


@pytest.mark.parametrize(
    "switch, value", [case for case in values(SWITCHES) if tuple(case.values) not in _OTHER_STORY]
)
async def test_the_story_is_the_same_under_every_switch(switch: str, value: str) -> None:
    """Success in every chapter, with exactly as many token calls as it needs."""
    async with _on(switch, value) as stage:
        book, expected = await story(stage), _BOOKS.get((switch, value), _PLAIN)
        # without a stated wait the back-off, cut by chance, may need a second try to outlast the window
        bare = value.endswith(("_bare", "_html"))
        assert book == expected or (bare and book == [calls + 1 for calls in expected])


@pytest.mark.parametrize("lifetime", SWITCHES["real_lifetime"])
@pytest.mark.parametrize("stated", SWITCHES["expires_in"])
@pytest.mark.parametrize("kind", SWITCHES["token_kind"])
@pytest.mark.slow
async def test_every_lifetime_with_every_statement(kind: str, stated: str, lifetime: str) -> None:
    """However life is stated and however long it is: no caller sees a failure, and nothing is renewed per request."""
    async with Stage.opened(token_kind=kind, expires_in=stated, real_lifetime=lifetime) as stage:
        client = await stage.client()
        for _ in range(50):
            await client.check()
        assert stage.calls == 1
        # stated alone, it is believed for 600 s; a JWT that says more or less is believed
        truth = {"600": 600, "864": 864, "short": 2}[lifetime]
        alone = {"86400": 86.4}.get(stated, 600)
        expected = {"jwt_iat_exp": float(truth), "jwt_exp_only": truth - min(10, truth / 10)}.get(kind, alone)
        assert life_s(client) == pytest.approx(expected)
        stage.clock.advance(truth + 1)
        await client.check()
        # in the background, on the way, or by a 401: never more than once
        await stage.renewals(2)
        assert stage.calls == 2


@pytest.mark.parametrize("skew_s", [3600, -3600])
@pytest.mark.parametrize("kind", ["jwt_iat_exp", "jwt_exp_only"])
async def test_a_clock_that_is_an_hour_wrong_changes_nothing(kind: str, skew_s: float) -> None:
    """Neither with `iat` and `exp` nor, thanks to the answer's date, with `exp` alone."""
    async with Stage.opened(token_kind=kind) as stage:
        skewed = type(stage.clock)(wall=stage.clock.wall() + skew_s, jump=True)
        client = await stage.client(clock=skewed)
        await client.check()
        assert life_s(client) == (600 if kind == "jwt_iat_exp" else 590)


# --- where no caller can succeed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", SWITCHES["token_error_body"])
@pytest.mark.parametrize("status", SWITCHES["token_refusal"])
async def test_a_wrong_secret(status: str, body: str) -> None:
    """Refused in any form: one call, a typed error that says what to check, and no second call."""
    async with Stage.opened(token_refusal=status, token_error_body=body) as stage:
        client = await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))
        for _ in range(3):
            with pytest.raises(NoyoCredentialsRejectedError, match="NOYO_CLIENT_SECRET") as refused:
                await client.check()
            assert refused.value.status == int(status)
            assert refused.value.detail is None
        assert stage.calls == 1


@pytest.mark.parametrize("header", SWITCHES["www_authenticate"])
@pytest.mark.parametrize("body", SWITCHES["api_401_body"])
async def test_a_401_in_every_form(body: str, header: str) -> None:
    """Missing, malformed or expired: the same error by the same path; only the header tells more, if it is there."""
    async with Stage.opened(api_401_body=body, www_authenticate=header) as stage:
        client = await stage.client()
        stage.sandbox.reject_all = True
        with pytest.raises(NoyoTokenRefusedError) as refused:
            await client.check()
        assert refused.value.code == ("invalid_token" if header == "bearer_error" else None)
        assert ("expired, revoked, malformed" in str(refused.value)) == (header == "bearer_error")
        assert stage.calls == 2
        assert refused.value.body is not None
        assert refused.value.body.raw.startswith(b"<") == (body == "html")


@pytest.mark.parametrize(
    "value, leaf, calls",
    [
        ("401", NoyoTokenRefusedError, 2),
        ("403", NoyoPermissionDeniedError, 1),
        ("404", NoyoNotFoundError, 1),
    ],
)
@pytest.mark.parametrize("field", SWITCHES["error_status_field"])
async def test_a_key_of_the_other_environment(
    value: str, leaf: type[NauthError], calls: int, field: str
) -> None:
    """The error names host, environment and mix-up, and nothing is tried over and over."""
    async with Stage.opened(cross_environment=value, error_status_field=field) as stage:
        client = await stage.client(stage.sandbox.other_environment, environment="live")
        host = stage.sandbox.base_url.removeprefix("http://")
        for _ in range(3):
            with pytest.raises(leaf, match="key may belong to the other environment") as refused:
                await client.check()
            assert f"{host} (environment live)" in str(refused.value)
        assert stage.calls == calls


@pytest.mark.parametrize("value", ["307_other_host", "302_same_host"])
async def test_a_redirected_token_call_is_not_followed(value: str) -> None:
    """The secret goes nowhere else; the error names the address that was asked."""
    async with Stage.opened(token_redirect=value) as stage:
        client = await stage.client()
        with pytest.raises(NoyoMalformedResponseError, match="/auth/public/token"):
            await client.check()
        assert (stage.calls, stage.sandbox.requests["elsewhere"]) == (1, 0)


@pytest.mark.parametrize("value", SWITCHES["key_rotation"])
async def test_a_client_that_keeps_the_old_key(value: str) -> None:
    """It lives as long as its token does, and is then told that the key was refused."""
    async with Stage.opened(key_rotation=value) as stage:
        client = await stage.client()
        await client.check()
        stage.sandbox.rotate_key()
        if value == "old_key_and_tokens_die":
            with pytest.raises(NoyoCredentialsRejectedError):
                await client.check()
            return
        await client.check()
        if value == "overlap":
            await client.renew()
        else:
            with pytest.raises(NoyoCredentialsRejectedError):
                await client.renew()


_LONG = timedelta(seconds=90)


@pytest.mark.parametrize(
    "switch, value, leaf, wait_s",
    [
        ("throttle", "429_seconds", NoyoThrottledError, 90),
        ("throttle", "429_http_date", NoyoThrottledError, 90),
        ("throttle", "429_bare", NoyoThrottledError, None),
        ("maintenance", "503_seconds", NoyoUnavailableError, 90),
        ("maintenance", "503_http_date", NoyoUnavailableError, 90),
        ("maintenance", "503_bare", NoyoUnavailableError, None),
        ("maintenance", "502_html", NoyoUnavailableError, None),
    ],
)
async def test_a_long_wait_is_told_and_kept(
    switch: str, value: str, leaf: type[NauthError], wait_s: int | None
) -> None:
    """Longer than the deadline: said at once with the wait; on the token call no call is made before it is over."""
    async with _on(switch, value) as stage:
        stage.sandbox.window = _LONG
        client = await stage.client()
        with pytest.raises(leaf) as refused:
            await client.check()
        assert type(refused.value) is leaf
        assert stage.calls == (1 if wait_s else 3)
        assert refused.value.retry_after == timedelta(seconds=wait_s or 10)
        with pytest.raises(leaf):
            await client.check()
        assert stage.calls == (1 if wait_s else 3)
        stage.clock.advance(90)
        await client.token()
        with pytest.raises(leaf) as late:  # the API has a window of its own
            await client.check()
        assert late.value.retry_after == (None if wait_s is None else timedelta(seconds=wait_s))
        stage.clock.advance(90)
        await client.check()


@pytest.mark.parametrize("switch, value", values(SWITCHES, "throttle", "maintenance"))
async def test_an_outage_while_the_old_token_lives_is_not_seen(switch: str, value: str) -> None:
    """A renewal that fails in the background is tried again later; callers go on with the token they have."""
    async with _on(switch, value) as stage:
        client = await stage.client()
        await client.check()
        old = await client.token()
        stage.sandbox.window = timedelta(seconds=20)
        stage.sandbox.begin_outage()
        stage.clock.advance(545)
        assert await client.token() is old
        await stage.renewals(2)
        # a stated wait is waited for; without one the renewal gives up, for now, and no caller sees it
        assert (await client.token()).same_access(old) == value.endswith(("_bare", "_html"))
        stage.clock.advance(25)
        await client.token()
        await stage.renewals(3 if value.endswith(("_bare", "_html")) else 2)
        assert not (await client.token()).same_access(old)


@pytest.mark.parametrize("value", SWITCHES["request_id"])
async def test_a_request_id_is_carried_where_there_is_one(value: str) -> None:
    """On refusals of both endpoints and on typed replies."""
    async with Stage.opened(request_id=value) as stage:
        client = await stage.client(attrs.evolve(stage.sandbox.credentials, client_secret="wrong"))
        with pytest.raises(NoyoCredentialsRejectedError) as refused:
            await client.token()
        reply = await (await stage.client()).api.list_groups()
        ids = (refused.value.request_id, reply.meta.request_id)
        assert ids == ((None, None) if value == "none" else ("sandbox-1", "sandbox-3"))
