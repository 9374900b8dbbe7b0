"""What a soak does to a fleet: one disturbance at a time, each over before the next begins."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import attrs

from nauth.testing.faults import Fault
from tests.multiprocess.fleet import Fleet
from tests.multiprocess.vendor import Moment
from tests.support.redis.servers import Server
from tests.support.tcp_proxy import Proxy

__all__ = ["Disturbance", "disturbances"]

_SHORTEST_S, _LONGEST_S = 0.2, 1.0
"""How long a store fault lasts: shorter than the time between a token's first renewal attempt and its end."""


@attrs.frozen(eq=False)
class Disturbance:
    """One way to disturb.

    Attributes:
        kind: "kill", "store" or "vendor".
        act: does it, and returns when it is over.
        losses: how many tokens it may make the vendor issue in vain, at most.
        blinds: whether the store cannot be read from outside meanwhile.
    """

    kind: str
    act: Callable[[], Awaitable[None]]
    losses: int = 0
    blinds: bool = False


def disturbances(fleet: Fleet, proxy: Proxy, server: Server) -> Mapping[str, Disturbance]:
    """Return all there are, by name."""
    store = _StoreFaults(proxy, server)
    kills = _Kills(fleet)
    vendor = _VendorFaults(fleet)
    return {
        "kill at any moment": Disturbance("kill", kills.anytime, losses=1),
        "kill before the vendor acts": Disturbance("kill", lambda: kills.strike("before")),
        "kill before the answer": Disturbance("kill", lambda: kills.strike("after"), losses=1),
        "kill after the answer": Disturbance("kill", lambda: kills.strike("answered"), losses=1),
        "store refuses": Disturbance("store", store.refuse),
        "store hangs": Disturbance("store", store.hang),
        "store connections cut": Disturbance("store", store.cut),
        "store commands cut": Disturbance("store", store.cut_requests),
        "store answers lost": Disturbance("store", store.lose_answers),
        "store slow": Disturbance("store", store.slow),
        "store restarted empty": Disturbance("store", store.restart, blinds=True),
        "vendor answers 503": Disturbance("vendor", lambda: vendor.meet(Fault(status=503), times=2)),
        "vendor answers 500": Disturbance("vendor", lambda: vendor.meet(Fault(status=500), times=4)),
        "vendor cuts before": Disturbance("vendor", lambda: vendor.meet(Fault(drop="before"))),
        "vendor cuts after": Disturbance("vendor", lambda: vendor.meet(Fault(drop="after")), losses=1),
        "vendor slow": Disturbance("vendor", lambda: vendor.meet(Fault(delay=timedelta(seconds=1)))),
        "vendor refuses a live token": Disturbance("vendor", vendor.refuse),
    }


class _Kills:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    async def anytime(self) -> None:
        await asyncio.sleep(random.uniform(0, self._fleet.order.lifetime_s))
        name = random.choice(list(self._fleet.members))
        self._fleet.kill(name)
        await self._fleet.replace(name)

    async def strike(self, moment: Moment) -> None:
        await self._fleet.replace(await self._fleet.vendor.lay_ambush(moment))


class _StoreFaults:
    def __init__(self, proxy: Proxy, server: Server) -> None:
        self._proxy = proxy
        self._server = server

    async def refuse(self) -> None:
        self._proxy.refuse()
        await _while()
        await self._proxy.listen()

    async def hang(self) -> None:
        self._proxy.hang()
        await _while()
        self._proxy.flow()

    async def cut(self) -> None:
        self._proxy.cut()

    async def cut_requests(self) -> None:
        self._proxy.cut_requests = 1_000_000
        await _while()
        self._proxy.cut_requests = 0

    async def lose_answers(self) -> None:
        self._proxy.lose_answers = 1_000_000
        await _while()
        self._proxy.lose_answers = 0

    async def slow(self) -> None:
        self._proxy.delay_s = 0.05
        await _while()
        await _while()
        self._proxy.delay_s = 0.0

    async def restart(self) -> None:
        await asyncio.to_thread(self._server.stop)
        await asyncio.to_thread(self._server.start)


class _VendorFaults:
    def __init__(self, fleet: Fleet) -> None:
        self._vendor = fleet.vendor

    async def meet(self, fault: Fault, *, times: int = 1) -> None:
        faults, calls = self._vendor.faults, self._vendor.requests["refresh"]
        faults.add(fault, endpoint="refresh", times=times)
        await self._vendor.wait_for("refresh", calls + times)

    async def refuse(self) -> None:
        faults, calls = self._vendor.faults, self._vendor.requests["banks"]
        faults.add(Fault(status=401), endpoint="banks")
        await self._vendor.wait_for("banks", calls + 1)


async def _while() -> None:
    await asyncio.sleep(random.uniform(_SHORTEST_S, _LONGEST_S))
