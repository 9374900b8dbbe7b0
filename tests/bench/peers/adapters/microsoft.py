"""azure-identity, azure-core's bearer policy above it, and msal with the shared cache of msal-extensions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any, ClassVar

from tests.bench.peers.peer import CannotDoError, Peer, Setup, Window

__all__ = ["ADAPTERS"]

_SCOPE = "https://api.invalid/.default"


def _over_http(setup: Setup) -> Any:
    """Return azure-core's own transport, which takes our server without TLS: the libraries demand an https address."""
    transport: Any = import_module("azure.core.pipeline.transport").AioHttpTransport()
    send = transport.send

    async def plain(request: Any, **options: Any) -> Any:
        request.url = request.url.replace("https://", "http://")
        return await send(request, **options)

    transport.send = plain
    return transport


class AzureIdentity(Peer):
    """`ClientSecretCredential.get_token`."""

    name: ClassVar[str] = "azure-identity"
    package: ClassVar[str] = "azure-identity"
    imports: ClassVar[str] = "azure.identity.aio"
    # it asks no more than once in 30 seconds
    window: ClassVar[Window | None] = Window(lifetime_s=200, wait_s=31)
    cannot: ClassVar[dict[str, str]] = {"rotating": "client credentials only: it holds no refresh token"}

    def _credential(self) -> Any:
        return import_module("azure.identity.aio").ClientSecretCredential(
            "tenant",
            "id",
            "secret",
            authority=self.setup.url.replace("http://", ""),
            disable_instance_discovery=True,
            transport=_over_http(self.setup),
        )

    async def open(self) -> None:
        self._one = self._credential()

    async def token(self) -> str:
        token: str = (await self._one.get_token(_SCOPE)).token
        return token

    async def close(self) -> None:
        await self._one.close()

    def made(self) -> object:
        made: object = self._credential()
        return made


class AzureCore(AzureIdentity):
    """`AsyncBearerTokenCredentialPolicy` in a pipeline client, above `ClientSecretCredential`."""

    name: ClassVar[str] = "azure-core"
    package: ClassVar[str] = "azure-core"

    async def open(self) -> None:
        await super().open()
        policies: Any = import_module("azure.core.pipeline.policies")
        self._rest: Any = import_module("azure.core.rest")
        self._pipeline: Any = import_module("azure.core.pipeline")
        self._policy = policies.AsyncBearerTokenCredentialPolicy(self._one, _SCOPE)
        self._client: Any = import_module("azure.core").AsyncPipelineClient(
            self.setup.url,
            policies=[
                policies.AsyncRedirectPolicy(),
                policies.AsyncRetryPolicy(),
                self._policy,
                policies.SensitiveHeaderCleanupPolicy(),
            ],
        )

    async def token(self) -> str:
        request = self._rest.HttpRequest("GET", f"{self.setup.url}/rows")
        context = self._pipeline.PipelineContext(None, enforce_https=False)
        await self._policy.on_request(self._pipeline.PipelineRequest(request, context))
        token: str = request.headers["Authorization"][7:]
        return token

    async def _send(self, request: Any) -> int:
        response = await self._client.send_request(request, enforce_https=False)
        status: int = response.status_code
        await response.close()
        return status

    async def get(self, url: str) -> int:
        return await self._send(self._rest.HttpRequest("GET", url))

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        return await self._send(self._rest.HttpRequest("POST", url, content=body()))

    async def close(self) -> None:
        await self._client.close()
        await super().close()

    def made(self) -> object:
        policies: Any = import_module("azure.core.pipeline.policies")
        made: object = policies.AsyncBearerTokenCredentialPolicy(self._one, _SCOPE)
        return made


class _HttpForMsal:
    """msal's `http_client`: requests, without TLS."""

    def __init__(self) -> None:
        self._session: Any = import_module("requests").Session()

    def post(self, url: str, **options: Any) -> Any:
        return self._session.post(url.replace("https://", "http://"), **options)

    def get(self, url: str, **options: Any) -> Any:
        return self._session.get(url.replace("https://", "http://"), **options)

    def close(self) -> None:
        self._session.close()


class Msal(Peer):
    """`ConfidentialClientApplication.acquire_token_for_client`, in a thread: msal has no coroutines."""

    name: ClassVar[str] = "msal, msal-extensions"
    package: ClassVar[str] = "msal"
    imports: ClassVar[str] = "msal"
    window: ClassVar[Window | None] = Window(lifetime_s=200)
    cannot: ClassVar[dict[str, str]] = {
        "rotating": "refresh tokens belong to signed-in people there, with ID tokens that our server does not make"
    }

    def _app(self) -> Any:
        cache = None
        if self.setup.folder is not None:
            extensions: Any = import_module("msal_extensions")
            cache = extensions.PersistedTokenCache(
                extensions.FilePersistence(str(self.setup.folder / "msal.bin"))
            )
        return import_module("msal").ConfidentialClientApplication(
            "id",
            client_credential="secret",
            authority=f"{self.setup.url.replace('http://', 'https://')}/tenant",
            instance_discovery=False,
            http_client=_HttpForMsal(),
            token_cache=cache,
        )

    async def open(self) -> None:
        self._one = await asyncio.to_thread(self._app)

    async def token(self) -> str:
        answer = await asyncio.to_thread(self._one.acquire_token_for_client, [_SCOPE])
        if "access_token" not in answer:
            raise RuntimeError(str(answer))
        token: str = answer["access_token"]
        return token

    async def get(self, url: str) -> int:
        raise CannotDoError("msal has no HTTP client for APIs")

    def made(self) -> object:
        made: object = self._app()
        return made


ADAPTERS: list[type[Peer]] = [AzureIdentity, AzureCore, Msal]
