"""What the judge writes down of a manager and of a caller's wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.simulation.vendors import Grant

if TYPE_CHECKING:
    from tests.simulation.process import Node
    from tests.simulation.store import SimLease

__all__ = ["Notes", "Wait"]


class Notes:
    """What the judge remembers of one manager."""

    __slots__ = (
        "calling",
        "cool",
        "dead",
        "ended",
        "lease",
        "placed",
        "refusals",
        "revoked",
        "unsaved",
        "used",
        "version",
        "waiting",
    )

    def __init__(self) -> None:
        self.calling = ""
        self.cool = -1.0
        self.lease: SimLease | None = None
        self.dead: dict[str, float] = {}
        self.ended: set[str] = set()
        self.revoked: set[str] = set()
        self.placed: dict[str, tuple[float, float]] = {}
        self.unsaved: Grant | None = None
        self.used: SimLease | None = None
        self.version = self.refusals = 0
        self.waiting = 0


class Wait:
    """One caller's wait."""

    __slots__ = ("began", "force", "node", "rejected", "stood_still")

    def __init__(self, node: Node, rejected: str | None, *, force: bool) -> None:
        self.node, self.rejected, self.force = node, rejected, force
        self.began, self.stood_still = node.world.scheduler.now, node.process.stood_still
