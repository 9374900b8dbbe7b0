"""Metrics: their names, units and attributes, none of which names a client."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from aiohttp import ClientSession, web

from nauth.bearer.aiohttp import BearerAuth
from nauth.errors import NauthError, VendorUnavailableError
from nauth.event_delivery import notify
from nauth.events import OriginRefused, RequestReplayed
from nauth.manager.store_access import KeyedStore
from nauth.telemetry.metrics import SECONDS
from nauth.testing.clock import FakeClock
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.nauth.telemetry.conftest import Collected, Point
from tests.support.authenticator import made
from tests.support.manager import KEY, Rig, all_blocked
from tests.support.store import FakeStore

DOWN = VendorUnavailableError("down")


def _series(points: list[Point]) -> list[tuple[dict[str, object], int, float]]:
    return [(dict(point.attributes), point.count, point.value) for point in points]


async def test_renewals(collected: Collected) -> None:
    """Renewals are measured by vendor, cause, source and error; the duration is the client's clock's."""
    rig = Rig(rotating=True)
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.name()) for _ in range(7)]
    await all_blocked()
    rig.clock.advance(2)
    gate.set()
    await asyncio.gather(*callers)
    await rig.manager.renew()
    await rig.another().token()
    rig.clock.advance(4_000)
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    metrics = collected.metrics()
    fake = {"nauth.vendor": "fake"}
    assert _series(metrics["nauth.renewal.duration s"]) == [
        (fake | {"nauth.renewal.cause": "cold", "nauth.renewal.source": "issue"}, 1, 2.0),
        (fake | {"nauth.renewal.cause": "forced", "nauth.renewal.source": "refresh"}, 1, 0.0),
        (fake | {"nauth.renewal.cause": "cold", "nauth.renewal.source": "adopted"}, 1, 0.0),
        (fake | {"nauth.renewal.cause": "expired", "error.type": "VendorUnavailableError"}, 1, 0.0),
    ]
    assert metrics["nauth.renewal.duration s"][0].bounds == SECONDS
    assert _series(metrics["nauth.renewal.waiters {caller}"]) == [
        (fake | {"nauth.renewal.cause": "cold"}, 2, 8),
        (fake | {"nauth.renewal.cause": "forced"}, 1, 1),
        (fake | {"nauth.renewal.cause": "expired"}, 1, 1),
    ]


async def test_time_to_expiry(collected: Collected) -> None:
    """The gauge is the least of all living clients of a vendor; idle ones that expired are none, failing ones are 0."""
    rig = Rig()
    gauge = "nauth.token.time_to_expiry s"
    assert not collected.metrics().get(gauge)
    await rig.name()
    rig.clock.advance(1_000)
    other = Rig()
    await other.name()
    assert _series(collected.metrics()[gauge]) == [({"nauth.vendor": "fake"}, 1, 2_600.0)]
    rig.clock.advance(3_000)
    assert _series(collected.metrics()[gauge]) == [({"nauth.vendor": "fake"}, 1, 3_600.0)]
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    assert _series(collected.metrics()[gauge]) == [({"nauth.vendor": "fake"}, 1, 0.0)]
    await rig.manager.aclose()
    await other.manager.aclose()
    assert not collected.metrics().get(gauge)


async def test_a_token_without_an_end(collected: Collected) -> None:
    """A token that never expires has no time to its expiry."""
    rig = Rig(lifetime=None)
    await rig.name()
    assert not collected.metrics().get("nauth.token.time_to_expiry s")


async def test_store_operations(collected: Collected) -> None:
    """Operations of the store are measured by kind and error; waiting for a change is no work of the store's."""
    clock = FakeClock()
    store = FakeStore(clock)
    shared = KeyedStore(store, KEY, clock)
    await shared.load()
    lease = await shared.lease(timedelta(seconds=1))
    assert lease is not None
    await shared.commit(lease, made("a"), expected_version=0, age=timedelta(0))
    with pytest.raises(NauthError):
        await shared.commit(lease, made("a"), expected_version=0, age=timedelta(0))
    waiting = asyncio.create_task(shared.changed())
    await all_blocked()
    clock.advance(1)
    await waiting
    points = collected.metrics()["nauth.store.operation.duration s"]
    fake = {"nauth.store": "fake"}
    assert [point.attributes for point in points] == [
        fake | {"nauth.store.operation": "load"},
        fake | {"nauth.store.operation": "lease"},
        fake | {"nauth.store.operation": "commit"},
        fake | {"nauth.store.operation": "commit", "error.type": "LeaseLostError"},
    ]


async def test_all_replays_are_counted(collected: Collected) -> None:
    """Five thousand replays in one turn are five thousand, though observers are told of the first thousand only."""
    rig = Rig()
    reporter = rig.manager.reporter
    for _ in range(5_000):
        notify(reporter, RequestReplayed(method="GET", status=200))
    notify(reporter, OriginRefused(origin="https://elsewhere.example:443"))
    metrics = collected.metrics()
    assert _series(metrics["nauth.request.replays {request}"]) == [
        ({"nauth.vendor": "fake", "http.response.status_code": 200}, 1, 5_000)
    ]
    assert _series(metrics["nauth.origin.refusals {request}"]) == [({"nauth.vendor": "fake"}, 1, 1)]


async def test_a_real_client(collected: Collected) -> None:
    """With a vendor's client: a takeover is one renewal and one replay, and no attribute names client, token or address."""
    async with NombaSandbox() as sandbox:
        async with NombaClient(sandbox.credentials, base_url=sandbox.base_url) as nomba:
            await nomba.check()
            sandbox.take_over()
            await nomba.check()
            identity = nomba.key.identity[:8]
            token = (await nomba.token()).access_token.reveal()
        seen = {name.lower() for exchange in sandbox.log for name in exchange.headers}
    metrics = collected.metrics()
    nomba_only = {"nauth.vendor": "nomba"}
    assert _series(metrics["nauth.request.replays {request}"]) == [
        (nomba_only | {"http.response.status_code": 200}, 1, 1)
    ]
    causes = [point.attributes["nauth.renewal.cause"] for point in metrics["nauth.renewal.duration s"]]
    assert causes == ["cold", "rejected"]
    text = repr(metrics)
    assert identity not in text
    assert "127.0.0.1" not in text
    spans = "".join(span.to_json() for span in collected.exporter.get_finished_spans())
    assert identity in spans
    for secret in (token, sandbox.credentials.client_secret.reveal(), sandbox.credentials.client_id):
        assert secret not in text + spans
    assert not seen & {"traceparent", "tracestate", "baggage"}


async def test_another_origin(collected: Collected) -> None:
    """A request to an origin that is not configured is counted for its client's vendor."""

    async def hello(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/", hello)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    async with (
        NombaClient(NombaSandbox().credentials, base_url="https://api.nomba.example") as nomba,
        ClientSession(middlewares=(nomba.auth,)) as session,
    ):
        assert isinstance(nomba.auth, BearerAuth)
        async with session.get(f"http://127.0.0.1:{runner.addresses[0][1]}/") as response:
            assert response.status == 200
    await runner.cleanup()
    assert _series(collected.metrics()["nauth.origin.refusals {request}"]) == [
        ({"nauth.vendor": "nomba"}, 1, 1)
    ]
