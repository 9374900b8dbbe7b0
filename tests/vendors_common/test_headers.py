"""The bytes of every `Authorization` that goes out, read off the wire before any server has parsed them."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, TypeAlias
from urllib.parse import quote_plus

import attrs
import pytest

from nauth.testing import Sandbox
from nauth.token import Token
from tests.support.http.wiretap import Sent, Wiretap
from tests.support.vendors.table import CASES, FIXED, Case

Bytes: TypeAlias = Callable[[Any, bytes], bytes | None]
"""Takes the credentials and the token's bytes; None stands for no `Authorization` at all."""


def _none(credentials: Any, token: bytes) -> None:
    return None


def _raw(credentials: Any, token: bytes) -> bytes:
    return token


def _bearer(credentials: Any, token: bytes) -> bytes:
    return b"Bearer " + token


def _api_key(credentials: Any, token: bytes) -> bytes:
    return b"ApiKey " + token


def _basic(credentials: Any, token: bytes) -> bytes:
    # as RFC 7617 has it, without the form encoding of RFC 6749
    pair = credentials.client_id.encode() + b":" + credentials.client_secret.reveal().encode()
    return b"Basic " + base64.b64encode(pair)


def _form_basic(credentials: Any, token: bytes) -> bytes:
    # RFC 6749 section 2.3.1
    pair = f"{quote_plus(credentials.client_id)}:{quote_plus(credentials.client_secret.reveal())}"
    return b"Basic " + base64.b64encode(pair.encode())


def _own_key(credentials: Any, token: bytes) -> bytes:
    key: str = credentials.auth_token.reveal()
    return key.encode()


@attrs.frozen(kw_only=True)
class Expected:
    """What goes out with each call.

    Attributes:
        sign_in: with the call that brings the first token; None where there is none.
        resource: with a call that needs a token.
        renewal: with the call that replaces a live token, whose bytes it is given.
    """

    sign_in: Bytes | None
    resource: Bytes
    renewal: Bytes | None


_KINDS: dict[str, Expected] = {
    "NombaCredentials": Expected(sign_in=_none, resource=_bearer, renewal=_bearer),
    "NomadPassword": Expected(sign_in=_none, resource=_bearer, renewal=_none),
    "NomadSSO": Expected(sign_in=None, resource=_bearer, renewal=_none),
    "NomadStaticToken": Expected(sign_in=None, resource=_bearer, renewal=None),
    "NomadApiKey": Expected(sign_in=None, resource=_api_key, renewal=None),
    "NoyoCredentials": Expected(sign_in=_basic, resource=_bearer, renewal=_basic),
    "NaoApiKey": Expected(sign_in=None, resource=_raw, renewal=None),
    "NaoSession-password": Expected(sign_in=_none, resource=_raw, renewal=_none),
    "NaoSession-key": Expected(sign_in=_own_key, resource=_raw, renewal=_own_key),
    "NaoOAuth": Expected(sign_in=_none, resource=_bearer, renewal=_none),
    "NaoOAuth-basic": Expected(sign_in=_form_basic, resource=_bearer, renewal=_form_basic),
}
_MILD = [case for case in (*CASES, *FIXED) if not case.name.endswith("-harsh")]
_OAUTH = next(case for case in CASES if case.name == "NaoOAuth")
_BASIC = attrs.evolve(
    _OAUTH, name="NaoOAuth-basic", switches={**_OAUTH.switches, "oauth_client_auth": "basic"}
)


def test_every_kind_is_looked_at() -> None:
    """The table misses no way to sign in, and names none that there is not."""
    assert {case.name for case in (*_MILD, _BASIC)} == set(_KINDS)


@pytest.mark.parametrize("case", [*_MILD, _BASIC], ids=lambda case: case.name)
async def test_authorization_on_the_wire(case: Case) -> None:
    """Sign-in, request and renewal each carry exactly these bytes, once, or nothing; and always ask for JSON."""
    expected, tap = _KINDS[case.name], Wiretap()
    async with case.vendor.sandbox(**case.switches) as sandbox, tap.listening(_origin(sandbox)) as address:
        credentials = case.credentials(sandbox)
        async with case.vendor.client(credentials, base_url=address) as client:
            async with client.get(case.vendor.path) as response:
                assert response.status == 200
            first = await client.token()
            assert _seen(tap) == _calls(credentials, first, expected.sign_in, expected.resource)
            if expected.renewal is not None:
                tap.sent.clear()
                second = await client.renew()
                assert not second.same_access(first)
                async with client.get(case.vendor.path) as response:
                    assert response.status == 200
                renewal = _calls(credentials, first, expected.renewal)
                assert _seen(tap) == renewal + _calls(credentials, second, expected.resource)


@pytest.mark.parametrize("case", [case for case in _MILD if case.vendor.name == "nomba"], ids=["Nomba"])
async def test_nomba_gets_its_account_id(case: Case) -> None:
    """`accountId`, spelt so, stands on every call, those that deal in tokens included."""
    tap = Wiretap()
    async with case.vendor.sandbox() as sandbox, tap.listening(_origin(sandbox)) as address:
        async with case.vendor.client(sandbox.credentials, base_url=address) as client:
            await client.check()  # type: ignore[attr-defined]  # every vendor's client has it
            await client.renew()
        account: bytes = sandbox.credentials.account_id.encode()
    assert [(b"accountId", account) in request.headers for request in tap.sent] == [True] * 3


def _origin(sandbox: Sandbox) -> str:
    return sandbox.base_url


def _calls(credentials: Any, token: Token, *kinds: Bytes | None) -> list[list[bytes]]:
    """Return the values of `Authorization` for each call; no call for None."""
    access = token.access_token.reveal().encode()
    values = [kind(credentials, access) for kind in kinds if kind is not None]
    return [[] if value is None else [value] for value in values]


def _seen(tap: Wiretap) -> list[list[bytes]]:
    assert all(request.values(b"Accept") == [b"application/json"] for request in tap.sent)
    return [_authorization(request) for request in tap.sent]


def _authorization(request: Sent) -> list[bytes]:
    named = [name for name, _ in request.headers if name.lower() == b"authorization"]
    assert set(named) <= {b"Authorization"}
    return request.values(b"Authorization")
