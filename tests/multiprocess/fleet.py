"""`Fleet`: a vendor in this process, workers in processes of their own, and an eye on their store."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import attrs
import cattrs

from nauth.stores.base import StoreKey
from nombaauth.config import VENDOR
from tests.multiprocess.counts import Counts, summed
from tests.multiprocess.orders import Order, open_store
from tests.multiprocess.vendor import FleetVendor
from tests.multiprocess.watcher import Watcher

__all__ = ["Fleet", "Member"]

_ROOT = Path(__file__).parents[2]


class Member:
    """One worker's process.

    Attributes:
        order: what it was told.
        counts: the last it reported.
        ready: it waits for ``go``.
        complaints: what it wrote to standard error.
    """

    def __init__(self, order: Order, process: asyncio.subprocess.Process) -> None:
        self.order = order
        self.counts = Counts()
        self.complaints = b""
        self._process = process
        self._ready: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._readers = [asyncio.create_task(self._listen()), asyncio.create_task(self._complain())]

    @classmethod
    async def start(cls, order: Order) -> Member:
        """Start the process; it is not ready yet."""
        path = os.pathsep.join([str(_ROOT), str(_ROOT / "common"), os.environ.get("PYTHONPATH", "")])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-W", "default", "-m", "tests.multiprocess.worker", order.dumps()),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            cwd=_ROOT,
            env={**os.environ, "PYTHONPATH": path},
        )
        return cls(order, process)

    async def ready(self) -> None:
        """Wait until it waits for ``go``.

        Raises:
            RuntimeError: it died instead.
        """
        if not await self._ready:
            raise RuntimeError(f"worker {self.order.name} did not start: {self.complaints.decode()}")

    def tell(self, word: str) -> None:
        """Send ``go`` or ``stop``."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n".encode())

    def kill(self) -> None:
        """Kill it with SIGKILL. A second call does nothing."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()

    async def end(self) -> None:
        """Wait until it is gone and all it said has been read."""
        await self._process.wait()
        await asyncio.gather(*self._readers)

    async def _listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            if not line.endswith(b"\n"):
                break  # killed in the middle of a word
            message = json.loads(line)
            if "ready" in message:
                self._ready.set_result(True)
            else:
                self.counts = cattrs.structure(message["counts"], Counts)
        if not self._ready.done():
            await self._process.wait()
            self._ready.set_result(False)

    async def _complain(self) -> None:
        assert self._process.stderr is not None
        self.complaints = await self._process.stderr.read()


class Fleet:
    """Run workers against one vendor and one store, and stop them all at the end of the block, whatever happened.

    Args:
        store: as in `Order`.
        lifetime_s, coroutines, pause_s, deadline_s: of every `Order`.
        old_token_dies: see `FleetVendor`.
        watched: the store as this process sees it, where that differs.

    Attributes:
        vendor: whom they sign in to.
        members: those that run, by name.
        watcher: what is seen in the store.
        killed: how many were killed.
    """

    def __init__(
        self,
        *,
        store: str,
        lifetime_s: int,
        coroutines: int,
        pause_s: float,
        deadline_s: float,
        old_token_dies: bool,
        watched: str | None = None,
    ) -> None:
        self.vendor = FleetVendor(lifetime_s=lifetime_s, old_token_dies=old_token_dies)
        self.vendor.kill = self.kill
        self.members: dict[str, Member] = {}
        self.killed = 0
        self._gone: list[Member] = []
        self._names = (f"worker-{number}" for number in itertools.count(1))
        self._template = Order(
            base_url="",
            store=store,
            lifetime_s=lifetime_s,
            coroutines=coroutines,
            pause_s=pause_s,
            deadline_s=deadline_s,
        )
        self._watched = watched or store

    async def __aenter__(self) -> Self:
        await self.vendor.start()
        url = self.vendor.base_url
        self._template = attrs.evolve(self._template, base_url=url)
        key = StoreKey(vendor=VENDOR, base_url=url, identity=self.vendor.credentials.identity())
        self.watcher = Watcher(open_store(self._watched), key)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for member in self.members.values():
            member.kill()
        for member in self.members.values():
            await member.end()
        await self.watcher.aclose()
        await self.vendor.aclose()

    @property
    def order(self) -> Order:
        """What each worker is told, but for its name and clock."""
        return self._template

    @property
    def counts(self) -> Counts:
        """The sum over all workers, the dead ones' last reports included."""
        return summed(member.counts for member in [*self._gone, *self.members.values()])

    @property
    def complaints(self) -> list[str]:
        """What workers wrote to standard error, once they are gone."""
        return [member.complaints.decode() for member in self._gone if member.complaints]

    async def launch(self, processes: int, *, skews_s: Iterable[float] = ()) -> None:
        """Start so many workers, wait until all are ready, and let them go at once."""
        skews = itertools.chain(skews_s, itertools.repeat(0.0))
        for _, skew_s in zip(range(processes), skews, strict=False):
            order = attrs.evolve(self._template, name=next(self._names), skew_s=skew_s)
            self.members[order.name] = await Member.start(order)
        for member in self.members.values():
            await member.ready()
        if self.watcher.loads == 0:
            self.watcher.start()
        for member in self.members.values():
            member.tell("go")

    def kill(self, name: str) -> None:
        """Kill a worker by SIGKILL, from whatever it is doing."""
        self.killed += 1
        self.members[name].kill()

    async def replace(self, name: str) -> None:
        """Let another worker take the place of one that was killed."""
        member = self.members.pop(name)
        self._gone.append(member)
        await member.end()
        order = attrs.evolve(member.order, name=next(self._names))
        self.members[order.name] = new = await Member.start(order)
        await new.ready()
        new.tell("go")

    async def stop(self) -> None:
        """Let all workers finish what they are at, collect what they counted, and look at the store a last time."""
        for member in self.members.values():
            member.tell("stop")
        for name, member in list(self.members.items()):
            await member.end()
            self._gone.append(self.members.pop(name))
        await self.watcher.finish()
