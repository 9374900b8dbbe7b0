"""What must hold when a run has come to rest: nothing is left over, and what is left works."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nauth import owned_tasks
from tests.simulation.invariants import SPENDABLE
from tests.simulation.loop import is_over

if TYPE_CHECKING:
    from tests.simulation.process import Node
    from tests.simulation.world import World

__all__ = ["check_idle", "check_recovery", "check_store", "check_timers"]


def check_idle(world: World, when: str) -> None:
    """Nothing is under way any more: is no task, flight, wait, call or lease left over?"""
    judge = world.judge
    world.store.look()
    for process in world.every_process:
        if process.dead:
            continue
        for loop in process.loops:
            for task in world.scheduler.of(loop):
                judge.violate(f"{when}: the task {task.get_name()!r} of {process.name} never ends")
        for node in process.nodes:
            _check_node(node, when)
    lease = world.store.lease
    if lease is not None and world.store.valid(lease):
        holder = lease.handle.node
        if not holder.process.dead and not holder.handle.failures and not lease.gone(holder.process):
            judge.violate(f"{when}: {holder.name} never gave its lease back")
    if any(not is_over(waiter.get_loop()) for _, waiter in world.store.waiters):
        judge.violate(f"{when}: a caller still waits for the store")
    alive = {loop for process in world.every_process if not process.dead for loop in process.loops}
    kept = [loop for loop in owned_tasks._running if loop in alive]
    if kept:
        judge.violate(f"{when}: the owned tasks of {len(kept)} loops are still kept")


def _check_node(node: Node, when: str) -> None:
    judge = node.world.judge
    if any(
        loop_state.flight is not None
        for loop_state in node.manager._loops._all
        if (loop := loop_state.loop()) is not None and not is_over(loop)
    ):
        judge.violate(f"{when}: {node.name} still has a flight")
    if node.notes.waiting:
        judge.violate(f"{when}: {node.notes.waiting} callers of {node.name} still wait")
    if node.notes.calls:
        judge.violate(f"{when}: {node.name} still calls the vendor")
    judge.unsaved_pair(node)


def check_recovery(node: Node) -> None:
    """Long after everything was well again, no token could be had: was it lost for good by what happened?"""
    world = node.world
    lost = world.plan.kind.interactive and world.judge.hurts & (SPENDABLE | {"revoke"})
    if not lost and not node.process.dead:
        world.judge.violate(f"{node.name} gets no working token although all has been well for long")


def check_store(world: World) -> None:
    """All is done: does the store hold what every client holds, and the refresh token that the vendor will take?"""
    for node in world.alive():
        held = node.manager._cache.held
        if not held.stored and held.token is not None:
            world.judge.violate(
                f"{node.name} still holds a token that it has not stored though all has been well for long"
            )
    world.store.look()
    record = world.store.record
    if record is None or not world.plan.kind.refreshes or world.judge.hurts & (SPENDABLE | {"revoke"}):
        return
    refresh = record[0].refresh_token
    if refresh is None or not world.vendor.lives(refresh.reveal()):
        world.judge.violate("the store does not hold the refresh token that works")


def check_timers(world: World, when: float) -> None:
    """Everything was closed at `when`: has any timer kept a loop busy after that?"""
    if world.scheduler.last_timer > when:
        world.judge.violate(
            f"a timer was left: it fired {world.scheduler.last_timer - when:.3f} s after all was over"
        )
