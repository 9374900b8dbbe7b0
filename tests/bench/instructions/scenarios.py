"""What is counted: each scenario in a process of its own, ``python -m tests.bench.instructions.scenarios URL URL NAME...``.

Each scenario warms up, then does the same again between two marks. All of it happens in one thread and one event loop, with the
garbage collector switched off, so that two runs differ by less than half a percent.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import timedelta
from functools import partial
from typing import TypeAlias

import attrs
from aiohttp import ClientSession, DummyCookieJar, TCPConnector

from naoauth import NaoClient, NaoSession
from nauth import Secret, Token
from nauth.client import VendorClient
from nauth.manager import TokenManager
from nauth.stores import MemoryStore, StoreKey
from nomadauth import NomadClient, NomadPassword
from nombaauth import NombaClient, NombaCredentials
from nombaauth.sandbox import NombaSandbox
from noyoauth import NoyoClient, NoyoCredentials
from tests.bench.instructions.callgrind import in_child, mark
from tests.bench.rows import Row

__all__ = ["SCENARIOS"]

Do: TypeAlias = Callable[[], Awaitable[object]]
"""Does once what is counted."""

HOUR = timedelta(hours=1)
TOKEN = Token(access_token=Secret("t" * 400), lifetime=HOUR)
NAO_TOKEN = Token(access_token=Secret("t" * 400), lifetime=HOUR, scheme="")
KEY = StoreKey(vendor="bench", base_url="https://bench.invalid", identity="0")
CALLERS = 10_000


@attrs.frozen
class Scenario:
    """One count.

    Attributes:
        open: returns what is done each time; given the sandbox's address and the host's.
        times: how often it is done between the marks; the count is divided by it.
        warm: how often before.
    """

    open: Callable[[str, str], contextlib.AbstractAsyncContextManager[Do]]
    times: int
    warm: int


class Issuer:
    """Signs in at once, or when its gate opens."""

    def __init__(self) -> None:
        self.gate: asyncio.Event | None = None

    async def issue(self) -> Token:
        """Return the token."""
        if self.gate is not None:
            await self.gate.wait()
        return attrs.evolve(TOKEN)

    async def refresh(self, token: Token) -> Token:
        """Return a token like the first."""
        return await self.issue()

    async def revoke(self, token: Token) -> None:
        """Do nothing."""


async def seeded(key: StoreKey, token: Token = TOKEN) -> MemoryStore:
    """Return a store that holds `token`."""
    store = MemoryStore()
    lease = await store.lease(key, HOUR)
    assert lease is not None
    await store.commit(lease, token, expected_version=0, age=timedelta(0))
    await store.release(lease)
    return store


# --- the hot path ---------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def _floor(_: str, __: str) -> AsyncGenerator[Do]:
    async def at_once() -> None:
        return None

    yield at_once


@contextlib.asynccontextmanager
async def _manager(_: str, __: str) -> AsyncGenerator[Do]:
    manager = TokenManager(Issuer(), key=KEY, store=MemoryStore())
    yield manager.token
    await manager.aclose()


@contextlib.asynccontextmanager
async def _client_token(_: str, host: str) -> AsyncGenerator[Do]:
    async with await _nomba(host) as client:
        yield client.token


# --- a request -------------------------------------------------------------------------------------


async def _nomba(host: str) -> VendorClient:
    credentials = NombaCredentials(client_id="id", client_secret=Secret("secret"), account_id="account")
    key = NombaClient(credentials, base_url=host).key
    return NombaClient(credentials, base_url=host, store=await seeded(key))


async def _nomad(host: str) -> VendorClient:
    credentials = NomadPassword("user", Secret("password"))
    key = NomadClient(credentials, base_url=host).key
    return NomadClient(credentials, base_url=host, store=await seeded(key))


async def _noyo(host: str) -> VendorClient:
    credentials = NoyoCredentials(client_id="id", client_secret=Secret("secret"))
    key = NoyoClient(credentials, base_url=host).key
    return NoyoClient(credentials, base_url=host, store=await seeded(key))


async def _nao(host: str) -> VendorClient:
    credentials = NaoSession(email="someone@example.com", password=Secret("password"))
    key = NaoClient(credentials, base_url=host).key
    return NaoClient(credentials, base_url=host, store=await seeded(key, NAO_TOKEN))


CLIENTS = {"nomad": _nomad, "nomba": _nomba, "noyo": _noyo, "nao": _nao}
PLAIN, AUTH, CLIENT = "plain session like {}", "{} auth on the user's session", "{} client"
"""What a request goes through, and how its figure is called."""
_OF_AIOHTTP = {"host", "accept-encoding"}
"""What each session sends by itself."""


def _request(vendor: str, *, through: str, many: bool) -> Scenario:
    """Return the scenario of a request.

    It goes through a plain session with the headers that the vendor wants, through a session of the user's with the client's
    middleware (`client.auth`), or through the vendor's client.
    """

    @contextlib.asynccontextmanager
    async def opened(_: str, host: str) -> AsyncGenerator[Do]:
        numbers = iter(range(10**6))
        async with await CLIENTS[vendor](host) as client:
            async with client.get("/v1/rows") as response:
                sent = {
                    name: value
                    for name, value in response.request_info.headers.items()
                    if name.lower() not in _OF_AIOHTTP
                }
                url = str(response.url)
                await response.read()

            async def ours() -> None:
                path = f"/v1/rows/{next(numbers)}" if many else "/v1/rows/one"
                async with client.get(path) as response:
                    await response.read()
                    assert response.status == 200

            if through == CLIENT:
                yield ours
                return
            if through == AUTH:
                made = ClientSession(middlewares=(client.auth,))
            else:
                made = ClientSession(headers=sent)
            base = url.removesuffix("/v1/rows")
            async with made as session:

                async def theirs() -> None:
                    path = f"/v1/rows/{next(numbers)}" if many else "/v1/rows/one"
                    async with session.get(f"{base}{path}") as response:
                        await response.read()
                        assert response.status == 200

                yield theirs

    return Scenario(opened, 150, 34)


# --- typed calls, renewals ------------------------------------------------------------------------


def _row(*, typed: bool) -> Scenario:
    @contextlib.asynccontextmanager
    async def opened(sandbox: str, _: str) -> AsyncGenerator[Do]:
        async with NombaClient(NombaSandbox.credentials, base_url=sandbox, store=MemoryStore()) as client:

            async def call() -> None:
                await client.call("GET", "/v1/rows/1", list[Row])

            async def get() -> None:
                async with client.get("/v1/rows/1") as response:
                    await response.json()

            await (
                get()
            )  # the sign-in takes longer under callgrind, on a busy machine, than a typed call's deadline
            yield call if typed else get

    return Scenario(opened, 100, 20)


def _row_of(vendor: str, *, typed: bool) -> Scenario:
    """Return the scenario of one row in a list through the vendor's client, from the host that answers all."""

    @contextlib.asynccontextmanager
    async def opened(_: str, host: str) -> AsyncGenerator[Do]:
        async with await CLIENTS[vendor](host) as client:
            path = {"nomba": "/v1/list/enveloped", "nomad": "/v1/list/camel"}.get(vendor, "/v1/list/snake")

            async def call() -> None:
                assert (await client.call("GET", path, list[Row])).data

            async def get() -> None:
                async with client.get(path) as response:
                    assert await response.json()

            await get()
            yield call if typed else get

    return Scenario(opened, 100, 20)


@contextlib.asynccontextmanager
async def _renewal(sandbox: str, _: str) -> AsyncGenerator[Do]:
    async with NombaClient(NombaSandbox.credentials, base_url=sandbox, store=MemoryStore()) as client:
        yield client.renew


@contextlib.asynccontextmanager
async def _bare_post(sandbox: str, _: str) -> AsyncGenerator[Do]:
    given = NombaSandbox.credentials
    body = {
        "grant_type": "client_credentials",
        "client_id": given.client_id,
        "client_secret": given.client_secret.reveal(),
    }
    async with ClientSession(
        connector=TCPConnector(force_close=True), cookie_jar=DummyCookieJar()
    ) as session:

        async def post() -> None:
            async with session.post(
                f"{sandbox}/v1/auth/token/issue", json=body, headers={"accountId": given.account_id}
            ) as response:
                assert response.status == 200
                await response.json()

        yield post


@contextlib.asynccontextmanager
async def _manager_alone(_: str, __: str) -> AsyncGenerator[Do]:
    manager = TokenManager(Issuer(), key=KEY, store=MemoryStore())
    yield manager.renew
    await manager.aclose()


# --- many who wait --------------------------------------------------------------------------------


def _waiters(*, bare: bool, cancelled: bool) -> Scenario:
    @contextlib.asynccontextmanager
    async def opened(_: str, __: str) -> AsyncGenerator[Do]:
        async def one(future: asyncio.Future[None]) -> None:
            await future

        async def on_one_future() -> None:
            loop = asyncio.get_running_loop()
            shared: asyncio.Future[None] = loop.create_future()
            # a future of one's own is what can be cancelled without the others
            tasks = [
                asyncio.create_task(one(loop.create_future() if cancelled else shared))
                for _ in range(CALLERS)
            ]
            await asyncio.sleep(0)
            if not cancelled:
                shared.set_result(None)
            await _ended(tasks, cancelled=cancelled)

        async def on_a_manager() -> None:
            issuer = Issuer()
            issuer.gate = asyncio.Event()
            manager = TokenManager(issuer, key=KEY, store=MemoryStore())
            tasks = [asyncio.create_task(manager.token()) for _ in range(CALLERS)]
            await asyncio.sleep(0)
            if not cancelled:
                issuer.gate.set()
            await _ended(tasks, cancelled=cancelled)
            issuer.gate.set()
            await manager.aclose()

        yield on_one_future if bare else on_a_manager

    return Scenario(opened, 1, 1)


async def _ended(tasks: list[asyncio.Task[None]] | list[asyncio.Task[Token]], *, cancelled: bool) -> None:
    if cancelled:
        for task in tasks:
            task.cancel()
    for task in tasks:
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _requests() -> dict[str, Scenario]:
    found: dict[str, Scenario] = {}
    for many, where in ((False, "same path"), (True, "another path each time")):
        for vendor in CLIENTS:
            for through in (PLAIN, AUTH, CLIENT):
                found[f"{through.format(vendor)}, {where}"] = _request(vendor, through=through, many=many)
    return found


SCENARIOS: dict[str, Scenario] = {
    "empty coroutine": Scenario(_floor, 5_000, 100),
    "manager.token()": Scenario(_manager, 5_000, 100),
    "client.token()": Scenario(_client_token, 5_000, 100),
    **_requests(),
    "get() and json()": _row(typed=False),
    "call() of one row": _row(typed=True),
    **{
        f"{vendor} client, {'call() of' if typed else 'get() and json() of'} one row": _row_of(
            vendor, typed=typed
        )
        for vendor in CLIENTS
        for typed in (False, True)
    },
    "POST on a new connection": Scenario(_bare_post, 30, 10),
    "Nomba renewal": Scenario(_renewal, 30, 10),
    "manager renewal": Scenario(_manager_alone, 100, 20),
    "10,000 on one future": _waiters(bare=True, cancelled=False),
    "10,000 cold callers": _waiters(bare=False, cancelled=False),
    "10,000 futures cancelled": _waiters(bare=True, cancelled=True),
    "10,000 callers cancelled": _waiters(bare=False, cancelled=True),
}


async def _count(scenario: Scenario, sandbox: str, host: str) -> None:
    async with scenario.open(sandbox, host) as do:
        for _ in range(scenario.warm):
            await do()
        gc.collect()
        mark()
        for _ in range(scenario.times):
            await do()
        mark()


def _run(scenario: Scenario, sandbox: str, host: str) -> None:
    asyncio.run(_count(scenario, sandbox, host))


def _main(sandbox: str, host: str, *names: str) -> None:
    gc.disable()
    for name in names:
        in_child(name, partial(_run, SCENARIOS[name], sandbox, host))


if __name__ == "__main__":
    _main(*sys.argv[1:])
