"""The vendors: what their servers keep, how each kind behaves, and the authenticator that talks to them.

A `VendorKind` is one point in the space that the four vendors and OAuth servers at large lie in; a `Vendor` is the
server's state on true time; a `SimAuthenticator` is one process's way there, over a network that loses requests before
or after they were acted on.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import attrs

from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    MalformedResponseError,
    NauthError,
    NotSentError,
    OutcomeUnknownError,
    VendorUnavailableError,
)
from nauth.secret import Secret
from nauth.token import Token
from tests.simulation.loop import is_over

if TYPE_CHECKING:
    from tests.simulation.books import Call
    from tests.simulation.process import Node
    from tests.simulation.world import World

__all__ = ["KINDS", "UNTIL_USED", "Grant", "SimAuthenticator", "Vendor", "VendorKind"]


@attrs.frozen(kw_only=True)
class VendorKind:
    """How a vendor behaves.

    Attributes:
        lifetime_s: of an access token; None if it never ends.
        refreshes: whether there are refresh tokens at all.
        rotates: whether a refresh token works once.
        grace_s: for how long a spent refresh token still brings a new pair.
        reuse_kills: whether a spent refresh token that comes back ends the whole session.
        single: whether a sign-in ends every earlier token.
        refresh_kills: whether a refresh ends the access token before it at once.
        interactive: whether only a person can sign in.
        caches: whether it hands the same access token out again while that lives.
        repeats: whether the same refresh token is sent again after a lost answer, as its documentation allows.
        until_used: whether a spent refresh token, and the access token it came with, live until the first request
            that carries a token it brought.
    """

    name: str
    lifetime_s: float | None
    refreshes: bool = False
    rotates: bool = False
    grace_s: float = 0.0
    reuse_kills: bool = False
    single: bool = False
    refresh_kills: bool = False
    interactive: bool = False
    caches: bool = False
    repeats: bool = False
    until_used: bool = False


UNTIL_USED = VendorKind(
    name="until used", lifetime_s=240, refreshes=True, rotates=True, interactive=True, until_used=True
)
"""Doorkeeper's way. Not among `KINDS`: the plans made before it mean what they meant."""

KINDS = (
    VendorKind(name="nomba", lifetime_s=1800, refreshes=True, rotates=True, grace_s=60, repeats=True),
    VendorKind(name="nomad", lifetime_s=3600, refreshes=True, refresh_kills=True),
    VendorKind(name="noyo", lifetime_s=86400),
    VendorKind(name="nao", lifetime_s=900, single=True),
    VendorKind(
        name="oauth", lifetime_s=300, refreshes=True, rotates=True, reuse_kills=True, interactive=True
    ),
    VendorKind(name="strict", lifetime_s=120, refreshes=True, rotates=True, reuse_kills=True, single=True),
    VendorKind(name="cached", lifetime_s=600, caches=True),
    VendorKind(name="short", lifetime_s=20),
    VendorKind(
        name="hasty", lifetime_s=30, refreshes=True, rotates=True, refresh_kills=True, reuse_kills=True
    ),
    VendorKind(name="endless", lifetime_s=None),
)


class Grant:
    """What the server knows of one access token and the refresh token that came with it."""

    __slots__ = (
        "access",
        "asked",
        "dead",
        "family",
        "granted",
        "lifetime",
        "parent",
        "refresh",
        "serial",
        "spent",
        "used_up",
    )

    def __init__(
        self, access: str, *, refresh: str | None, family: int, asked: float, kind: VendorKind
    ) -> None:
        self.access, self.refresh, self.family, self.asked = access, refresh, family, asked
        self.lifetime = kind.lifetime_s
        self.dead = self.used_up = False
        self.parent: Grant | None = None  # whose refresh token brought it
        self.serial = 0
        self.granted = 0.0
        self.spent: float | None = None

    def left(self, now: float) -> float:
        """Return how long the token still lives at most, counted from when it was asked for."""
        return float("inf") if self.lifetime is None else self.asked + self.lifetime - now


class Vendor:
    """The server. Every method acts at once, at the world's true time.

    Attributes:
        grants: by access token.
        down_until: until when every call is answered 503.
        spacing: at least this much between two calls, or the answer is 429.
        doubting_until: until when the API refuses even tokens that are good.
        reuses: spent refresh tokens that came back.
    """

    def __init__(self, world: World, kind: VendorKind) -> None:
        self.world, self.kind = world, kind
        self.grants: dict[str, Grant] = {}
        self.down_until = self.doubting_until = -1.0
        self.spacing, self._last = 0.0, -1e9
        self.reuses = 0
        self._by_refresh: dict[str, Grant] = {}
        self._ended: set[int] = set()
        self._count = 0
        self._newest: Grant | None = None

    def accepts(self, access: str) -> bool:
        """Tell whether the API answers a request that carries this token."""
        now, grant = self.world.scheduler.now, self.grants.get(access)
        if grant is None or grant.dead or grant.family in self._ended or now < self.doubting_until:
            return False
        good = grant.lifetime is None or now < grant.granted + grant.lifetime
        if good and self.kind.until_used and grant.parent is not None:
            grant.parent.used_up = grant.parent.dead = True
        return good

    def by_refresh(self, refresh: str) -> Grant | None:
        """Return the grant that a refresh token came with, or the latest one that kept it."""
        return self._by_refresh.get(refresh)

    def lives(self, refresh: str) -> bool:
        """Tell whether a refresh token would work."""
        grant = self._by_refresh.get(refresh)
        if grant is None or grant.family in self._ended:
            return False
        return not grant.used_up if self.kind.until_used else grant.spent is None or not self.kind.rotates

    def serve(self, what: str, given: str, asked: float) -> Grant | NauthError | None:
        """Carry out one call."""
        now = self.world.scheduler.now
        if now < self.down_until:
            told = timedelta(seconds=self.down_until - now) if self.world.draw() < 0.5 else None
            return VendorUnavailableError("503", status=503, retry_after=told)
        if now - self._last < self.spacing:
            return VendorUnavailableError("429", status=429, retry_after=timedelta(seconds=self.spacing))
        self._last = now
        if what == "issue":
            return self._issue(asked)
        if what == "refresh":
            return self._refresh(given, asked)
        grant = self.grants.get(given)
        if grant is not None:
            grant.dead = True
            self._ended.add(grant.family)
        return None

    def plant(self) -> Grant:
        """Let a person sign in."""
        return self._grant(family=self._count + 1, asked=self.world.scheduler.now)

    def _issue(self, asked: float) -> Grant | NauthError:
        if self.kind.interactive:
            return InteractionRequiredError("a person must sign in")
        newest, now = self._newest, self.world.scheduler.now
        if self.kind.caches and newest is not None and not newest.dead and newest.left(now) > 1.0:
            return newest
        if self.kind.single:
            for grant in self.grants.values():
                grant.dead = True
                self._ended.add(grant.family)
        return self._grant(family=self._count + 1, asked=asked)

    def _refresh(self, given: str, asked: float) -> Grant | NauthError:
        now, old = self.world.scheduler.now, self._by_refresh.get(given)
        if old is None or old.family in self._ended:
            return CredentialsRejectedError("unknown refresh token")
        if self.kind.until_used:
            spent = old.used_up
        else:
            spent = self.kind.rotates and old.spent is not None and now - old.spent > self.kind.grace_s
        if spent:
            self.reuses += 1
            self.world.judge.reused(given)
            if self.kind.reuse_kills:
                self._ended.add(old.family)
            return CredentialsRejectedError("this refresh token was used before")
        old.spent = now if old.spent is None else old.spent
        if self.kind.refresh_kills:
            old.dead = True
        grant = self._grant(family=old.family, asked=asked, keep=None if self.kind.rotates else given)
        grant.parent = old
        return grant

    def _grant(self, *, family: int, asked: float, keep: str | None = None) -> Grant:
        self._count += 1
        refresh = f"r{self._count}" if self.kind.refreshes and keep is None else None
        grant = Grant(f"t{self._count}", refresh=refresh, family=family, asked=asked, kind=self.kind)
        grant.granted, grant.serial = self.world.scheduler.now, self._count
        self.grants[grant.access] = self._newest = grant
        if refresh is not None:
            self._by_refresh[refresh] = grant
        return grant


class SimAuthenticator:
    """One process's way to the vendor. What its network does is drawn anew for each call, by the plan's shares."""

    renewable = True

    def __init__(self, node: Node) -> None:
        self.node, self.world = node, node.world

    async def issue(self) -> Token:
        return await self._call_vendor("issue", "")

    async def refresh(self, token: Token) -> Token:
        assert token.refresh_token is not None
        spent = token.refresh_token.reveal()
        try:
            return await self._call_vendor("refresh", spent)
        except OutcomeUnknownError:
            if not self.world.vendor.kind.repeats:
                raise
        return await self._call_vendor("refresh", spent)

    async def revoke(self, token: Token) -> None:
        await self._call("revoke", token.access_token.reveal())

    async def _call_vendor(self, what: str, given: str) -> Token:
        asked = self.world.scheduler.now
        grant = await self._call(what, given)
        assert isinstance(grant, Grant)
        kind = self.world.vendor.kind
        # a vendor that caches says how much of the token's life is left
        lifetime = None if kind.lifetime_s is None else timedelta(seconds=kind.lifetime_s)
        if kind.caches:
            lifetime = timedelta(seconds=max(grant.left(asked), 0.0))
        self.world.judge.minted(self.node, grant)
        return Token(
            access_token=Secret(grant.access),
            refresh_token=None if grant.refresh is None else Secret(grant.refresh),
            lifetime=lifetime,
        )

    async def _call(self, what: str, given: str) -> Grant | None:
        node, world, plan = self.node, self.world, self.world.plan
        call = world.judge.call_begins(node, what, given)
        try:
            answer = await self._exchange(what, given, call)
        except BaseException:
            world.judge.call_ends(call, f"{what}~", given, None)
            raise
        if plan.garbled and isinstance(answer, Grant) and world.draw() < plan.garbled:
            answer = MalformedResponseError("not understood", problems=("$: expected object, got str",))
        how = f"{what}:{type(answer).__name__}" if isinstance(answer, NauthError) else what
        world.judge.call_ends(call, how, given, answer if isinstance(answer, NauthError) else None)
        if isinstance(answer, NauthError):
            raise answer
        return answer

    async def _exchange(self, what: str, given: str, call: Call) -> Grant | NauthError | None:
        world, plan, draw = self.world, self.world.plan, self.world.draw
        if self.node.process.dead:
            return NotSentError("this process is dead")
        now, patience = world.scheduler.now, plan.vendor_patience_s
        lost = plan.vendor_loss and draw() < plan.vendor_loss
        fate = int(draw() * 3) if lost else 3
        if fate == 0:
            return NotSentError("no connection")
        up, down = plan.vendor_latency_s * (0.01 + draw()), plan.vendor_latency_s * draw()
        if plan.vendor_slow and draw() < plan.vendor_slow:
            up += 1.5 * patience * draw()
        if plan.murder:
            plan.murder -= 1
            if not plan.murder:
                world.scheduler.at(now + 1.5 * (up + down) * draw(), world.murder, self.node.process)
        waiter: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        in_time = fate == 3 and up + down <= patience
        call.answers = now + (up + down if in_time else patience)
        if fate != 1:
            world.scheduler.at(now + up, self._arrive, what, given, waiter if in_time else None, now, down)
        if not in_time:
            world.scheduler.at(now + patience, _settle, waiter, OutcomeUnknownError("no answer"))
        answer: Grant | NauthError | None = await waiter
        return answer

    def _arrive(
        self, what: str, given: str, answer: asyncio.Future[Any] | None, asked: float, down: float
    ) -> None:
        self.world.endings.hit(self.node.process, "serve")
        result = self.world.vendor.serve(what, given, asked)
        if self.world.journal is not None:
            said = result.access if isinstance(result, Grant) else repr(result)
            self.world.log("vendor", f"{what} {given} for {self.node.name} -> {said}")
        if answer is not None:
            self.world.scheduler.at(self.world.scheduler.now + down, _settle, answer, result)


def _settle(waiter: asyncio.Future[Any], outcome: object) -> None:
    if not waiter.done() and not is_over(waiter.get_loop()):
        waiter.set_result(outcome)
