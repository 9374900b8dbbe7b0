"""Which abstract states and which ways through a renewal were reached, how often, and how much may still be unseen."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import combinations
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from tests.simulation.process import Node

__all__ = ["DIMENSIONS", "Coverage", "abstract_state"]

DIMENSIONS: dict[str, tuple[str, ...]] = {
    "held": ("closed", "nothing", "rejected", "fresh", "stale", "expired"),
    "renewing": ("-", "cold", "stale", "expired", "rejected", "forced"),
    "lease": ("free", "own", "sibling", "orphan"),
    "store": ("up", "stalled", "refuse", "hang", "lose"),
    "vendor": ("up", "doubting", "down"),
}
"""What an abstract state says, in this order, behind the step at which it was seen."""


@attrs.define
class _Sight:
    """How often something was seen, in how many runs, in which first and in which last."""

    count: int = 0
    runs: int = 0
    first: int = 0
    last: int = -1


class Coverage:
    """Counts of whatever is reached, by kind.

    Attributes:
        sights: what was reached, how often and in which runs.
        run: the number of the run under way.
    """

    def __init__(self) -> None:
        self.sights: dict[tuple[Any, ...], _Sight] = {}
        self.run = 0

    def reach(self, state: tuple[Any, ...]) -> None:
        """Count one state, whose first part is its kind."""
        sight = self.sights.get(state)
        if sight is None:
            sight = self.sights[state] = _Sight(first=self.run)
        sight.count += 1
        if sight.last != self.run:
            sight.last = self.run
            sight.runs += 1

    def merge(self, other: Coverage, *, after: int) -> None:
        """Add what other runs reached, the first of which was run number `after` of them all."""
        for state, sight in other.sights.items():
            mine = self.sights.setdefault(state, _Sight(first=sight.first + after))
            mine.count += sight.count
            mine.runs += sight.runs
            mine.first = min(mine.first, sight.first + after)

    def kinds(self) -> list[str]:
        """Return the kinds of states, in alphabetical order."""
        return sorted({str(state[0]) for state in self.sights})

    def of(self, kind: str) -> list[tuple[tuple[Any, ...], int]]:
        """Return the states of one kind, most frequent first."""
        found = [(state[1:], sight.count) for state, sight in self.sights.items() if state[0] == kind]
        return sorted(found, key=lambda entry: (-entry[1], str(entry[0])))

    def pairs(self) -> tuple[int, list[str]]:
        """Return how many pairs of values of `DIMENSIONS` there are, and those that never met."""
        met: set[tuple[str, str, str, str]] = set()
        for state in self.sights:
            if state[0] == "state":
                values = list(zip(DIMENSIONS, state[2:], strict=True))
                met.update((*one, *other) for one, other in combinations(values, 2))
        every = [
            (one, value, other, its)
            for one, other in combinations(DIMENSIONS, 2)
            for value in DIMENSIONS[one]
            for its in DIMENSIONS[other]
        ]
        never = [
            f"{one} {value} with {other} {its}"
            for one, value, other, its in every
            if (one, value, other, its) not in met
        ]
        return len(every), never

    def report(self, runs: int, *, longest: int = 12) -> Iterable[str]:
        """Describe what was reached, a line at a time.

        What was seen in one run only says how likely the next run is to show something new (Good and Turing's
        estimate): their number by the number of runs.
        """
        for kind in self.kinds():
            sights = [sight for state, sight in self.sights.items() if state[0] == kind]
            once = sum(sight.runs == 1 for sight in sights)
            yield (
                f"{kind}: {len(sights)} distinct, {sum(sight.count for sight in sights)} in all; "
                f"{sum(sight.first < runs / 10 for sight in sights)} of them in the first tenth of the runs, the last "
                f"new one in run {max(sight.first for sight in sights)} of {runs}; {once} in one run only, so that "
                f"another run shows a new one with a probability of about {once / runs:.2g}"
            )
            found = self.of(kind)
            for state, count in found[:longest]:
                yield f"  {count:>10}  {' · '.join(map(str, state))}"
            if len(found) > longest:
                yield f"  {'':>10}  and {len(found) - longest} more"
        many, never = self.pairs()
        met = f"{many - len(never)} of {many} met"
        yield f"pairs of what is held, renewing, lease, store and vendor: {met}{'; never met:' if never else ''}"
        yield from (f"  {pair}" for pair in never)


def abstract_state(node: Node) -> tuple[str, ...]:
    """Return what a manager holds, what it does, who has the lease, and how store and vendor are: see `DIMENSIONS`."""
    world = node.world
    held = node.manager._cache.held
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
