"""One story under every value of every switch: whatever Nomad turns out to do, the caller only sees success.

Where a value must change the outcome the tables below say how, value by value.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from nauth.errors import NauthError
from nauth.testing import Fault
from nomadauth import (
    LoginStatus,
    NomadAccountBlockedError,
    NomadBadRequestError,
    NomadCredentialsRejectedError,
    NomadError,
    NomadInteraction,
    NomadInteractionRequiredError,
    NomadPassword,
    NomadPermissionDeniedError,
    NomadTokenRefusedError,
    PingStatus,
    Secret,
    UnknownStatus,
)
from nomadauth.sandbox import SWITCHES
from tests.support.vendors.stages import NomadStage as Stage
from tests.support.vendors.stories.nomad import ages, story, succeeds
from tests.support.vendors.stories.telling import values

# what a switch needs beside it for its values to matter
_BESIDE: dict[str, dict[str, Any]] = {
    "refresh_kills_old_token": {"refresh_rotation": "new_old_dies"},
    "replaced_session_signal": {"user_session": "newest_only"},
    "expiry_field": {"token_kind": "opaque"},
    "expiry_value": {"token_kind": "opaque"},
}

# told in tables of their own: a 403 for a live token is a refusal, and no renewal
_OTHER_STORY = {("expired_token_status", "403")}


@asynccontextmanager
async def _on(switch: str, value: str, **more: Any) -> AsyncIterator[Stage]:
    async with Stage.opened(**(_BESIDE.get(switch, {}) | {switch: value} | more)) as stage:
        yield stage


_PLAIN = [
    (1, 0, 0),
    (1, 1, 0),
    (1, 3, 0),
    (2, 4, 0),
    (2, 4, 0),
    (2, 4, 0),
    (3, 4, 1),
    (4, 4, 2),
]
"""(login, refresh, logout) after each chapter, as documented: the password travels only where nothing else helps."""

_THROTTLED = [
    (logins + 1, refreshes + (refreshes > 0), logouts + (logouts > 0))
    for logins, refreshes, logouts in _PLAIN
]
"""Each kind of call is turned away once and waits as told."""

_BOOKS: dict[tuple[str, str], list[tuple[int, int, int]]] = {
    # the other process ends this session: refresh refused, one login; and the story goes on as before
    ("replaced_session_signal", "401"): [*_PLAIN[:5], (3, 5, 0), (4, 5, 1), (5, 5, 2)],
    # every refresh token but the first is dead by the time it is wanted
    ("refresh_life", "seconds:60"): [
        (1, 0, 0),
        (1, 1, 0),
        (3, 3, 0),
        (4, 4, 0),
        (4, 4, 0),
        (4, 4, 0),
        (5, 4, 1),
        (6, 4, 2),
    ],
    **{("throttle", value): _THROTTLED for value in SWITCHES["throttle"] if value != "off"},
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


_SSO = [name for name in SWITCHES if name.startswith("sso_")]
_SSO += ["mount", "json_case", "token_field", "token_kind", "error_body", "throttle"]


@pytest.mark.parametrize("switch, value", values(SWITCHES, *_SSO))
async def test_the_story_of_a_single_sign_on(switch: str, value: str) -> None:
    """Served, renewed when it dies, grows old or ends; and once renewing is refused, a person is asked for."""
    async with _on(switch, value) as stage:
        client = await stage.client(stage.signed_on())
        await succeeds(client)
        assert stage.calls == (0, 0, 0)
        stage.sandbox.kill_sessions()
        await succeeds(client)
        await ages(stage, client)
        twice = (switch, value) == ("sso_renew_auth", "required")
        turned_away = switch == "throttle" and value != "off"
        assert stage.calls == (0, 6 if twice else 3 + turned_away, 0)
        stage.sandbox.kill_sessions(kill_refresh=True)
        for _ in range(2):
            with pytest.raises(NomadInteractionRequiredError, match="sign in again"):
                await client.check()
        assert stage.sandbox.refresh_reuses == 0


@pytest.mark.parametrize("value", SWITCHES["sso_location_header"])
async def test_the_end_of_a_sign_on_is_found_in_any_case_of_its_header(value: str) -> None:
    """The callback leg reads the tokens out of the redirect, however the header is written."""
    async with Stage.opened(sso_location_header=value, sso_token_encoding="percent") as stage:
        client = await stage.client()
        found = await client.api.sso_callback(
            "azure", code=Secret("sso-code-1"), state="sso-state-1", session_state="s"
        )
        assert found.confirmed
        assert found.refresh_token is not None
        assert found.refresh_token.reveal().startswith("rt+/")


@pytest.mark.parametrize(
    "switch, value",
    values(SWITCHES, "refresh_rotation", "refresh_refused_status", "error_body", "json_case", "public_calls"),
)
@pytest.mark.parametrize("kills", SWITCHES["refresh_kills_old_token"])
async def test_the_story_where_a_refresh_ends_the_old_token(switch: str, value: str, kills: str) -> None:
    """With every way of rotating and refusing, no refresh token is used twice and no login spent in doubt."""
    async with _on(switch, value, refresh_kills_old_token=kills) as stage:
        assert await story(stage) == _PLAIN
        assert stage.sandbox.refresh_reuses == 0


# --- where the value changes what the caller sees ---------------------------------------------------------------------


async def test_a_403_for_a_live_token_is_no_reason_to_renew() -> None:
    """Permission denied, at once, and not a single renewal; where our clock says the token is over, one renewal."""
    async with Stage.opened(expired_token_status="403") as stage:
        client = await stage.client()
        await client.check()
        stage.sandbox.kill_sessions()
        with pytest.raises(NomadPermissionDeniedError):
            await client.check()
        assert stage.calls == (1, 0, 0)
        await client.renew()
        life = stage.sandbox.switches.stated_life
        stage.sandbox.faults.add(Fault(delay=life, hold="before"), endpoint="ping_auth")
        await succeeds(client)  # it died on the way: replayed with a new one
        assert stage.calls == (1, 2, 0)


_BAD_LOGIN: dict[str, type[NomadError]] = dict.fromkeys(
    SWITCHES["bad_login_status"], NomadCredentialsRejectedError
) | {"400": NomadBadRequestError}


@pytest.mark.parametrize("body", SWITCHES["error_body"])
@pytest.mark.parametrize("value", SWITCHES["bad_login_status"])
async def test_a_wrong_password(value: str, body: str) -> None:
    """Refused in any form: one call, a typed error; the base URL is named only where the answer is no JSON."""
    async with Stage.opened(bad_login_status=value, error_body=body) as stage:
        client = await stage.client(NomadPassword("svc@example.com", "wrong"))
        for _ in range(3):
            with pytest.raises(_BAD_LOGIN[value]) as refused:
                await client.check()
            assert type(refused.value) is _BAD_LOGIN[value]
            markup = value == "404_html" or (value == "404" and body in {"text", "html", "empty"})
            assert ("base URL" in str(refused.value)) == markup
        assert stage.calls == (1, 0, 0)


_BLOCKED = [
    LoginStatus.IS_DISABLED,
    LoginStatus.IS_EXPIRED,
    LoginStatus.IS_PENDING_EMAIL_CONFIRMATION,
    LoginStatus.IS_PENDING_NEW_ACCOUNT_SIGNUP,
    LoginStatus.IS_PENDING_ACCOUNT_MIGRATION_SIGNUP,
    LoginStatus.IS_PENDING_INVITATION,
]


@pytest.mark.parametrize("status", _BLOCKED)
@pytest.mark.parametrize("wire", SWITCHES["status_wire"])
@pytest.mark.parametrize("way", SWITCHES["blocked_account"])
async def test_a_blocked_account(way: str, wire: str, status: LoginStatus) -> None:
    """Rejected with the reason, in either form, whatever the status looks like; nothing is tried again."""
    async with Stage.opened(blocked_account=way, status_wire=wire) as stage:
        client = await stage.client(stage.sandbox.account(status))
        for _ in range(2):
            with pytest.raises(NomadAccountBlockedError) as refused:
                await client.check()
            found = refused.value.login_status
            assert found == {
                "unknown_string": UnknownStatus("IsSomethingNew"),
                "unknown_int": UnknownStatus("97"),
            }.get(wire, status)
        assert stage.calls == (1, 0, 0)


@pytest.mark.parametrize("body", SWITCHES["error_body"])
async def test_a_403_without_a_reason_is_blocked_all_the_same(body: str) -> None:
    """The status is enough; a reason is told where the body is an object that names one."""
    async with Stage.opened(error_body=body) as stage:
        client = await stage.client(stage.sandbox.account(LoginStatus.IS_EXPIRED))
        with pytest.raises(NomadAccountBlockedError) as refused:
            await client.check()
        told = body in {"problem", "message_errors", "error_list", "error_map"}
        assert refused.value.login_status is (LoginStatus.IS_EXPIRED if told else None)


@pytest.mark.parametrize("wire", ["string", "int"])
@pytest.mark.parametrize(
    "status, answer",
    [
        (LoginStatus.TWO_FACTOR_CODE_REQUIRED, "314159"),
        (LoginStatus.TWO_FACTOR_SETUP_REQUIRED, "314159"),
        (LoginStatus.IS_PENDING_NEW_PASSWORD, "a new one"),
    ],
)
async def test_a_step_is_asked_for_and_taken(wire: str, status: LoginStatus, answer: str) -> None:
    """Without a person to ask it is an error that says what is wanted; with one, a sign-in like any other."""
    async with Stage.opened(status_wire=wire) as stage:
        credentials = stage.sandbox.account(status)
        with pytest.raises(NomadInteractionRequiredError) as wanted:
            await (await stage.client(credentials)).token()
        assert wanted.value.interaction is not None
        assert wanted.value.interaction.login_status is status
        asked: list[NomadInteraction] = []

        async def person(interaction: NomadInteraction) -> str:
            asked.append(interaction)
            return answer

        client = await stage.client(credentials, on_interaction=person)
        await client.check()
        assert [(entry.login_status, entry.attempt) for entry in asked] == [(status, 1)]
        assert (asked[0].qr_code is not None) == (status is LoginStatus.TWO_FACTOR_SETUP_REQUIRED)
        assert stage.calls == (3, 0, 0)


@pytest.mark.parametrize("wire", ["unknown_string", "unknown_int"])
async def test_an_unknown_wish_is_a_refusal(wire: str) -> None:
    """What no version knows cannot be asked of a person; it is kept for the reader of the error."""
    async with Stage.opened(status_wire=wire) as stage:
        client = await stage.client(stage.sandbox.account(LoginStatus.TWO_FACTOR_CODE_REQUIRED))
        with pytest.raises(NomadAccountBlockedError) as refused:
            await client.token()
        assert isinstance(refused.value.login_status, UnknownStatus)


@pytest.mark.parametrize(
    "wire, found",
    [
        ("string", PingStatus.NORMAL),
        ("int", PingStatus.NORMAL),
        ("unknown_string", UnknownStatus("IsSomethingNew")),
        ("unknown_int", UnknownStatus("97")),
    ],
)
async def test_every_form_of_a_ping_status(wire: str, found: PingStatus | UnknownStatus) -> None:
    """A keep-alive is typed whatever comes."""
    async with Stage.opened(status_wire=wire) as stage:
        assert (await (await stage.client()).ping()).ping_status == found


async def test_a_replaced_session_is_told_by_ping() -> None:
    """Where the tokens of a replaced session live on, the keep-alive says that it was replaced."""
    async with Stage.opened(user_session="newest_only") as stage:
        client = await stage.client()
        assert (await client.ping()).ping_status is PingStatus.NORMAL
        stage.sandbox.take_over()
        assert (await client.ping()).ping_status is PingStatus.SESSION_DEACTIVATED


async def test_a_missing_application_id_is_a_bad_request() -> None:
    """Where the environment wants one, the error names the setting."""
    async with Stage.opened(application_id="required") as stage:
        given = stage.sandbox.credentials
        client = await stage.client(NomadPassword(given.username, given.password))
        with pytest.raises(NomadBadRequestError, match="NOMAD_MEDIA_APPLICATION_ID"):
            await client.check()


async def test_a_sign_on_logs_out_too() -> None:
    """Its tokens are dead at the vendor, and only a person can sign in again; without a session id that may fail."""
    async with Stage.opened() as stage:
        client = await stage.client(stage.signed_on())
        await client.token()
        await client.logout()
        assert stage.sandbox.live_tokens == 0
        with pytest.raises(NomadInteractionRequiredError):
            await client.token()
    async with Stage.opened(logout_session_id="required") as stage:
        client = await stage.client(stage.signed_on())
        await client.token()
        with pytest.raises(NomadBadRequestError):
            await client.logout()
        await client.check()  # the token is kept


@pytest.mark.parametrize("value", SWITCHES["static_scheme"])
@pytest.mark.parametrize("status", SWITCHES["expired_token_status"])
async def test_static_credentials(value: str, status: str) -> None:
    """The right kind works without a token call; the wrong one is refused at once, and every time."""
    async with Stage.opened(static_scheme=value, expired_token_status=status) as stage:
        sandbox = stage.sandbox
        leaf: type[NauthError] = NomadTokenRefusedError if status == "401" else NomadPermissionDeniedError
        for credentials, works in (
            (sandbox.static_token, value != "apikey"),
            (sandbox.api_key, value != "bearer"),
        ):
            client = await stage.client(credentials)
            if works:
                await succeeds(client)
                continue
            for number in range(1, 4):
                with pytest.raises(leaf):
                    await client.check()
                assert sandbox.unauthorized == number
        assert sandbox.token_calls == 0
