"""What every vendor's sandbox has: a memory of tokens, a guard before the endpoints, switches from annotations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar, Literal, TypeAlias, TypedDict

import pytest
from aiohttp import ClientSession, web

from nauth.errors import ConfigurationError
from nauth.secret import Secret
from nauth.testing import FakeClock, Route, VendorSandbox
from nauth.testing.issued_tokens import IssuedTokens, Session
from nauth.testing.jwt import signed_jwt
from nauth.testing.switches import Switchboard, switch_values
from nauth.testing.vendor_sandbox import Memory, bearer_token, body_digest
from nauth.wire import jwt

Life: TypeAlias = Literal["60", "short", "absent"]


class Options(TypedDict, total=False):
    """As vendors write them."""

    mode: Literal["a", "b"]
    life: Life | timedelta | float
    limit: str | timedelta


class _Vendor(VendorSandbox[str]):
    token_endpoints: ClassVar[Sequence[str]] = ("token",)

    def __init__(self, clock: FakeClock) -> None:
        super().__init__("as documented", clock=clock)
        self.memory: IssuedTokens[Session] = IssuedTokens(self.clock)

    def memories(self) -> Sequence[Memory]:
        return (self.memory,)

    def routes(self) -> Mapping[str, Route]:
        return {
            "token": ("POST", "/token", self._token),
            "echo": ("POST", "/echo", self.guarded(self._echo)),
        }

    def refuse(self, request: web.Request) -> web.Response | None:
        if not self.reject_all and self.memory.opens(bearer_token(request.headers) or ""):
            return None
        self.unauthorized += 1
        return web.Response(status=401)

    async def _token(self, request: web.Request) -> web.Response:
        self.memory.add_access("at", Session(), 60.0)
        return web.Response()

    async def _echo(self, request: web.Request) -> web.Response:
        return web.json_response(await body_digest(request))


@pytest.fixture
def clock() -> FakeClock:
    """Return the sandbox's clock."""
    return FakeClock()


async def test_a_guarded_endpoint_wants_a_live_token(clock: FakeClock) -> None:
    """No token, another scheme, a dead one and `reject_all` are refused and counted; a live one is served."""
    async with _Vendor(clock) as vendor, ClientSession() as http:

        async def status(authorization: str) -> int:
            headers = {"Authorization": authorization} if authorization else {}
            async with http.post(f"{vendor.base_url}/echo", headers=headers, data=b"four") as response:
                if response.status == 200:
                    assert await response.json() == {
                        "length": 4,
                        "sha256": hashlib.sha256(b"four").hexdigest(),
                    }
                return response.status

        assert (vendor.token_calls, vendor.live_tokens) == (0, 0)
        async with http.post(f"{vendor.base_url}/token"):
            pass
        assert (vendor.token_calls, vendor.live_tokens, vendor.refresh_reuses) == (1, 1, 0)
        assert [await status(sent) for sent in ("", "Basic at", "Bearer other", "Bearer at")] == [
            401,
            401,
            401,
            200,
        ]
        vendor.reject_all = True
        assert await status("Bearer at") == 401
        vendor.reject_all = False
        vendor.kill_sessions()
        assert await status("Bearer at") == 401
        assert (vendor.unauthorized, vendor.live_tokens, vendor.switches) == (5, 0, "as documented")


def test_a_memory_knows_what_is_dead(clock: FakeClock) -> None:
    """A token ends with its life, by being killed, or with its session; a token never handed out is unknown."""
    memory: IssuedTokens[Session] = IssuedTokens(clock)
    one, other = Session(), Session()
    for token, session in (("a", one), ("b", one), ("c", other), ("d", Session())):
        memory.add_access(token, session, 60.0)
    for token in ("d", "x"):
        memory.kill_access(token)
    assert (memory.live_tokens(), memory.opens("d"), memory.access("x")) == (3, False, None)
    memory.kill_accesses(one)
    assert [memory.opens(token) for token in "abc"] == [False, False, True]
    other.end()
    assert memory.live_tokens() == 0
    memory.add_access("e", Session(), 60.0)
    clock.advance(60)
    assert not memory.opens("e")


@pytest.mark.parametrize("kill_refresh", [False, True])
def test_refresh_tokens_outlive_access_tokens(clock: FakeClock, kill_refresh: bool) -> None:
    """Killing sessions spares refresh tokens unless asked; a spent one is dead, and presenting it is counted."""
    memory: IssuedTokens[Session] = IssuedTokens(clock)
    memory.add_refresh("r", Session())
    memory.add_refresh("short", Session(), 1.0)
    memory.kill_all(kill_refresh=kill_refresh)
    refresh, short = memory.presented("r"), memory.presented("short")
    assert refresh is not None
    assert short is not None
    assert refresh.live(clock.wall()) is short.live(clock.wall()) is not kill_refresh
    clock.advance(1)
    assert refresh.live(clock.wall()) is not kill_refresh
    assert not short.live(clock.wall())
    refresh.spent = True
    assert memory.reuses == 0
    assert memory.presented("r") is refresh
    assert (memory.presented("x"), memory.reuses, refresh.live(clock.wall())) == (None, 1, False)


def test_switches_are_read_from_annotations() -> None:
    """The values of a literal, alone or in a union; those of a switch without one are given."""
    values = switch_values(Options, {"limit": ("unlimited", "seconds:60")})
    assert dict(values) == {
        "mode": ("a", "b"),
        "life": ("60", "short", "absent"),
        "limit": ("unlimited", "seconds:60"),
    }


def test_a_lifetime_may_be_a_word_or_a_span() -> None:
    """Digits are seconds, "short" is two of them, another word is none; and any span will do."""
    board = Switchboard("Sandbox", switch_values(Options, {"limit": ("unlimited",)}))
    assert [board.life("life", value) for value in ("60", "short", "absent", 5, timedelta(1))] == [
        timedelta(seconds=60),
        timedelta(seconds=2),
        None,
        timedelta(seconds=5),
        timedelta(1),
    ]
    with pytest.raises(ConfigurationError, match="60, short, absent, or a positive timedelta"):
        board.life("life", "61")


def test_a_token_of_a_sandbox_is_a_jwt() -> None:
    """Well formed, with the claims given; bytes stand as they are, so that a token can be malformed."""
    claims = {"iat": 1, "exp": 61}
    assert jwt.claims(Secret(signed_jwt(claims, typ="JWT"))) == claims
    assert jwt.claims(Secret(signed_jwt(json.dumps(claims).encode()[:-1]))) == {}


async def test_a_fifth_vendor_can_be_taught(clock: FakeClock) -> None:
    """Without forms of its own, data goes out as JSON and a refusal as a message, behind the token check."""
    async with _Vendor(clock) as vendor, ClientSession(headers={"Authorization": "Bearer at"}) as http:
        vendor.answer("GET", "/own", {"a": 1})
        for status, words in ((404, None), (499, None), (400, "no funds")):
            vendor.answer("GET", f"/{status}", vendor.failure(status, words))
        async with http.get(f"{vendor.base_url}/own") as response:
            assert response.status == 401
        async with http.post(f"{vendor.base_url}/token"):
            pass
        async with http.get(f"{vendor.base_url}/own") as response:
            assert await response.json() == {"a": 1}
        for status, words in ((404, "Not Found"), (499, "Failure"), (400, "no funds")):
            async with http.get(f"{vendor.base_url}/{status}") as response:
                assert (response.status, await response.json()) == (status, {"message": words})
