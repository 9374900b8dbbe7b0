"""The wire's names in both directions, in any case, and what may be wrong without harm."""

from __future__ import annotations

import json
from typing import Any

import pytest

from nauth.errors import MalformedResponseError
from nauth.wire.converter import decode, encode
from nomadauth import (
    AccountLoginResponse,
    LoginRequest,
    LoginStatus,
    LogoutRequest,
    PingRequest,
    PingResponse,
    RefreshTokenRequest,
    Secret,
    User,
)
from nomadauth.converter import CONVERTER, canonical
from nomadauth.models import LOGIN_STATUS, LOOSE, PING_STATUS

_FULL = {
    "id": "6f1c0f0e",
    "userName": "svc@example.com",
    "firstName": "Svc",
    "lastName": "Acct",
    "loginStatus": None,
    "token": "t",
    "refreshToken": "rt",
    "expirationSeconds": 3600.0,
    "userSessionId": "b3b0",
    "isAdmin": False,
    "isGuest": True,
    "scopeId": "s",
    "scopeName": "n",
    "twoFactorQRCode": "otpauth://x",
    "twoFactorQRCodeImage": "aW1n",
    "claims": [{"type": "x", "subject": None}],
    "cookies": [{"name": "c", "value": "CANARY"}],
}


def _read(document: object) -> AccountLoginResponse:
    return decode(CONVERTER, canonical(document), AccountLoginResponse)


@pytest.mark.parametrize(
    "record, wire",
    [
        (LoginRequest(user_name="u", password=Secret("p")), {"userName": "u", "password": "p"}),
        (
            LoginRequest(
                user_name="u",
                password=Secret("p"),
                token=Secret("1"),
                new_password=Secret("n"),
                application_id="a",
            ),
            {"userName": "u", "password": "p", "token": "1", "newPassword": "n", "applicationId": "a"},
        ),
        (RefreshTokenRequest(refresh_token=Secret("r")), {"refreshToken": "r"}),
        (
            LogoutRequest(user_session_id="s", application_id="a"),
            {"userSessionId": "s", "applicationId": "a"},
        ),
        (LogoutRequest(), {}),
        (PingRequest(user_session_id="s"), {"userSessionId": "s"}),
    ],
)
def test_what_is_sent(record: object, wire: dict[str, str]) -> None:
    """camelCase, `userName`, and nothing that is not set."""
    assert json.loads(encode(CONVERTER, record)) == wire


def test_the_documented_answer_is_read_whole() -> None:
    """Every field of the specification; claims and cookies are dropped."""
    found = _read(_FULL)
    assert found.token == Secret("t")
    assert found.refresh_token == Secret("rt")
    assert (found.user_session_id, found.is_admin, found.is_guest) == ("b3b0", False, True)
    assert found.two_factor_qr_code == Secret("otpauth://x")
    assert found.two_factor_qr_code_image == Secret("aW1n")
    assert "CANARY" not in repr(found)


@pytest.mark.parametrize(
    "spell",
    [str.lower, str.upper, lambda name: name[:1].upper() + name[1:]],
    ids=["lower", "upper", "pascal"],
)
def test_keys_in_any_case(spell: Any) -> None:
    """As .NET itself does, names are bound without regard to case."""
    assert _read({spell(name): value for name, value in _FULL.items()}) == _read(_FULL)


@pytest.mark.parametrize("names", [["authorizationToken"], ["accessToken"], ["AUTHORIZATIONTOKEN"]])
def test_the_token_has_three_names(names: list[str]) -> None:
    """`token`, else `authorizationToken`, else `accessToken`; blank and null ones stand for nothing."""
    for blank in ("", " ", None):
        assert _read({"token": blank, names[0]: "t"}).token == Secret("t")
    assert _read({"accessToken": "c", "authorizationToken": "b", "token": "a"}).token == Secret("a")
    assert _read({"accessToken": "c", "authorizationToken": "b"}).token == Secret("b")


def test_the_exact_spelling_wins() -> None:
    """Of two spellings of one name the documented one counts, in whatever order; a null one does not."""
    assert _read({"Token": "b", "token": "a"}).token == Secret("a")
    assert _read({"token": "a", "Token": "b"}).token == Secret("a")
    assert _read({"TOKEN": None, "Token": "b"}).token == Secret("b")


@pytest.mark.parametrize("name", ["id", "userName", "userSessionId", "isAdmin", "scopeId", "twoFactorQRCode"])
@pytest.mark.parametrize("value", [5, 1.5, [], {}, "\ud800"])
def test_a_strange_by_the_way_field_is_no_harm(name: str, value: object) -> None:
    """A sign-in does not fail for what nothing depends on."""
    found = _read({"token": "t", name: value})
    assert found.token == Secret("t")
    assert found == _read({"token": "t"})


@pytest.mark.parametrize("name", ["token", "refreshToken"])
@pytest.mark.parametrize("value", [5, True, [], {}])
def test_a_strange_token_is_malformed(name: str, value: object) -> None:
    """What goes on requests must be text; the error names the place and the type."""
    with pytest.raises(MalformedResponseError, match=rf"\$\.{name}: expected str"):
        _read({name: value})


@pytest.mark.parametrize("document", [None, [], "text", 5])
def test_what_is_no_object_is_malformed(document: object) -> None:
    """A list or text where an object belongs is not an empty answer."""
    with pytest.raises(MalformedResponseError, match="expected object"):
        _read(document)


def test_statuses_are_typed_in_place() -> None:
    """Names and numbers alike, in a login and in a ping."""
    assert _read({"loginStatus": 4}).login_status is LoginStatus.IS_PENDING_EMAIL_CONFIRMATION
    ping = decode(CONVERTER, {"redirectUrl": 5, "pingStatus": "Normal"}, PingResponse)
    assert (ping.redirect_url, ping.ping_status is not None) == (None, True)


def test_a_user_may_have_more_fields() -> None:
    """What a tenant has added at the top level is dropped; neither name nor e-mail is in the repr."""
    user = decode(
        CONVERTER, canonical({"Id": "1", "EMAIL": "CANARY", "isAdmin": True, "colour": "teal"}), User
    )
    assert (user.id, user.email, user.is_admin) == ("1", "CANARY", True)
    assert "CANARY" not in repr(user)


def test_the_marks_have_names() -> None:
    """A reader of an annotation sees which hook reads the field."""
    assert [repr(mark) for mark in (LOOSE, LOGIN_STATUS, PING_STATUS)] == [
        "LOOSE",
        "LOGIN_STATUS",
        "PING_STATUS",
    ]
