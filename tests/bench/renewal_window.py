"""What a renewal costs those who do not wait for it: latencies inside and outside of its window, and the loop's turns.

    uv run python -m tests.bench.renewal_window            # some two minutes
    uv run python -m tests.bench.renewal_window --rounds 5 --seconds 0.5

The server is in a process of its own and answers the renewal after `--seconds`, for which callers go on: 100 in a loop of
`await manager.token()`, or eight in a loop of GET requests on connections that are open already. Each round has a stretch
outside of a renewal, one with a renewal, and one with a bare POST in its place, which is the least that any renewal must do.
Ratios are medians over the rounds, with their quartiles, and then those of all rounds' calls together: a round has so few
requests that its 99.9th percentile is the slowest but one or two. The clock that the manager goes by is moved into the window, the
rest is real.

Then renewals alone: how long the event loop is held by each callback that belongs to a renewal, beside those of a bare POST
on a new connection, in turns. The lower quartile is printed: on a busy machine the others hold what took the processor away.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
import time
from asyncio import Handle
from collections.abc import Awaitable, Callable
from contextvars import Context
from datetime import timedelta
from functools import partial
from typing import Any

import attrs
from aiohttp import ClientSession, TCPConnector
from yarl import URL

from nauth import BearerAuth, TokenManager, owned_tasks
from nauth.oauth2 import ClientCredentials, TokenEndpoint
from nauth.stores import MemoryStore
from nauth.testing import FakeClock
from tests.bench.latencies import latencies
from tests.bench.peers.server import Control, serving

_LIFETIME = timedelta(hours=1)
_TOKEN_CALLERS, _REQUESTERS = 100, 8
_LATE = 50
_ALONE = 100
"""Renewals whose callbacks are timed."""


@attrs.frozen
class _Scene:
    control: Control
    clock: FakeClock
    manager: TokenManager
    session: ClientSession
    bare: ClientSession
    seconds: float

    async def into_window(self) -> None:
        """Move the clock to where the token lives and is to be renewed."""
        token = await self.manager.token()
        assert token.expires_at is not None
        self.clock.advance(token.expires_at.timestamp() - self.clock.wall() - 1.0)

    async def token(self) -> None:
        await self.manager.token()

    async def request(self) -> None:
        async with self.session.get(f"{self.control.url}/rows") as response:
            await response.read()
            assert response.status == 200

    async def post(self) -> None:
        """Do what any renewal must: one POST on a new connection, its answer read."""
        url, form = f"{self.control.url}/token", {"grant_type": "client_credentials"}
        async with self.bare.post(url, data=form) as response:
            await response.json()

    async def stretches(self, call: Callable[[], Awaitable[None]], callers: int) -> list[list[float]]:
        """Return the latencies outside of a renewal, during one, and during a bare POST, start and end of these included."""
        await latencies(call, 0.05, callers)  # opens the connections
        found = [await latencies(call, self.seconds, callers)]
        await self._told(delay_s=self.seconds * 0.8)
        before = (await self._told())["calls"]
        await self.into_window()
        found.append(await latencies(call, self.seconds, callers))
        after = before
        for _ in range(_LATE):  # on a busy machine the server hears of it late
            await asyncio.sleep(0.2)
            after = (await self._told())["calls"]
            if after > before:
                break
        if after != before + 1:
            raise SystemExit(f"{after - before} renewals instead of one")
        async with asyncio.TaskGroup() as group:
            group.create_task(self.post())
            found.append(await latencies(call, self.seconds, callers))
        return found

    async def _told(self, **told: object) -> dict[str, Any]:
        return await asyncio.to_thread(partial(self.control, **told))


async def _alone(scene: _Scene) -> tuple[list[list[float]], list[list[float]]]:
    """Return how long each callback held the loop, of each of some renewals and of each of as many bare POSTs."""
    turns: list[float] = []
    real, mark = Handle._run, owned_tasks._current

    def run(handle: Handle) -> None:
        began = time.perf_counter()
        real(handle)
        took = time.perf_counter() - began
        # the task, and what it has asked of the loop: all run in copies of its context
        if mark in handle._context:  # type: ignore[attr-defined]
            turns.append(took)

    async def timed(call: Callable[[], Awaitable[object]]) -> list[float]:
        turns.clear()
        gc.collect()
        gc.disable()
        Handle._run = run  # type: ignore[method-assign, assignment]
        try:
            await call()
            await asyncio.sleep(0.06)
        finally:
            Handle._run = real  # type: ignore[method-assign]
            gc.enable()
        return list(turns)

    async def bare_post() -> None:
        context = Context()
        context.run(mark.set, owned_tasks.Work())
        await asyncio.get_running_loop().create_task(scene.post(), context=context)

    renewals: list[list[float]] = []
    posts: list[list[float]] = []
    await asyncio.to_thread(partial(scene.control, delay_s=0.01))
    for _ in range(_ALONE):
        await scene.into_window()
        renewals.append(await timed(scene.manager.token))
        posts.append(await timed(bare_post))
    return renewals, posts


def _at(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def _print(what: str, rounds: list[list[list[float]]]) -> None:
    calls = sum(len(outside) for outside, *_ in rounds)
    print(f"{what}: {len(rounds)} rounds, {calls} calls outside, load {os.getloadavg()[0]:.1f}")
    for share in (0.5, 0.99, 0.999):
        at = [[_at(one, share) for one in stretches] for stretches in rounds]
        medians = [statistics.median(column) * 1e6 for column in zip(*at, strict=True)]
        outside, renewal, post = (f"{one:,.1f}" for one in medians)
        print(
            f"  p{share * 100:g}: {outside} µs outside, {renewal} during a renewal, {post} during a bare POST"
        )
        print(
            f"    ratio of a renewal {_ratios([one[1] / one[0] for one in at])}, of a POST "
            f"{_ratios([one[2] / one[0] for one in at])}, of the two {_ratios([one[1] / one[2] for one in at])}"
        )
        outside_s, renewal_s, post_s = (
            _at([took for stretch in column for took in stretch], share)
            for column in zip(*rounds, strict=True)
        )
        print(
            f"    all rounds together: {outside_s * 1e6:,.1f} µs outside, a renewal {renewal_s / outside_s:.2f} times that, "
            f"a POST {post_s / outside_s:.2f}"
        )


def _ratios(ratios: list[float]) -> str:
    low, middle, high = statistics.quantiles(ratios, n=4)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


async def _run(control: Control, rounds: int, seconds: float) -> None:
    clock = FakeClock(wall=time.time())
    await asyncio.to_thread(partial(control, lifetime_s=int(_LIFETIME.total_seconds())))
    endpoint = TokenEndpoint(f"{control.url}/token", client_id="id", client_secret="secret", clock=clock)
    manager = TokenManager(
        ClientCredentials(endpoint), key=endpoint.key("bench", "one"), store=MemoryStore(), clock=clock
    )
    async with (
        ClientSession(middlewares=(BearerAuth(manager, [URL(control.url)]),)) as session,
        ClientSession(connector=TCPConnector(force_close=True)) as bare,
    ):
        scene = _Scene(control, clock, manager, session, bare, seconds)
        await manager.token()
        _print(
            "await manager.token()",
            [await scene.stretches(scene.token, _TOKEN_CALLERS) for _ in range(rounds)],
        )
        _print("requests", [await scene.stretches(scene.request, _REQUESTERS) for _ in range(rounds)])
        alone = await _alone(scene)
    await manager.aclose()
    await endpoint.aclose()
    for what, held in zip(("renewals", "bare POSTs"), alone, strict=True):
        longest, whole = [max(one) for one in held], [sum(one) for one in held]
        steps = [one for one in held if len(one) == statistics.mode(map(len, held))]
        print(
            f"{len(held)} {what} alone: {len(steps[0])} callbacks, together {_at(whole, 0.25) * 1e6:,.0f} µs; "
            f"the longest {_at(longest, 0.25) * 1e6:,.0f} µs (least {min(longest) * 1e6:,.0f})"
        )
        quartiles = [_at(list(step), 0.25) * 1e6 for step in zip(*steps, strict=True)]
        print("  one by one, in µs:", " ".join(f"{one:.0f}" for one in quartiles))


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0)
    options = parser.parse_args(arguments)
    with serving() as control:
        asyncio.run(_run(control, options.rounds, options.seconds))


if __name__ == "__main__":
    main(sys.argv[1:])
