"""A taskiq worker, with one client for the life of each worker process.

`InMemoryBroker` does the tasks in the process that sends them. With a broker that has a
server, start workers by: taskiq worker taskiq_worker:broker.
"""

from __future__ import annotations

import asyncio
import sys

from taskiq import Context, InMemoryBroker, TaskiqDepends, TaskiqEvents, TaskiqState

from nombaauth import NombaClient

DEPENDS: Context = TaskiqDepends()
broker = InMemoryBroker()  # in production one with a server, such as taskiq-redis's


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    """Open the client in the worker's event loop."""
    state.nomba = await NombaClient().__aenter__()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def shutdown(state: TaskiqState) -> None:
    """Close it."""
    await state.nomba.aclose()


@broker.task
async def balance(context: Context = DEPENDS) -> str:
    """Do one job."""
    nomba: NombaClient = context.state.nomba
    return str((await nomba.check()).amount)


async def self_check() -> None:
    """Do twenty jobs and print what came of them."""
    broker.is_worker_process = True
    await broker.startup()
    jobs = [await balance.kiq() for _ in range(20)]
    results = [await job.wait_result() for job in jobs]
    await broker.shutdown()
    for result in results:
        result.raise_for_error()
    print(len(results), "jobs done:", *{result.return_value for result in results})


if __name__ == "__main__" and "--self-check" in sys.argv:
    asyncio.run(self_check())
