"""What each endpoint sends, and what each answer means, on a fake transport."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest
from yarl import URL

from nauth.errors import MalformedResponseError, NotSentError, OutcomeUnknownError, VendorUnavailableError
from nauth.token import Token
from nauth.transport.base import Request
from nomadauth import (
    ConfigurationError,
    LoginRequest,
    LogoutRequest,
    NomadApi,
    NomadBadRequestError,
    NomadCredentialsRejectedError,
    NomadError,
    NomadMalformedResponseError,
    NomadNotFoundError,
    NomadNotSentError,
    NomadOutcomeUnknownError,
    NomadRefreshRefusedError,
    NomadTokenRefusedError,
    NomadUnavailableError,
    PingRequest,
    PingStatus,
    RefreshTokenRequest,
    Secret,
)
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_BASE = URL("https://admin-app.example.com/api")
_PASSWORD, _REFRESH, _ACCESS = "CANARY-PW", "CANARY-RT", "CANARY-AT"
_CANARIES = [_PASSWORD, _REFRESH, _ACCESS]
_OLD = Token(access_token=Secret(_ACCESS), refresh_token=Secret(_REFRESH))
_COMMON = {"accept": "application/json", "user-agent": "nauth (nomadauth)"}

Call: TypeAlias = Callable[[NomadApi], Awaitable[Any]]


async def _login(api: NomadApi) -> Any:
    return await api.login(LoginRequest(user_name="u", password=Secret(_PASSWORD)))


async def _refresh(api: NomadApi) -> Any:
    return await api.refresh_token(RefreshTokenRequest(refresh_token=Secret(_REFRESH)))


async def _renew(api: NomadApi) -> Any:
    return await api.renew_sso("azure", RefreshTokenRequest(refresh_token=Secret(_REFRESH)), bearer=_OLD)


async def _logout(api: NomadApi) -> Any:
    return await api.logout(LogoutRequest(user_session_id="s-1"), bearer=_OLD)


async def _ping(api: NomadApi) -> Any:
    return await api.ping(PingRequest(user_session_id="s-1"))


async def _callback(api: NomadApi) -> Any:
    return await api.sso_callback("azure", code=Secret(_ACCESS), state="x")


CALLS: dict[str, Call] = {
    "login": _login,
    "refresh": _refresh,
    "renew": _renew,
    "logout": _logout,
    "ping": _ping,
    "callback": _callback,
    "server_ping": lambda api: api.get_ping(),
    "ping_auth": lambda api: api.get_ping_auth(),
    "user": lambda api: api.get_user(),
}


def _sent(request: Request) -> tuple[str, str, Any, dict[str, str]]:
    body = None if request.body is None else json.loads(request.body)
    headers = {name.lower(): value for name, value in request.headers.items()}
    assert {name: headers.pop(name) for name in _COMMON} == _COMMON
    assert (headers.pop("content-type", None) == "application/json") == (body is not None)
    return request.method, str(request.url).removeprefix("https://admin-app.example.com"), body, headers


@pytest.mark.parametrize(
    "call, body, sent",
    [
        (
            "login",
            {"token": "t"},
            ("POST", "/api/account/login", {"userName": "u", "password": _PASSWORD}, {}),
        ),
        ("refresh", {"token": "t"}, ("POST", "/api/account/refresh-token", {"refreshToken": _REFRESH}, {})),
        ("renew", {"token": "t"}, ("POST", "/api/auth/azure/renew", {"refreshToken": _REFRESH}, {})),
        (
            "logout",
            b"",
            ("POST", "/api/account/logout", {"userSessionId": "s-1"}, {"authorization": f"Bearer {_ACCESS}"}),
        ),
        ("ping", {"pingStatus": 1}, ("POST", "/api/account/ping", {"userSessionId": "s-1"}, {})),
        ("server_ping", "Pong", ("GET", "/api/ping", None, {})),
        ("ping_auth", "Pong Auth", ("GET", "/api/ping/auth", None, {})),
        ("user", {"id": "1"}, ("GET", "/api/account/user", None, {})),
    ],
)
async def test_what_goes_out(call: str, body: object, sent: tuple[Any, ...]) -> None:
    """Method, address, body and headers of each call; login, refresh and renew carry no `Authorization`."""
    transport = FakeTransport(answer(200, body))
    await CALLS[call](NomadApi(base_url=_BASE, auth=transport))
    assert [_sent(request) for request in transport.requests] == [sent]


async def test_resources_travel_by_their_own_transport() -> None:
    """Calls that need a token use the transport that puts it on; the others do not."""
    auth, resources = FakeTransport(otherwise=answer(200, "Pong")), FakeTransport(otherwise=answer(200, {}))
    api = NomadApi(base_url=_BASE, auth=auth, resources=resources)
    assert (await api.get_ping()).data == "Pong"
    await api.ping(PingRequest(user_session_id="s"))
    await api.get_user()
    assert (len(auth.requests), len(resources.requests)) == (1, 2)


@pytest.mark.parametrize(
    "extra, repeatable",
    [({}, True), ({"token": Secret("1")}, False), ({"new_password": Secret("n")}, False)],
)
async def test_a_code_is_not_sent_twice(extra: dict[str, Any], repeatable: bool) -> None:
    """A login may be repeated if its answer is lost; one with a code or a new password may not."""
    transport = FakeTransport(answer(200, {"token": "t"}))
    api = NomadApi(base_url=_BASE, auth=transport)
    await api.login(LoginRequest(user_name="u", password=Secret("p"), **extra))
    assert transport.requests[0].repeatable is repeatable


@pytest.mark.parametrize("second", [200, 400, 401, 403, 404, 503])
async def test_a_renewal_is_tried_once_more_with_the_last_token(second: int) -> None:
    """Only after a 401; the second answer counts."""
    transport = FakeTransport(answer(401), answer(second, {"token": "t"}))
    api = NomadApi(base_url=_BASE, auth=transport)
    if second == 200:
        assert (await _renew(api)).data.token == Secret("t")
    else:
        leaf = NomadUnavailableError if second == 503 else NomadRefreshRefusedError
        with pytest.raises(leaf) as refused:
            await _renew(api)
        assert leaks(refused.value, _CANARIES) == []
    assert ["Authorization" in request.headers for request in transport.requests] == [False, True]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_another_refusal_is_final(status: int) -> None:
    """No second try, and no token sent."""
    transport = FakeTransport(answer(status))
    with pytest.raises(NomadRefreshRefusedError):
        await _renew(NomadApi(base_url=_BASE, auth=transport))
    assert len(transport.requests) == 1


@pytest.mark.parametrize("call", ["refresh", "renew"])
@pytest.mark.parametrize(
    "body",
    [{}, {"token": None}, {"token": " "}, {"loginStatus": "IsDisabled"}, {"token": 5}, [], "text", None],
)
async def test_a_success_without_a_token_is_a_refusal(call: str, body: object) -> None:
    """JSON that holds no new token: the refresh token is of no more use."""
    with pytest.raises(NomadRefreshRefusedError) as refused:
        await CALLS[call](NomadApi(base_url=_BASE, auth=FakeTransport(answer(200, body))))
    assert leaks(refused.value, _CANARIES) == []
    assert refused.value.status == 200


@pytest.mark.parametrize("call", ["refresh", "renew"])
@pytest.mark.parametrize("given", [answer(200, b"<html>"), answer(200, b""), answer(302)])
async def test_what_is_no_json_is_a_doubt(call: str, given: Any) -> None:
    """A proxy's page refuses nothing: no login is spent on it."""
    with pytest.raises(NomadMalformedResponseError):
        await CALLS[call](NomadApi(base_url=_BASE, auth=FakeTransport(given)))


@pytest.mark.parametrize(
    "raised, leaf",
    [
        (NotSentError("x"), NomadNotSentError),
        (VendorUnavailableError("x"), NomadUnavailableError),
        (OutcomeUnknownError("x"), NomadOutcomeUnknownError),
        (MalformedResponseError("x"), NomadMalformedResponseError),
        (ConfigurationError("x"), ConfigurationError),
    ],
)
@pytest.mark.parametrize("call", CALLS)
async def test_a_failed_transport_is_never_a_wrong_password(
    call: str, raised: Exception, leaf: type[Exception]
) -> None:
    """Refused connections and lost answers keep their kind, as Nomad's own classes."""
    with pytest.raises(leaf) as failed:
        await CALLS[call](NomadApi(base_url=_BASE, auth=FakeTransport(raised)))
    assert type(failed.value) is leaf
    assert leaks(failed.value, _CANARIES) == []


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 418, 429, 500, 503])
async def test_no_refusal_shows_a_secret(call: str, status: int) -> None:
    """Whatever Nomad echoes, no text, data, chain or frame shows what was sent."""
    echo = {"message": f"{_PASSWORD} {_REFRESH} {_ACCESS}", "token": _ACCESS}
    transport = FakeTransport(otherwise=answer(status, echo))
    with pytest.raises(NomadError) as refused:
        await CALLS[call](NomadApi(base_url=_BASE, auth=transport))
    own = {
        "login": [_PASSWORD],
        "refresh": [_REFRESH],
        "renew": [_REFRESH],
        "callback": [_ACCESS],
        "logout": [_ACCESS],
    }
    assert leaks(refused.value, own.get(call, [])) == []


@pytest.mark.parametrize("name", ["Location", "location", "LOCATION"])
@pytest.mark.parametrize("state", [None, "x"])
async def test_the_callback_leg(name: str, state: str | None) -> None:
    """Code and state go out as query, the tokens come back in the redirect, which is not followed."""
    where = f"https://portal.example.com/?authCallback=1&azure_token={_ACCESS}&azure_refresh_token={_REFRESH}&expires=60"
    transport = FakeTransport(answer(302, headers={name: where}, sent_wall=1000.0))
    api = NomadApi(base_url=_BASE, auth=transport)
    found = await api.sso_callback("azure", code=Secret("c"), state=state, session_state=state)
    assert (found.token, found.refresh_token) == (Secret(_ACCESS), Secret(_REFRESH))
    assert found.expires_at is not None
    assert found.expires_at.timestamp() == 1060
    query = transport.requests[0].url.query
    assert dict(query) == {"code": "c"} | ({} if state is None else {"state": "x", "session_state": "x"})


@pytest.mark.parametrize(
    "given, leaf",
    [
        (answer(302), NomadMalformedResponseError),
        (answer(302, headers={"Location": "/?x=CANARY-AT"}), NomadMalformedResponseError),
        (answer(200, b"<html>"), NomadMalformedResponseError),
        (answer(400), NomadCredentialsRejectedError),
        (answer(500), NomadUnavailableError),
    ],
)
async def test_a_callback_without_tokens(given: Any, leaf: type[NomadError]) -> None:
    """No redirect, or one without tokens, is typed and shows neither code nor address."""
    with pytest.raises(leaf) as refused:
        await _callback(NomadApi(base_url=_BASE, auth=FakeTransport(given)))
    assert type(refused.value) is leaf
    assert leaks(refused.value, _CANARIES) == []


async def test_the_sign_on_may_live_elsewhere() -> None:
    """With the setting, ``/auth`` hangs below that address."""
    transport = FakeTransport(answer(200, {"token": "t"}))
    await _renew(NomadApi(base_url=_BASE, auth=transport, sso_base_url="https://sso.example.com/"))
    assert str(transport.requests[0].url) == "https://sso.example.com/auth/azure/renew"


async def test_typed_answers() -> None:
    """Statuses and users are records; a dead token and a missing call are errors of their own."""
    transport = FakeTransport(
        answer(200, {"pingStatus": "SessionReplaced"}),
        answer(200, {"email": "e", "isAdmin": True}),
        answer(401),
        answer(404, b"<html>"),
        answer(400, b""),
    )
    api = NomadApi(base_url=_BASE, auth=transport)
    assert (await _ping(api)).data.ping_status is PingStatus.SESSION_DEACTIVATED
    user = (await api.get_user()).data
    assert (user.email, user.is_admin) == ("e", True)
    for leaf in (NomadTokenRefusedError, NomadNotFoundError, NomadBadRequestError):
        with pytest.raises(leaf):
            await api.get_user()
