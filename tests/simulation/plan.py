"""What a seed stands for: the kind of vendor, the store, the processes, who calls when, and what goes wrong."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

import attrs

from nauth.token import RenewalPolicy
from tests.simulation.vendors import KINDS, UNTIL_USED, VendorKind

__all__ = ["POLICIES", "End", "Plan", "make_plan"]


def _policies() -> tuple[RenewalPolicy, ...]:
    pick = random.Random(20)
    choices = ("serve", "renew-alone") if _knows_choice() else ()
    made = []
    for _ in range(48):
        more = {"on_store_failure": pick.choice(choices)} if choices else {}
        made.append(
            RenewalPolicy(
                margin=timedelta(seconds=pick.choice((0, 5, 60, 60))),
                jitter=timedelta(seconds=pick.choice((0, 15))),
                backoff=timedelta(seconds=pick.choice((0, 1, 5))),
                backoff_cap=timedelta(seconds=pick.choice((8, 60))),
                cooldown=timedelta(seconds=pick.choice((0, 2, 10))),
                deadline=timedelta(seconds=pick.choice((2, 5, 10))),
                **more,  # type: ignore[arg-type]  # a tree from before the choice has no such option
            )
        )
    return tuple(made)


def _knows_choice() -> bool:
    return any(field.name == "on_store_failure" for field in attrs.fields(RenewalPolicy))


POLICIES = _policies()
"""Made once: checking a policy's fields costs more than using it."""


@attrs.frozen
class End:
    """One ending of a loop.

    Attributes:
        when: it may happen from then on.
        slot: to which process.
        how: see `lifecycle`.
        anchor: what it waits for then; "time" for nothing.
        turns: how many turns of the process after that.
        chance: which of two loops, in [0, 1).
        again: seconds until the second notice, or until the second Ctrl-C.
        trouble: how the network to the store treats the process from that moment on; "" for as before.
        span: for how many seconds.
    """

    when: float
    slot: int
    how: str
    anchor: str
    turns: int
    chance: float
    again: float
    trouble: str
    span: float


class Plan:
    """A scenario, drawn from one seed. Times are seconds of true time.

    Attributes:
        kind: of vendor.
        policy: of every manager.
        nodes: how many managers each process has.
        events: (when, what, which process, how long or how much).
        callers: (when, which process, which manager, what it does, a number in [0, 1) of its own).
        calm: whether nothing at all goes wrong, so that every caller must get a token.
        memory: whether the store is the process's own memory.
        vendor_loss: the share of vendor calls whose request or answer is lost.
        vendor_slow: the share of those that take longer than the client's patience.
        garbled: the share of vendor answers that cannot be understood.
        hiccup: the share of store operations during which the process stands still for long.
        murder: the vendor call during which the calling process is killed, counted from 1; 0 for none.
        skewed: whether wall clocks are wrong, by hours.
        endings: of loops.
        loops: how many each process has at a time.
        shared: whether the managers of a process share one store object, and with it one state.
        followers: who calls after a process goes on with a new loop: (after how long, which manager, what, mood).
    """

    def __init__(self) -> None:
        self.kind: VendorKind = KINDS[0]
        self.policy: RenewalPolicy = POLICIES[0]
        self.nodes: list[int] = []
        self.events: list[tuple[float, str, int, float]] = []
        self.callers: list[tuple[float, int, int, str, float]] = []
        self.memory = self.calm = self.shuffled = self.skewed = self.observed = self.eager = False
        self.horizon = 0.0
        self.vendor_loss = self.vendor_slow = self.garbled = self.spacing = 0.0
        self.vendor_latency_s, self.vendor_patience_s, self.api_latency_s = 0.5, 4.0, 0.1
        self.latency = self.tail = self.flaky = 0.0
        self.pushes = False
        self.push_delay = self.push_loss = 0.0
        self.unruly = self.hiccup = 0.0
        self.murder = 0
        self.endings: list[End] = []
        self.loops = 1
        self.shared = False
        self.followers: list[tuple[float, int, str, float]] = []

    def describe(self) -> str:
        """Say in one line what the scenario is."""
        shown = {
            name: value for name, value in vars(self).items() if name not in ("kind", "policy", "callers")
        }
        return f"{self.kind}\n{self.policy}\n{shown}"

    def heal(self) -> None:
        """Let nothing go wrong from now on."""
        self.vendor_loss = self.vendor_slow = self.garbled = self.hiccup = 0.0
        self.vendor_latency_s, self.vendor_patience_s = 0.05, 4.0


_TROUBLES: tuple[tuple[str, Callable[[Plan, Callable[[], float]], None]], ...] = (
    ("loss", lambda plan, draw: setattr(plan, "vendor_loss", 0.05 + 0.5 * draw())),
    ("slow", lambda plan, draw: setattr(plan, "vendor_slow", 0.05 + 0.5 * draw())),
    ("garbled", lambda plan, draw: setattr(plan, "garbled", 0.05 + 0.3 * draw())),
    ("spacing", lambda plan, draw: setattr(plan, "spacing", 30 * draw())),
    ("flaky", lambda plan, draw: setattr(plan, "flaky", 0.02 + 0.3 * draw())),
    ("tail", lambda plan, draw: setattr(plan, "tail", 0.02 + 0.2 * draw())),
)
_EVENTS = (
    "outage",
    "doubt",
    "refuse",
    "hang",
    "lose",
    "stall",
    "restart",
    "kill",
    "pause",
    "suspend",
    "step",
    "close",
)
_BEHAVIOURS = ("impatient", "cancelled", "force", "reject", "revoke", "patient", "scoped")


def make_plan(  # noqa: C901 - in the order of the draws
    draw: Callable[[], float],
    later: Callable[[], float],
    ends: Callable[[], float] | None,
    *,
    eager: bool,
) -> Plan:
    """Draw a plan. A tenth of all plans is calm; the others have one to three kinds of trouble.

    What was thought of later is drawn from `later`, so that the seeds that did without it mean what they meant before.
    Endings are drawn from `ends`, or left out where that is None.
    """
    plan = Plan()
    plan.kind = KINDS[int(draw() * len(KINDS))]
    ending = ends is not None and ends() < _ENDING
    if ends is not None and ends() < 0.08:
        plan.kind = UNTIL_USED
    plan.policy = POLICIES[int(draw() * len(POLICIES))]
    plan.nodes = [1 + int(draw() * 1.3) for _ in range(1 + int(draw() * 3))]
    plan.shuffled, plan.observed = draw() < 0.9, draw() < 0.75
    plan.eager = eager and draw() < 0.3
    plan.skewed = draw() < 0.5
    life = 600.0 if plan.kind.lifetime_s is None else plan.kind.lifetime_s
    plan.horizon = life * (0.2 + 1.4 * draw())
    plan.vendor_latency_s = (0.05, 0.5, 2.0)[int(draw() * 3)]
    plan.vendor_patience_s = (1.5, 4.0, 20.0)[int(draw() * 3)]
    plan.latency = (0.0, 0.0, 0.005, 0.3)[int(draw() * 4)]
    plan.pushes = draw() < 0.6
    plan.push_delay = (0.0, 0.01, 2.0)[int(draw() * 3)]
    plan.calm = draw() < 0.1
    if plan.calm:  # slow enough for the client's patience is trouble
        plan.vendor_latency_s = min(plan.vendor_latency_s, 0.5)
    moments = [0.0, *_moments(plan, life, draw)]
    if not plan.calm:
        plan.push_loss = 0.3 if draw() < 0.2 else 0.0
        plan.unruly = draw() * 0.6
        for _ in range(1 + int(draw() * 3)):
            place = int(draw() * (len(_TROUBLES) + len(_EVENTS)))
            if place < len(_TROUBLES):
                _TROUBLES[place][1](plan, draw)
            else:
                _add_event(plan, _EVENTS[place - len(_TROUBLES)], moments, draw)
    for moment in moments:
        for _ in range(1 + int(draw() * draw() * 8)):
            what = "plain" if draw() >= plan.unruly else _BEHAVIOURS[int(draw() * len(_BEHAVIOURS))]
            when = moment + (0.0 if draw() < 0.5 else draw() * 3)
            process = int(draw() * len(plan.nodes))
            plan.callers.append((when, process, int(draw() * plan.nodes[process]), what, draw()))
    # drawn last, so that it changes no other plan
    if draw() < 0.3 and not plan.kind.interactive and _stays_in_memory(plan):
        plan.memory = True
    elif not plan.calm and draw() < 0.06:
        plan.hiccup = 0.02 + 0.2 * draw()
        plan.latency = plan.latency or 0.005
    if not plan.calm and not plan.memory and later() < 0.1:
        _add_murder(plan, moments, later)
    if ends is not None and ending:
        _add_endings(plan, moments, ends)
    return plan


_ENDING = 0.4
"""The share of plans in which loops end."""
SHARES = False
"""Whether the clients of one store object in one process share the state of a credential."""
_HOWS = (
    *("end",) * 6,
    *("end twice",) * 2,
    *("end insisted",) * 1,
    *("cancel all",) * 4,
    *("cancel all twice",) * 2,
    *("close",) * 4,
    *("client",) * 2,
    *("fork",) * 2,
)
_ANCHORS = ("time", "ask", "lease", "load", "call", "call", "serve", "serve", "answer", "commit", "changed")


def _add_endings(plan: Plan, moments: list[float], draw: Callable[[], float]) -> None:
    """End loops, most of them at some turn of a renewal, and let callers come to the loops after them."""
    if (
        draw() < 0.3
        and _stays_in_memory(plan)
        and not plan.murder
        and not any(e[1] == "kill" for e in plan.events)
    ):
        plan.memory = True
    elif not plan.memory and not plan.calm and draw() < 0.1:
        moment = moments[int(draw() * len(moments))]
        plan.events.append((moment + 4 * draw() - 1, "restored", 0, draw()))
    trouble = ""
    if not plan.calm and not plan.memory and draw() < 0.35:
        trouble = ("hang", "refuse", "lose")[int(draw() * 3)]
    plan.loops = 1 + int(draw() * 1.3)
    for _ in range(1 + int(draw() * 3)):
        moment = moments[int(draw() * len(moments))]
        plan.endings.append(
            End(
                when=max(moment + (draw() * 4 - 1 if draw() < 0.7 else 30 * draw()), 0.0),
                slot=int(draw() * len(plan.nodes)),
                how=_HOWS[int(draw() * len(_HOWS))],
                anchor=_ANCHORS[int(draw() * len(_ANCHORS))],
                turns=int(draw() * draw() * 14),
                chance=draw(),
                again=0.05 if draw() < 0.5 else 6 * draw(),
                trouble=trouble if trouble and draw() < 0.7 else "",
                span=0.5 + 14 * draw() * draw(),
            )
        )
    if not plan.calm and draw() < 0.2:
        plan.vendor_slow, plan.vendor_patience_s = 0.2 + 0.4 * draw(), 20.0
    plan.shared = SHARES and draw() < 0.7
    for _ in range(int(draw() * draw() * 10)):
        moment = moments[int(draw() * len(moments))]
        plan.callers.append((moment + 3 * draw(), int(draw() * len(plan.nodes)), 0, "visit", draw()))
    for _ in range(1 + int(draw() * 4)):
        what = "plain" if draw() >= plan.unruly else _BEHAVIOURS[int(draw() * len(_BEHAVIOURS))]
        plan.followers.append((3 * draw() if draw() < 0.6 else 40 * draw(), int(draw() * 2), what, draw()))
    if any(end.how in ("close", "end insisted", "fork", "client") for end in plan.endings):
        plan.calm = False


def _add_murder(plan: Plan, moments: list[float], draw: Callable[[], float]) -> None:
    """Kill a process during a vendor call, and let others ask for as long as its lease holds."""
    plan.murder = 1 + int(draw() * 3)
    if len(plan.nodes) < 3:
        plan.nodes.append(1)
    for moment in moments:
        for _ in range(1 + int(draw() * 5)):
            what = "plain" if draw() < 0.7 else _BEHAVIOURS[int(draw() * len(_BEHAVIOURS))]
            process = int(draw() * len(plan.nodes))
            plan.callers.append((moment + 25 * draw(), process, 0, what, draw()))


def _stays_in_memory(plan: Plan) -> bool:
    """Tell whether nothing in the plan needs a store outside the process."""
    outside = {"refuse", "hang", "lose", "stall", "restart"}
    troubled = plan.flaky or plan.tail or any(what in outside for _, what, _, _ in plan.events)
    return len(plan.nodes) == 1 and not troubled


def _moments(plan: Plan, life: float, draw: Callable[[], float]) -> list[float]:
    """Return when herds come: around renewals and ends of life more often than at other times."""
    policy, found = plan.policy, []
    margin = min((policy.margin + policy.jitter).total_seconds(), life / 2)
    for _ in range(1 + int(draw() * 3)):
        lives, place = int(draw() * 2), draw()
        if place < 0.3:
            moment = life * (lives + 1) - margin * draw()
        elif place < 0.6:
            moment = life * (lives + 1) + 2 * draw() - 1
        else:
            moment = plan.horizon * draw()
        found.append(moment)
    return found


def _add_event(plan: Plan, what: str, moments: list[float], draw: Callable[[], float]) -> None:
    moment = moments[int(draw() * len(moments))]
    when = max(moment + (draw() * 4 - 1 if draw() < 0.7 else 30 * draw()), 0.0)
    span = (0.5, 8.0, 40.0, 300.0)[int(draw() * 4)] * draw()
    if what == "step":
        span = (span if draw() < 0.5 else -span) * (1 if draw() < 0.5 else 60)
    plan.events.append((when, what, int(draw() * len(plan.nodes)), span))
