"""One story for each kind of credential under every value of every switch: the caller only sees success.

Where a value must change the outcome (a deprecated key, two-factor sign-in, an answer without a JWT) the tests below say
how, value by value.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import attrs
import pytest

from naoauth import (
    NaoBadRequestError,
    NaoCredentialsRejectedError,
    NaoMalformedResponseError,
    NaoOAuth,
    NaoSession,
    NaoThrottledError,
)
from naoauth.sandbox import SWITCHES
from naoauth.sandbox.server import Kind
from tests.support.vendors.stages import NaoStage as Stage
from tests.support.vendors.stories.nao import story

_KINDS: tuple[Kind, ...] = ("api_key", "session", "session_by_key", "oauth")

# told in tests of their own: no caller can succeed under them, or not in this way
_OTHER_STORY: dict[tuple[str, str], set[Kind]] = {
    ("jwt_place", "nowhere"): {"session", "session_by_key"},
    ("two_factor", "login_401"): {"session"},
    ("two_factor", "login_422"): {"session"},
    ("api_key_login", "refused_401"): {"api_key", "session_by_key"},
    ("throttle", "429_seconds"): set(_KINDS),
    ("throttle", "429_http_date"): set(_KINDS),
    ("throttle", "429_bare"): set(_KINDS),
}

_BESIDE: dict[str, dict[str, Any]] = {
    "expiry_form": {"jwt_exp": "absent"},
    "expiry_key": {"jwt_exp": "absent"},
    "auth_token_shape": {"auth_token_place": "meta", "jwt_key": "odd_name"},
    "jwt_key": {"auth_token_place": "meta"},
    "jwt_prefix": {"jwt_place": "response_header"},
}
"""What a switch needs beside it for its values to matter."""


def _values() -> list[Any]:
    return [
        pytest.param(
            kind,
            name,
            value,
            id=f"{kind}-{name}-{value}",
            # every run signs in the way that has most to renew
            marks=() if kind == "oauth" else pytest.mark.slow,
        )
        for name in SWITCHES
        for value in SWITCHES[name]
        for kind in _KINDS
        if kind not in _OTHER_STORY.get((name, value), set())
    ]


@pytest.mark.parametrize("kind, switch, value", _values())
async def test_the_story_is_the_same_under_every_switch(kind: Kind, switch: str, value: str) -> None:
    """Success in every chapter, a handful of token calls, and no refresh token used twice."""
    async with Stage.opened(**(_BESIDE.get(switch, {}) | {switch: value})) as stage:
        assert await story(stage, kind) <= 9
        assert stage.sandbox.refresh_reuses == 0


# --- where the value changes what the caller sees ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["session", "session_by_key"])
async def test_a_jwt_that_is_nowhere(kind: Kind) -> None:
    """Typed, once, with the names of the members that were seen and the setting that helps."""
    async with Stage.opened(jwt_place="nowhere") as stage:
        client = await stage.client(stage.sandbox.credentials_of(kind))
        for _ in range(3):
            with pytest.raises(NaoMalformedResponseError, match=r"meta\.build.*jwt_key"):
                await client.check()
        assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("value", ["login_401", "login_422"])
async def test_two_factor_accounts(value: str) -> None:
    """The error names 2FA, and the API key is the way out."""
    async with Stage.opened(two_factor=value) as stage:
        client = await stage.client(stage.sandbox.credentials_of("session"))
        with pytest.raises(NaoCredentialsRejectedError, match="2FA"):
            await client.check()
        await (await stage.client(stage.sandbox.credentials_of("session_by_key"))).check()


@pytest.mark.parametrize("status", SWITCHES["bad_credentials_status"])
@pytest.mark.parametrize("form", SWITCHES["errors_form"])
async def test_a_wrong_password(status: str, form: str) -> None:
    """Rejected in any form, asked once, and the password is in no text."""
    async with Stage.opened(bad_credentials_status=status, errors_form=form) as stage:
        client = await stage.client(NaoSession(email="ada@sites.example", password="CANARY-wrong"))
        for _ in range(3):
            with pytest.raises(NaoCredentialsRejectedError, match="NAO_PASSWORD") as refused:
                await client.check()
            assert refused.value.status == int(status)
            assert "CANARY" not in f"{refused.value!r} {vars(refused.value)}"
        assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("kind", ["api_key", "session_by_key"])
async def test_a_deprecated_api_key(kind: Kind) -> None:
    """One request, an error that mentions the alternative, nothing renewed."""
    async with Stage.opened(api_key_login="refused_401") as stage:
        client = await stage.client(stage.sandbox.credentials_of(kind))
        with pytest.raises(NaoCredentialsRejectedError, match="auth_token"):
            await client.check()
        assert stage.sandbox.requests["sites"] == (kind == "api_key")
        assert stage.calls == (int(kind != "api_key"), 0, 0)


@pytest.mark.parametrize(
    "value, wait_s, requests", [("429_seconds", 20, 2), ("429_http_date", 20, 2), ("429_bare", None, 3)]
)
@pytest.mark.parametrize("kind", _KINDS)
async def test_throttling(kind: Kind, value: str, wait_s: int | None, requests: int) -> None:
    """A named wait that fits the deadline is waited for; what remains is told."""
    async with Stage.opened(throttle=value, oauth_refresh="kept") as stage:
        client = await stage.client(stage.sandbox.credentials_of(kind))
        with pytest.raises(NaoThrottledError) as refused:
            await client.check()
        assert sum(stage.sandbox.requests.values()) == requests
        if wait_s is not None:
            assert refused.value.retry_after == timedelta(seconds=wait_s)
        stage.sandbox.throttled = False
        stage.clock.advance(60)
        await client.check()


@pytest.mark.parametrize("value", SWITCHES["session_delete"])
async def test_ending_a_session_is_never_asked_for(value: str) -> None:
    """Revoking drops the JWT here; the undocumented call is not made, whatever it would answer."""
    async with Stage.opened(session_delete=value) as stage:
        client = await stage.client()
        await client.check()
        await client.revoke()
        assert stage.sandbox.requests["session_delete"] == 0
        assert stage.calls == (1, 0, 0)
        async with client.delete("/api/v2/sessions") as response:
            assert response.status == int(value)


@pytest.mark.parametrize("pkce", SWITCHES["oauth_pkce"])
@pytest.mark.parametrize("wanted", [True, False])
async def test_pkce_opted_in_and_out(pkce: str, wanted: bool) -> None:
    """The wrong choice is refused at the authorize step, and the error says what to check."""
    async with Stage.opened(oauth_pkce=pkce) as stage:
        given = stage.sandbox.credentials_of("oauth")
        assert isinstance(given, NaoOAuth)
        credentials = attrs.evolve(given, pkce=wanted)
        client = await stage.client(credentials)
        callback = stage.sandbox.approve(client.authorization_url())
        if (pkce, wanted) in {("required", False), ("refused", True)}:
            with pytest.raises(NaoBadRequestError, match="PKCE"):
                await client.exchange(callback)
        else:
            await client.exchange(callback)
            await client.check()
