"""No body brings a vendor's sandbox down: what cannot be read is the caller's fault."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from naoauth.sandbox import NaoSandbox
from nauth.testing.sandbox import Sandbox
from nomadauth.sandbox import NomadSandbox
from nombaauth.sandbox import NombaSandbox
from noyoauth.sandbox import NoyoSandbox

_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_FORM = "application/x-www-form-urlencoded"

_BODIES: dict[str, tuple[bytes, dict[str, str]]] = {
    "deeply nested": (b"[" * 100_000, _JSON),
    "deeply nested object": (b'{"a":' * 50_000 + b"1" + b"}" * 50_000, _JSON),
    "not UTF-8": (b'{"a":"\xff"}', _JSON),
    "a lone surrogate": (
        b'{"userName":"\\ud800","password":"\\ud800","session":{"email":"\\ud800","password":"x"}}',
        _JSON,
    ),
    "a number of 5,000 digits": (b"1" * 5000, _JSON),
    "no such coding": (b"not gzip", _JSON | {"Content-Encoding": "gzip"}),
    "a form of no such charset": (b"a=b", _JSON | {"Content-Type": f"{_FORM}; charset=nonsense"}),
    "a form that is not of its charset": (b"grant_type=\xff\xfe", _JSON | {"Content-Type": _FORM}),
    "a form with broken escapes": (b"grant_type=%ff%zz&a=%", _JSON | {"Content-Type": _FORM}),
    "a multipart form without parts": (b"x", _JSON | {"Content-Type": "multipart/form-data; boundary=b"}),
    "a multipart form without boundary": (b"x", _JSON | {"Content-Type": "multipart/form-data"}),
}


def _connected() -> aiohttp.ClientSession:
    # a connection is of no more use after a body that breaks off
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True))


@pytest.mark.parametrize("name", _BODIES)
@pytest.mark.parametrize(
    "make", [NomadSandbox, NombaSandbox, NoyoSandbox, lambda: NaoSandbox(oauth_revoke="200")]
)
async def test_what_cannot_be_read_is_refused(make: Any, name: str) -> None:
    """Every endpoint that takes a body answers 4xx to it (an echo counts what it could read)."""
    body, headers = _BODIES[name]
    sandbox: Sandbox
    async with make() as sandbox, _connected() as http:
        for method, path, _ in sandbox.routes().values():
            if method == "POST":
                root = sandbox.base_url.removesuffix("/prefix")
                async with http.post(
                    root + path.replace("{site_id}", "1"), data=body, headers=headers
                ) as answer:
                    assert 400 <= answer.status < 500, (path, await answer.text())


async def test_an_echo_of_broken_chunks_counts_what_came() -> None:
    """The digest is of the part that could be read."""
    async with NaoSandbox() as sandbox, _connected() as http:
        key = sandbox.credentials_of("api_key")
        headers = _JSON | {"Authorization": key.auth_token.reveal(), "Content-Encoding": "gzip"}  # type: ignore[union-attr,unused-ignore]  # an API key
        async with http.post(f"{sandbox.base_url}/api/v2/echo", data=b"no gzip", headers=headers) as answer:
            assert (answer.status, (await answer.json())["length"]) == (200, 0)


async def test_a_page_number_of_any_length() -> None:
    """4,300 digits are more than Python turns into a number."""
    async with NoyoSandbox() as sandbox, _connected() as http:
        pair = sandbox.credentials
        basic = aiohttp.encode_basic_auth(pair.client_id, pair.client_secret.reveal())
        async with http.post(
            sandbox.token_url, json={"grant_type": "client_credentials"}, headers={"Authorization": basic}
        ) as answer:
            token = (await answer.json())["access_token"]
        query = {"offset": "1" * 4400}
        async with http.get(
            f"{sandbox.base_url}/api/v1/groups", params=query, headers={"Authorization": f"Bearer {token}"}
        ) as answer:
            assert answer.status == 400
