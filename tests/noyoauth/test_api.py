"""What each endpoint sends, and what each answer means: on a fake transport, and as bytes on a socket."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeAlias

import pytest
from yarl import URL

from nauth.errors import (
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
    VendorUnavailableError,
)
from nauth.testing import FakeClock
from nauth.transport.aiohttp import AiohttpTransport
from noyoauth import (
    IssueTokenRequest,
    ListGroupsRequest,
    NoyoApi,
    NoyoConflictError,
    NoyoCredentials,
    NoyoCredentialsRejectedError,
    NoyoError,
    NoyoMalformedResponseError,
    NoyoNotSentError,
    NoyoOutcomeUnknownError,
    NoyoThrottledError,
    NoyoUnavailableError,
)
from noyoauth.sandbox.data import group
from tests.support.leaks.errors import leaks
from tests.support.transport import FakeTransport, answer

_BASE, _TOKENS = URL("https://fulfillment.noyo.com"), URL("https://accounts.noyo.com/auth/public/token")
_SECRET = "CANARY:%2B+/=" + "s" * 20
_CREDENTIALS = NoyoCredentials(client_id="id-1", client_secret=_SECRET)
_BASIC = "Basic " + base64.b64encode(f"id-1:{_SECRET}".encode()).decode()
_CANARIES = [_SECRET, _BASIC.removeprefix("Basic ")]
_COMMON = {"Accept": "application/json", "User-Agent": "nauth (noyoauth)"}
_GOOD: dict[str, Any] = {
    "issue": {"access_token": "t", "expires_in": 864000, "token_type": "Bearer"},
    "groups": {
        "meta": {"offset": 0, "page_num": 1, "page_size": 5, "total_records": 1},
        "response": [group(1)],
    },
}

Call: TypeAlias = Callable[[NoyoApi], Awaitable[Any]]


async def _issue(api: NoyoApi) -> Any:
    return await api.issue_token(IssueTokenRequest(), credentials=_CREDENTIALS)


async def _groups(api: NoyoApi) -> Any:
    return await api.list_groups(ListGroupsRequest(page_size=5, offset=10))


CALLS: dict[str, Call] = {"issue": _issue, "groups": _groups}


def _api(transport: FakeTransport) -> NoyoApi:
    return NoyoApi(base_url=_BASE, token_url=_TOKENS, environment="live", auth=transport)


async def test_the_token_request_is_exactly_the_documented_one() -> None:
    """JSON with one member, the pair in Basic, and nothing else."""
    transport = FakeTransport(answer(200, _GOOD["issue"]))
    await _issue(_api(transport))
    (sent,) = transport.requests
    assert (sent.method, sent.url) == ("POST", _TOKENS)
    assert dict(sent.headers) == _COMMON | {"Content-Type": "application/json", "Authorization": _BASIC}
    assert json.loads(sent.body or b"") == {"grant_type": "client_credentials"}
    assert sent.repeatable


async def test_the_list_is_asked_for_by_offset() -> None:
    """Size and offset go into the query; without a request the documented defaults do."""
    transport = FakeTransport(otherwise=answer(200, _GOOD["groups"]))
    reply = await _groups(_api(transport))
    await _api(transport).list_groups()
    first, second = transport.requests
    assert (first.method, first.body, dict(first.headers)) == ("GET", None, _COMMON)
    assert str(first.url) == "https://fulfillment.noyo.com/api/v1/groups?page_size=5&offset=10"
    assert str(second.url) == "https://fulfillment.noyo.com/api/v1/groups?page_size=20&offset=0"
    assert [found.name for found in reply.data.response] == ["Sandbox Group"]


async def test_a_base_url_with_a_path_keeps_it() -> None:
    """A proxy may serve Noyo below a prefix."""
    transport = FakeTransport(answer(200, _GOOD["groups"]))
    api = NoyoApi(base_url=URL("https://p.example.com/noyo"), token_url=_TOKENS, auth=transport)
    await _groups(api)
    assert transport.requests[0].url.path == "/noyo/api/v1/groups"


async def test_a_separate_transport_carries_resources() -> None:
    """The token call goes one way, what needs a token the other."""
    auth, resources = FakeTransport(answer(200, _GOOD["issue"])), FakeTransport(answer(200, _GOOD["groups"]))
    api = NoyoApi(base_url=_BASE, token_url=_TOKENS, auth=auth, resources=resources)
    await _issue(api)
    await _groups(api)
    assert (auth.left, resources.left) == (0, 0)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "failure, leaf",
    [
        (NotSentError("x"), NoyoNotSentError),
        (VendorUnavailableError("x"), NoyoUnavailableError),
        (OutcomeUnknownError("x"), NoyoOutcomeUnknownError),
        (MalformedResponseError("x", problems=("p",)), NoyoMalformedResponseError),
        (NoyoThrottledError("x"), NoyoThrottledError),
    ],
)
async def test_what_the_transport_raises_becomes_noyos(
    name: str, failure: NauthError, leaf: type[NoyoError]
) -> None:
    """Kind, text and data stay; the class is Noyo's."""
    with pytest.raises(leaf) as failed:
        await CALLS[name](_api(FakeTransport(failure)))
    assert type(failed.value) is leaf
    assert leaks(failed.value, _CANARIES) == []


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 405, 409, 415, 418, 422, 429, 500, 502, 503])
@pytest.mark.parametrize(
    "wire", [b"", b"<html>CANARY:", {"message": _SECRET}, {"message": _SECRET, "status": _SECRET}]
)
async def test_no_refusal_shows_a_secret(name: str, status: int, wire: Any) -> None:
    """Even where the answer repeats what was sent; place and environment are named."""
    with pytest.raises(NoyoError) as refused:
        await CALLS[name](_api(FakeTransport(answer(status, wire))))
    assert leaks(refused.value, _CANARIES) == []
    assert ("accounts" if name == "issue" else "fulfillment") + ".noyo.com" in str(refused.value)
    assert "environment live" in str(refused.value)
    assert refused.value.status == status


async def test_the_environment_may_be_unsaid() -> None:
    """With an address of one's own it is unknown which one it is, and the error does not pretend."""
    api = NoyoApi(base_url=_BASE, token_url=_TOKENS, auth=FakeTransport(answer(409)))
    with pytest.raises(NoyoConflictError, match="environment not stated"):
        await _groups(api)


@pytest.mark.parametrize(
    "header, wait_s",
    [("120", 120), ("Thu, 02 Jul 2026 00:02:00 GMT", 120), ("soon", None), (None, None), ("86400", 600)],
)
@pytest.mark.parametrize("status, leaf", [(503, NoyoUnavailableError), (429, NoyoThrottledError)])
async def test_each_form_of_retry_after_is_carried(
    header: str | None, wait_s: int | None, status: int, leaf: type[NoyoError]
) -> None:
    """Seconds and dates say the same; what cannot be read says nothing; no answer is believed beyond ten minutes."""
    headers = {"Date": "Thu, 02 Jul 2026 00:00:00 GMT"} | ({"Retry-After": header} if header else {})
    with pytest.raises(leaf) as refused:
        await _groups(_api(FakeTransport(answer(status, b"<html>", headers=headers))))
    assert type(refused.value) is leaf
    assert refused.value.retry_after == (None if wait_s is None else timedelta(seconds=wait_s))


async def test_the_bytes_on_the_wire() -> None:
    """As a server reads them: plain base64, a JSON body of one member, no form, no redirect followed."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head + await reader.readexactly(len(b'{"grant_type":"client_credentials"}')))
        writer.write(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/auth/public/token")
    transport = AiohttpTransport(clock=FakeClock(), user_agent="x")
    async with server:
        with pytest.raises(NoyoCredentialsRejectedError):
            await _issue(NoyoApi(base_url=_BASE, token_url=url, auth=transport))
        await transport.aclose()
    (request,) = seen
    lines = request.split(b"\r\n")
    assert lines[0] == b"POST /auth/public/token HTTP/1.1"
    assert b"Authorization: " + _BASIC.encode() in lines
    assert b"Content-Type: application/json" in lines
    assert b"Accept: application/json" in lines
    assert lines[-1] == b'{"grant_type":"client_credentials"}'
