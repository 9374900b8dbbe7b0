"""Credentials in, tokens out: scheme, lifetime, the raw statement, and what is no token."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest
from yarl import URL

from nauth.authenticator import Authenticator
from nauth.token import Token
from noyoauth import (
    ConfigurationError,
    LifetimeRules,
    NoyoApi,
    NoyoAuthenticator,
    NoyoCredentials,
    NoyoCredentialsRejectedError,
    NoyoMalformedResponseError,
    Secret,
)
from tests.noyoauth.test_lifetime import jwt
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_NOW_S = 1_782_950_400.0
_CREDENTIALS = NoyoCredentials(client_id="id-1", client_secret="CANARY-SECRET")


def _made(transport: FakeTransport, credentials: Any = _CREDENTIALS, **rules: Any) -> NoyoAuthenticator:
    api = NoyoApi(
        base_url=URL("https://x.example.com"), token_url=URL("https://x.example.com/t"), auth=transport
    )
    return NoyoAuthenticator(credentials, api, rules=LifetimeRules(**rules) if rules else None)


async def _issued(wire: Any, **rules: Any) -> Token:
    return await _made(FakeTransport(answer(200, wire, sent_wall=_NOW_S)), **rules).issue()


@pytest.mark.parametrize(
    "token_type", [{"token_type": "Bearer"}, {"token_type": "bearer"}, {"token_type": None}, {}]
)
async def test_the_scheme_is_always_bearer(token_type: dict[str, Any]) -> None:
    """Whatever case the answer uses, or if it says nothing."""
    token = await _issued({"access_token": "new-access", "expires_in": 864000} | token_type)
    assert token.authorization == "Bearer new-access"
    assert token.refresh_token is None
    assert "new-access" not in repr(token)


async def test_the_life_counts_from_the_sending() -> None:
    """Lifetime and end of life are of one piece."""
    token = await _issued({"access_token": jwt(iat=_NOW_S + 99, exp=_NOW_S + 699), "expires_in": 864000})
    assert token.lifetime == timedelta(seconds=600)
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == _NOW_S + 600


async def test_the_rules_are_the_users() -> None:
    """Cap and unit reach the algorithm."""
    wire = {"access_token": "opaque", "expires_in": 864000}
    assert (await _issued(wire)).lifetime == timedelta(seconds=600)
    assert (await _issued(wire, max_lifetime=timedelta(seconds=900))).lifetime == timedelta(seconds=864)
    both = await _issued(wire, max_lifetime=timedelta(days=30), expires_in_unit="s")
    assert both.lifetime == timedelta(days=10)


@pytest.mark.parametrize(
    "raw, text",
    [
        ("864000", "864000"),
        ('"864000"', "864000"),
        ("600.5", "600.5"),
        ("0", "0"),
        ("-1", "-1"),
        ("1e400", "1e400"),
        ("NaN", "NaN"),
        ('"soon"', "soon"),
        ("true", "true"),
        ("[1]", "[1]"),
        ('"' + "A" * 40 + '"', "[...]"),
        ("null", None),
        ('""', None),
    ],
)
async def test_what_expires_in_said_is_kept_as_text(raw: str, text: str | None) -> None:
    """Uninterpreted, for those who want to know; anything like a secret is cut out, and null is nothing."""
    token = await _issued(f'{{"access_token": "t", "expires_in": {raw}}}'.encode())
    assert dict(token.extra) == ({} if text is None else {"expires_in": text})
    assert dict((await _issued({"access_token": "t"})).extra) == {}


@pytest.mark.parametrize("access", ["", " ", "a b", "a\r\nX-Evil: 1", "ü", "a\x00", "\x7f"])
async def test_what_cannot_stand_in_a_header_is_no_token(access: str) -> None:
    """Empty, or with spaces, line breaks or anything but visible ASCII: a bad answer, not a bad request later."""
    got = answer(200, {"access_token": access}, headers={"X-Request-Id": "r"})
    with pytest.raises(NoyoMalformedResponseError) as refused:
        await _made(FakeTransport(got)).issue()
    assert refused.value.problems == ("$.access_token: expected visible ASCII characters, got another str",)
    assert (refused.value.status, refused.value.request_id) == (200, "r")
    assert leaks(refused.value, ["CANARY"]) == []


async def test_credentials_from_a_function_are_read_at_each_fetch() -> None:
    """A key that was rotated is found without a new client."""
    days = iter([_CREDENTIALS, NoyoCredentials(client_id="id-2", client_secret="s")])
    transport = FakeTransport(otherwise=answer(200, {"access_token": "t"}))
    made = _made(transport, lambda: next(days))
    await made.issue()
    await made.issue()
    assert len({request.headers["Authorization"] for request in transport.requests}) == 2


async def test_there_is_nothing_to_refresh_with() -> None:
    """If asked all the same it signs in anew."""
    transport = FakeTransport(answer(200, {"access_token": "t"}))
    token = await _made(transport).refresh(Token(access_token=Secret("old")))
    assert token.access_token == Secret("t")


async def test_there_is_no_way_to_revoke() -> None:
    """Nothing is sent, and the error says what to do instead."""
    transport = FakeTransport()
    with pytest.raises(ConfigurationError, match="Revoke the key in the Noyo app"):
        await _made(transport).revoke(Token(access_token=Secret("t")))
    assert transport.requests == []
    assert isinstance(_made(transport), Authenticator)


async def test_a_refusal_is_one_request(caplog: pytest.LogCaptureFixture) -> None:
    """401 on the token call is final, and neither error nor log shows the secret."""
    caplog.set_level(logging.DEBUG)
    transport = FakeTransport(answer(401, {"message": "CANARY-SECRET"}))
    with pytest.raises(NoyoCredentialsRejectedError, match="NOYO_CLIENT_SECRET") as refused:
        await _made(transport).issue()
    assert len(transport.requests) == 1
    assert leaks(refused.value, ["CANARY"]) == []
    assert "CANARY" not in caplog.text
