"""One process of a fleet: a real client on a real store, and coroutines that make requests until told to stop.

Started by `tests.multiprocess.fleet` as ``python -m tests.multiprocess.worker ORDER``. It says ``{"ready": true}`` on its standard
output, waits for the line ``go`` on its standard input, reports its counts several times a second, one JSON object a
line, and ends at the line ``stop`` or when its standard input ends, as it does when the parent dies.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import attrs

import nombaauth.api
from nauth.clock import Clock, SystemClock
from nauth.errors import StoreError
from nauth.events import Event, RenewalFailed, RenewalSucceeded, RequestReplayed, TokenAdopted
from nauth.token import TokenState
from nombaauth import NombaClient
from nombaauth.sandbox import NombaSandbox
from tests.multiprocess.counts import Counts
from tests.multiprocess.orders import Order, open_store

__all__ = ["SkewedClock", "Worker"]

_OK = 200
_REPORT_S = 0.2
_TURNS = 10
_PATH = "/v1/transfers/banks"


class SkewedClock:
    """The machine's clocks, with a wall clock that is `skew_s` ahead."""

    def __init__(self, skew_s: float) -> None:
        self._skew_s = skew_s
        self.monotonic = time.monotonic

    def wall(self) -> float:
        """Return the wrong time."""
        return time.time() + self._skew_s

    async def sleep(self, seconds: float) -> None:
        """Pause the calling task."""
        await asyncio.sleep(seconds)


class Worker:
    """The coroutines of one process and what they count."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.counts = Counts()
        self._stop = asyncio.Event()

    async def run(self) -> None:
        """Do as ordered, from ``go`` to ``stop``."""
        store = open_store(self.order.store)
        clock: Clock = SkewedClock(self.order.skew_s) if self.order.skew_s else SystemClock()
        try:
            async with NombaClient(
                NombaSandbox.credentials,
                base_url=self.order.base_url,
                store=store,
                policy=self.order.policy,
                clock=clock,
                observer=self.note,
            ) as client:
                await self._work(client, clock)
        finally:
            await store.aclose()
        # closing has waited for a renewal in flight, whose event is told in a turn of its own
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        _say({"counts": attrs.asdict(self.counts), "done": True})

    async def _work(self, client: NombaClient, clock: Clock) -> None:
        lines = _lines()
        _say({"ready": True})
        await anext(lines, None)
        callers = [asyncio.create_task(self._caller(client, clock)) for _ in range(self.order.coroutines)]
        reporter = asyncio.create_task(self._report())
        await anext(lines, None)
        self._stop.set()
        await asyncio.gather(*callers)
        reporter.cancel()
        await asyncio.wait({reporter})

    async def _caller(self, client: NombaClient, clock: Clock) -> None:
        # all want the token at once; a herd of first requests would only measure how slow the vendor's double is
        await self._ask(client, clock, _sign_in)
        pause_s = random.uniform(0, self.order.pause_s)
        while not await self._stops_within(pause_s):
            await self._ask(client, clock, _get)
            pause_s = self.order.pause_s * random.uniform(0.5, 1.5)

    async def _stops_within(self, seconds: float) -> bool:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stop.wait()
        return self._stop.is_set()

    async def _ask(
        self, client: NombaClient, clock: Clock, question: Callable[[NombaClient], Awaitable[str | None]]
    ) -> None:
        counts, started = self.counts, time.monotonic()
        counts.requests += 1
        try:
            failure = await question(client)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
            failure = type(error).__name__
        counts.longest_s = max(counts.longest_s, time.monotonic() - started)
        if failure is None:
            counts.ok += 1
            return
        counts.failed[failure] = counts.failed.get(failure, 0) + 1
        if _holds(client, clock):
            counts.unexcused += 1
        else:
            counts.unread += await _is_stored(client)
        _say({"counts": attrs.asdict(counts)})

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(_REPORT_S)
            _say({"counts": attrs.asdict(self.counts)})

    def note(self, event: Event) -> None:
        """Count what the client tells."""
        match event:
            case RenewalSucceeded(refreshed=True):
                self.counts.refreshed += 1
            case RenewalSucceeded():
                self.counts.issued += 1
            case TokenAdopted():
                self.counts.adopted += 1
            case RenewalFailed(quiet=quiet):
                self.counts.quiet += quiet
                self.counts.loud += not quiet
            case RequestReplayed():
                self.counts.replayed += 1
            case _:
                pass


class _Warnings(logging.Handler):
    """Count what nauth warns of; anything else goes to standard error, where the parent looks for it."""

    def __init__(self, counts: Counts) -> None:
        super().__init__(logging.WARNING)
        self._counts = counts

    def emit(self, record: logging.LogRecord) -> None:
        text = str(record.msg)
        self._counts.warnings[text] = self._counts.warnings.get(text, 0) + 1


async def _sign_in(client: NombaClient) -> None:
    await client.token()


async def _get(client: NombaClient) -> str | None:
    async with client.get(_PATH) as response:
        await response.read()
    return None if response.status == _OK else f"HTTP {response.status}"


def _holds(client: NombaClient, clock: Clock) -> bool:
    """Tell whether the process holds a token of which neither its clocks nor a 401 say that it is dead."""
    state = client._manager._cache.held.state(clock.monotonic(), clock.wall())
    return state is not TokenState.EXPIRED


async def _is_stored(client: NombaClient) -> bool:
    """Tell whether the store has a live token other than the one that the process holds no more."""
    manager = client._manager
    try:
        record = await manager._store.load(manager.key)
    except StoreError:
        return False
    if record is None or record.token.same_access(manager.current) or record.token.lifetime is None:
        return False
    return record.age < record.token.lifetime


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


async def _lines() -> AsyncIterator[str]:
    reader = asyncio.StreamReader()
    pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    try:
        while line := await reader.readline():
            yield line.decode().strip()
    finally:
        pipe.close()


def main() -> None:
    """Run the worker that the command line describes."""
    worker = Worker(Order.loads(sys.argv[1]))
    # the vendor must know whom to kill when a token call arrives
    setattr(nombaauth.api, "USER_AGENT", worker.order.name)  # noqa: B010 - the module imports it, mypy minds
    logger = logging.getLogger("nauth")
    logger.addHandler(_Warnings(worker.counts))
    logger.propagate = False
    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
