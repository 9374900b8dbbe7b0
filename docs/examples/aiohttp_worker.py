"""A worker: 1,000 coroutines take work from a queue and share one client."""

from __future__ import annotations

import asyncio

from aiohttp import ClientSession, TCPConnector

from nauth import Event, RenewalSucceeded
from nombaauth import NombaClient

WORKERS, JOBS = 1_000, 5_000


async def work(jobs: asyncio.Queue[int], nomba: NombaClient) -> int:
    """Take jobs until there are none; return how many were done."""
    done = 0
    while not jobs.empty():
        jobs.get_nowait()
        async with nomba.get("/v1/transfers/banks") as response:
            response.raise_for_status()
            await response.read()
        done += 1
    return done


async def main() -> None:
    """Do all jobs and print what they cost."""
    sign_ins = 0

    def observe(event: Event) -> None:
        nonlocal sign_ins
        sign_ins += isinstance(event, RenewalSucceeded)

    jobs: asyncio.Queue[int] = asyncio.Queue()
    for number in range(JOBS):
        jobs.put_nowait(number)
    async with (
        ClientSession(
            connector=TCPConnector(limit=50)
        ) as session,  # as many sockets
        NombaClient(session=session, observer=observe) as nomba,
        asyncio.TaskGroup() as group,
    ):
        tasks = [group.create_task(work(jobs, nomba)) for _ in range(WORKERS)]
    print(
        sum(task.result() for task in tasks), "jobs done with", sign_ins, "sign-in"
    )


if __name__ == "__main__":
    asyncio.run(main())
