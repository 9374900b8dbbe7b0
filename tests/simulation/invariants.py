"""What must hold. The judge hears of every step that matters, keeps its own books and notes what is broken.

Its books are of true time and of what each client was told. What excuses a breach is counted: each misfortune that
really happened earns one vendor call more (`credits`) and is named in `hurts`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from nauth.errors import ClosedError, CredentialsRejectedError, NauthError, OutcomeUnknownError
from nauth.manager.held_token import HeldToken
from nauth.token import Token, TokenState
from tests.simulation.books import Call, Wait
from tests.simulation.coverage import abstract_state
from tests.simulation.end_judge import EndJudge
from tests.simulation.loop import is_over
from tests.simulation.vendors import Grant

if TYPE_CHECKING:
    from tests.simulation.process import Node
    from tests.simulation.store import SimLease
    from tests.simulation.world import World

__all__ = ["SPENDABLE", "Judge"]

_SLACK_S = 1e-3
SPENDABLE = frozenset(
    {"loss", "store", "kill", "restart", "pause", "suspend", "late", "close", "wreck", "fork", "restored"}
)
"""Misfortunes after which a spent refresh token may be used again: its successor was lost on the way."""


class Judge:
    """Sees everything, forgives what `hurts` and `credits` explain, and keeps the `violations`."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.violations: list[str] = []
        self.hurts: set[str] = set()
        self.ends = EndJudge(self)
        self.credits = self.unjustified = self.revocations = 0
        policy = world.plan.policy
        ttl = policy.deadline.total_seconds() + 10
        self._bound = 2 * ttl + ttl + 60
        # loops that do not share a state hear of each other's failures and refusals too late
        self._apart = world.plan.loops > 1 and not world.plan.shared
        self._repeat = 40.0 if world.plan.kind.repeats else 0.0
        self._margin = (policy.margin + policy.jitter).total_seconds()
        self._alone = getattr(policy, "on_store_failure", "serve") == "renew-alone"

    def violate(self, what: str) -> None:
        """Note a broken promise."""
        self.world.log("JUDGE", what)
        if len(self.violations) < 10:
            self.violations.append(f"at {self.world.scheduler.now:.6f}: {what}")

    def lifetime(self, grant: Grant) -> timedelta | None:
        """Return a token's life as the library writes it."""
        return None if grant.lifetime is None else timedelta(seconds=grant.lifetime)

    def hurt(self, what: str, calls: int = 1) -> None:
        """Note a misfortune, which may cost some vendor calls."""
        self.hurts.add(what)
        self.credits += calls

    def call_begins(self, node: Node, what: str, given: str) -> Call:
        """Is it under a lease that holds, the only one of this manager, and called for?"""
        notes, world_now = node.notes, self.world.scheduler.now
        call = self.ends.call(node, what)
        if node.process.dead:
            return call
        node.log(f"calls {what} {given}")
        for other in notes.calls.values():
            if other.loop is call.loop:
                self.violate(f"{node.name} calls {what} while its {other.what} is under way")
        notes.calls[call.task] = call
        call.lease = node.handle.leases.get(call.task)
        if notes.unsaved is not None:
            self.unsaved_pair(node)
        if call.lease is None:
            if not (self._alone and node.handle.failures):
                self.violate(f"{node.name} calls {what} without a lease")
        elif not self._holds(node, call.lease, strict=call.lease is not notes.used):
            self.violate(f"{node.name} calls {what} under a lease that is over")
        notes.used = call.lease
        self._cover(node, f"calls {what}")
        self.world.endings.hit(node.process, "call")
        if what != "revoke":
            if world_now < notes.cool - _SLACK_S:
                self.violate(
                    f"{node.name} calls {what} {notes.cool - world_now:.3f} s before its cool-down is over"
                )
            self.ends.calm(call)
            self._justify(node, what)
        return call

    def call_ends(self, call: Call, what: str, given: str, error: BaseException | None) -> None:
        """Did it end within its lease?"""
        node, notes = call.node, call.node.notes
        notes.calls.pop(call.task, None)
        if node.process.dead or (call.loop is not None and is_over(call.loop)):
            return
        if call.lease is not None and not self._holds(node, call.lease, strict=False):
            self.violate(f"{node.name}'s {what} outlived its lease")
        self.ends.call_ends(call, cut=what.endswith("~"))
        if what == "revoke":
            notes.ended.add(given)
        if what.endswith("~"):
            self.hurt("late")
        elif ":" in what:
            self.hurt("loss" if "Unknown" in what or "Malformed" in what else "vendor")
        if isinstance(error, NauthError) and not what.startswith("revoke"):
            self._cool_down(node, what, error)
        self.world.endings.hit(node.process, "answer")
        node.step(what)
        self._cover(node, what)

    def _cool_down(self, node: Node, what: str, error: NauthError) -> None:
        """Note until when a failure forbids the next call: while no valid token is left, for the cool-down."""
        goes_on = isinstance(error, CredentialsRejectedError) and what.startswith("refresh")
        repeats = isinstance(error, OutcomeUnknownError) and self.world.plan.kind.repeats
        held = node.manager._cache.held
        if (
            goes_on
            or repeats
            or held.state(node.clock.monotonic(), node.clock.wall()) is not TokenState.EXPIRED
        ):
            return
        told = timedelta(0) if error.retry_after is None else error.retry_after
        node.notes.cool = (
            self.world.scheduler.now + max(told, self.world.plan.policy.cooldown).total_seconds()
        )

    def _holds(self, node: Node, lease: SimLease, *, strict: bool) -> bool:
        """Does the lease hold, or could its holder not know? Before a first call it knows the time, unless it slept."""
        store, process = self.world.store, node.process
        stood_still = process.woke if strict else process.resumed
        return store.valid(lease) or store.restarted >= lease.granted or stood_still >= lease.granted

    def _justify(self, node: Node, what: str) -> None:
        """A call while the stored token still lives for long must have been caused by something that happened."""
        world = self.world
        world.store.look()
        record = world.store.record
        if record is None:
            return
        grant = world.vendor.grants[record[0].access_token.reveal()]
        margin = self._margin if grant.lifetime is None else min(self._margin, grant.lifetime / 2)
        # a token's age is counted from the first of two attempts
        if grant.left(world.scheduler.now) > margin + self._repeat + world.store.slowest + _SLACK_S:
            self.unjustified += 1
            if self.unjustified > self.credits:
                self.violate(
                    f"{node.name} calls {what} for no reason: {self.unjustified} calls, {self.credits} reasons"
                )

    def minted(self, node: Node, grant: Grant) -> None:
        """A token has reached its client, which from now on must not lose it."""
        if self.world.plan.kind.caches:
            self.hurt("cached")
        node.notes.unsaved = grant if grant.refresh is not None else None
        node.notes.minted = grant, self.ends.loop_here()

    def offered(self, node: Node, token: Token) -> None:
        """A token was offered to the store."""
        notes, kind = node.notes, self.world.plan.kind
        if kind.refreshes and token.refresh_token is None:
            self.violate(f"{node.name} stores a token without the refresh token")
        grant = notes.unsaved
        if (
            grant is not None
            and token.refresh_token is not None
            and token.refresh_token.reveal() == grant.refresh
        ):
            notes.unsaved = None

    def stored(self, node: Node, token: Token, version: int) -> None:
        """The store has taken a token."""
        self.world.log("store", f"takes {token.access_token.reveal()} of {node.name} as v{version % 10**9}")
        self._cover(node, "stored")

    def reused(self, refresh: str) -> None:
        """A spent refresh token came back to a vendor that takes each once."""
        if not self.hurts & SPENDABLE:
            self.violate(f"the spent refresh token {refresh} was used again though nothing had gone wrong")

    def asked_to_sign_in(self, node: Node) -> None:
        """A caller was told that a person must sign in."""
        if not self.hurts & (SPENDABLE | {"revoke", "reject"}):
            self.violate(f"{node.name} asks for a person though nothing had been lost")

    def store_failed(self, node: Node) -> None:
        """An operation did not end well for its client."""
        self.hurt("store")

    def unsaved_pair(self, node: Node) -> None:
        """A rotated pair that no store was offered by now never will be."""
        grant, node.notes.unsaved = node.notes.unsaved, None
        if grant is not None and not node.closed and not (self._alone and node.handle.failures):
            self.violate(
                f"{node.name} never offered the rotated pair {grant.access}/{grant.refresh} to the store"
            )

    def wait_begins(self, node: Node, rejected: Token | None, *, force: bool) -> Wait:
        """A caller asks."""
        node.notes.waiting += 1
        self.world.endings.hit(node.process, "ask")
        name = None if rejected is None else rejected.access_token.reveal()
        if force:
            self.hurt("force")
        if rejected is not None:
            self.hurt("reject")
            node.log(f"401 to {name}")
            if rejected.same_access(node.manager.current) and not node.notes.refusals:
                node.notes.dead.setdefault(str(name), self.world.scheduler.now)
        self._cover(node, "asks")
        return self.ends.wait_begins(Wait(node, name, force=force))

    def wait_ends(self, wait: Wait) -> None:
        """A caller stops waiting, one way or the other."""
        node, world = wait.node, self.world
        if is_over(wait.loop):
            return
        node.notes.waiting -= 1
        self.ends.wait_ends(wait)
        waited = world.scheduler.now - wait.began - (node.process.stood_still - wait.stood_still)
        if waited > self._bound * (1 + self.revocations) and not node.process.dead:
            self.violate(f"a caller of {node.name} waited {waited:.3f} s, more than {self._bound:.0f} s")

    def refused_to(self, wait: Wait, error: NauthError) -> None:
        """A caller got an error."""
        self.wait_ends(wait)
        node = wait.node
        self._cover(node, f"refused {type(error).__name__}")
        if isinstance(error, ClosedError) and node.closed:
            return
        self.ends.refused_to(node, error)
        if self.world.plan.calm and not node.process.dead:
            self.violate(f"a caller of {node.name} got {type(error).__name__} though all was well: {error}")

    def handed(self, wait: Wait, token: Token) -> None:  # noqa: C901 - a list of promises
        """A caller got a token: is it alive as far as its clocks can tell?"""
        self.wait_ends(wait)
        node, world = wait.node, self.world
        name, notes, now = token.access_token.reveal(), node.notes, world.scheduler.now
        node.log(f"hands out {name}")
        self._cover(node, "hands out")
        if node.process.dead or node.process.resumed >= wait.began:
            return  # it may have aged between the hand that gave and the one that took
        grant = world.vendor.grants.get(name)
        if grant is None:
            self.violate(f"{node.name} handed out {name}, which no vendor issued")
            return
        if name == wait.rejected:
            self.violate(f"{node.name} handed {name} to the caller who had just rejected it")
        elif (
            # at the same instant the waiter had already been given it, and a client that closes hears of no rejection
            not world.plan.kind.caches
            and not self._apart
            and notes.dead.get(name, now) < min(now, node.closes_at)
        ):
            self.violate(f"{node.name} handed out {name}, which was rejected")
        if wait.rejected is not None:
            notes.dead.setdefault(wait.rejected, now)
        if name in notes.revoked and not world.plan.kind.caches:
            self.violate(f"{node.name} handed out {name}, which was revoked")
        held = node.manager._cache.held
        # the renewal that closing waits for may bring the same token with later ends, which are held no more
        again = node.closed and world.plan.kind.caches
        if token.same_access(held.token) and not held.refused and not again:
            state = held.state(node.clock.monotonic(), node.clock.wall())
            if state is TokenState.EXPIRED:
                self.violate(f"{node.name} handed out {name}, which it knew to be over")
        # a token ages on its way into the store and out of it
        asleep = sum(
            process.stood_still for process in world.every_process
        )  # its maker's clock may have stood still, too
        late = 3 * world.store.slowest + asleep + _SLACK_S
        if grant.left(now) < -late:
            self.violate(f"{node.name} handed out {name}, over for {-grant.left(now):.3f} s")
        placed, left = notes.placed.get(name, (0.0, float("inf")))
        # so may that of another loop, from the store
        again = again or (node.closed and world.plan.loops > 1)
        if node.clock.wall() - placed > left + late and not again:
            self.violate(f"{node.name} handed out {name}, over by its wall clock")

    def replay_refused(self, node: Node) -> None:
        """The API refused a token that had only just been renewed."""
        self.hurt("refused")
        node.notes.refusals += 1
        if self.world.plan.calm and not node.process.dead:
            self.violate(f"a replay on {node.name} was refused though all was well")

    def revoking(self) -> None:
        """A caller signs out."""
        self.revocations += 1
        self.hurt("revoke", 3)

    def revoked(self, node: Node) -> None:
        """Signing out has succeeded."""
        held = node.manager.current
        node.notes.revoked |= node.notes.ended
        if held is not None and held.access_token.reveal() in node.notes.revoked and not node.process.dead:
            self.violate(f"{node.name} still holds the token it has revoked")

    def holds(self, node: Node, held: HeldToken) -> None:
        """A manager holds something new."""
        notes, token = node.notes, held.token
        if token is None or node.process.dead:
            return
        notes.cool = -1.0  # whatever it is, it may end the cool-down
        name = token.access_token.reveal()
        node.log(f"holds {name} v{held.version % 10**9}{' (dead)' if held.refused else ''}")
        if held.version < notes.version:
            self.violate(f"{node.name} went back from version {notes.version} to {held.version}")
        notes.version = max(notes.version, held.version)
        if held.refused:
            notes.dead.setdefault(name, self.world.scheduler.now)
        grant = self.world.vendor.grants.get(name)
        if grant is not None:
            notes.placed[name] = (node.clock.wall(), grant.left(self.world.scheduler.now))

    def died(self, node: Node) -> None:
        """A process was killed."""
        node.notes.unsaved = None

    def _cover(self, node: Node, event: str) -> None:
        self.world.coverage.reach(("state", event, *abstract_state(node)))
