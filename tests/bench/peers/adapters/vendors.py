"""The token caches inside the clients of single services: Anthropic, OpenAI, Amazon, Reddit, Salesforce."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from typing import Any, ClassVar

from yarl import URL

from tests.bench.peers.peer import CannotDoError, Peer, Window

__all__ = ["ADAPTERS"]


class Anthropic(Peer):
    """`TokenCache` around a provider of ours that makes the call with httpx2, and `AsyncAnthropic` above it."""

    name: ClassVar[str] = "anthropic"
    package: ClassVar[str] = "anthropic"
    imports: ClassVar[str] = "anthropic"
    window: ClassVar[Window | None] = Window(lifetime_s=100)

    async def open(self) -> None:
        anthropic: Any = import_module("anthropic")
        self._kinds: Any = import_module("anthropic.lib.credentials")
        self._http: Any = import_module("httpx2").AsyncClient()
        self._refresh_token = self.setup.refresh_token
        self._client = anthropic.AsyncAnthropic(credentials=self._provide, base_url=self.setup.url)
        self._cache = self._client._token_cache

    async def _provide(self, *, force_refresh: bool = False) -> Any:
        form = {"grant_type": "client_credentials", "client_id": "id", "client_secret": "secret"}
        if self._refresh_token:
            form |= {"grant_type": "refresh_token", "refresh_token": self._refresh_token}
        response = await self._http.post(f"{self.setup.url}/token", data=form)
        response.raise_for_status()
        answer = response.json()
        self._refresh_token = answer.get("refresh_token")
        return self._kinds.AccessToken(
            token=answer["access_token"], expires_at=int(time.time()) + answer["expires_in"]
        )

    async def token(self) -> str:
        token: str = await self._cache.async_get_token()
        return token

    async def get(self, url: str) -> int:
        await self._client.get(url, cast_to=object)
        return 200

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        await self._client.post(url, content=body(), cast_to=object)
        return 200

    async def close(self) -> None:
        await self._client.close()
        await self._http.aclose()

    def made(self) -> object:
        made: object = self._kinds.TokenCache(self._provide)
        return made


class OpenAI(Peer):
    """The workload identity of `AsyncOpenAI`, whose address for exchanges has no public name."""

    name: ClassVar[str] = "openai"
    package: ClassVar[str] = "openai"
    imports: ClassVar[str] = "openai"
    # from half of a short lifetime on
    window: ClassVar[Window | None] = Window(lifetime_s=6, wait_s=3.2)
    cannot: ClassVar[dict[str, str]] = {"rotating": "it exchanges a subject token and holds no refresh token"}

    def _identity(self) -> Any:
        return {
            "identity_provider_id": "id",
            "service_account_id": "account",
            "provider": {"token_type": "jwt", "get_token": lambda: "subject"},
        }

    async def open(self) -> None:
        openai: Any = import_module("openai")
        self._client = openai.AsyncOpenAI(workload_identity=self._identity(), base_url=f"{self.setup.url}/v1")
        self._cache = self._client._workload_identity_auth
        self._cache.token_exchange_url = f"{self.setup.url}/token"

    async def token(self) -> str:
        token: str = await self._cache.get_token_async()
        return token

    async def get(self, url: str) -> int:
        await self._client.get(url, cast_to=object)
        return 200

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        await self._client.post(url, content=body(), cast_to=object)
        return 200

    async def close(self) -> None:
        await self._client.close()

    def made(self) -> object:
        kind = import_module("openai.auth").WorkloadIdentityAuth
        made: object = kind(workload_identity=self._identity(), token_exchange_url=f"{self.setup.url}/token")
        return made


_SIGNS = "requests are signed with the key, no token is sent by itself"


class _SignsRequests(Peer):
    """A library whose credentials sign requests, on an aiohttp session of its own."""

    _session: Any

    def _credentials(self) -> Any:
        raise NotImplementedError

    async def get(self, url: str) -> int:
        raise CannotDoError(_SIGNS)

    async def post(self, url: str, body: object) -> int:
        raise CannotDoError(_SIGNS)

    async def close(self) -> None:
        await self._session.close()

    def made(self) -> object:
        made: object = self._credentials()
        return made


class Aiodynamo(_SignsRequests):
    """`ContainerMetadataCredentials` over aiodynamo's own aiohttp wrapper; the session token stands for the token."""

    name: ClassVar[str] = "aiodynamo"
    package: ClassVar[str] = "aiodynamo"
    imports: ClassVar[str] = "aiodynamo.credentials"
    window: ClassVar[Window | None] = Window(lifetime_s=750)
    cannot: ClassVar[dict[str, str]] = {"rotating": "it reads metadata and holds no refresh token"}

    def _credentials(self) -> Any:
        yarl: Any = import_module("yarl")
        return import_module("aiodynamo.credentials").ContainerMetadataCredentials(
            timeout=10, base_url=yarl.URL(self.setup.url), relative_uri="/aws"
        )

    async def open(self) -> None:
        aiohttp: Any = import_module("aiohttp")
        self._session = aiohttp.ClientSession()
        self._http = import_module("aiodynamo.http.aiohttp").AIOHTTP(self._session)
        self._one = self._credentials()

    async def token(self) -> str:
        token: str = (await self._one.get_key(self._http)).token
        return token


class Aiobotocore(_SignsRequests):
    """`AioDeferredRefreshableCredentials` around a fetch of ours; the session token stands for the token."""

    name: ClassVar[str] = "aiobotocore"
    package: ClassVar[str] = "aiobotocore"
    imports: ClassVar[str] = "aiobotocore.session"
    window: ClassVar[Window | None] = Window(lifetime_s=750)
    cannot: ClassVar[dict[str, str]] = {"rotating": "it fetches keys and holds no refresh token"}

    async def _fetch(self) -> dict[str, str]:
        async with self._session.get(f"{self.setup.url}/aws") as response:
            response.raise_for_status()
            answer = await response.json()
        return {
            "access_key": answer["AccessKeyId"],
            "secret_key": answer["SecretAccessKey"],
            "token": answer["Token"],
            "expiry_time": answer["Expiration"],
        }

    def _credentials(self) -> Any:
        kinds: Any = import_module("aiobotocore.credentials")
        return kinds.AioDeferredRefreshableCredentials(refresh_using=self._fetch, method="bench")

    async def open(self) -> None:
        aiohttp: Any = import_module("aiohttp")
        self._session = aiohttp.ClientSession()
        self._one = self._credentials()

    async def token(self) -> str:
        token: str = (await self._one.get_frozen_credentials()).token
        return token


class Asyncprawcore(Peer):
    """`Session` above an `Authorizer` with a refresh token, as Async PRAW has them."""

    name: ClassVar[str] = "asyncprawcore"
    package: ClassVar[str] = "asyncprawcore"
    imports: ClassVar[str] = "asyncprawcore"
    # it counts a token as valid for ten seconds longer than the server said
    window: ClassVar[Window | None] = None

    def _authorizer(self) -> Any:
        kinds: Any = import_module("asyncprawcore")
        requestor = kinds.Requestor(
            user_agent="bench:asyncprawcore:1 (by us)", oauth_url=self.setup.url, reddit_url=self.setup.url
        )
        authenticator = kinds.TrustedAuthenticator(
            client_id="id", client_secret="secret", requestor=requestor
        )
        return kinds.Authorizer(authenticator=authenticator, refresh_token=self.setup.refresh_token or "r")

    async def open(self) -> None:
        kinds: Any = import_module("asyncprawcore")
        self._one = self._authorizer()
        self._session = kinds.Session(authorizer=self._one)

    async def token(self) -> str:
        token: str = (await self._session._set_header_callback())["Authorization"][7:]
        return token

    async def get(self, url: str) -> int:
        await self._session.request(method="GET", path=url.removeprefix(self.setup.url))
        return 200

    async def post(self, url: str, body: object) -> int:
        raise CannotDoError("its client takes no asynchronous stream")

    async def close(self) -> None:
        await self._session.close()

    def made(self) -> object:
        made: object = self._authorizer()
        return made


class Aiosalesforce(Peer):
    """`ClientCredentialsFlow` in a `Salesforce` client; it is told the lifetime, for it does not read the server's."""

    name: ClassVar[str] = "aiosalesforce"
    package: ClassVar[str] = "aiosalesforce"
    imports: ClassVar[str] = "aiosalesforce"
    window: ClassVar[Window | None] = None
    cannot: ClassVar[dict[str, str]] = {
        "rotating": "client credentials only: it holds no refresh token",
        "short": "it does not read the server's lifetime",
    }

    def _flow(self) -> Any:
        return import_module("aiosalesforce").ClientCredentialsFlow("id", "secret", timeout=3600)

    _host = "bench.my.salesforce.com"

    async def _to_our_server(self, request: Any) -> None:
        """Send to our server what is meant for the one name that the library takes for a production address."""
        if request.url.host == self._host:
            ours = URL(self.setup.url)
            request.url = request.url.copy_with(scheme="http", host=ours.host, port=ours.port)
            request.headers["Host"] = ours.authority

    async def open(self) -> None:
        self._httpx: Any = import_module("httpx").AsyncClient(
            follow_redirects=True, event_hooks={"request": [self._to_our_server]}
        )
        self._flow_in_use = self._flow()
        self._one: Any = import_module("aiosalesforce").Salesforce(
            self._httpx, base_url=f"https://{self._host}", auth=self._flow_in_use
        )

    async def token(self) -> str:
        token: str = await self._flow_in_use.get_access_token(self._one)
        return token

    async def get(self, url: str) -> int:
        status: int = (await self._one.request("GET", self._meant(url))).status_code
        return status

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        status: int = (await self._one.request("POST", self._meant(url), content=body())).status_code
        return status

    def _meant(self, url: str) -> str:
        return url.replace(self.setup.url, f"https://{self._host}")

    async def close(self) -> None:
        await self._httpx.aclose()

    def made(self) -> object:
        made: object = self._flow()
        return made


ADAPTERS: list[type[Peer]] = [Anthropic, OpenAI, Aiodynamo, Aiobotocore, Asyncprawcore, Aiosalesforce]
