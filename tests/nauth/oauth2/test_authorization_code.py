"""A person's sign-in: the address, the callback, the exchange, and what becomes of it in a manager."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl

import pytest
from yarl import URL

from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    RequestRejectedError,
    VendorUnavailableError,
)
from nauth.manager.token_manager import TokenManager
from nauth.oauth2 import PKCE, AuthorizationCode, TokenEndpoint
from nauth.oauth2.callback import Awaited, new_state
from nauth.secret import Secret
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from nauth.token import Token
from tests.support.transport import FakeTransport, answer

_AUTHORIZE = "https://auth.example.com/authorize?tenant=1&state=fixed"
_FIRST = answer(200, {"access_token": "at-1", "refresh_token": "rt-1", "expires_in": 3600})
_SECOND = answer(200, {"access_token": "at-2", "refresh_token": "rt-2", "expires_in": 3600})
_REFUSED = answer(400, {"error": "invalid_grant"})
_BAD_CLIENT = answer(401, {"error": "invalid_client"})


class _Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(clock=self.clock)
        self.managers: list[TokenManager] = []

    def code(self, **options: Any) -> AuthorizationCode:
        endpoint = TokenEndpoint(
            "https://auth.example.com/token", client_id="id", client_secret="s", transport=self.transport
        )
        given = {"authorization_url": _AUTHORIZE, "redirect_uri": "https://app.example/cb"} | options
        return AuthorizationCode(endpoint, **given)

    def manager(self, code: AuthorizationCode) -> TokenManager:
        endpoint = TokenEndpoint("https://auth.example.com/token", client_id="id", transport=self.transport)
        made = TokenManager(
            code, key=endpoint.key("x"), store=MemoryStore(clock=self.clock), clock=self.clock
        )
        self.managers.append(made)
        return made

    def sent(self, number: int = -1) -> dict[str, str]:
        return dict(parse_qsl((self.transport.requests[number].body or b"").decode()))


@pytest.fixture
async def stage() -> AsyncIterator[_Stage]:
    """A fake server, and managers that close with the test."""
    made = _Stage()
    yield made
    for manager in made.managers:
        await manager.aclose()


def _query(url: str) -> dict[str, str]:
    return dict(parse_qsl(URL(url).raw_query_string))


def _back(code: AuthorizationCode, **members: str) -> str:
    """The address a person comes back to."""
    state = _query(code.authorization_url())["state"]
    return str(URL("https://app.example/cb").with_query({"code": "CANARY-code", "state": state} | members))


# --- the address -----------------------------------------------------------------------------------------------------


def test_the_address_has_all_that_the_rfcs_ask_for(stage: _Stage) -> None:
    """Merged with the door's own query; ours win, and each address has a state of its own."""
    code = stage.code(scope="a b")
    first, second = (code.authorization_url({"prompt": "login", "state": "mine"}) for _ in range(2))
    query = _query(first)
    assert {
        name: query[name]
        for name in ("tenant", "prompt", "response_type", "client_id", "redirect_uri", "scope")
    } == {
        "tenant": "1",
        "prompt": "login",
        "response_type": "code",
        "client_id": "id",
        "redirect_uri": "https://app.example/cb",
        "scope": "a b",
    }
    assert query["code_challenge_method"] == "S256"
    assert len(query["state"]) >= 43
    assert query["state"] != _query(second)["state"]
    assert "2 sign-ins" in repr(code)


def test_pkce_scope_and_redirect_may_be_left_out(stage: _Stage) -> None:
    """A server that knows none of them sees none of them."""
    query = _query(stage.code(pkce=False, redirect_uri=None).authorization_url())
    assert not {"code_challenge", "code_challenge_method", "scope", "redirect_uri"} & set(query)


# --- the callback ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{0}", "{0}#fragment", "?{1}", "{1}", " {0}\n", "/cb?{1}"])
async def test_every_form_of_the_callback(stage: _Stage, form: str) -> None:
    """The whole address or its query alone; the verifier goes with the code it belongs to."""
    code = stage.code()
    whole = _back(code)
    code.accept(form.format(whole, whole.partition("?")[2]))
    stage.transport.queue(_FIRST)
    assert (await code.issue()).refresh_token == Secret("rt-1")
    sent = stage.sent()
    assert {
        "grant_type": "authorization_code",
        "code": "CANARY-code",
        "redirect_uri": "https://app.example/cb",
    }.items() <= sent.items()
    assert PKCE(sent["code_verifier"]).challenge
    assert not stage.transport.requests[0].repeatable


@pytest.mark.parametrize("kind", [URL, Secret])
def test_a_callback_may_come_as_url_or_secret(stage: _Stage, kind: type[URL | Secret]) -> None:
    """Frameworks hand over either."""
    code = stage.code(pkce=False)
    code.accept(kind(_back(code)))
    assert code.pending


@pytest.mark.parametrize(
    "members, kind",
    [
        ({"state": "forged"}, InteractionRequiredError),
        ({"state": ""}, InteractionRequiredError),
        ({"state": "é\udc80"}, InteractionRequiredError),
        ({"code": ""}, MalformedResponseError),
        ({"error": "access_denied", "error_description": "CANARY" * 9}, InteractionRequiredError),
        ({"error": "login_required"}, InteractionRequiredError),
        ({"error": "invalid_scope"}, RequestRejectedError),
        ({"error": "unauthorized_client"}, CredentialsRejectedError),
        ({"error": "temporarily_unavailable"}, VendorUnavailableError),
        ({"error": "made_up"}, RequestRejectedError),
        ({"error": "no code at all é"}, RequestRejectedError),
    ],
)
def test_a_callback_without_a_usable_code(
    stage: _Stage, members: dict[str, str], kind: type[NauthError]
) -> None:
    """Typed by its error; a foreign state is refused before anything else is looked at; nothing is quoted."""
    code = stage.code()
    state = _query(code.authorization_url())["state"]
    pairs = {"code": "CANARY-code", "state": state} | members
    with pytest.raises(NauthError) as refused:
        code.accept("&".join(f"{name}={value}" for name, value in pairs.items()))
    assert type(refused.value) is kind
    assert "CANARY" not in f"{refused.value!r} {vars(refused.value)}"
    assert not code.pending


def test_a_parameter_that_stands_twice(stage: _Stage) -> None:
    """RFC 6749 section 3.1: it must not; other parameters may."""
    code = stage.code()
    with pytest.raises(MalformedResponseError, match="twice"):
        code.accept(f"{_back(code)}&code=other")
    code.accept(f"{_back(code)}&x=1&x=2")


@pytest.mark.parametrize("callback", [None, 7, b"code=1", "x" * 20_000])
def test_what_is_no_callback(stage: _Stage, callback: Any) -> None:
    """Another type, or a whole page, is the caller's mistake."""
    with pytest.raises(ConfigurationError, match="callback"):
        stage.code().accept(callback)


@pytest.mark.parametrize("callback", ["https://app.example/cb", "", "code=1"])
def test_a_callback_without_state(stage: _Stage, callback: str) -> None:
    """No state is a wrong state."""
    with pytest.raises(InteractionRequiredError, match="state"):
        stage.code().accept(callback)


def test_a_state_is_good_once(stage: _Stage) -> None:
    """The second use of a callback is refused, even before the code was sent."""
    code = stage.code()
    callback = _back(code)
    code.accept(callback)
    with pytest.raises(InteractionRequiredError, match="used before"):
        code.accept(callback)


def test_a_dropped_sign_in_is_told_so(caplog: pytest.LogCaptureFixture) -> None:
    """Beyond the bound the oldest sign-in is dropped: a warning says so then, and an error when its person comes back."""
    awaited, states = Awaited(most=2), [new_state() for _ in range(5)]
    for state in states:
        awaited.add(state, None)
    assert len(awaited) == 2
    assert len(caplog.records) == 3
    for state in states[1:3]:
        with pytest.raises(InteractionRequiredError, match="dropped because 2 newer ones"):
            awaited.take(state)
    # of the dropped ones, too, no more are remembered than the bound
    with pytest.raises(InteractionRequiredError, match="another process"):
        awaited.take(states[0])
    assert awaited.take(states[4]) is None


def test_a_thousand_visits_drop_none(stage: _Stage) -> None:
    """A sign-in page that is visited often keeps each person's sign-in."""
    code = stage.code()
    first = _back(code)
    for _ in range(1000):
        code.authorization_url()
    code.accept(first)
    assert code.pending


# --- in a manager ----------------------------------------------------------------------------------------------------


async def test_without_a_code_a_person_is_asked_for(stage: _Stage) -> None:
    """The error says where to sign in; nothing is sent."""
    manager = stage.manager(stage.code())
    with pytest.raises(InteractionRequiredError, match=r"auth\.example\.com.*exchange\(\)"):
        await manager.token()
    assert stage.transport.requests == []


async def test_exchange_ends_the_cool_down(stage: _Stage) -> None:
    """After callers were told that a person must sign in, and one has, no caller waits out the cool-down."""
    code = stage.code()
    manager = stage.manager(code)
    with pytest.raises(InteractionRequiredError):
        await manager.token()
    stage.transport.queue(_FIRST)
    token = await code.exchange(_back(code), manager)
    assert (await manager.token()).same_access(token)
    assert not code.pending


async def test_a_new_sign_in_replaces_the_old_session(stage: _Stage) -> None:
    """The old refresh token is neither sent nor kept, though the new answer has none."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_FIRST, answer(200, {"access_token": "at-3"}))
    await code.exchange(_back(code), manager)
    token = await code.exchange(_back(code), manager)
    assert (token.access_token.reveal(), token.refresh_token) == ("at-3", None)
    assert [stage.sent(n)["grant_type"] for n in (0, 1)] == ["authorization_code"] * 2


async def test_a_renewal_under_way_does_not_swallow_the_code(stage: _Stage) -> None:
    """It began before the code was there, so it is followed by one that sends it."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_FIRST)
    await code.exchange(_back(code), manager)
    gate = asyncio.Event()

    async def slowly(_: object) -> Any:
        await gate.wait()
        return _SECOND

    stage.transport.queue(slowly, answer(200, {"access_token": "at-3"}))
    refreshing = asyncio.create_task(manager.renew())
    while len(stage.transport.requests) < 2:  # noqa: ASYNC110 - turns of the loop, no time
        await asyncio.sleep(0)
    exchanging = asyncio.create_task(code.exchange(_back(code), manager))
    await asyncio.sleep(0)
    gate.set()
    assert (await refreshing).access_token.reveal() == "at-2"
    assert (await exchanging).access_token.reveal() == "at-3"


async def test_renewals_that_fail_before_the_code_is_sent(stage: _Stage) -> None:
    """Their failure is not the exchange's; after three the code is kept, and the error says so."""
    code = stage.code()
    manager = stage.manager(code)

    class Busy:
        async def renew(self) -> Token:
            raise VendorUnavailableError("busy")

        forgive = manager.forgive

    with pytest.raises(VendorUnavailableError, match="kept"):
        await code.exchange(_back(code), Busy())  # type: ignore[arg-type]  # as much of a manager as is needed
    assert code.pending


async def test_a_refused_code_asks_for_a_person_again(stage: _Stage) -> None:
    """The code is spent either way; the next renewal sends nothing."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_REFUSED)
    with pytest.raises(InteractionRequiredError, match="code was refused"):
        await code.exchange(_back(code), manager)
    assert not code.pending
    assert len(stage.transport.requests) == 1


async def test_a_code_that_never_left_is_kept(stage: _Stage) -> None:
    """Without a connection the server has not seen the code: the next renewal sends it."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(NotSentError("no route"), _FIRST)
    with pytest.raises(NotSentError):
        await code.exchange(_back(code), manager)
    assert code.pending
    assert (await code.issue()).access_token.reveal() == "at-1"


async def test_refresh_rotates_and_is_sent_once(stage: _Stage) -> None:
    """A rotating refresh token must not be repeated: seen twice it is taken for stolen."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_FIRST, _SECOND)
    await code.exchange(_back(code), manager)
    token = await manager.renew()
    assert token.refresh_token == Secret("rt-2")
    assert stage.sent() == {"grant_type": "refresh_token", "refresh_token": "rt-1"}
    assert not stage.transport.requests[1].repeatable


@pytest.mark.parametrize(
    "refused, kind, words",
    [(_REFUSED, InteractionRequiredError, "sign in"), (_BAD_CLIENT, CredentialsRejectedError, "client id")],
)
async def test_a_refused_refresh(stage: _Stage, refused: Any, kind: type[NauthError], words: str) -> None:
    """A dead consent needs the person; a refused client needs its owner, whom no person can replace."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_FIRST, refused)
    await code.exchange(_back(code), manager)
    with pytest.raises(kind, match=words):
        await manager.renew()


async def test_the_person_is_told_what_the_server_said(stage: _Stage) -> None:
    """The error that asks for a person holds the refusal's code and words, and the dead token is sent once."""
    code = stage.code()
    manager = stage.manager(code)
    stage.transport.queue(_FIRST, answer(400, {"error": "bad_refresh_token", "error_description": "too old"}))
    await code.exchange(_back(code), manager)
    for _ in range(3):
        with pytest.raises(InteractionRequiredError, match="bad_refresh_token: too old") as refused:
            await manager.renew()
        assert (refused.value.status, refused.value.code, refused.value.detail) == (
            400,
            "bad_refresh_token",
            "too old",
        )
        assert refused.value.__context__ is None
        manager.forgive()
    assert len(stage.transport.requests) == 2
    stage.transport.queue(answer(200, {"access_token": "at-3", "refresh_token": "rt-3"}), _SECOND)
    await code.exchange(_back(code), manager)
    assert (await manager.renew()).refresh_token == Secret("rt-2")


@pytest.mark.parametrize("bare", [answer(400, b"<html>"), answer(401), answer(403), answer(404)])
@pytest.mark.parametrize("held", [True, False])
async def test_a_gateway_does_not_end_a_sign_in(stage: _Stage, held: bool, bare: Any) -> None:
    """A refusal without the protocol's code ends no refresh token, be it held or given at the start."""
    code = stage.code(refresh_token=None if held else "rt-1")
    manager = stage.manager(code)
    if held:
        stage.transport.queue(_FIRST)
        await code.exchange(_back(code), manager)
    stage.transport.queue(bare, _SECOND)
    with pytest.raises(NauthError):
        await manager.renew()
    manager.forgive()
    assert (await manager.renew()).refresh_token == Secret("rt-2")
    assert stage.sent() == {"grant_type": "refresh_token", "refresh_token": "rt-1"}


async def test_further_fields_go_with_code_and_refresh_token(stage: _Stage) -> None:
    """On every token call of the grant; the grant's own fields cannot be replaced."""
    more = {"resource": "https://a"}
    code = stage.code(parameters=more)
    manager = stage.manager(code)
    stage.transport.queue(_FIRST, _SECOND, _FIRST)
    await code.exchange(_back(code), manager)
    await manager.renew()
    await stage.code(parameters=more, refresh_token="rt-0").issue()
    assert [stage.sent(n)["resource"] for n in range(3)] == ["https://a"] * 3
    with pytest.raises(ConfigurationError, match="code, refresh_token"):
        stage.code(parameters={"refresh_token": "x", "code": "y"})


async def test_revocation_goes_to_the_endpoint(stage: _Stage) -> None:
    """Without a revocation URL it is refused before anything is sent."""
    with pytest.raises(ConfigurationError, match="revocation_url"):
        await stage.code().revoke(Token(access_token=Secret("at-1")))


# --- a refresh token from before -------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["rt-0", Secret("rt-0")])
async def test_a_refresh_token_from_before_needs_no_person(stage: _Stage, given: str | Secret) -> None:
    """It is exchanged by the first issue, once; one that comes back without a successor stays good."""
    stage.transport.queue(answer(200, {"access_token": "at-1"}))
    code = stage.code(refresh_token=given)
    token = await code.issue()
    assert token.refresh_token == Secret("rt-0")
    assert stage.sent() == {"grant_type": "refresh_token", "refresh_token": "rt-0"}
    with pytest.raises(InteractionRequiredError):
        await code.issue()


async def test_a_refused_refresh_token_from_before(stage: _Stage) -> None:
    """Refused for good it is forgotten; a refused client or an outage leaves it for the next try."""
    code = stage.code(refresh_token="rt-0")
    stage.transport.queue(_BAD_CLIENT, answer(503, b""), _REFUSED)
    for kind in (
        CredentialsRejectedError,
        VendorUnavailableError,
        InteractionRequiredError,
        InteractionRequiredError,
    ):
        with pytest.raises(kind):
            await code.issue()
    assert len(stage.transport.requests) == 3


async def test_a_later_refresh_token_supersedes_the_one_from_before(stage: _Stage) -> None:
    """What a store holds is newer: when it is refused, the old one is not tried, which a server would take for theft."""
    code = stage.code(refresh_token="rt-0")
    stage.transport.queue(_REFUSED)
    with pytest.raises(CredentialsRejectedError):
        await code.refresh(Token(access_token=Secret("a"), refresh_token=Secret("rt-9")))
    with pytest.raises(InteractionRequiredError):
        await code.issue()
    assert len(stage.transport.requests) == 1
