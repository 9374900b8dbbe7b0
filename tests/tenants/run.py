"""Five thousand tenants in one process for an hour of the clock.

uv run python -m tests.tenants.run --store sqlite
uv run python -m tests.tenants.run --store redis --tenants 5000 --visits 40000
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from pathlib import Path

from nauth.stores import SQLiteStore
from nauth.stores.base import TokenStore
from nauth.stores.redis import RedisStore
from nauth.testing import FakeClock
from nombaauth.sandbox import NombaSandbox
from tests.support.redis.servers import VALKEY, running
from tests.tenants.scene import Plan, Report, play

__all__ = ["main"]


@contextlib.asynccontextmanager
async def _store(kind: str, folder: str, url: str) -> AsyncGenerator[TokenStore]:
    store = RedisStore(url) if kind == "redis" else SQLiteStore(Path(folder) / "tokens.db")
    yield store
    await store.aclose()


def main(arguments: list[str]) -> int:
    """Run it and print the figures; 1 if a request failed or a cookie went astray."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--tenants", type=int, default=5_000)
    parser.add_argument("--visits", type=int, default=20_000)
    options = parser.parse_args(arguments)
    plan = Plan(tenants=options.tenants, visits=options.visits)
    clock, began = FakeClock(), time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = options.store == "redis"
        url = stack.enter_context(running(VALKEY, "Valkey")).url if redis else ""
        sandbox = stack.enter_context(NombaSandbox(clock=clock))

        async def run() -> Report:
            async with _store(options.store, folder, url) as store:
                return await play(plan, sandbox, store, clock)

        report = asyncio.run(run())
    print(f"{options.store}: {plan.tenants} tenants, {plan.visits} visits, {time.monotonic() - began:.0f} s")
    print(
        f"served {report.served}, failed {dict(report.failed)}, foreign {report.foreign}, cookies {report.cookies}"
    )
    for name, words in report.words.items():
        print(f"the first {name}: {words}")
    print(f"sign-ins {report.sign_ins}, renewals {report.renewals}")
    print(f"clients: at most {report.most_clients}, opened {report.opened}, evicted {report.evicted}")
    print(f"descriptors: {report.descriptors_before} before, {report.most_descriptors} at most")
    print("resident MiB:", " ".join(f"{one:.0f}" for one in report.rss_mib))
    return int(bool(report.failed) or report.foreign > 0 or report.cookies > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
