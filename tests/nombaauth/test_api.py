"""What each endpoint sends, and what each answer means: on a fake transport, and as aiohttp is really asked."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeAlias

import aiohttp
import pytest
from aioresponses import aioresponses
from yarl import URL

from nauth.errors import (
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
    TokenUnchangedError,
)
from nauth.testing import FakeClock
from nauth.token import Token
from nauth.transport.aiohttp import AiohttpTransport
from nauth.transport.base import Answer, Request
from nombaauth import (
    IssueTokenRequest,
    NombaApi,
    NombaApiError,
    NombaBadRequestError,
    NombaCredentialsRejectedError,
    NombaError,
    NombaMalformedResponseError,
    NombaNotFoundError,
    NombaNotSentError,
    NombaOutcomeUnknownError,
    NombaPermissionDeniedError,
    NombaRefreshRefusedError,
    NombaThrottledError,
    NombaTokenRefusedError,
    NombaUnavailableError,
    RefreshTokenRequest,
    RevokeTokenRequest,
    Secret,
)
from tests.nombaauth.recorded import body
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_BASE = URL("https://api.nomba.com")
_ACCOUNT = "5b0f3c1e-6d0a-4d7e-9a52-0f6b7f2f9c11"
_SECRET, _REFRESH, _ACCESS = (
    "CANARY-SECRET-" + "s" * 74,
    "CANARY-REFRESH-" + "r" * 24,
    "CANARY-ACCESS-" + "a" * 80,
)
_CANARIES = [_SECRET, _REFRESH, _ACCESS]
_OLD = Token(access_token=Secret(_ACCESS), refresh_token=Secret(_REFRESH))
_COMMON = {"Accept": "application/json", "User-Agent": "nauth (nombaauth)", "accountId": _ACCOUNT}

Call: TypeAlias = Callable[[NombaApi], Awaitable[Any]]


async def _issue(api: NombaApi) -> Any:
    return await api.issue_token(IssueTokenRequest(client_id="id-1", client_secret=Secret(_SECRET)))


async def _refresh(api: NombaApi) -> Any:
    return await api.refresh_token(RefreshTokenRequest(refresh_token=Secret(_REFRESH)), bearer=_OLD)


async def _revoke(api: NombaApi) -> Any:
    return await api.revoke_token(RevokeTokenRequest(client_id="id-1", access_token=Secret(_ACCESS)))


async def _balance(api: NombaApi) -> Any:
    return await api.get_balance()


CALLS: dict[str, Call] = {"issue": _issue, "refresh": _refresh, "revoke": _revoke, "balance": _balance}
SENT: dict[str, tuple[str, str, dict[str, str], dict[str, str] | None]] = {
    "issue": (
        "POST",
        "/v1/auth/token/issue",
        _COMMON | {"Content-Type": "application/json"},
        {"grant_type": "client_credentials", "client_id": "id-1", "client_secret": _SECRET},
    ),
    "refresh": (
        "POST",
        "/v1/auth/token/refresh",
        _COMMON | {"Content-Type": "application/json", "Authorization": f"Bearer {_ACCESS}"},
        {"grant_type": "refresh_token", "refresh_token": _REFRESH},
    ),
    "revoke": (
        "POST",
        "/v1/auth/token/revoke",
        _COMMON | {"Content-Type": "application/json"},
        {"clientId": "id-1", "access_token": _ACCESS},
    ),
    "balance": ("GET", "/v1/accounts/balance", _COMMON, None),
}
GOOD: dict[str, bytes] = {
    "issue": body("issue.json"),
    "refresh": body("issue.json"),
    "revoke": b'{"code":"00","description":"Token revoked successfully"}',
    "balance": b'{"code":"00","data":{"amount":"281946.0","currency":"NGN","timeCreated":"2026-03-08T14:56:59.000Z"}}',
}


def _api(transport: FakeTransport) -> NombaApi:
    return NombaApi(base_url=_BASE, account_id=_ACCOUNT, auth=transport)


# --- on the fake transport ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CALLS)
async def test_exactly_the_documented_request_is_sent(name: str) -> None:
    """Method, path, every header and every field, and nothing else."""
    transport = FakeTransport(answer(200, GOOD[name]))
    await CALLS[name](_api(transport))
    (sent,) = transport.requests
    method, path, headers, wire = SENT[name]
    assert (sent.method, sent.url, dict(sent.headers)) == (method, _BASE.with_path(path), headers)
    assert (None if sent.body is None else json.loads(sent.body)) == wire
    assert sent.repeatable


@pytest.mark.parametrize("name", ["issue", "refresh"])
async def test_a_pair_is_typed(name: str) -> None:
    """The data of both token calls is the same record."""
    envelope = await CALLS[name](_api(FakeTransport(answer(200, GOOD[name]))))
    assert envelope.data.access_token == Secret("eyJhbGciOiJIUzI1NiJ9.CANARY-ACCESS.sig")
    assert envelope.data.refresh_token == Secret("01j9zq3k7m8n2p4r6s8t0v2w4x1782952480287")
    assert envelope.data.expires_at.isoformat() == "2026-07-02T00:30:00+00:00"
    assert (envelope.code, envelope.description, envelope.meta.status) == ("00", "Success", 200)


async def test_a_revocation_has_no_data() -> None:
    """The answer's missing `data` is no fault."""
    envelope = await _revoke(_api(FakeTransport(answer(200, GOOD["revoke"]))))
    assert (envelope.data, envelope.description) == (None, "Token revoked successfully")


async def test_another_account_may_be_named_for_one_balance() -> None:
    """The header's account id can be replaced for a resource call."""
    transport = FakeTransport(otherwise=answer(200, GOOD["balance"]))
    assert (await _api(transport).get_balance(account_id="sub-1")).data.amount == Decimal(281946)
    assert transport.requests[0].headers["accountId"] == "sub-1"


async def test_resource_calls_may_take_another_way() -> None:
    """Calls that need a token go through the transport that puts it on."""
    auth, signed = FakeTransport(answer(200, GOOD["issue"])), FakeTransport(answer(200, GOOD["balance"]))
    api = NombaApi(base_url=_BASE, account_id=_ACCOUNT, auth=auth, resources=signed)
    await _balance(api)
    await _issue(api)
    assert (len(auth.requests), len(signed.requests)) == (1, 1)


async def test_a_path_in_the_base_url_is_kept() -> None:
    """Behind a proxy every path is appended to the configured one."""
    transport = FakeTransport(answer(200, GOOD["issue"]))
    await _issue(
        NombaApi(base_url=URL("https://proxy.example.com/nomba"), account_id=_ACCOUNT, auth=transport)
    )
    assert transport.requests[0].url.path == "/nomba/v1/auth/token/issue"


# name -> (status, body) and what it means on issue, refresh, revoke, balance
_REJECTED, _REFUSED = NombaCredentialsRejectedError, NombaRefreshRefusedError
_STRANGE, _API, _DOWN = NombaMalformedResponseError, NombaApiError, NombaUnavailableError
_Leaves: TypeAlias = "tuple[type[NombaError] | None, ...]"
BODIES: list[tuple[int, bytes, _Leaves]] = [
    (400, body("400.json"), (_REJECTED, _REFUSED, NombaBadRequestError, NombaBadRequestError)),
    (401, body("401.json"), (_REJECTED, _REFUSED, _API, NombaTokenRefusedError)),
    (401, body("code_01.json"), (_REJECTED, _REFUSED, _API, NombaTokenRefusedError)),
    (401, b"", (_REJECTED, _REFUSED, _API, NombaTokenRefusedError)),
    (403, body("403.json"), (_REJECTED, _REFUSED, NombaPermissionDeniedError, NombaPermissionDeniedError)),
    (
        403,
        body("gateway.html"),
        (_REJECTED, _REFUSED, NombaPermissionDeniedError, NombaPermissionDeniedError),
    ),
    (404, body("404.json"), (_REJECTED, _REFUSED, _API, NombaNotFoundError)),
    (
        422,
        body("422_errors.json"),
        (NombaBadRequestError, _REFUSED, NombaBadRequestError, NombaBadRequestError),
    ),
    (429, body("429.json"), (NombaThrottledError,) * 4),
    (500, body("500.json"), (_DOWN,) * 4),
    (502, body("gateway.html"), (_DOWN,) * 4),
    (503, b"", (_DOWN,) * 4),
    (302, b"", (_STRANGE,) * 4),
    (200, body("code_01.json"), (_REJECTED, _REFUSED, _API, _API)),
    (200, body("code_02.json"), (_REJECTED, _REFUSED, _API, _API)),
    (200, body("response_code_05.json"), (_API, _REFUSED, _API, _API)),
    (200, body("401.json"), (_REJECTED, _REFUSED, _API, NombaTokenRefusedError)),
    (202, body("401.json"), (_REJECTED, _REFUSED, _API, NombaTokenRefusedError)),
    (200, body("500.json"), (_DOWN,) * 4),
    (200, b'{"code":"00","data":null}', (_STRANGE, _REFUSED, None, _STRANGE)),
    (200, b'{"code":"00","data":[]}', (_STRANGE, _REFUSED, None, _STRANGE)),
    (200, b'{"code":"00","data":{}}', (_STRANGE, _REFUSED, None, _STRANGE)),
    (200, b'[{"code":"00"}]', (_STRANGE, _REFUSED, _STRANGE, _STRANGE)),
    (200, b"{}", (_STRANGE, _REFUSED, _STRANGE, _STRANGE)),
    (200, b"", (_STRANGE,) * 4),
    (200, body("gateway.html"), (_STRANGE,) * 4),
    (200, b"null and void", (_STRANGE,) * 4),
]


@pytest.mark.parametrize(
    "name, status, wire, leaf",
    [
        pytest.param(name, status, wire, leaf, id=f"{name}-{number}-{status}")
        for number, (status, wire, leaves) in enumerate(BODIES)
        for name, leaf in zip(CALLS, leaves, strict=True)
    ],
)
async def test_every_error_body_on_every_endpoint(
    name: str, status: int, wire: bytes, leaf: type[NombaError] | None
) -> None:
    """Each body means the same whatever its words; no frame or text of the error shows what was sent."""
    transport = FakeTransport(answer(status, wire))
    if leaf is None:
        assert (await CALLS[name](_api(transport))).code == "00"
        return
    with pytest.raises(NombaError) as refused:
        await CALLS[name](_api(transport))
    assert type(refused.value) is leaf
    assert len(transport.requests) == 1
    assert leaks(refused.value, [*_CANARIES, "CANARY"]) == []


@pytest.mark.parametrize(
    "raised, leaf",
    [
        (NotSentError("x", retry_after=timedelta(seconds=2)), NombaNotSentError),
        (OutcomeUnknownError("x"), NombaOutcomeUnknownError),
        (MalformedResponseError("x"), NombaMalformedResponseError),
        (TokenUnchangedError("x"), TokenUnchangedError),
        (NombaThrottledError("x", retry_after=timedelta(seconds=60)), NombaThrottledError),
    ],
)
@pytest.mark.parametrize("name", CALLS)
async def test_what_the_transport_raises_becomes_nombas(
    name: str, raised: NauthError, leaf: type[NauthError]
) -> None:
    """Kind and data stay; the class is Nomba's, and no chain leads back into the transport."""
    with pytest.raises(NauthError) as caught:
        await CALLS[name](_api(FakeTransport(raised)))
    assert type(caught.value) is leaf
    assert caught.value is not raised
    assert caught.value.retry_after == raised.retry_after
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


# --- as aiohttp is asked --------------------------------------------------------------------------------------------


@pytest.fixture
async def api() -> AsyncIterator[NombaApi]:
    transport = AiohttpTransport(clock=FakeClock(), user_agent="unused")
    yield NombaApi(base_url=_BASE, account_id=_ACCOUNT, auth=transport)
    await transport.aclose()


@pytest.mark.parametrize("name", CALLS)
async def test_aiohttp_is_asked_for_just_that(name: str, api: NombaApi) -> None:
    """The bytes, headers and options that reach aiohttp: no redirects, no exception for a status."""
    method, path, headers, wire = SENT[name]
    url = _BASE.with_path(path)
    with aioresponses() as nomba:
        nomba.add(str(url), method=method, body=GOOD[name], content_type="application/json")
        await CALLS[name](api)
        ((asked,),) = nomba.requests.values()
    assert list(nomba.requests) == [(method, url)]
    assert dict(asked.kwargs["headers"]) == headers
    assert (None if asked.kwargs["data"] is None else json.loads(asked.kwargs["data"])) == wire
    assert (asked.kwargs["allow_redirects"], asked.kwargs["raise_for_status"]) == (False, False)
    assert "ssl" not in asked.kwargs


@pytest.mark.parametrize(
    "name, status, wire, leaf",
    [
        pytest.param(name, status, wire, leaf, id=f"{name}-{number}-{status}")
        for number, (status, wire, leaves) in enumerate(BODIES)
        for name, leaf in zip(CALLS, leaves, strict=True)
        if leaf is not None
    ],
)
async def test_every_error_body_through_aiohttp(
    name: str, status: int, wire: bytes, leaf: type[NombaError], api: NombaApi
) -> None:
    """The same table on aiohttp's own answers, with the wait and the request id from the headers."""
    method, path, _, _ = SENT[name]
    with aioresponses() as nomba:
        nomba.add(
            str(_BASE.with_path(path)),
            method=method,
            status=status,
            body=wire,
            headers={"Retry-After": "7", "X-Request-Id": "req-1"},
        )
        with pytest.raises(NombaError) as refused:
            await CALLS[name](api)
    assert type(refused.value) is leaf
    if leaf is not NombaRefreshRefusedError:
        assert (refused.value.status, refused.value.request_id) == (status, "req-1")
    assert refused.value.retry_after == (
        timedelta(seconds=7) if issubclass(leaf, NombaUnavailableError) else None
    )
    assert leaks(refused.value, [*_CANARIES, "CANARY"]) == []


@pytest.mark.parametrize(
    "raised, leaf",
    [
        (aiohttp.ServerDisconnectedError(f"{_SECRET}"), NombaUnavailableError),
        (aiohttp.ClientConnectorDNSError(None, OSError(_SECRET)), NombaNotSentError),  # type: ignore[arg-type]  # no key needed
        (TimeoutError(_SECRET), NombaUnavailableError),
        (aiohttp.ClientPayloadError(_SECRET), NombaUnavailableError),
    ],
)
@pytest.mark.parametrize("name", CALLS)
async def test_every_failure_of_aiohttp(
    name: str, raised: Exception, leaf: type[NombaError], api: NombaApi
) -> None:
    """A failure is told by its kind; aiohttp's text, headers and body go no further."""
    method, path, _, _ = SENT[name]
    with aioresponses() as nomba:
        nomba.add(str(_BASE.with_path(path)), method=method, exception=raised)
        with pytest.raises(NombaError) as failed:
            await CALLS[name](api)
    assert isinstance(failed.value, leaf)
    assert leaks(failed.value, _CANARIES) == []


def test_a_request_shows_nothing() -> None:
    """What a debugger or tracker prints of the request in flight hides headers and body."""
    shown = repr(Request(method="POST", url=_BASE, headers={"Authorization": _ACCESS}, body=_SECRET.encode()))
    assert not any(canary in shown for canary in _CANARIES)
    assert _ACCESS not in repr(Answer(status=200, body=_ACCESS.encode(), sent_wall=0, sent_mono=0))


async def test_a_secret_that_is_repeated() -> None:
    """No words of Nomba's are quoted that hold what was sent, however short that is."""
    said = {"code": "400", "description": "cannot use hunter2 here"}
    api = NombaApi(base_url=_BASE, account_id=_ACCOUNT, auth=FakeTransport(otherwise=answer(400, said)))
    old = Token(access_token=Secret("hunter2"), refresh_token=Secret("hunter2"))
    for call in (
        api.issue_token(IssueTokenRequest(client_id="id", client_secret=Secret("hunter2"))),
        api.refresh_token(RefreshTokenRequest(refresh_token=Secret("hunter2")), bearer=old),
        api.revoke_token(RevokeTokenRequest(client_id="id", access_token=Secret("hunter2"))),
    ):
        with pytest.raises(NombaError) as refused:
            await call
        assert "hunter2" not in f"{refused.value} {vars(refused.value)}"
