"""The vendors' clients, on real sockets: every public coroutine of theirs, stopped at every await point in turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeAlias

import pytest

from nauth.client import VendorClient
from nauth.errors import InteractionRequiredError
from nauth.stores import MemoryStore
from nauth.testing import Fault
from tests.cancellation.kit import StageMaker, every_task, every_way, turn
from tests.support.cancel_everywhere import MOMENTS, Act, Moment, Report, Way, in_loop, settled, sweep
from tests.support.vendors.table import CASES, Case, Stage, opened

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
async def _warm(stage: Stage, client: VendorClient) -> AsyncGenerator[None]:
    await client.token()
    yield


@asynccontextmanager
async def _cold(stage: Stage, client: VendorClient) -> AsyncGenerator[None]:
    yield


@asynccontextmanager
async def _thrown_out(stage: Stage, client: VendorClient) -> AsyncGenerator[None]:
    await client.token()
    stage.sandbox.kill_sessions()
    yield


@asynccontextmanager
async def _signing_in(stage: Stage, client: VendorClient) -> AsyncGenerator[None]:
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
            await turn()
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
    async def scene() -> AsyncGenerator[Act]:
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
    """Tell whether no connection of the client's is in use, and no task holds or waits for anything."""
    connectors = [known.session.connector for known in client._sessions._table.values()]
    loop_state = client._manager._loops.here()
    return (
        not any(connector._acquired for connector in connectors if connector is not None)
        and (loop_state.flight, loop_state.recheck, loop_state.tasks, loop_state.sleeps)
        == (None, None, (), ())
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
        # the caller's own `issue` is shared with no other: the next call signs in for itself
        assert len(costs) == 1 or name == "issue", f"cancelling changes how many calls are made: {costs}"
        return count

    return run


@every_task
@every_way
@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.name, marks=() if case is CLIENTS[0] else pytest.mark.slow)
        for case in CLIENTS
    ],
)
def test_a_client_outlives_every_cancellation(case: Case, way: Way, eager: bool) -> None:
    """Whatever is stopped wherever: no connection stays taken, no token call is added or lost, and the next request works."""
    for name, (before, call) in (CALLS | OWN_CALLS[case.vendor.name]).items():
        if case.name.startswith("NaoOAuth") and name == "issue":
            continue
        count = in_loop(_client_sweep(case, name, before, call, way), eager=eager)
        # a session's token is only forgotten, for no vendor's call revokes it: eager tasks wait for nothing on the way
        assert count or (name == "revoke" and case.name.startswith("NaoSession")), name
