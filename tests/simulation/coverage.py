"""Which abstract states and which ways through a renewal were reached, how often, and when the last new one was."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulation.process import Node

__all__ = ["Coverage", "abstract_state"]


class Coverage:
    """Counts of whatever is reached, by kind.

    Attributes:
        counts: how often each was reached.
        first: the number of the run in which each was reached first.
        run: the number of the run under way.
    """

    def __init__(self) -> None:
        self.counts: dict[tuple[Any, ...], int] = {}
        self.first: dict[tuple[Any, ...], int] = {}
        self.run = 0

    def reach(self, state: tuple[Any, ...]) -> None:
        """Count one state, whose first part is its kind."""
        known = self.counts.get(state)
        if known is None:
            self.first[state] = self.run
            known = 0
        self.counts[state] = known + 1

    def merge(self, other: Coverage, *, stride: int) -> None:
        """Add what another process reached; `stride` processes ran side by side."""
        for state, count in other.counts.items():
            self.counts[state] = self.counts.get(state, 0) + count
            first = other.first[state] * stride
            self.first[state] = min(first, self.first.get(state, first))

    def kinds(self) -> list[str]:
        """Return the kinds of states, in alphabetical order."""
        return sorted({str(state[0]) for state in self.counts})

    def of(self, kind: str) -> list[tuple[tuple[Any, ...], int]]:
        """Return the states of one kind, most frequent first."""
        found = [(state[1:], count) for state, count in self.counts.items() if state[0] == kind]
        return sorted(found, key=lambda entry: (-entry[1], str(entry[0])))

    def report(self, runs: int, *, longest: int = 12) -> Iterable[str]:
        """Describe what was reached, a line at a time."""
        for kind in self.kinds():
            found = self.of(kind)
            firsts = sorted(first for state, first in self.first.items() if state[0] == kind)
            tenth = sum(first < runs / 10 for first in firsts)
            yield (
                f"{kind}: {len(found)} distinct, {sum(count for _, count in found)} in all; {tenth} of them in the "
                f"first tenth of the runs, the last new one in run {firsts[-1]} of {runs}"
            )
            for state, count in found[:longest]:
                yield f"  {count:>10}  {' · '.join(map(str, state))}"
            if len(found) > longest:
                yield f"  {'':>10}  and {len(found) - longest} more"


def abstract_state(node: Node) -> tuple[str, ...]:
    """Return what a manager holds, what it does, who has the lease, and how store and vendor are."""
    world = node.world
    held = node.manager._held
    if node.closed:
        state = "closed"
    elif held.token is None:
        state = "nothing"
    elif held.refused:
        state = "rejected"
    else:
        state = held.state(node.clock.monotonic(), node.clock.wall()).value
    lease, now = world.store.lease, world.scheduler.now
    if lease is None or lease.ends <= now:
        holder = "free"
    elif lease.handle is node.handle:
        holder = "own"
    else:
        holder = "orphan" if lease.handle.node.process.dead else "sibling"
    store = node.handle.blocked or ("stalled" if now < world.store.stall_until else "up")
    vendor = "down" if now < world.vendor.down_until else "up"
    if now < world.vendor.doubting_until:
        vendor = "doubting"
    return state, node.cause, holder, store, vendor
