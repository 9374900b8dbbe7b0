"""An arq worker: arq arq_worker.WorkerSettings.

Needs Redis at REDIS_URL, and redis-py before version 6.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any, ClassVar

from arq import create_pool
from arq.connections import RedisSettings
from arq.worker import Worker

from nombaauth import NombaClient

REDIS = RedisSettings.from_dsn(
    os.environ.get("REDIS_URL", "redis://localhost:6379")
)


async def startup(ctx: dict[str, Any]) -> None:
    """Open the client in the worker's event loop."""
    ctx["nomba"] = await NombaClient().__aenter__()


async def shutdown(ctx: dict[str, Any]) -> None:
    """Close it."""
    await ctx["nomba"].aclose()


async def balance(ctx: dict[str, Any]) -> str:
    """Do one job."""
    nomba: NombaClient = ctx["nomba"]
    return str((await nomba.check()).amount)


class WorkerSettings:
    """What arq reads."""

    functions: ClassVar = [balance]
    on_startup = startup
    on_shutdown = shutdown
    redis_settings = REDIS


async def self_check() -> None:
    """Enqueue twenty jobs, do them, and print what came of them."""
    pool = await create_pool(REDIS)
    jobs = [await pool.enqueue_job("balance") for _ in range(20)]
    worker = Worker(
        functions=[balance],
        on_startup=startup,
        on_shutdown=shutdown,
        redis_settings=REDIS,
        burst=True,
        poll_delay=0.05,
        handle_signals=False,
    )
    await worker.async_run()
    done = {await job.result(timeout=5) for job in jobs if job is not None}
    print(worker.jobs_complete, "jobs done:", *done)
    await worker.close()
    await pool.aclose()


if __name__ == "__main__" and "--self-check" in sys.argv:
    asyncio.run(self_check())
