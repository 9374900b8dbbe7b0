"""What the judge writes down of a manager and of a caller's wait."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from tests.simulation.vendors import Grant

if TYPE_CHECKING:
    from tests.simulation.loop import SimLoop
    from tests.simulation.process import Node
    from tests.simulation.store import SimLease

__all__ = ["Call", "Notes", "Wait", "current_task"]


def current_task() -> asyncio.Task[Any] | None:
    """Return the task that runs now, if any does: the garbage collection runs code outside of all of them."""
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


class Call:
    """One call of the vendor, or one of the store's operations, as long as it is under way.

    Attributes:
        first: when its task's first call of the vendor began: the renewal's deadline counts from there.
        answers: when its answer will reach the client; infinite if it never will.
    """

    __slots__ = ("answers", "began", "first", "lease", "loop", "node", "task", "what")

    def __init__(self, node: Node, what: str, *, began: float, first: float) -> None:
        self.node, self.what, self.began, self.first = node, what, began, first
        self.task = current_task()
        self.loop = None if self.task is None else self.task.get_loop()
        self.lease: SimLease | None = None
        self.answers = inf


class Notes:
    """What the judge remembers of one manager."""

    __slots__ = (
        "calls",
        "calm",
        "calm_with",
        "cool",
        "dead",
        "ended",
        "first",
        "minted",
        "placed",
        "refusals",
        "revoked",
        "unsaved",
        "used",
        "version",
        "waiting",
    )

    def __init__(self) -> None:
        self.calls: dict[asyncio.Task[Any] | None, Call] = {}
        self.calm = self.cool = -1.0
        self.calm_with = 0  # the token held when that pause began
        self.first: dict[asyncio.Task[Any] | None, float] = {}
        self.minted: tuple[Grant, SimLoop] | None = None  # the last one, and in whose call it came
        self.dead: dict[str, float] = {}
        self.ended: set[str] = set()
        self.revoked: set[str] = set()
        self.placed: dict[str, tuple[float, float]] = {}
        self.unsaved: Grant | None = None
        self.used: SimLease | None = None
        self.version = self.refusals = 0
        self.waiting = 0


class Wait:
    """One caller's wait. It counts no more once its loop is closed."""

    __slots__ = ("began", "failures", "force", "limit", "loop", "node", "rejected", "stood_still")

    def __init__(self, node: Node, rejected: str | None, *, force: bool) -> None:
        self.node, self.rejected, self.force = node, rejected, force
        self.began, self.stood_still = node.world.scheduler.now, node.process.stood_still
        self.loop, self.limit = asyncio.get_running_loop(), inf
        self.failures: int = node.handle.failures
