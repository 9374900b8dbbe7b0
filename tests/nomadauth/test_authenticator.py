"""Credentials in, tokens out: each kind, each step a person may take, each way to end."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.testing import FakeClock
from nauth.token import Token
from nomadauth import (
    ConfigurationError,
    LoginStatus,
    NomadAccountBlockedError,
    NomadApi,
    NomadApiKey,
    NomadCredentialsRejectedError,
    NomadError,
    NomadFixedAuthenticator,
    NomadInteraction,
    NomadInteractionRequiredError,
    NomadMalformedResponseError,
    NomadPassword,
    NomadPasswordAuthenticator,
    NomadPermissionDeniedError,
    NomadRefreshRefusedError,
    NomadSSO,
    NomadSSOAuthenticator,
    NomadStaticToken,
    NomadUnavailableError,
    Secret,
)
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_NOW_S = 1_782_950_400.0
_PAIR = {
    "token": "new-access",
    "refreshToken": "new-refresh",
    "expirationSeconds": 3600,
    "userSessionId": "s-1",
}
_OLD = Token(
    access_token=Secret("old-access"), refresh_token=Secret("old-refresh"), extra={"userSessionId": "s-0"}
)
_CODE, _SETUP, _NEW = (
    {"loginStatus": "TwoFactorCodeRequired"},
    {"loginStatus": 1, "twoFactorQRCode": "CANARY-QR", "twoFactorQRCodeImage": "CANARY-IMG"},
    {"loginStatus": "IsPendingNewPassword"},
)


def _api(transport: FakeTransport) -> NomadApi:
    return NomadApi(base_url=URL("https://admin-app.example.com/api"), auth=transport)


class _Person:
    """Answers from a list, and remembers what was asked."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.asked: list[NomadInteraction] = []

    async def __call__(self, wanted: NomadInteraction) -> Any:
        self.asked.append(wanted)
        return self.answers.pop(0)


def _password(
    transport: FakeTransport, person: _Person | None = None, application_id: str | None = None
) -> NomadPasswordAuthenticator:
    credentials = NomadPassword("svc@example.com", "CANARY-PW", application_id)
    return NomadPasswordAuthenticator(credentials, _api(transport), on_interaction=person)


def _answers(*bodies: object) -> FakeTransport:
    return FakeTransport(*(answer(200, body, sent_wall=_NOW_S) for body in bodies))


def _bodies(transport: FakeTransport) -> list[dict[str, str]]:
    return [json.loads(request.body or b"{}") for request in transport.requests]


# --- user name and password -------------------------------------------------------------------------------------------


async def test_a_login_becomes_a_token() -> None:
    """Token, refresh token, lifetime from when it was asked for, and the session's id."""
    token = await _password(_answers(_PAIR)).issue()
    assert (token.access_token, token.refresh_token) == (Secret("new-access"), Secret("new-refresh"))
    assert token.lifetime == timedelta(hours=1)
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == _NOW_S + 3600
    assert (dict(token.extra), token.scheme) == ({"userSessionId": "s-1"}, "Bearer")


async def test_a_refresh_may_leave_things_out() -> None:
    """No refresh token and no session id: the manager keeps the old ones."""
    transport = _answers({"authorizationToken": "t2"})
    token = await _password(transport).refresh(_OLD)
    assert (token.access_token, token.refresh_token, dict(token.extra)) == (Secret("t2"), None, {})
    assert _bodies(transport) == [{"refreshToken": "old-refresh"}]


async def test_a_refused_refresh_is_typed() -> None:
    """A 404 means a dead refresh token, not a wrong password."""
    with pytest.raises(NomadRefreshRefusedError):
        await _password(FakeTransport(answer(404))).refresh(_OLD)


@pytest.mark.parametrize("token", ["two words", "line\r\nbreak", "schlüssel", "tab\t"])
async def test_a_token_that_cannot_be_sent_is_malformed(token: str) -> None:
    """What would break the header never becomes a token."""
    with pytest.raises(NomadMalformedResponseError, match="header") as refused:
        await _password(_answers({"token": token})).issue()
    assert leaks(refused.value, [token]) == []


@pytest.mark.parametrize("body", [{}, {"token": None, "loginStatus": None}, {"token": ""}])
async def test_neither_token_nor_reason_is_malformed(body: object) -> None:
    """A 2xx alone is no success."""
    with pytest.raises(NomadMalformedResponseError, match="loginStatus"):
        await _password(_answers(body)).issue()


async def test_a_blocked_account_asks_for_nothing() -> None:
    """No answer of a person would help."""
    person = _Person("x")
    with pytest.raises(NomadAccountBlockedError):
        await _password(_answers({"loginStatus": 3}), person).issue()
    assert person.asked == []


@pytest.mark.parametrize("body", [_CODE, _SETUP, _NEW])
@pytest.mark.parametrize("answers", [None, [None], [""]])
async def test_a_step_without_an_answer_is_an_error(
    body: dict[str, Any], answers: Iterable[object] | None
) -> None:
    """It says what is wanted, carries what to show, and shows no secret."""
    person = None if answers is None else _Person(*answers)
    with pytest.raises(NomadInteractionRequiredError) as refused:
        await _password(_answers(body), person).issue()
    wanted = refused.value.interaction
    assert wanted is not None
    assert wanted.login_status.value == refused.value.code
    assert wanted.username == "svc@example.com"
    assert (wanted.qr_code, wanted.qr_code_image) == (
        (Secret("CANARY-QR"), Secret("CANARY-IMG")) if body is _SETUP else (None, None)
    )
    assert leaks(refused.value, ["CANARY"]) == []


@pytest.mark.parametrize("body", [_CODE, _SETUP])
async def test_a_code_is_asked_for_and_sent(body: object) -> None:
    """The login is repeated with the code as `token`."""
    transport, person = _answers(body, _PAIR), _Person("314159")
    assert (await _password(transport, person, "app-1").issue()).access_token == Secret("new-access")
    first = {"userName": "svc@example.com", "password": "CANARY-PW", "applicationId": "app-1"}
    assert _bodies(transport) == [first, first | {"token": "314159"}]
    assert [wanted.attempt for wanted in person.asked] == [1]


async def test_a_wrong_code_is_asked_for_again_and_not_for_ever() -> None:
    """Each question counts its attempts; after five the error is raised."""
    person = _Person(*"123456")
    with pytest.raises(NomadInteractionRequiredError) as refused:
        await _password(_answers(*[_CODE] * 6), person).issue()
    assert [wanted.attempt for wanted in person.asked] == [1, 2, 3, 4, 5]
    assert refused.value.interaction is not None
    assert refused.value.interaction.attempt == 6


async def test_a_new_password_counts_from_then_on() -> None:
    """It is sent beside the old one, and replaces it for the next login."""
    transport, person = _answers(_NEW, _PAIR, _PAIR), _Person("a new one")
    authenticator = _password(transport, person)
    await authenticator.issue()
    await authenticator.issue()
    assert [(body["password"], body.get("newPassword")) for body in _bodies(transport)] == [
        ("CANARY-PW", None),
        ("CANARY-PW", "a new one"),
        ("a new one", None),
    ]


async def test_a_new_password_and_then_a_code() -> None:
    """Once the new password was taken, the code goes with it."""
    transport, person = _answers(_NEW, _CODE, _PAIR), _Person("a new one", "314159")
    await _password(transport, person).issue()
    assert _bodies(transport)[-1] == {
        "userName": "svc@example.com",
        "password": "a new one",
        "token": "314159",
    }


async def test_a_code_and_then_a_new_password() -> None:
    """The code goes along where the new password is wanted after it, and a refused one is asked for again."""
    transport, person = _answers(_CODE, _NEW, _NEW, _PAIR), _Person("314159", "short", "a longer one")
    await _password(transport, person).issue()
    last = _bodies(transport)[-1]
    assert (last["password"], last["token"], last["newPassword"]) == ("CANARY-PW", "314159", "a longer one")
    assert [wanted.attempt for wanted in person.asked] == [1, 1, 2]


async def test_an_answer_of_another_type_is_a_setting_to_fix() -> None:
    """The callback's author is told the type, not the value."""
    with pytest.raises(ConfigurationError, match="int"):
        await _password(_answers(_CODE), _Person(314159)).issue()


# --- logging out ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 401])
async def test_logging_out_sends_the_sessions_id(status: int) -> None:
    """With the token as bearer; a token that is dead already counts as logged out."""
    transport = FakeTransport(answer(status))
    await _password(transport, application_id="app-1").revoke(_OLD)
    assert _bodies(transport) == [{"userSessionId": "s-0", "applicationId": "app-1"}]
    assert transport.requests[0].headers["Authorization"] == "Bearer old-access"


@pytest.mark.parametrize(
    "status, leaf", [(403, NomadPermissionDeniedError), (503, NomadUnavailableError), (400, NomadError)]
)
async def test_a_failed_logout_is_an_error(status: int, leaf: type[NomadError]) -> None:
    """The session may still be alive."""
    with pytest.raises(leaf):
        await _password(FakeTransport(answer(status))).revoke(_OLD)


# --- single sign-on ---------------------------------------------------------------------------------------------------


def _jwt(**claims: object) -> str:
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.sig"


def _sso(
    transport: FakeTransport, token: str = "given", refresh: str | None = "r-0", **more: Any
) -> NomadSSOAuthenticator:
    return NomadSSOAuthenticator(
        NomadSSO("azure", token, refresh, **more), _api(transport), clock=FakeClock()
    )


_SSO_NOW_S = FakeClock().wall()


@pytest.mark.parametrize(
    "token, more, life_s",
    [
        ("opaque", {}, 2700),
        (_jwt(exp=_SSO_NOW_S + 600), {}, 600),
        (_jwt(exp=_SSO_NOW_S + 600), {"expires_at": datetime.fromtimestamp(_SSO_NOW_S + 60, UTC)}, 60),
        (_jwt(exp=_SSO_NOW_S + 10**9), {}, 86_400),
    ],
)
async def test_a_sign_on_is_served_as_it_came(token: str, more: dict[str, Any], life_s: float) -> None:
    """Without a call; for as long as the return, or the token itself, says."""
    made = await _sso(FakeTransport(), token, **more).issue()
    assert (made.access_token, made.refresh_token) == (Secret(token), Secret("r-0"))
    assert made.lifetime == timedelta(seconds=life_s)


@pytest.mark.parametrize("returned", [None, "r-1"])
async def test_a_sign_on_that_is_over_is_renewed_at_once(returned: str | None) -> None:
    """With its refresh token, which is kept where none comes back."""
    transport = _answers({"token": "t2", "refreshToken": returned})
    made = await _sso(transport, _jwt(exp=_SSO_NOW_S - 1)).issue()
    assert (made.access_token, made.refresh_token) == (Secret("t2"), Secret(returned or "r-0"))
    assert _bodies(transport) == [{"refreshToken": "r-0"}]


async def test_a_sign_on_is_served_once() -> None:
    """Asked for a second time, its own token cannot be the answer."""
    transport = _answers({"token": "t2"})
    authenticator = _sso(transport)
    await authenticator.issue()
    assert (await authenticator.issue()).access_token == Secret("t2")


async def test_without_a_refresh_token_a_person_is_needed() -> None:
    """Nothing is sent."""
    authenticator = _sso(FakeTransport(), refresh=None)
    await authenticator.issue()
    with pytest.raises(NomadInteractionRequiredError, match="sign in again"):
        await authenticator.issue()


@pytest.mark.parametrize("status", [400, 401, 403, 404])
async def test_a_refused_renewal_needs_a_person(status: int) -> None:
    """Refused once, the sign-on is over: nothing more is sent."""
    transport = FakeTransport(*[answer(status)] * (2 if status == 401 else 1))
    authenticator = _sso(transport)
    with pytest.raises(NomadRefreshRefusedError):
        await authenticator.refresh(_OLD)
    for _ in range(2):
        with pytest.raises(NomadInteractionRequiredError):
            await authenticator.issue()
    assert transport.left == 0


async def test_a_refusal_at_the_first_issue_needs_a_person() -> None:
    """The error has the status of the refusal."""
    with pytest.raises(NomadInteractionRequiredError) as refused:
        await _sso(FakeTransport(answer(403)), _jwt(exp=1)).issue()
    assert refused.value.status == 403
    assert refused.value.interaction is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_gateway_does_not_end_a_sign_on(status: int) -> None:
    """The given refresh token is tried again after an answer that need not be Nomad's; Nomad's own refusal ends it."""
    bare = [answer(status)] * (2 if status == 401 else 1)
    transport = FakeTransport(*bare, answer(200, {"token": "t2"}))
    authenticator = _sso(transport, _jwt(exp=1))
    with pytest.raises(NomadInteractionRequiredError):
        await authenticator.issue()
    assert (await authenticator.issue()).access_token == Secret("t2")


@pytest.mark.parametrize("at_issue", [True, False])
async def test_what_nomad_itself_refused_is_sent_once(at_issue: bool) -> None:
    """Problem details are Nomad's: the refresh token is not sent again, be it held or given."""
    transport = FakeTransport(answer(404, {"title": "no such token"}), answer(200, {"token": "t2"}))
    authenticator = _sso(transport, _jwt(exp=1))
    if at_issue:
        with pytest.raises(NomadInteractionRequiredError):
            await authenticator.issue()
    for _ in range(2):
        with pytest.raises(NomadRefreshRefusedError, match="no such token"):
            await authenticator.refresh(attrs.evolve(_OLD, refresh_token=Secret("r-0")))
        with pytest.raises(NomadInteractionRequiredError):
            await authenticator.issue()
    assert len(transport.requests) == 1
    newer = attrs.evolve(_OLD, refresh_token=Secret("r-9"))
    assert (await authenticator.refresh(newer)).access_token == Secret("t2")


async def test_a_doubt_is_no_refusal() -> None:
    """In an outage the sign-on is not given up, and a later success forgives a refusal."""
    transport = FakeTransport(answer(503), answer(403), answer(200, {"token": "t2"}))
    authenticator = _sso(transport, _jwt(exp=1))
    with pytest.raises(NomadUnavailableError):
        await authenticator.issue()
    with pytest.raises(NomadRefreshRefusedError):
        await authenticator.refresh(_OLD)
    assert (await authenticator.refresh(_OLD)).access_token == Secret("t2")
    transport.queue(answer(200, {"token": "t3"}))
    assert (await authenticator.issue()).access_token == Secret("t3")


async def test_logging_out_ends_the_sign_on() -> None:
    """Only a person can bring another."""
    transport = FakeTransport(answer(200))
    authenticator = _sso(transport)
    await authenticator.revoke(_OLD)
    with pytest.raises(NomadInteractionRequiredError):
        await authenticator.issue()
    assert _bodies(transport) == [{"userSessionId": "s-0"}]


# --- what never expires ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "credentials, header",
    [(NomadStaticToken("abc"), "Bearer abc"), (NomadApiKey("abc"), "ApiKey abc")],
)
async def test_a_fixed_credential_is_its_own_token(
    credentials: NomadStaticToken | NomadApiKey, header: str
) -> None:
    """Endless, without a refresh token, and never renewed."""
    authenticator = NomadFixedAuthenticator(credentials)
    token = await authenticator.issue()
    assert (token.authorization, token.lifetime, token.refresh_token) == (header, None, None)
    assert authenticator.renewable is False
    with pytest.raises(NomadRefreshRefusedError):
        await authenticator.refresh(token)
    with pytest.raises(ConfigurationError, match="no session"):
        await authenticator.revoke(token)


def test_all_three_are_authenticators() -> None:
    """Each has what the manager asks for."""
    made = [_password(FakeTransport()), _sso(FakeTransport()), NomadFixedAuthenticator(NomadApiKey("k"))]
    assert all(isinstance(entry, Authenticator) for entry in made)


async def test_a_wrong_password_is_credentials_rejected() -> None:
    """Nomad says so with a 404; nothing of the password shows."""
    with pytest.raises(NomadCredentialsRejectedError) as refused:
        await _password(FakeTransport(answer(404, {"title": "CANARY-PW is wrong"}))).issue()
    assert leaks(refused.value, ["CANARY"]) == []
    assert LoginStatus.IS_DISABLED.value not in str(refused.value)
