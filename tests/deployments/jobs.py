"""The processes of the deployment tests: ``python -m tests.deployments.jobs KIND [COUNT]``.

Each does so many jobs, a quarter of a second apart, and says what became of each, one JSON value a line.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
import uvloop
from aiohttp import web
from asgiref.sync import async_to_sync

from tests.deployments.app import request

__all__ = ["main"]

_PAUSE_S = 0.25


def say(what: object) -> None:
    """Tell the test."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


def outcome(run: Callable[[], int]) -> int | str:
    """Return the status of one job, or what it raised."""
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - told to the test
        return f"{type(error).__name__}: {error}"


def _from_sync() -> int:
    return async_to_sync(request)()


def _with_runner() -> int:
    with asyncio.Runner() as runner:
        return runner.run(request())


def _recipe() -> int:
    """Do the job in a loop that goes on, and cancel all that is left of it, as servers do that shut down in parts."""

    async def work() -> int:
        status = await request()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        return status

    return asyncio.run(work())


def _never_cancelled() -> int:
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(request())
    finally:
        loop.close()


_standing = asyncio.new_event_loop()


def _as_cells() -> int:
    """Run the job as a notebook's cell: the loop stands still between two of them, and is never closed."""
    return _standing.run_until_complete(request())


RUNS: dict[str, Callable[[], int]] = {
    "asyncio.run": lambda: asyncio.run(request()),
    "asyncio.Runner": _with_runner,
    "anyio.run": lambda: anyio.run(request),
    "uvloop.run": lambda: uvloop.run(request()),
    "async_to_sync": _from_sync,
    "cancel all": _recipe,
    "loop.close": _never_cancelled,
    "standing loop": _as_cells,
}


def _row(kind: str, count: int) -> None:
    for _ in range(count):
        say(outcome(RUNS[kind]))
        time.sleep(_PAUSE_S)


def _one_loop(count: int) -> None:
    async def run() -> None:
        for _ in range(count):
            try:
                say(await request())
            except Exception as error:  # noqa: BLE001 - told to the test
                say(repr(error))
            await asyncio.sleep(_PAUSE_S)

    asyncio.run(run())


def _task_queue(count: int) -> None:
    from taskiq import InMemoryBroker  # noqa: PLC0415 - not installed with the tests' own tools

    async def run() -> None:
        broker = InMemoryBroker()
        job = broker.register_task(request, task_name="job")
        await broker.startup()
        for _ in range(count):
            result = await (await job.kiq()).wait_result()
            say(repr(result.error) if result.is_err else result.return_value)
            await asyncio.sleep(_PAUSE_S)
        await broker.shutdown()

    asyncio.run(run())


def _processes(method: str, count: int) -> None:
    context: Any = multiprocessing.get_context(method)
    say(outcome(RUNS["asyncio.run"]))
    children = [context.Process(target=_row, args=("asyncio.run", count)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def _interrupted(count: int) -> None:
    """Be interrupted during a job, and go on with others."""

    async def linger() -> None:
        say(await request())
        await asyncio.sleep(60)

    # a shell's background job ignores it, and what it starts inherits that
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        asyncio.run(linger())
    except KeyboardInterrupt:
        say("interrupted")
    _row("asyncio.run", count)


def _aiohttp_server() -> None:
    async def serve(_: web.Request) -> web.Response:
        try:
            return web.Response(status=await request())
        except Exception as error:  # noqa: BLE001 - told to the test
            return web.Response(status=500, text=repr(error))

    app = web.Application()
    app.router.add_get("/", serve)
    port = int(os.environ["PORT"])
    web.run_app(app, host="127.0.0.1", port=port, print=None, shutdown_timeout=1.0)


def main(kind: str, count: int) -> None:
    """Do what the command line says."""
    if kind in ("fork", "spawn"):
        _processes(kind, count)
    elif kind == "taskiq":
        _task_queue(count)
    elif kind == "interrupted":
        _interrupted(count)
    elif kind == "one loop":
        _one_loop(count)
    elif kind == "aiohttp server":
        _aiohttp_server()
    else:
        _row(kind, count)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
