"""Who the client says it is, what goes out, and what every answer means."""

from __future__ import annotations

import base64
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, Literal
from urllib.parse import parse_qsl

import attrs
import pytest

from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    PermissionDeniedError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.oauth2 import ClientCredentials, TokenEndpoint
from nauth.oauth2.endpoint import Parameters
from nauth.oauth2.errors import Operation
from nauth.secret import Secret
from nauth.token import Token
from tests.support.transport import FakeTransport, answer

_URL = "https://auth.example.com/token?tenant=1"
_FULL = {
    "access_token": "at-1",
    "token_type": "bearer",
    "expires_in": 3600,
    "refresh_token": "rt-1",
    "scope": "a b",
}
_BOTH = Token(access_token=Secret("at-1"), refresh_token=Secret("rt-1"))


def _made(transport: FakeTransport, **options: Any) -> TokenEndpoint:
    given = {"client_id": "id", "client_secret": "CANARY-secret"} | options
    return TokenEndpoint(_URL, transport=transport, revocation_url="https://auth.example.com/revoke", **given)


def _sent(transport: FakeTransport, number: int = -1) -> dict[str, str]:
    return dict(parse_qsl((transport.requests[number].body or b"").decode(), keep_blank_values=True))


async def _asked(
    body: object, status: int = 200, *, operation: Operation = Operation.REFRESH_TOKEN, **headers: str
) -> Token:
    return await _made(FakeTransport(answer(status, body, headers=headers, sent_wall=1e9))).token(
        operation, {"a": None}
    )


# --- what goes out ---------------------------------------------------------------------------------------------------


async def test_basic_percent_encodes_both_parts() -> None:
    """RFC 6749 section 2.3.1: a colon in the id must not move the border; a space is %20, which every server decodes."""
    transport = FakeTransport(answer(200, _FULL))
    await _made(transport, client_id="a:b c+é", client_secret="s%:/ ü").token(
        Operation.CLIENT_CREDENTIALS, {}
    )
    scheme, _, packed = transport.requests[0].headers["Authorization"].partition(" ")
    assert (scheme, base64.b64decode(packed)) == ("Basic", b"a%3Ab%20c%2B%C3%A9:s%25%3A%2F%20%C3%BC")
    assert _sent(transport) == {"grant_type": "client_credentials"}
    assert str(transport.requests[0].url) == _URL


async def test_basic_raw_encodes_nothing() -> None:
    """For servers that split the pair and decode neither part."""
    transport = FakeTransport(answer(200, _FULL))
    await _made(transport, client_id="id", client_secret="p/a+s:s=w%rd ü", client_auth="basic_raw").refresh(
        _BOTH
    )
    packed = transport.requests[0].headers["Authorization"].removeprefix("Basic ")
    assert base64.b64decode(packed) == "id:p/a+s:s=w%rd ü".encode()
    assert "client_id" not in _sent(transport)


@pytest.mark.parametrize(
    "options, named",
    [({}, False), ({"client_auth": "body"}, True), ({"client_secret": None}, True)],
)
async def test_a_ready_made_authorization_is_sent_as_it_is(options: dict[str, Any], named: bool) -> None:
    """It takes the place of the default Basic; what was asked for beside it goes out too."""
    transport = FakeTransport(answer(200, _FULL))
    await _made(transport, headers={"authorization": "Basic mine"}, **options).refresh(_BOTH)
    headers = {name.lower(): value for name, value in transport.requests[0].headers.items()}
    assert headers["authorization"] == "Basic mine"
    assert len(headers) == len(transport.requests[0].headers)
    assert ("client_id" in _sent(transport)) == named


@pytest.mark.parametrize(
    "operation, words",
    [
        (Operation.CLIENT_CREDENTIALS, "audience or resource"),
        (Operation.AUTHORIZATION_CODE, "PKCE"),
        (Operation.REFRESH_TOKEN, "the grant was refused"),
    ],
)
async def test_a_malformed_request_is_worded_by_what_was_asked(operation: Operation, words: str) -> None:
    """PKCE is no advice for a grant that has none."""
    with pytest.raises(NauthError, match=words):
        await _asked({"error": "invalid_request"}, 400, operation=operation)
    transport = FakeTransport(answer(400, {"error": "invalid_request"}))
    with pytest.raises(RequestRejectedError, match="URL of the endpoint"):
        await _made(transport).revoke(_BOTH)


async def test_a_refused_client_learns_of_every_way_to_prove_itself() -> None:
    """The 401's text names the way for servers that decode nothing."""
    with pytest.raises(CredentialsRejectedError, match="'basic_raw' for a server that decodes nothing"):
        await _asked({"error": "invalid_client"}, 401)


@pytest.mark.parametrize("word", ["BearerToken", "bearer", " Bearer ", "urn:example:Own"])
async def test_words_for_a_bearer_token(word: str) -> None:
    """Apigee's own is known, others are named; the token goes out as Bearer."""
    transport = FakeTransport(answer(200, _FULL | {"token_type": word}))
    token = await _made(transport, token_types=["urn:example:own"]).refresh(_BOTH)
    assert token.scheme == "Bearer"


@pytest.mark.parametrize(
    "options, fields",
    [
        ({"client_auth": "body"}, {"client_id": "id", "client_secret": "CANARY-secret"}),
        ({"client_secret": None}, {"client_id": "id"}),
        ({"client_secret": None, "client_auth": "none"}, {"client_id": "id"}),
    ],
)
async def test_the_body_may_name_the_client(options: dict[str, Any], fields: dict[str, str]) -> None:
    """In the body, or as a public client that only names itself: no Authorization header then."""
    transport = FakeTransport(answer(200, _FULL))
    await _made(transport, **options).token(
        Operation.REFRESH_TOKEN, {"refresh_token": Secret("x y"), "scope": None}
    )
    assert _sent(transport) == {"grant_type": "refresh_token", "refresh_token": "x y"} | fields
    assert "Authorization" not in transport.requests[0].headers
    assert transport.requests[0].headers["Accept"] == "application/json"


@pytest.mark.parametrize(
    "url, options, words",
    [
        ("http://auth.example.com/t", {}, "https"),
        ("auth.example.com", {}, "absolute"),
        ("https://[", {}, "absolute"),
        (7, {}, "not int"),
        ("https://a.example/t#f", {}, "fragment"),
        ("https://u:p@a.example/t", {}, "user name"),
        (_URL, {"client_id": " "}, "client_id"),
        (_URL, {"client_id": 7}, "client_id"),
        (_URL, {"client_secret": 7}, "client_secret"),
        (_URL, {"client_auth": "body", "client_secret": None}, "absent"),
        (_URL, {"client_auth": "none"}, "contradicts"),
        (_URL, {"client_auth": "jwt"}, "must be 'basic'"),
        (_URL, {"client_auth": "basic_raw", "headers": {"authorization": "CANARY"}}, "contradict each other"),
        (_URL, {"client_auth": "basic_raw", "client_id": "a:b"}, "cannot carry a client_id with a colon"),
        (_URL, {"token_types": "bearer"}, "list of words, not str"),
        (_URL, {"token_types": [7]}, "text only"),
        (_URL, {"token_types": 7}, "not int"),
    ],
)
def test_unsafe_or_contradictory_settings_are_refused(url: Any, options: dict[str, Any], words: str) -> None:
    """Each at once, by name, and without quoting a secret."""
    given = {"client_id": "id", "client_secret": "CANARY"} | options
    with pytest.raises(ConfigurationError, match=words) as refused:
        TokenEndpoint(url, **given)
    assert "CANARY" not in str(refused.value)


async def test_it_opens_and_closes_a_transport_of_its_own() -> None:
    """Without `transport` it makes one and closes it; one that was given stays open."""
    async with TokenEndpoint(_URL, client_id="id", client_secret="CANARY") as endpoint:
        assert "auth.example.com" in repr(endpoint)
        assert "CANARY" not in repr(endpoint)
    transport = FakeTransport()
    await _made(transport).aclose()
    assert transport.closed == 0
    keys = {endpoint.key("x"), endpoint.key("x", "ada"), endpoint.key("x", "bob"), endpoint.key("y")}
    assert len(keys) == 4


# --- answers ---------------------------------------------------------------------------------------------------------


async def test_a_full_answer() -> None:
    """Life counts from when the request went out; other members are kept as text."""
    token = await _asked(
        _FULL | {"n": 7, "b": True, "nested": {}, "null": None, "half": "\ud800", "\ud800": "x"}
    )
    assert (token.access_token.reveal(), token.scheme) == ("at-1", "Bearer")
    assert token.refresh_token == Secret("rt-1")
    assert token.lifetime == timedelta(hours=1)
    assert token.expires_at is not None
    assert token.expires_at.timestamp() == 1e9 + 3600
    assert dict(token.extra) == {"scope": "a b", "n": "7", "b": "true"}


@pytest.mark.parametrize(
    "more", [{}, {"token_type": ""}, {"token_type": "BEARER"}, {"expires_in": "soon"}, {"error": None}]
)
async def test_only_the_access_token_is_required(more: dict[str, Any]) -> None:
    """No life stated means no schedule; an empty refresh token is none."""
    token = await _asked({"access_token": "at-1", "refresh_token": ""} | more)
    assert (token.lifetime, token.refresh_token, token.expires_at, token.scheme) == (
        None,
        None,
        None,
        "Bearer",
    )


@pytest.mark.parametrize(
    "body, problem",
    [
        ({}, "$.access_token: missing"),
        ({"access_token": ""}, "nothing"),
        ({"access_token": "CANARY\r\nX: y"}, "printable"),
        ({"access_token": "CANARY 1"}, "without white space"),
        ({"access_token": " CANARY"}, "without white space"),
        ({"access_token": 7}, "got int"),
        ({"access_token": "CANARY", "token_type": "mac"}, "got mac; if that is the server's word for it"),
        ({"access_token": "CANARY", "token_type": "é" * 999}, "expected bearer"),
        ({"access_token": "CANARY", "token_type": "\x01"}, "another str"),
        ({"access_token": "CANARY", "token_type": 7}, "got int"),
        ({"access_token": "CANARY", "refresh_token": []}, "got list"),
        ([], "expected object"),
        (b"<html>", "markup"),
        (b"", "nothing"),
    ],
)
async def test_a_success_that_cannot_be_used(body: object, problem: str) -> None:
    """The place and the types are named, values never."""
    with pytest.raises(MalformedResponseError) as refused:
        await _asked(body)
    assert any(problem in line for line in refused.value.problems)
    assert "CANARY" not in f"{refused.value} {refused.value.problems}"


@pytest.mark.parametrize(
    "status, body, kind, operation",
    [
        (400, {"error": "invalid_grant"}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (401, {"error": "invalid_grant"}, CredentialsRejectedError, Operation.CLIENT_CREDENTIALS),
        (400, {"error": "invalid_grant"}, InteractionRequiredError, Operation.AUTHORIZATION_CODE),
        (400, {"error": "invalid_client"}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (400, {"error": "unauthorized_client"}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (403, {"error": "access_denied"}, PermissionDeniedError, Operation.REFRESH_TOKEN),
        (400, {"error": "access_denied"}, PermissionDeniedError, Operation.CLIENT_CREDENTIALS),
        (400, {"error": "invalid_scope"}, RequestRejectedError, Operation.REFRESH_TOKEN),
        (400, {"error": "use_dpop_nonce"}, RequestRejectedError, Operation.REFRESH_TOKEN),
        (400, {"error": "unsupported_grant_type"}, RequestRejectedError, Operation.REFRESH_TOKEN),
        (400, {"error": "temporarily_unavailable"}, VendorUnavailableError, Operation.REFRESH_TOKEN),
        (400, {"error": "server_error"}, VendorUnavailableError, Operation.REFRESH_TOKEN),
        (200, {"error": "invalid_grant"}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (200, {"error": "new_code"}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (200, {"error": "new_code"}, RequestRejectedError, Operation.CLIENT_CREDENTIALS),
        (200, {"error": "new_code"}, InteractionRequiredError, Operation.AUTHORIZATION_CODE),
        (200, {"error": {"code": "invalid_grant"}}, CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (400, b"", InteractionRequiredError, Operation.AUTHORIZATION_CODE),
        (400, {"error": "invalid_request"}, RequestRejectedError, Operation.AUTHORIZATION_CODE),
        (
            200,
            {"error": "incorrect_client_credentials"},
            CredentialsRejectedError,
            Operation.AUTHORIZATION_CODE,
        ),
        (400, {"error": {"a": 1}}, RequestRejectedError, Operation.CLIENT_CREDENTIALS),
        (400, [], RequestRejectedError, Operation.CLIENT_CREDENTIALS),
        (422, {"error": "new_code"}, RequestRejectedError, Operation.REFRESH_TOKEN),
        (401, b"", CredentialsRejectedError, Operation.REFRESH_TOKEN),
        (403, b"<html>", PermissionDeniedError, Operation.REFRESH_TOKEN),
        (404, b"", RequestRejectedError, Operation.REFRESH_TOKEN),
        (307, b"", MalformedResponseError, Operation.REFRESH_TOKEN),
        (429, {"error": "invalid_grant"}, VendorUnavailableError, Operation.REFRESH_TOKEN),
        (503, {"error": "invalid_grant"}, VendorUnavailableError, Operation.REFRESH_TOKEN),
    ],
)
async def test_every_refusal_has_its_kind(
    status: int, body: object, kind: type[NauthError], operation: Operation
) -> None:
    """By the RFC's code, whatever the status; by the status where it says "later" or there is no code."""
    with pytest.raises(NauthError) as refused:
        await _asked(body, status, operation=operation, **{"Retry-After": "7", "X-Request-Id": "r-1"})
    assert type(refused.value) is kind
    assert (refused.value.status, refused.value.request_id) == (status, "r-1")
    assert refused.value.retry_after == (timedelta(seconds=7) if kind is VendorUnavailableError else None)


async def test_what_the_server_said_is_cleaned() -> None:
    """The description is shown without anything that looks like a token."""
    told = {"error": "invalid_client", "error_description": f"no such client {'x' * 40}\n"}
    with pytest.raises(CredentialsRejectedError, match="client_auth='body'") as refused:
        await _asked(told, 401)
    assert (refused.value.code, refused.value.detail) == ("invalid_client", "no such client [...]")


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    "echoed",
    ["CANARY", "canary0", "canary" * 3, "canary_" * 6 + "x", "canary__x", "canary\n", "eyJh.eyJp.c2ln"],
)
async def test_a_token_in_the_place_of_a_code(status: int, echoed: str) -> None:
    """A code that is not lower-case words of a code's length is not shown; the refusal is raised nevertheless."""
    with pytest.raises(RequestRejectedError) as refused:
        await _asked({"error": echoed}, status, operation=Operation.CLIENT_CREDENTIALS)
    assert refused.value.code is None
    assert echoed.strip() not in f"{refused.value} {vars(refused.value)}"


@pytest.mark.parametrize("code", ["insufficient_user_authentication", "use_dpop_nonce", "mfa-required"])
async def test_a_code_of_another_standard(code: str) -> None:
    """A code that is unknown here is shown: the person who reads the error may know it."""
    with pytest.raises(RequestRejectedError, match=code) as refused:
        await _asked({"error": code}, 400, operation=Operation.CLIENT_CREDENTIALS)
    assert refused.value.code == code


@pytest.mark.parametrize(
    "status, body, code, words",
    [
        (
            400,
            {"error": "bad_refresh_token", "error_description": "incorrect"},
            "bad_refresh_token",
            "incorrect",
        ),
        (200, {"error": "bad_refresh_token"}, "bad_refresh_token", None),
        (400, {"error": "invalid_request"}, "invalid_request", None),
        (401, {"error": "invalid_token"}, "invalid_token", None),
        (403, {"error": "INVALID_GRANT"}, "invalid_grant", None),
        (400, {"error": "access_denied"}, "access_denied", None),
        (400, {"error": {"type": "invalid_grant", "message": "too old"}}, "invalid_grant", "too old"),
        (400, {"error": {"code": 7, "detail": "too old"}}, None, "too old"),
        (400, {"error": "Session not found"}, None, None),
        (200, {"access_token": None, "error": "bad_refresh_token"}, "bad_refresh_token", None),
        (200, {"access_token": "", "refresh_token": "", "error": "invalid_grant"}, "invalid_grant", None),
        (200, {"error": True, "message": "expired"}, None, None),
        (200, {"Error": "invalid_grant", "Error_Description": "gone"}, "invalid_grant", "gone"),
        (200, {"error": ["invalid_grant"]}, "invalid_grant", None),
        (200, {"errors": [{"code": "invalid_grant", "message": "gone"}]}, "invalid_grant", "gone"),
        (200, {"code": "invalid_grant", "message": "gone"}, "invalid_grant", None),
        (401, {"errorCode": "INVALID_GRANT", "errorSummary": "gone"}, "invalid_grant", None),
        (400, {"code": "not_of_oauth"}, None, None),
        (400, {"error": " invalid_grant\n"}, "invalid_grant", None),
        (422, {"error": "invalid_refresh_token"}, "invalid_refresh_token", None),
        (404, {"error": "refresh_token_not_found"}, "refresh_token_not_found", None),
        (410, {"error": "token_revoked"}, "token_revoked", None),
        (400, b"", None, None),
        (400, b"<html>", None, None),
        (400, [], None, None),
        (
            400,
            b'{"error":"invalid_grant","error_description":"Ung\xfcltig"}',
            "invalid_grant",
            "Ung\ufffdltig",
        ),
    ],
)
async def test_a_refresh_refused_in_other_words(
    status: int, body: object, code: str | None, words: str | None
) -> None:
    """RFC 6749 gives 400 to every refusal of a grant and lets servers add codes: the grant is over."""
    with pytest.raises(CredentialsRejectedError, match="the grant was refused") as refused:
        await _asked(body, status)
    assert (refused.value.code, refused.value.detail) == (code, words)


@pytest.mark.parametrize("told", ["s3cr t", "rt-1", "at-1"])
@pytest.mark.parametrize("nested", [False, True])
async def test_a_server_that_repeats_what_was_sent(told: str, nested: bool) -> None:
    """Its words are not quoted: a short secret does not look like one."""
    words = f"cannot use {told} here"
    said: object = {"error": "invalid_request", "error_description": words}
    if nested:
        said = {"error": {"code": "invalid_request", "message": words}}
    made = _made(FakeTransport(otherwise=answer(400, said)), client_secret="s3cr t")
    calls: list[Awaitable[object]] = (
        [made.revoke(attrs.evolve(_BOTH, refresh_token=None))]
        if told == "at-1"
        else [made.revoke(_BOTH), made.refresh(_BOTH)]
    )
    for call in calls:
        with pytest.raises(NauthError) as refused:
            await call
        assert refused.value.code == "invalid_request"
        assert told not in f"{refused.value} {vars(refused.value)}"


@pytest.mark.parametrize("auth", ["basic", "body"])
async def test_half_of_a_surrogate_pair(auth: Literal["basic", "body"]) -> None:
    """A setting that was no UTF-8 in the environment is sent, for the server to refuse."""
    transport = FakeTransport(otherwise=answer(401, {"error": "invalid_client"}))
    made = TokenEndpoint(_URL, client_id="id", client_secret="s\udcff", client_auth=auth, transport=transport)
    with pytest.raises(CredentialsRejectedError):
        await made.refresh(_BOTH)


# --- revocation ------------------------------------------------------------------------------------------------------


async def test_both_tokens_are_revoked() -> None:
    """The refresh token first: with it gone, a crash in between leaves nothing that could be renewed."""
    transport = FakeTransport(otherwise=answer(200, b""))
    await _made(transport).revoke(_BOTH)
    assert [(_sent(transport, n)["token"], _sent(transport, n)["token_type_hint"]) for n in (0, 1)] == [
        ("rt-1", "refresh_token"),
        ("at-1", "access_token"),
    ]
    assert str(transport.requests[0].url) == "https://auth.example.com/revoke"


async def test_a_server_that_revokes_refresh_tokens_only() -> None:
    """`unsupported_token_type` for the access token is fine when its refresh token is gone, and only then."""
    no = answer(400, {"error": "unsupported_token_type"})
    await _made(FakeTransport(answer(200, b""), no)).revoke(_BOTH)
    with pytest.raises(RequestRejectedError):
        await _made(FakeTransport(no)).revoke(Token(access_token=Secret("at-1")))
    with pytest.raises(RequestRejectedError):
        await _made(FakeTransport(answer(200, b""), answer(404, b""))).revoke(_BOTH)
    with pytest.raises(VendorUnavailableError):
        await _made(FakeTransport(answer(503, b""))).revoke(_BOTH)


async def test_revoking_needs_an_address() -> None:
    """Without one nothing is sent."""
    transport = FakeTransport()
    endpoint = TokenEndpoint(_URL, client_id="id", transport=transport)
    with pytest.raises(ConfigurationError, match="revocation_url"):
        await endpoint.revoke(_BOTH)
    assert transport.requests == []


# --- client credentials ----------------------------------------------------------------------------------------------


async def test_client_credentials_drop_a_refresh_token() -> None:
    """The credentials are always at hand, so each renewal is a sign-in; it may be repeated when its answer is lost."""
    transport = FakeTransport(otherwise=answer(200, _FULL))
    service = ClientCredentials(_made(transport), scope="a", audience="b")
    token = await service.issue()
    assert token.refresh_token is None
    await service.refresh(token)
    await service.revoke(token)
    assert _sent(transport, 1) == {"grant_type": "client_credentials", "scope": "a", "audience": "b"}
    assert [request.repeatable for request in transport.requests[:2]] == [True, True]
    assert "CANARY" not in repr(service)


async def test_further_fields_of_client_credentials() -> None:
    """RFC 8707's resource may stand several times, and a server may call the grant by a name of its own."""
    transport = FakeTransport(otherwise=answer(200, _FULL))
    more: Parameters = {
        "resource": ["https://a", "https://b"],
        "account_id": Secret("7"),
        "scope": "lost",
        "left_out": None,
    }
    await ClientCredentials(_made(transport), scope="a", parameters=more).issue()
    assert parse_qsl((transport.requests[0].body or b"").decode()) == [
        ("grant_type", "client_credentials"),
        ("resource", "https://a"),
        ("resource", "https://b"),
        ("account_id", "7"),
        ("scope", "a"),
    ]
    await ClientCredentials(_made(transport), parameters={"grant_type": "account_credentials"}).issue()
    assert _sent(transport) == {"grant_type": "account_credentials"}
