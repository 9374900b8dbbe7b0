"""HashiCorp Vault over our own transport: both versions of KV, and every way in which it says no."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from nauth.errors import ConfigurationError, NotSentError
from nauth.secret import Secret
from nauth.sources import SourceRefusedError, SourceUnavailableError, VaultSecret
from nauth.testing import Route, Sandbox
from tests.support.transport import FakeTransport, answer

_V2 = {"data": {"data": {"client_id": "i", "client_secret": "s", "n": 7}, "metadata": {"version": 3}}}


def _vault(*outcomes: Any, otherwise: Any = None, **options: Any) -> tuple[VaultSecret, FakeTransport]:
    transport = FakeTransport(*outcomes, otherwise=otherwise)
    given: dict[str, Any] = {
        "address": "https://vault.example:8200/",
        "token": "CANARY-token",
        "transport": transport,
    } | options
    return VaultSecret("/prod/nomba/", **given), transport


async def test_version_2() -> None:
    """The path has data behind the mount; the version is kept for people."""
    source, transport = _vault(answer(200, _V2), namespace="team/")
    fields = await source.read()
    assert fields.values == {"client_id": Secret("i"), "client_secret": Secret("s")}
    assert (fields.version, dict(fields.unread)) == ("3", {"n": "number"})
    request = transport.requests[0]
    assert str(request.url) == "https://vault.example:8200/v1/secret/data/prod/nomba"
    assert request.headers["X-Vault-Token"] == "CANARY-token"
    assert request.headers["X-Vault-Namespace"] == "team/"
    assert source.name == "vault:vault.example/team/secret/prod/nomba"
    assert "CANARY" not in f"{source!r} {request!r}"


async def test_version_1() -> None:
    """The fields stand in data themselves."""
    source, transport = _vault(answer(200, {"data": {"client_id": "i"}}), kv=1, mount="kv/team")
    assert (await source.read()).values == {"client_id": Secret("i")}
    assert transport.requests[0].url.path == "/v1/kv/team/prod/nomba"
    assert "X-Vault-Namespace" not in transport.requests[0].headers


@pytest.mark.parametrize(
    "outcome, kind, words",
    [
        (answer(404), SourceRefusedError, "no such secret"),
        (answer(403, {"errors": ["CANARY"]}), SourceRefusedError, "refuses the token"),
        (answer(400), SourceRefusedError, "refuses the request"),
        (answer(307, headers={"Location": "https://other.example"}), SourceRefusedError, "VAULT_ADDR"),
        (answer(200, {"data": {"client_id": "CANARY"}}), SourceRefusedError, "kv=1"),
        (answer(200, b"CANARY"), SourceRefusedError, "kv=1"),
        (answer(200, []), SourceRefusedError, "kv=1"),
        (answer(503), SourceUnavailableError, "sealed"),
        (answer(429), SourceUnavailableError, "busy"),
        (answer(472), SourceUnavailableError, "behind"),
        (NotSentError("CANARY"), SourceUnavailableError, "could not be reached"),
        (ConfigurationError("not so"), ConfigurationError, "not so"),
    ],
)
async def test_every_no(outcome: Any, kind: type[Exception], words: str) -> None:
    """Refused and unavailable are told apart; nothing of the body or of the token is shown."""
    source, _ = _vault(outcome)
    with pytest.raises(kind, match=words) as refused:
        await source.read()
    assert "CANARY" not in f"{refused.value}"
    assert refused.value.__context__ is None


async def test_a_token_that_has_expired() -> None:
    """A function is asked for another one, once; if it has none, the refusal stands."""
    tokens: list[str | Secret] = ["t-1", Secret("t-2"), "t-2", "t-2"]

    async def token() -> str | Secret:
        return tokens.pop(0)

    source, transport = _vault(answer(403), answer(200, _V2), answer(403), token=token)
    assert (await source.read()).version == "3"
    assert [request.headers["X-Vault-Token"] for request in transport.requests] == ["t-1", "t-2"]
    with pytest.raises(SourceRefusedError, match="expired"):
        await source.read()
    assert len(transport.requests) == 3


async def test_a_wrapped_token() -> None:
    """It is opened once, and the login in it is kept."""
    unwrapped = answer(200, {"auth": {"client_token": "t-login"}})
    source, transport = _vault(unwrapped, otherwise=answer(200, _V2), wrapped=True)
    for _ in range(2):
        await source.read()
    assert [request.url.path for request in transport.requests] == [
        "/v1/sys/wrapping/unwrap",
        *["/v1/secret/data/prod/nomba"] * 2,
    ]
    assert not transport.requests[0].repeatable
    assert transport.requests[-1].headers["X-Vault-Token"] == "t-login"


@pytest.mark.parametrize(
    "outcome, words",
    [(answer(400), "another process may have opened it"), (answer(200, {}), "no login token")],
)
async def test_a_wrapping_token_that_does_not_open(outcome: Any, words: str) -> None:
    """It opens once: an open one is a sign of theft."""
    source, _ = _vault(outcome, wrapped=True)
    with pytest.raises(SourceRefusedError, match=words):
        await source.read()


async def test_address_and_token_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """`VAULT_ADDR`, `VAULT_TOKEN` and `VAULT_NAMESPACE`, as Vault's own programs read them; over a real connection."""

    class Server(Sandbox):
        def routes(self) -> dict[str, Route]:
            return {"kv": ("GET", "/v1/secret/data/nomba", self.secret)}

        async def secret(self, request: web.Request) -> web.Response:
            known = (
                request.headers.get("X-Vault-Token") == "t" and request.headers["X-Vault-Namespace"] == "n"
            )
            return web.json_response(_V2 if known else {}, status=200 if known else 403)

    async with Server() as server:
        monkeypatch.setenv("VAULT_ADDR", server.base_url)
        monkeypatch.setenv("VAULT_NAMESPACE", "n")
        source = VaultSecret("nomba")
        monkeypatch.delenv("VAULT_TOKEN", raising=False)
        with pytest.raises(ConfigurationError, match="VAULT_TOKEN is not set"):
            await source.read()
        monkeypatch.setenv("VAULT_TOKEN", "t")
        assert (await source.read()).version == "3"
