"""Five thousand tenants in one process, for an hour of a fake clock or two minutes of the machine's.

uv run python -m tests.tenants.run --store sqlite
uv run python -m tests.tenants.run --store redis --tenants 5000 --visits 40000
uv run python -m tests.tenants.run --store sqlite --real-minutes 2

Exits 1 if a request failed, a cookie went astray, or memory grew after each tenant had come twice.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from datetime import timedelta
from pathlib import Path

from nauth.clock import SystemClock
from nauth.stores import SQLiteStore
from nauth.stores.base import TokenStore
from nauth.stores.redis import RedisStore
from nauth.testing import FakeClock
from tests.support.redis.servers import VALKEY, running
from tests.tenants.scene import Plan, Report, play
from tests.tenants.vendor import serving

__all__ = ["main"]

_REAL_LIFETIME = timedelta(minutes=3)
"""Of access tokens where the clock is the machine's: short enough for renewals."""


@contextlib.asynccontextmanager
async def _store(kind: str, folder: str, url: str) -> AsyncGenerator[TokenStore]:
    store = RedisStore(url) if kind == "redis" else SQLiteStore(Path(folder) / "tokens.db")
    yield store
    await store.aclose()


def main(arguments: list[str]) -> int:
    """Run it and print the figures; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--tenants", type=int, default=5_000)
    parser.add_argument("--visits", type=int, default=30_000)
    parser.add_argument("--real-minutes", type=float, default=0.0)
    options = parser.parse_args(arguments)
    real = options.real_minutes > 0
    hour = timedelta(minutes=options.real_minutes) if real else timedelta(hours=1)
    most = max(options.tenants // 10, 1)
    plan = Plan(tenants=options.tenants, visits=options.visits, most=most, hour=hour, real=real)
    clock, began = SystemClock() if real else FakeClock(), time.monotonic()
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = options.store == "redis"
        url = stack.enter_context(running(VALKEY, "Valkey")).url if redis else ""
        vendor = stack.enter_context(
            serving(plan.tenants, lifetime=_REAL_LIFETIME if real else None, real=real)
        )

        async def run() -> Report:
            async with _store(options.store, folder, url) as store:
                return await play(plan, vendor, store, clock)

        report = asyncio.run(run())
    _print(options.store, plan, report, time.monotonic() - began)
    broken = (
        report.failed or report.foreign > 0 or report.cookies > 0 or report.grown_mib > report.allowed_mib
    )
    return int(bool(broken))


def _print(store: str, plan: Plan, report: Report, took_s: float) -> None:
    what = f"{plan.hour} of {'the machine' if plan.real else 'a test'}'s clock"
    print(f"{store}: {plan.tenants} tenants, {what}, {took_s:.0f} s, load {os.getloadavg()[0]:.1f}")
    print(
        f"served {report.served}, failed {dict(report.failed)}, foreign {report.foreign}, cookies {report.cookies}"
    )
    for name, words in report.words.items():
        print(f"the first {name}: {words}")
    print(f"sign-ins {report.sign_ins}, renewals {report.renewals}")
    print(f"clients: at most {report.most_clients}, opened {report.opened}, evicted {report.evicted}")
    print(f"descriptors: {report.descriptors_before} before, {report.most_descriptors} at most")
    print(f"resident MiB: {report.rss_before_mib:.1f} at first; from the end of the warm-up on:")
    print(" ", " ".join(f"{one:.1f}" for one in report.rss_mib))
    print("objects in thousands:", " ".join(f"{one / 1e3:.1f}" for one in report.objects))
    print(f"resident MiB of the vendor: {report.vendor_rss_mib[0]:.1f}, then {report.vendor_rss_mib[-1]:.1f}")
    print("from the first third after the warm-up to the last, by medians:")
    print(f"  resident {report.grown_mib:+.2f} MiB, {report.allowed_mib:.2f} allowed")
    print(f"  objects {report.grown_objects:+.0f}, {report.allowed_objects:.0f} allowed")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
