"""One renewal, step by step: lease, re-read, refresh or issue, commit. Runs only inside the manager's own task."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from math import inf
from typing import TypeAlias

import attrs

from nauth.authenticator import Authenticator
from nauth.clock import Clock
from nauth.errors import (
    CredentialsRejectedError,
    ExpiredOnArrivalError,
    LeaseLostError,
    NauthError,
    OutcomeUnknownError,
    StoreError,
    TokenUnchangedError,
)
from nauth.manager.held_token import HeldToken, age_on_arrival
from nauth.manager.store_access import LEASE_GRACE, KeyedStore
from nauth.owned_tasks import current_work
from nauth.reporting import telemetry_seam
from nauth.stores.base import Lease, Record
from nauth.time_formats import instant
from nauth.token import MAX_LIFETIME, RenewalPolicy, Token

__all__ = ["Renewal", "Renewed", "fault_of", "refusal"]

_log = logging.getLogger("nauth.store")


@attrs.frozen
class Renewed:
    """A token to hold from now on.

    Attributes:
        token: complete, with `expires_at` filled in and the old refresh token kept where none came back.
        version: of the store's record; the base's where the store could not take it.
        asked_at: when it was asked for, in monotonic seconds.
        call: "refresh" or "issue"; None where a sibling's token was adopted.
        fault: why the token, though stored for its refresh token, must not be handed out.
        stored: whether the store has it.
        follows: the token that it was made to replace; its refresh token may be spent.
    """

    token: Token
    version: int
    asked_at: float
    call: str | None = None
    fault: TokenUnchangedError | ExpiredOnArrivalError | None = None
    stored: bool = True
    follows: Token | None = None

    def supersedes(self, other: Token | None) -> bool:
        """Tell whether `other` is the token that this one replaces, under whatever version the store has it by now.

        A process that finds the store emptied writes the token that it holds back, and so may this one during the call.
        """
        return self.follows is not None and self.follows.same_access(other)


Permit: TypeAlias = Callable[[], Renewed | None]
"""Lets a renewal call the vendor, or gives the token that makes the call needless, or raises why there must be none."""


@attrs.frozen
class Renewal:
    """The steps of a renewal; holds no token and no state of its own."""

    authenticator: Authenticator
    store: KeyedStore
    policy: RenewalPolicy
    clock: Clock

    async def run(  # noqa: C901 - the protocol of the lease, whole
        self,
        holding: Callable[[], HeldToken],
        rejected: list[Token],
        *,
        since: int | None,
        keep: Callable[[Renewed], object] = lambda _: None,
        permit: Permit = lambda: None,
        failed: Callable[[NauthError], object] = lambda _: None,
    ) -> Renewed:
        """Renew, or adopt what a sibling has renewed meanwhile.

        Args:
            holding: returns the token held now, for its refresh token. Asked under the lease: a sibling's revocation
                may have taken it away while we waited.
            rejected: access tokens known to be dead; the list may grow while the renewal runs.
            since: the version that callers had seen when they asked: a newer record is adopted. None if what the store
                holds already will not do; one that a sibling makes while we wait for the lease still counts.
            keep: told of a token whose commit was cancelled.
            permit: asked before each call of the vendor. What it raises ends the renewal; a token that it returns, which another
                loop of this process has brought meanwhile, takes the call's place.
            failed: told of a failure before the lease is released: the client that gets that next must find the pause begun.

        Raises:
            NauthError: the kinds of `Authenticator`, `StoreError`, or `OutcomeUnknownError` at the deadline.
        """
        seen = since
        ttl = self.policy.deadline + LEASE_GRACE
        give_up = self.clock.monotonic() + 2 * ttl.total_seconds()
        while True:
            try:
                lease, record = await self._enter(ttl)
            except StoreError:
                if self.policy.on_store_failure == "serve":
                    raise
                held = holding()
                return await self._call_vendor(
                    None, held.token, held.version, held, rejected, keep=keep, permit=permit
                )
            committed, found, held, collected = False, None, holding(), False
            try:
                version = 0 if record is None else record.version
                seen = version if seen is None else seen
                if record is not None and version > seen and self._usable(record, rejected, held):
                    found = self._adopted(record)
                elif lease is not None:
                    base = self._base(record, held)
                    with _told(failed):
                        found = await self._call_vendor(
                            lease, base, version, held, rejected, keep=keep, permit=permit
                        )
                    if found.call is not None:
                        committed = found.version > version
                        return found
            except GeneratorExit:
                collected = True  # the loop was closed under this: nothing can be awaited any more
                raise
            finally:
                if lease is not None and not (committed or collected):
                    await self.store.release(lease)
            # check again: releasing the lease may have outlasted the token, or it was refused meanwhile
            if found is not None and not self._faulty(found, rejected):
                return found
            if self.clock.monotonic() > give_up:
                raise _held_too_long(ttl)
            await self.store.changed()
            # before the lease is tried again: a thousand clients must not take it in turns to hear the same
            if (found := permit()) is not None:
                return found

    async def recheck(self, held: HeldToken, rejected: list[Token]) -> Record | None:
        """Return what a sibling has stored since `held`, if it can be used. Never calls the vendor."""
        return await self._winner(held.version, rejected, held)

    async def exclusively(self) -> tuple[Lease, Record | None]:
        """Return the lease and the record under it, for work that must keep renewals away.

        Raises:
            StoreError: the store is down, or another client kept the lease too long.
        """
        ttl = self.policy.deadline + LEASE_GRACE
        give_up = self.clock.monotonic() + 2 * ttl.total_seconds()
        while True:
            lease, record = await self._enter(ttl)
            if lease is not None:
                return lease, record
            if self.clock.monotonic() > give_up:
                raise _held_too_long(ttl)
            await self.store.changed()

    async def _enter(self, ttl: timedelta) -> tuple[Lease | None, Record | None]:
        """Return the lease, or None while another client has it, and the record as it is now."""
        lease = await self.store.lease(ttl)
        try:
            record = await self.store.load()
            # the store may have been slow: a lease about to end is not one to call the vendor under
            if lease is not None and lease.remaining <= self.policy.deadline:
                lease = await self._extended(lease, ttl)
        except GeneratorExit:
            raise  # the loop was closed under this: nothing can be awaited any more
        except BaseException:
            if lease is not None:
                await self.store.release(lease)
            raise
        return lease, record

    async def _extended(self, lease: Lease, ttl: timedelta) -> Lease | None:
        try:
            lease = await self.store.extend(lease, ttl)
        except LeaseLostError:
            return None
        if lease.remaining > self.policy.deadline:
            return lease
        # this process, or the store, stands still for longer than a lease holds
        await self.store.release(lease)
        return None

    def _base(self, record: Record | None, held: HeldToken) -> Token | None:
        """Return the token whose refresh token is the latest: the stored one, or one that could not be stored."""
        if record is None or record.version <= held.version or self.steps_back(record, held):
            return held.token
        return record.token

    def steps_back(self, record: Record, held: HeldToken) -> bool:
        """Tell whether `record` is from before what is held, or was refused or revoked here; see `HeldToken.rules_out`."""
        return held.rules_out(record.token, self.clock.monotonic() - record.age.total_seconds())

    def _usable(self, record: Record, rejected: list[Token], held: HeldToken) -> bool:
        if held.was_refused(record.token) or self.steps_back(record, held):
            return False
        return fault_of(record.token, record.age.total_seconds(), rejected) is None

    async def _call_vendor(
        self,
        lease: Lease | None,
        base: Token | None,
        version: int,
        held: HeldToken,
        rejected: list[Token],
        *,
        keep: Callable[[Renewed], object],
        permit: Permit,
    ) -> Renewed:
        found = permit()
        if found is not None:
            return found
        limit_s = self.policy.deadline.total_seconds()
        limit = asyncio.timeout(limit_s)
        try:
            async with limit:
                made = await self._refresh_or_issue(base, version, held, rejected, permit)
        except TimeoutError:
            if not limit.expired():
                raise  # the authenticator's own, which is a bug and must not be taken for the deadline
            raise OutcomeUnknownError(
                f"the renewal did not end within {limit_s:.0f} s and was given up; the vendor may have acted on it. "
                "Raise RenewalPolicy(deadline=...) if the vendor is known to be slow"
            ) from None
        if made.call is None:
            return made
        made = self._complete(made, base, rejected)
        kept = None if base is None else base.refresh_token
        if made.fault is not None and made.token.refresh_token == kept:
            return made  # nothing in it is worth storing, and siblings would adopt a dead token
        try:
            return await self._commit(lease, made, version, held, rejected)
        except asyncio.CancelledError:
            keep(made)
            raise

    async def _refresh_or_issue(
        self,
        base: Token | None,
        version: int,
        held: HeldToken,
        rejected: list[Token],
        permit: Permit,
    ) -> Renewed:
        asked_at, work = self.clock.monotonic(), current_work()
        work.calling()
        if base is not None and base.refresh_token:
            try:
                token = await self.authenticator.refresh(base)
                work.sending()  # an answer has come, however it was sent
                return Renewed(token, version, asked_at, "refresh")
            except CredentialsRejectedError:
                if telemetry_seam.installed is not None:
                    telemetry_seam.installed.refresh_refused()
            # a sibling that does not respect the lease may have rotated the refresh token: look before giving up
            sure = self.policy.on_store_failure == "serve"
            winner = await self._winner(version, rejected, held, sure=sure)
            if winner is not None:
                return self._adopted(winner)
            # another loop, without a lease as the store is down, may have failed meanwhile, or brought a token
            found = permit()
            if found is not None:
                return found
            asked_at = self.clock.monotonic()
        work.calling()
        token = await self.authenticator.issue()
        work.sending()
        return Renewed(token, version, asked_at, "issue")

    def _complete(self, made: Renewed, base: Token | None, rejected: list[Token]) -> Renewed:
        token, mono, wall = made.token, self.clock.monotonic(), self.clock.wall()
        age_s = age_on_arrival(token, waited_s=mono - made.asked_at, wall=wall)
        if token.expires_at is None and token.lifetime is not None:
            left = min(max(token.lifetime.total_seconds() - age_s, 0.0), MAX_LIFETIME.total_seconds())
            token = attrs.evolve(token, expires_at=instant(wall + left))
        # an issue begins a new session: the old one's refresh token and extras are no part of it
        if base is not None and made.call == "refresh":
            token = attrs.evolve(
                token,
                refresh_token=token.refresh_token or base.refresh_token,
                extra={**base.extra, **token.extra},
            )
        fault = fault_of(token, age_s, rejected)
        return attrs.evolve(made, token=token, asked_at=mono - age_s, fault=fault, follows=base)

    async def _commit(
        self, lease: Lease | None, made: Renewed, version: int, held: HeldToken, rejected: list[Token]
    ) -> Renewed:
        """Store `made` if it can be stored: the vendor has made it, so losing it with the store would be worse."""
        if lease is None:
            return attrs.evolve(made, stored=False)
        age = timedelta(seconds=self.clock.monotonic() - made.asked_at)
        try:
            record = await self.store.commit(lease, made.token, expected_version=version, age=age)
        except LeaseLostError:
            winner = await self._winner(version, rejected, held)
            if winner is None or made.supersedes(winner.token):
                return attrs.evolve(made, stored=False)
            return self._adopted(winner)
        except NauthError as error:  # whatever ails the store or its settings, the token is here and good
            _log.warning("the store did not take a new token, which is kept and stored later: %s", error)
            return attrs.evolve(made, stored=False)
        return attrs.evolve(made, version=record.version)

    async def _winner(
        self, version: int, rejected: list[Token], held: HeldToken, *, sure: bool = False
    ) -> Record | None:
        """Return what another client has stored after `version`, if it can be used.

        Raises:
            StoreError: the store cannot say, and `sure` demands that it does.
        """
        try:
            record = await self.store.load()
        except NauthError:  # a file that was replaced by one that others may read is a `ConfigurationError`
            if sure:
                raise
            return None
        if record is None or record.version <= version or not self._usable(record, rejected, held):
            return None
        return record

    def _faulty(self, found: Renewed, rejected: list[Token]) -> bool:
        return fault_of(found.token, self.clock.monotonic() - found.asked_at, rejected) is not None

    def _adopted(self, record: Record) -> Renewed:
        return Renewed(record.token, record.version, self.clock.monotonic() - record.age.total_seconds())


@contextmanager
def _told(failed: Callable[[NauthError], object]) -> Generator[None]:
    try:
        yield
    except NauthError as error:
        failed(error)
        raise


def _held_too_long(ttl: timedelta) -> StoreError:
    return StoreError(
        f"another client has held the right to renew for over {2 * ttl.total_seconds():.0f} s without storing a "
        "token. If it goes on, look for a client that hangs; a lease of one that died ends by itself"
    )


def refusal(token: Token, rejected: list[Token]) -> TokenUnchangedError | None:
    """Return the error of a renewal that brought one of the `rejected` tokens, or None."""
    if not any(token.same_access(dead) for dead in rejected):
        return None
    return TokenUnchangedError(
        "the vendor answered the renewal with the very token it had just refused. Waiting may help if it serves "
        "tokens from a cache; if it goes on, the refusal has another cause than the token's age"
    )


def fault_of(
    token: Token, age_s: float, rejected: list[Token]
) -> TokenUnchangedError | ExpiredOnArrivalError | None:
    """Return why `token`, asked for `age_s` seconds ago, must not be handed out, or None where it may."""
    unchanged = refusal(token, rejected)
    if unchanged is not None:
        return unchanged
    lifetime_s = inf if token.lifetime is None else token.lifetime.total_seconds()
    if lifetime_s <= age_s:
        return ExpiredOnArrivalError(
            "the renewal brought a token whose life was already over "
            f"(lifetime {max(lifetime_s, 0.0):.3g} s, {age_s:.3g} s on the way). Likely causes: the vendor handed out "
            "a cached token, or the network is slower than the token lives"
        )
    return None
