"""Azure Key Vault through its own client, against a vault on loopback with a private authority."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest
import trustme
from aiohttp import web
from azure.core.credentials import AccessToken
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
    ServiceRequestError,
)
from azure.keyvault.secrets.aio import SecretClient
from blockbuster import BlockBuster

from nauth.secret import Secret
from nauth.sources import AzureSecret, SourceRefusedError, SourceUnavailableError
from nauth.sources import azure as module
from nauth.sources.optional_import import needed
from nauth.testing import Route, Sandbox

_VAULT = "https://v.example"


class _Vault(Sandbox):
    """Answers as a vault does: without a token it says where to get one."""

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        super().__init__(ssl_context=ssl_context)
        self.secrets: dict[str, str] = {}
        self.asked: list[str] = []

    def routes(self) -> dict[str, Route]:
        return {"secret": ("GET", "/secrets/{name}/", self.secret)}

    async def secret(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != "Bearer azure-token":
            challenge = (
                'Bearer authorization="https://login.example/tenant", resource="https://vault.azure.net"'
            )
            return web.Response(status=401, headers={"WWW-Authenticate": challenge})
        name = request.match_info["name"]
        self.asked.append(name)
        if name not in self.secrets:
            return web.json_response({"error": {"code": "SecretNotFound", "message": "CANARY"}}, status=404)
        where = f"{self.base_url}/secrets/{name}/v1"
        return web.json_response({"value": self.secrets[name], "id": where, "attributes": {"enabled": True}})


class _Credential:
    """Signs in to Azure."""

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("azure-token", 2**31)

    async def close(self) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...


@pytest.fixture(autouse=True)
def _others_may_block(no_blocking: BlockBuster) -> Iterator[None]:
    """Let the vendor's own client block: azure-core asks the platform for its name, in the loop."""
    no_blocking.deactivate()
    yield
    no_blocking.activate()


@pytest.fixture
def authority(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A server's context, and the file of the authority that signed its certificate."""
    ca = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, str(tmp_path / "ca.pem")


def test_a_vault_on_loopback(authority: tuple[ssl.SSLContext, str]) -> None:
    """Azure's own client, its challenge and its versions; a rotation shows at the next question."""
    context, ca = authority

    async def main() -> None:
        async with _Vault(context) as vault:
            client = SecretClient(
                vault.base_url, _Credential(), verify_challenge_resource=False, connection_verify=ca
            )
            async with client:
                vault.secrets = {"nomba": '{"client_id": "i"}\n', "nomba-id": "i-1\n"}
                whole = AzureSecret(vault.base_url, "nomba", client=client)
                fields = await whole.read()
                assert (fields.values, fields.version) == ({"client_id": Secret("i")}, "v1")
                each = AzureSecret(vault.base_url, {"client_id": "nomba-id"}, client=client)
                assert (await each.read()).values == {"client_id": Secret("i-1")}
                vault.secrets["nomba-id"] = "i-2"
                assert (await each.read()).values == {"client_id": Secret("i-2")}
                with pytest.raises(SourceRefusedError, match="no such secret") as refused:
                    await AzureSecret(vault.base_url, "gone", client=client).read()
                assert "CANARY" not in str(refused.value)

    asyncio.run(main())


def _http(status: int, **parts: Any) -> HttpResponseError:
    error = HttpResponseError("CANARY")
    error.status_code = status
    error.error = SimpleNamespace(**parts) if parts else None  # type: ignore[assignment]  # as much of it as is read
    return error


class _Client:
    def __init__(self, outcome: Any) -> None:
        self.outcome = outcome

    async def get_secret(self, name: str) -> Any:
        if isinstance(self.outcome, BaseException):
            raise self.outcome
        return SimpleNamespace(value=self.outcome, properties=SimpleNamespace(version="v"))


@pytest.mark.parametrize(
    "outcome, kind, words",
    [
        (ResourceNotFoundError("CANARY"), SourceRefusedError, "no such secret"),
        (ClientAuthenticationError("CANARY"), SourceRefusedError, "does not accept the credential"),
        (
            _http(403, code="Forbidden", innererror={"code": "SecretDisabled"}),
            SourceRefusedError,
            "SecretDisabled",
        ),
        (_http(403, code="Forbidden", innererror=None), SourceRefusedError, "Forbidden"),
        (_http(400), SourceRefusedError, "refused"),
        (_http(429), SourceUnavailableError, "HTTP 429"),
        (_http(503), SourceUnavailableError, "HTTP 503"),
        (ServiceRequestError("CANARY"), SourceUnavailableError, "ServiceRequestError"),
        (TimeoutError(), SourceUnavailableError, "TimeoutError"),
        (None, SourceRefusedError, "holds no JSON"),
        ("CANARY", SourceRefusedError, "holds no JSON"),
    ],
)
async def test_what_azure_may_say(outcome: Any, kind: type[Exception], words: str) -> None:
    """Refused and unavailable are told apart; nothing of its own text is shown."""
    client: Any = _Client(outcome)
    with pytest.raises(kind, match=words) as refused:
        await AzureSecret(_VAULT, "nomba", client=client).read()
    assert "CANARY" not in str(refused.value)
    assert refused.value.__context__ is None


@pytest.mark.parametrize("given", [True, False])
async def test_who_signs_in(monkeypatch: pytest.MonkeyPatch, given: bool) -> None:
    """The credential that was given, else Azure's default one, which is imported only then and closed again."""
    used: list[Any] = []
    imported: list[str] = []

    @asynccontextmanager
    async def client(url: str, credential: Any, **options: Any) -> AsyncIterator[_Client]:
        used.append(credential)
        assert options["retry_total"] == 1
        yield _Client('{"client_id": "i"}')

    real: Callable[..., Any] = needed

    def fake(name: str, **more: str) -> Any:
        imported.append(name)
        if name == "azure.keyvault.secrets.aio":
            return SimpleNamespace(SecretClient=client)
        if name == "azure.identity.aio":
            return SimpleNamespace(DefaultAzureCredential=_Credential)
        return real(name, **more)

    monkeypatch.setattr(module, "needed", fake)
    mine: Any = _Credential()
    source = AzureSecret(_VAULT, "nomba", credential=mine if given else None)
    assert (await source.read()).values == {"client_id": Secret("i")}
    assert (used == [mine]) == given
    assert ("azure.identity.aio" in imported) != given
    assert "v.example/nomba" in repr(source)
