"""Two hundred coroutines over a rotation, for every place that a credential may come from, in both orders."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import attrs
import pytest
from aiohttp import web
from azure.keyvault.secrets.aio import SecretClient
from blockbuster import BlockBuster

from nauth.sources import AwsSecret, AzureSecret, KeyringSecret, SecretFiles, VaultSecret
from nauth.stores import MemoryStore
from nauth.testing import FakeClock, Route, Sandbox
from nombaauth import NombaClient, NombaCredentials, NombaCredentialsRejectedError
from nombaauth.sandbox import NombaSandbox
from tests.nauth.sources.test_aws import _settings as aws_settings
from tests.nauth.sources.test_aws import address, admin
from tests.nauth.sources.test_azure import _Credential, _Vault, authority
from tests.nauth.sources.test_files import _swap
from tests.support.secret_service import MISSING, secret_service

__all__ = ["address", "admin", "authority", "aws_settings"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

MANY = 200
Put = Callable[[Mapping[str, str]], Awaitable[None]]
Place = Callable[[Mapping[str, str]], AbstractAsyncContextManager[tuple[Any, Put]]]


@pytest.fixture(autouse=True)
def _others_may_block(no_blocking: BlockBuster) -> Iterator[None]:
    """Let botocore and azure-core block: they read files in the loop."""
    no_blocking.deactivate()
    yield
    no_blocking.activate()


class _HashiCorp(Sandbox):
    """Answers as Vault's KV version 2 does: a double, for no registry has the real server."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self.version = 0

    def routes(self) -> dict[str, Route]:
        return {"read": ("GET", "/v1/secret/data/nomba", self.read)}

    async def read(self, request: web.Request) -> web.Response:
        if request.headers.get("X-Vault-Token") != "token":
            return web.json_response({"errors": ["permission denied"]}, status=403)
        return web.json_response({"data": {"data": self.fields, "metadata": {"version": self.version}}})


@pytest.fixture(params=["files", "AWS", "Azure", "Vault", "keyring"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A manager of secrets: entered with the first fields it gives the source, and what changes them."""
    kind: str = request.param
    if kind == "keyring":
        if MISSING is not None:
            pytest.skip(MISSING)
        with secret_service(tmp_path) as found:
            for name, value in found.items():
                monkeypatch.setenv(name, value)
            yield _keyring
        return
    makers: dict[str, Callable[[], Place]] = {
        "files": lambda: _files(tmp_path),
        "AWS": lambda: _aws(request.getfixturevalue("address"), request.getfixturevalue("admin")),
        "Azure": lambda: _azure(*request.getfixturevalue("authority")),
        "Vault": lambda: _vault,
    }
    yield makers[kind]()


def _files(folder: Path) -> Place:
    @asynccontextmanager
    async def enter(first: Mapping[str, str]) -> AsyncIterator[tuple[Any, Put]]:
        versions = iter("123456789")

        async def put(fields: Mapping[str, str]) -> None:
            await asyncio.to_thread(_swap, folder, next(versions), **fields)

        await put(first)
        yield SecretFiles(folder), put

    return enter


def _aws(address: str, admin: Any) -> Place:
    @asynccontextmanager
    async def enter(first: Mapping[str, str]) -> AsyncIterator[tuple[Any, Put]]:
        name = f"rotating/{id(first)}"
        await asyncio.to_thread(admin.create_secret, Name=name, SecretString=json.dumps(dict(first)))

        async def put(fields: Mapping[str, str]) -> None:
            text = json.dumps(dict(fields))
            await asyncio.to_thread(admin.put_secret_value, SecretId=name, SecretString=text)

        yield AwsSecret(name, endpoint_url=address), put

    return enter


def _azure(context: Any, ca: str) -> Place:
    @asynccontextmanager
    async def enter(first: Mapping[str, str]) -> AsyncIterator[tuple[Any, Put]]:
        async with (
            _Vault(context) as vault,
            SecretClient(
                vault.base_url, _Credential(), verify_challenge_resource=False, connection_verify=ca
            ) as client,
        ):

            async def put(fields: Mapping[str, str]) -> None:
                vault.secrets["nomba"] = json.dumps(dict(fields))

            await put(first)
            yield AzureSecret(vault.base_url, "nomba", client=client), put

    return enter


@asynccontextmanager
async def _vault(first: Mapping[str, str]) -> AsyncIterator[tuple[Any, Put]]:
    async with _HashiCorp() as server:

        async def put(fields: Mapping[str, str]) -> None:
            server.fields, server.version = dict(fields), server.version + 1

        await put(first)
        yield VaultSecret("nomba", address=server.base_url, token="token"), put


@asynccontextmanager
async def _keyring(first: Mapping[str, str]) -> AsyncIterator[tuple[Any, Put]]:
    from keyring.backends import SecretService  # noqa: PLC0415 - asks the bus of the fixture

    backend: Any = SecretService.Keyring()  # type: ignore[no-untyped-call]

    async def put(fields: Mapping[str, str]) -> None:
        text = json.dumps(dict(fields))
        await asyncio.to_thread(backend.set_password, "nomba", "credentials", text)

    await put(first)
    # found by the source itself: keyring's own choice is not asked
    yield KeyringSecret("nomba"), put


@attrs.frozen
class _Stage:
    sandbox: NombaSandbox
    clock: FakeClock
    client: NombaClient
    put: Put

    async def calls(self) -> tuple[int, int]:
        """Return how many of two hundred calls were served, and how many refused."""
        outcomes = await asyncio.gather(*(self.client.check() for _ in range(MANY)), return_exceptions=True)
        refused = sum(isinstance(outcome, NombaCredentialsRejectedError) for outcome in outcomes)
        others = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        assert len(others) == refused, others
        return MANY - refused, refused

    async def settled(self) -> None:
        """Wait for the question that a refusal has begun."""
        authenticator: Any = self.client._manager._authenticator
        while authenticator._under_way():  # noqa: ASYNC110 - until a manager has answered
            await asyncio.sleep(0.01)

    def end_sessions(self) -> None:
        """End them all, as a change of the key does at its worst."""
        self.sandbox.kill_sessions(kill_refresh=True)


@asynccontextmanager
async def _stage(place: Place) -> AsyncIterator[_Stage]:
    clock = FakeClock(jump=True)
    async with NombaSandbox(clock=clock) as sandbox, place(_fields(sandbox.credentials)) as (source, put):
        store = MemoryStore(clock=clock)
        async with NombaClient(source, base_url=sandbox.base_url, clock=clock, store=store) as client:
            stage = _Stage(sandbox, clock, client, put)
            assert await stage.calls() == (MANY, 0)
            yield stage


def _fields(credentials: NombaCredentials) -> Mapping[str, str]:
    return {
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.reveal(),
        "account_id": credentials.account_id,
    }


async def test_the_manager_first(place: Place) -> None:
    """The manager has the new secret before any session ends: no call fails. The old one is refused once, the new one serves all."""
    async with _stage(place) as stage:
        await stage.put(_fields(stage.sandbox.rotate_secret()))
        stage.end_sessions()
        assert await stage.calls() == (MANY, 0)
        assert stage.sandbox.requests["issue"] == 3


async def test_the_vendor_first(place: Place) -> None:
    """Calls fail while the manager still has the old secret, and no cool-down longer. The old one is refused once."""
    async with _stage(place) as stage:
        made = stage.sandbox.rotate_secret()
        stage.end_sessions()
        assert await stage.calls() == (0, MANY)
        await stage.put(_fields(made))
        stage.clock.advance(1.5)
        await stage.calls()  # these may still be refused: they begin the question that is due
        await stage.settled()
        assert await stage.calls() == (MANY, 0)
        assert stage.sandbox.requests["issue"] == 3


@pytest.mark.parametrize("manager_first", [True, False])
async def test_with_overlap(place: Place, manager_first: bool) -> None:
    """While the vendor takes both secrets, neither order costs a call."""
    async with _stage(place) as stage:
        made = stage.sandbox.rotate_secret(overlap=True)
        if manager_first:
            await stage.put(_fields(made))
        stage.end_sessions()
        assert await stage.calls() == (MANY, 0)
        await stage.put(_fields(made))
        stage.end_sessions()
        assert await stage.calls() == (MANY, 0)
        assert stage.sandbox.requests["issue"] == 3
