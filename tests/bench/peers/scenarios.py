"""What is asked of every library. Each scenario counts calls, errors and waiters; times are ratios within one run.

A scenario runs in a process of its own and returns plain figures. It may raise `CannotDoError`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import statistics
import subprocess
import sys
import threading
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import attrs
from aiohttp import ClientSession

from tests.bench.latencies import latencies
from tests.bench.peers.peer import CannotDoError, Peer, Setup
from tests.bench.peers.server import Control

__all__ = ["SCENARIOS", "Figures", "Scene"]

Figures: TypeAlias = dict[str, Any]

CROWD, CALLERS, STORM, JOBS, PROCESSES = 1_000, 100, 200, 20, 8
_STILL_S = 0.5
"""A crowd that has made no progress for so long waits for the server."""


_OWN_THREADS = ThreadPoolExecutor(2)


@attrs.define
class Scene:
    """One peer, not open yet, and the server that it is to use."""

    kind: type[Peer]
    control: Control
    folder: Path
    peer: Peer = attrs.field(init=False)

    def make(self, *, refresh_token: str | None = None, folder: Path | None = None) -> Peer:
        """Make the peer that the scenario uses."""
        self.peer = self.kind(Setup(url=self.control.url, refresh_token=refresh_token, folder=folder))
        return self.peer

    async def tell(self, **told: Any) -> dict[str, Any]:
        """Tell the server how to behave, without blocking the loop."""
        # not the loop's own threads: a library may be blocking all of them
        return await asyncio.get_running_loop().run_in_executor(_OWN_THREADS, partial(self.control, **told))

    async def calls(self) -> int:
        """Return how many token calls the server has had."""
        return int((await self.tell())["calls"])

    async def until(self, calls: int) -> None:
        """Wait until the server has had so many token calls."""
        end = time.monotonic() + 10
        while await self.calls() < calls:
            if time.monotonic() > end:
                raise RuntimeError("the token call never came")
            await asyncio.sleep(0.02)


def _name(outcome: object) -> str | None:
    return type(outcome).__name__ if isinstance(outcome, BaseException) else None


def _errors(outcomes: list[Any]) -> dict[str, int]:
    return dict(Counter(name for name in map(_name, outcomes) if name is not None))


async def _crowd(call: Callable[[], Awaitable[Any]], size: int) -> list[Any]:
    outcomes = await asyncio.gather(*(call() for _ in range(size)), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, CannotDoError):
            raise outcome
    return outcomes


async def _still(tasks: list[asyncio.Task[Any]]) -> int:
    """Wait until no further task ends; return how many are left waiting."""
    left, since = len(tasks), time.monotonic()
    while time.monotonic() - since < _STILL_S:
        await asyncio.sleep(0.02)
        now = sum(not task.done() for task in tasks)
        if now != left:
            left, since = now, time.monotonic()
    return left


# --- one process, one loop ------------------------------------------------------------------------


async def hot(scene: Scene) -> Figures:
    """`token()` with a fresh token, against a coroutine that returns at once."""
    peer = scene.make()
    await peer.open()
    await peer.token()

    async def empty() -> str:
        return ""

    started = time.perf_counter()
    for _ in range(50):
        await peer.token()
    slow = (time.perf_counter() - started) / 50
    times = max(100, min(20_000, int(0.05 / slow)))

    async def timed(call: Callable[[], Awaitable[str]], count: int) -> float:
        gc.disable()
        began = time.perf_counter()
        for _ in range(count):
            await call()
        took = time.perf_counter() - began
        gc.enable()
        return took / count

    pairs = [(await timed(empty, 10_000), await timed(peer.token, times)) for _ in range(11)]
    await peer.close()
    return {
        "us": statistics.median(mine for _, mine in pairs) * 1e6,
        "ratio": statistics.median(mine / base for base, mine in pairs),
    }


async def cold(scene: Scene) -> Figures:
    """A thousand callers without a token: calls and errors."""
    peer = scene.make()
    await peer.open()
    await scene.tell(delay_s=0.1)
    outcomes = await _crowd(peer.token, CROWD)
    await peer.close()
    return {"calls": await scene.calls(), "errors": _errors(outcomes)}


async def down(scene: Scene) -> Figures:
    """The endpoint answers 503: two waves of a thousand callers without a token, one right after the other."""
    peer = scene.make()
    await peer.open()
    await scene.tell(down=True, delay_s=0.005)
    first = await _crowd(peer.token, CROWD)
    calls = await scene.calls()
    second = await _crowd(peer.token, CROWD)
    again = await scene.calls() - calls
    await peer.close()
    return {"calls": calls, "calls_second_wave": again, "errors": _errors([*first, *second])}


async def _held_back(scene: Scene, peer: Peer) -> list[asyncio.Task[str]]:
    """Start a hundred callers without a token; return them once a call has arrived, which the server holds."""
    await scene.tell(gate=True)
    tasks = [asyncio.create_task(peer.token()) for _ in range(CALLERS)]
    await scene.until(1)
    await asyncio.sleep(0.1)
    return tasks


async def leader(scene: Scene) -> Figures:
    """A hundred callers without a token; the first is cancelled once its call has arrived."""
    peer = scene.make()
    await peer.open()
    tasks = await _held_back(scene, peer)
    tasks[0].cancel()
    await asyncio.sleep(0.1)
    await scene.tell(release=True)
    outcomes = await asyncio.gather(*tasks[1:], return_exceptions=True)
    await peer.close()
    return {"calls": await scene.calls(), "errors": _errors(outcomes)}


async def all_cancelled(scene: Scene) -> Figures:
    """All of a hundred callers are cancelled once the call has arrived; then one more asks."""
    peer = scene.make()
    await peer.open()
    tasks = await _held_back(scene, peer)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await scene.tell(release=True)
    await asyncio.sleep(0.2)
    outcomes = await _crowd(peer.token, 1)
    await peer.close()
    return {"calls": await scene.calls(), "errors": _errors(outcomes)}


async def _in_window(
    scene: Scene, warm: Callable[[Peer], Awaitable[object]] | None = None, **told: Any
) -> Peer:
    """Return the peer with a token that it would renew early, after `warm`; the server then behaves as told."""
    window = scene.kind.window
    if window is None:
        raise CannotDoError("it never renews early")
    peer = scene.make()
    await peer.open()
    await scene.tell(lifetime_s=window.lifetime_s)
    await peer.token()
    if warm is not None:
        await warm(peer)
    await scene.tell(lifetime_s=3600, **told)
    await asyncio.sleep(window.wait_s)
    return peer


async def window(scene: Scene) -> Figures:
    """A thousand callers while the old token lives and its renewal is under way: how many wait for it."""
    peer = await _in_window(scene, gate=True)
    before = await scene.calls()
    tasks = [asyncio.create_task(peer.token()) for _ in range(CROWD)]
    waiting = await _still(tasks)
    calls = await scene.calls() - before
    await scene.tell(release=True)
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.1)
    calls = max(calls, await scene.calls() - before)
    _check_renewed(calls)
    await peer.close()
    return {"waiting": waiting, "calls": calls, "errors": _errors(outcomes)}


async def latency(scene: Scene) -> Figures:
    """p99.9 of `token()` for a hundred callers in a loop, during a renewal of 200 ms and after it, in ms."""
    during, after = await _during_and_after(scene, lambda peer: peer.token, 0.2)
    return {"during_ms": _p999(during) * 1e3, "after_ms": _p999(after) * 1e3}


async def request_latency(scene: Scene) -> Figures:
    """p99.9 of a request for eight callers in a loop, during a renewal of a second against after it."""
    url = f"{scene.control.url}/rows"
    during, after = await _during_and_after(scene, lambda peer: lambda: peer.get(url), 1.0, callers=8)
    return {
        "ratio": _p999(during) / _p999(after),
        "during_ms": _p999(during) * 1e3,
        "after_ms": _p999(after) * 1e3,
    }


async def _during_and_after(
    scene: Scene, call: Callable[[Peer], Callable[[], Awaitable[Any]]], seconds: float, callers: int = CALLERS
) -> tuple[list[float], list[float]]:
    """Return the seconds that calls took during several renewals, and after them."""
    during: list[float] = []
    after: list[float] = []
    wait_s = 0.0 if scene.kind.window is None else scene.kind.window.wait_s
    # all within the time limit of a row
    rounds = 6 if wait_s <= 5 else 3 if wait_s <= 10 else 1
    for _ in range(rounds):
        scene.control(reset=True)
        # opens the connections: else those that are new would be counted to the renewal
        peer = await _in_window(
            scene,
            lambda peer: asyncio.gather(*(call(peer)() for _ in range(callers))),
            delay_s=seconds,
        )
        before = await scene.calls()
        during += await latencies(call(peer), seconds, callers)
        await asyncio.sleep(0.3)
        after += await latencies(call(peer), seconds, callers)
        _check_renewed(await scene.calls() - before)
        await peer.close()
    return during, after


def _check_renewed(calls: int) -> None:
    if not calls:
        raise RuntimeError(
            "nothing was renewed: the token was not yet in the library's time of early renewal"
        )


def _p999(values: list[float]) -> float:
    return sorted(values)[int(len(values) * 0.999)]


async def window_down(scene: Scene) -> Figures:
    """Three waves of a thousand callers while the old token lives and the endpoint answers 503."""
    peer = await _in_window(scene, down=True, delay_s=0.005)
    before = await scene.calls()
    outcomes: list[Any] = []
    for _ in range(3):
        outcomes += await _crowd(peer.token, CROWD)
        await asyncio.sleep(0.1)
    calls = await scene.calls() - before
    _check_renewed(calls)
    await peer.close()
    return {"calls": calls, "errors": _errors(outcomes)}


async def short(scene: Scene) -> Figures:
    """Three hundred calls within three seconds, with tokens of twenty."""
    peer = scene.make()
    await peer.open()
    await scene.tell(lifetime_s=20)
    outcomes: list[Any] = []
    for _ in range(300):
        outcomes += await asyncio.gather(peer.token(), return_exceptions=True)
        await asyncio.sleep(0.01)
    await peer.close()
    return {"calls": await scene.calls(), "errors": _errors(outcomes)}


async def late_401s(scene: Scene) -> Figures:
    """Two hundred requests whose token has just been ended; half of the refusals arrive after the renewal."""
    peer = scene.make()
    await peer.open()
    url = f"{scene.control.url}/rows"
    await peer.get(url)
    before = (await scene.tell(revoke=True, storm=True))["calls"]
    outcomes = await _crowd(lambda: peer.get(url), STORM)
    calls = await scene.calls() - before
    await peer.close()
    return {
        "calls": calls,
        "succeeded": sum(outcome == 200 for outcome in outcomes),
        "errors": _errors(outcomes),
    }


async def rotating(scene: Scene) -> Figures:
    """Refresh tokens that work once; the caller that renews is cancelled while the answer is on its way."""
    peer = scene.make(refresh_token="r")
    await peer.open()
    await scene.tell(refresh_token="r", gate=True)
    task = asyncio.create_task(peer.token())
    await scene.until(1)
    await asyncio.sleep(0.1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await scene.tell(release=True)
    await asyncio.sleep(0.2)
    outcomes = await _crowd(peer.token, 1)
    await peer.close()
    return {"calls": await scene.calls(), "errors": _errors(outcomes)}


async def redirect(scene: Scene) -> Figures:
    """The API answers 307 with an address at another origin: whether the token goes there."""
    peer = scene.make()
    await peer.open()
    await peer.token()
    outcomes = await _crowd(lambda: peer.get(f"{scene.control.url}/away"), 1)
    leaked = (await scene.tell())["leaked"]
    await peer.close()
    return {"leaked": leaked, "errors": _errors(outcomes)}


async def stream(scene: Scene) -> Figures:
    """A POST whose body is a stream of 3,000 bytes meets a 401: what the API accepts in the end."""
    peer = scene.make()
    await peer.open()
    await peer.token()
    await scene.tell(revoke=True)

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 1000

    given = parts()
    outcomes = await _crowd(lambda: peer.post(f"{scene.control.url}/rows", lambda: given), 1)
    bodies = (await scene.tell())["bodies"]
    await peer.close()
    accepted = [size for status, size in bodies if status == 200]
    return {
        "sent": len(bodies),
        "accepted_bytes": accepted,
        "torn": sum(size != 3000 for size in accepted),
        "status": next((outcome for outcome in outcomes if isinstance(outcome, int)), None),
        "errors": _errors(outcomes),
    }


async def throughput(scene: Scene) -> Figures:
    """Requests a second through the library's own client, against a plain aiohttp session."""
    peer = scene.make()
    await peer.open()
    url = f"{scene.control.url}/rows"
    token = f"t-0-{'x' * 40}"

    async def block(get: Callable[[str], Awaitable[int]]) -> float:
        numbers = iter(range(200))

        async def work() -> None:
            for _ in numbers:
                if await get(url) != 200:
                    raise RuntimeError("the API refused a request")

        gc.collect()
        began = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(8)))
        return 200 / (time.perf_counter() - began)

    async with ClientSession(headers={"Authorization": f"Bearer {token}"}) as session:

        async def plain(address: str) -> int:
            async with session.get(address) as response:
                await response.read()
                return response.status

        try:
            await peer.token()
        except CannotDoError:
            await _first_token(scene)
        await block(plain)
        await block(peer.get)
        pairs = [(await block(plain), await block(peer.get)) for _ in range(7)]
    await peer.close()
    return {
        "per_s": statistics.median(mine for _, mine in pairs),
        "ratio": statistics.median(mine / base for base, mine in pairs),
    }


async def _first_token(scene: Scene) -> None:
    async with ClientSession() as session, session.post(f"{scene.control.url}/token") as response:
        await response.read()


async def memory(scene: Scene) -> Figures:
    """Bytes of one more object that caches a token, before its first use."""
    peer = scene.make()
    await peer.open()
    if scene.kind.package:
        await peer.token()
    warm = [peer.made() for _ in range(3)]
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    made = [peer.made() for _ in range(300)]
    gc.collect()
    each = (tracemalloc.get_traced_memory()[0] - before) / len(made)
    tracemalloc.stop()
    del warm
    await peer.close()
    return {"bytes": round(each)}


# --- several loops, threads and processes ---------------------------------------------------------


def second_loop(scene: Scene) -> Figures:
    """A crowd in one event loop, then, with the token gone, a crowd in the next one: errors of the second."""
    peer = scene.make()

    async def first() -> None:
        await peer.open()
        await _crowd(peer.token, 10)

    scene.control(lifetime_s=2, delay_s=0.05)
    asyncio.run(first())
    time.sleep(2.1)
    before = scene.control()["calls"]
    outcomes = asyncio.run(_crowd(peer.token, 10))
    return {"calls": scene.control()["calls"] - before, "errors": _errors(outcomes)}


def threads(scene: Scene) -> Figures:
    """Two threads, each with its own loop and fifty callers, at once and without a token."""
    peer = scene.make()
    scene.control(delay_s=0.2)
    outcomes: list[Any] = []
    together = threading.Barrier(2)
    first = threading.Lock()

    def work() -> None:
        async def crowd() -> list[Any]:
            if first.acquire(blocking=False):
                await peer.open()
            together.wait()
            return await _crowd(peer.token, 50)

        outcomes.extend(asyncio.run(crowd()))

    running = [threading.Thread(target=work, daemon=True) for _ in range(2)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join(10)
    hanging = sum(thread.is_alive() for thread in running) * 50
    return {"calls": scene.control()["calls"], "errors": _errors(outcomes), "hanging": hanging}


def loops(scene: Scene) -> Figures:
    """Twenty jobs one after the other, each in a loop of its own, as in a task queue: calls and errors."""
    peer = scene.make()

    async def job(*, first: bool) -> list[Any]:
        if first:
            await peer.open()
        return await _crowd(peer.token, 5)

    outcomes: list[Any] = []
    for number in range(JOBS):
        outcomes += asyncio.run(job(first=number == 0))
    return {"calls": scene.control()["calls"], "errors": _errors(outcomes)}


def processes(scene: Scene) -> Figures:
    """Eight processes without a token, at once; each shares what its library lets processes share."""
    scene.control(delay_s=0.1)
    command = [sys.executable, "-m", "tests.bench.peers.one", scene.kind.name, "member", scene.control.url]
    members = [
        subprocess.Popen([*command, str(scene.folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)  # noqa: S603 - our own script
        for _ in range(PROCESSES)
    ]
    good = sum(member.communicate()[0].startswith(b"good") for member in members)
    return {
        "calls": scene.control()["calls"],
        "errors": {"process": PROCESSES - good} if good < PROCESSES else {},
    }


def imports(scene: Scene) -> Figures:
    """Processor time of a process that imports the library, beyond an empty one, against `import aiohttp` likewise."""

    def cost(line: str) -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", line], env=environment, check=True)  # noqa: S603 - the line is ours
        after = os.times()
        return after[2] + after[3] - before[2] - before[3]

    # the first run writes the bytecode that programs start from, also where the environment says to write none
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    line = f"import {scene.kind.imports}"
    cost(line)
    rounds = [(cost("pass"), cost("import aiohttp"), cost(line)) for _ in range(3)]
    return {
        "ms": statistics.median(mine - empty for empty, _, mine in rounds) * 1e3,
        "ratio": statistics.median((mine - empty) / (floor - empty) for empty, floor, mine in rounds),
    }


Scenario: TypeAlias = Callable[[Scene], Figures | Coroutine[Any, Any, Figures]]

SCENARIOS: dict[str, Scenario] = {
    "hot": hot,
    "cold": cold,
    "down": down,
    "leader": leader,
    "all_cancelled": all_cancelled,
    "window": window,
    "latency": latency,
    "request_latency": request_latency,
    "window_down": window_down,
    "short": short,
    "late_401s": late_401s,
    "rotating": rotating,
    "redirect": redirect,
    "stream": stream,
    "second_loop": second_loop,
    "threads": threads,
    "loops": loops,
    "processes": processes,
    "throughput": throughput,
    "memory": memory,
    "imports": imports,
}
