"""What must hold when a loop ends: what may have been sent is finished and stored within the bound, the rest ends at once."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

from nauth.errors import InteractionRequiredError, NauthError
from tests.simulation.books import Call, Wait, current_task
from tests.simulation.loop import SimKeeper, SimLoop

if TYPE_CHECKING:
    from tests.simulation.invariants import Judge
    from tests.simulation.process import Node, Process
    from tests.simulation.vendors import Grant

__all__ = ["EndJudge"]

BOUND_S = 5.0
"""How long after the notice a call that may have been sent goes on."""
FAREWELL_S = 1.0
"""How long a cancelled renewal may take to give its lease back."""
POLL_S = 1.0
"""Between two looks at whether a lease's holder is gone."""
STORE_DEADLINE_S = 5.0
_SLACK_S = 1e-3


class EndJudge:
    """The part of the judge that knows of endings.

    Attributes:
        noticed: when each task that was there when its loop's end began heard of it.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge, self.world = judge, judge.world
        self.noticed: dict[asyncio.Task[Any], float] = {}
        self.closings: dict[SimLoop, tuple[float, bool, dict[Node, int]]] = {}
        self._notices: dict[SimLoop, list[float]] = {}
        self._waits: dict[Wait, None] = {}
        self._operations: dict[asyncio.Task[Any] | None, Call] = {}

    @property
    def _now(self) -> float:
        return self.world.scheduler.now

    # --- the notice ------------------------------------------------------------------------------------

    def notice(
        self, process: Process, loop: SimLoop, told: list[asyncio.Task[Any]], *, again: bool = False
    ) -> float:
        """Every visible task is about to be told."""
        now = self._now
        self._notices.setdefault(loop, []).append(now)
        # work that was begun since an earlier notice, by other work, has had its bound since then. At the end of a loop that
        # went on after that notice, this is the work whose keeper is gone
        first = self.closings[loop][0] if loop in self.closings else now
        kept = {task.stands_for for task in told if isinstance(task, SimKeeper)} if not again else set()
        for task in (*told, *self.world.scheduler.of(loop)):
            if task.get_name() != "recipe":
                self.noticed.setdefault(task, now if task in told or task in kept else first)
        if not again:
            risk = any(self._at_risk(node, loop) for node in process.every_node)
            # it may have been begun for a token that is stored by another way
            risk = risk or any("deferred commit" in task.get_name() for task in self.world.scheduler.of(loop))
            # what the store was doing may be a commit
            busy = any(
                op.loop is loop and op.what in ("commit", "discard") for op in self._operations.values()
            )
            self.closings[loop] = (
                now,
                risk or busy,
                {node: node.handle.broken for node in process.every_node},
            )
        return now

    def _at_risk(self, node: Node, loop: SimLoop) -> bool:
        """Has a task called the vendor that is not over, or is something not yet held and stored?"""
        calling = any(
            task is not None and task.get_loop() is loop and not task.done() for task in node.notes.first
        )
        if calling or not node.manager._cache.held.stored:
            return True
        made, where = node.notes.minted or (None, None)
        return made is not None and where is loop and self._serial(node.manager.current) < made.serial

    def over(self, process: Process, loop: SimLoop, *, closing: bool, since: float | None = None) -> None:
        """All that were told are done: was everything saved, and did it take no longer than it may?"""
        began, risk, broken = self.closings[loop]
        if process.dead or (since is not None and since != began):
            return
        took, judge = self._now - began, self.judge
        if process.resumed < began:
            # a caller that closes a client on its way out waits for its renewal as long as closing does
            risk = risk or any(began - BOUND_S <= node.closes_at <= self._now for node in process.every_node)
            longest = (BOUND_S if risk else 0.0) + FAREWELL_S + _SLACK_S
            if took > longest:
                judge.violate(f"{process.name}'s loop took {took:.3f} s to end, more than {longest:.3f} s")
        if closing:
            for task in self.world.scheduler.of(loop):
                # a store that hangs may hold cancelled work up for longer than is waited for
                longest = FAREWELL_S if task in self.noticed else BOUND_S + FAREWELL_S
                told = self._now - self.noticed.get(task, began)
                if task.get_name().startswith("nauth") and told < longest - _SLACK_S:
                    judge.violate(f"{task.get_name()} of {process.name} outlives its loop")
        for node in process.every_node:
            self._saved(node, loop, began, node.handle.broken > broken.get(node, 0))

    def _saved(self, node: Node, loop: SimLoop, began: float, trouble: bool) -> None:
        """Is what the vendor made held and stored?"""
        notes, world, kind = node.notes, self.world, self.world.plan.kind
        made, where = notes.minted or (None, None)
        # of two ends that follow each other, the first sets the bound of what was under way then
        told = [
            then
            for task, then in self.noticed.items()
            if made is not None and task.get_loop() is loop and 0 <= made.granted - then <= BOUND_S
        ]
        late = self._now - min((began, *told)) > BOUND_S - _SLACK_S or node.process.resumed >= began
        if (
            made is None
            or where is not loop
            or kind.caches
            or late
            or made.left(self._now) <= world.store.slowest
            # its call was long over, and another token has been preferred to it since
            or made.granted < began - world.plan.policy.deadline.total_seconds()
        ):
            return
        world.store.look()
        if any(call.what.startswith("revoke") for call in notes.calls.values()) or self.judge.revocations:
            return
        held, record = (
            self._serial(node.manager.current),
            self._serial(world.store.record and world.store.record[0]),
        )
        # without a lease two clients may renew at once, and the one that stores last is held
        alone = self.judge._alone and node.handle.failures
        if max(held, record) < made.serial and not node.closed and not alone:
            self.judge.violate(
                f"{node.name} lost {made.access} as its loop ended: it holds {self._name(held)}"
            )
        if (
            record < made.serial
            and made.refresh is not None
            and not trouble
            and self._store_is_up(node, made, began)
        ):
            self.judge.violate(f"{node.name} did not store {made.access} as its loop ended")

    def _store_is_up(self, node: Node, made: Grant, began: float) -> bool:
        world, store = self.world, self.world.store
        others = len([process for process in world.every_process if not process.dead]) > 1
        return not (
            node.handle.blocked
            or store.flaky
            or store.tail
            or store.stall_until >= began
            or store.restarted >= made.granted
            or (store.lease is not None and store.valid(store.lease))
            or others
            or (self.judge._alone and node.handle.failures)
        )

    def _serial(self, token: Any) -> int:
        grant: Grant | None = (
            None if token is None else self.world.vendor.grants.get(token.access_token.reveal())
        )
        if grant is None:
            return 0
        # a refresh token that a newer access token brought may be kept beside the older one
        if token.refresh_token is not None:
            newest = self.world.vendor.by_refresh(token.refresh_token.reveal())
            return max(grant.serial, 0 if newest is None else newest.serial)
        return grant.serial

    def _name(self, serial: int) -> str:
        return f"t{serial}" if serial else "nothing"

    def loop_here(self) -> SimLoop:
        """Return the loop that runs now."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimLoop)
        return loop

    # --- calls and operations ----------------------------------------------------------------------------

    def call(self, node: Node, what: str) -> Call:
        """A call of the vendor begins."""
        now, task = self._now, current_task()
        first = node.notes.first.setdefault(task, now)
        return Call(node, what, began=now, first=first)

    def call_ends(self, call: Call, *, cut: bool) -> None:
        """It is over, `cut` short or with an answer: within its deadline, and not before its time?"""
        process, now, judge = call.node.process, self._now, self.judge
        deadline = call.first + self.world.plan.policy.deadline.total_seconds()
        if process.resumed >= call.first:
            return
        if now > deadline + _SLACK_S:
            judge.violate(f"{call.node.name}'s {call.what} went on {now - deadline:.3f} s past its deadline")
        if not cut:
            return
        notice = self._notice_of(call)
        bound = notice + BOUND_S
        if now >= min(deadline, bound, call.node.closes_at + BOUND_S) - _SLACK_S:
            if now >= bound - _SLACK_S and call.what != "revoke":
                self._counts_as_failed(call.node)
            return
        if notice == inf:
            judge.violate(f"{call.node.name}'s {call.what} was cut short and nothing had asked for it")
        else:
            judge.violate(
                f"{call.node.name}'s {call.what} was cut short {now - notice:.3f} s after its loop's end began"
            )

    def _counts_as_failed(self, node: Node) -> None:
        policy = self.world.plan.policy
        if policy.backoff:
            node.notes.calm = self._now + policy.backoff.total_seconds()
            node.notes.calm_with = self._serial(node.manager.current)

    def calm(self, call: Call) -> None:
        """A call begins: is the pause over that follows one that was given up?"""
        node, notes, what = call.node, call.node.notes, call.what
        # a token taken over from the store since then ends the pause, and callers whose token is gone wait for none
        same = self._serial(node.manager.current) == notes.calm_with
        early = node.cause_in(call.loop) == "stale" and not node.waiters_in(call.loop)
        if same and early and self._now < notes.calm - _SLACK_S:
            self.judge.violate(
                f"{node.name} calls {what} {notes.calm - self._now:.3f} s before the pause after a call given up is over"
            )

    def operation(self, node: Node, what: str) -> Call:
        """One of the store's operations begins."""
        call = Call(node, what, began=self._now, first=self._now)
        self._operations[call.task] = call
        return call

    def superseded(self, node: Node, what: str) -> None:
        """The store refused an operation: after a commit another client's token is in the place of ours."""
        if what == "commit":
            node.notes.minted = None

    def operation_over(self, call: Call) -> None:
        """It is over."""
        if self._operations.get(call.task) is call:
            del self._operations[call.task]

    def operation_cut(self, call: Call) -> None:
        """It was cancelled: a token that is being stored must be given its time."""
        node, now = call.node, self._now
        if call.what not in ("commit", "discard") or node.process.dead or node.process.resumed >= call.began:
            return
        notice = self._notice_of(call)
        due = min(notice + BOUND_S, call.began + STORE_DEADLINE_S, node.closes_at + BOUND_S)
        if call.what == "discard":  # under the revocation's own deadline
            due = min(
                due, node.notes.first.get(call.task, inf) + self.world.plan.policy.deadline.total_seconds()
            )
        if now < due - _SLACK_S:
            self.judge.violate(
                f"{node.name}'s {call.what} was cut short {now - notice:.3f} s after its loop's end began"
            )

    def _notice_of(self, call: Call) -> float:
        if call.task is None:
            return inf
        notice = self.noticed.get(call.task, inf)
        # work that was begun by other work while the loop was ending has the same bound, whatever it has heard itself
        if notice == inf or call.task.get_name() == "nauth deferred commit":
            # a loop that goes on may have heard of several ends; while its process stands still, none of the bound passes
            loop = call.task.get_loop()
            assert isinstance(loop, SimLoop)
            heard, bound = self._notices.get(loop, ()), BOUND_S + loop.lag
            notice = min(notice, *(then for then in heard if then <= call.began <= then + bound), inf)
        return notice

    # --- closed loops --------------------------------------------------------------------------------------

    def wrecked(self, process: Process, loop: SimLoop, *, how: str = "wreck") -> None:
        """A loop is about to be closed with whatever is pending, or lost in a fork."""
        judge = self.judge
        calls = [
            call for node in process.every_node for call in node.notes.calls.values() if call.loop is loop
        ]
        judge.hurt(how, 1 + len(calls))
        for call in calls:
            if not call.what.startswith("revoke"):
                self._counts_as_failed(call.node)
        for node in process.every_node:
            node.notes.cool = -inf  # what had just failed there may not have been counted any more
        process.wrecked = self._now

    def forget(self, process: Process, loop: SimLoop) -> None:
        """A loop is closed: nothing that ran there is heard of again."""
        for node in process.every_node:
            for task, call in list(node.notes.calls.items()):
                if call.loop is loop:
                    del node.notes.calls[task]
        for task, call in list(self._operations.items()):
            if call.loop is loop:
                del self._operations[task]
        for wait in [wait for wait in self._waits if wait.loop is loop]:
            del self._waits[wait]
            wait.node.notes.waiting -= 1

    def wait_begins(self, wait: Wait) -> Wait:
        """A caller asks: the first one after a close?"""
        self._waits[wait] = None
        process, world, store = wait.node.process, self.world, self.world.store
        if process.wrecked >= 0 and not wait.node.closed:
            process.wrecked = -1.0
            store.look()
            alone = all(other.dead or other is process for other in world.every_process)
            lease = store.lease
            ours = lease is None or not store.valid(lease) or lease.handle.node.process is process
            troubled = store.flaky or store.tail or world.plan.hiccup or wait.node.handle.blocked
            # another client of this loop is waited for as any that lives is, and then its failure is followed by a call of one's own
            busy = self.judge.revocations or any(node.notes.calls for node in process.every_node)
            if alone and ours and not troubled and not busy and len(process.loops) == 1:
                wait.limit = POLL_S + world.plan.policy.deadline.total_seconds() + 16 * store.latency
        return wait

    def wait_ends(self, wait: Wait) -> None:
        """A caller's wait is over: did a holder that is gone hold it up?"""
        self._waits.pop(wait, None)
        node, store = wait.node, self.world.store
        waited = self._now - wait.began
        calm = node.handle.failures == wait.failures and node.process.resumed < wait.began
        # the lease was another client's that lives
        theirs = any(
            began >= wait.began
            for other in node.process.every_node
            if other is not node
            for began in other.notes.first.values()
        )
        if (
            waited > wait.limit + _SLACK_S
            and calm
            and not theirs
            and store.stall_until < wait.began
            and not node.process.dead
        ):
            self.judge.violate(
                f"a caller of {node.name} waited {waited:.3f} s for what a closed loop had begun"
            )

    # --- callers ----------------------------------------------------------------------------------------------

    def may_cancel(self) -> bool:
        """Tell whether the task that runs now was told of its loop's end."""
        task = current_task()
        return task is not None and task in self.noticed

    def refused_to(self, node: Node, error: NauthError) -> None:
        """A caller got an error: must a person sign in though nothing was lost?"""
        if isinstance(error, InteractionRequiredError) and not node.process.dead:
            self.judge.asked_to_sign_in(node)
