"""`TokenManager`: one token, one renewal at a time, for any number of callers."""

from __future__ import annotations

import asyncio
import contextlib
import weakref
from collections.abc import Callable
from functools import partial
from math import inf

import attrs

from nauth.authenticator import Authenticator
from nauth.clock import SYSTEM_CLOCK, Clock, check_clock
from nauth.errors import (
    ClosedError,
    ConfigurationError,
    NauthError,
    OutcomeUnknownError,
    TokenRefusedError,
    VendorUnavailableError,
    fresh_copy,
    unexpected,
)
from nauth.event_delivery import notify
from nauth.events import Cause, Observer, RenewalStarted, TokenRefused
from nauth.manager import renewal_events
from nauth.manager.client_backoff import Backoff, CoolingDown
from nauth.manager.deferred_commit import commit_until_stored
from nauth.manager.health import Health, HealthState
from nauth.manager.held_token import NOTHING, HeldToken
from nauth.manager.loop_state import LoopState, LoopStates
from nauth.manager.renewal import Renewal, Renewed, fault_of, refusal
from nauth.manager.revocation import revoke_all
from nauth.manager.single_flight import ABANDONED, Flight, Outcome
from nauth.manager.store_access import KeyedStore
from nauth.manager.token_cache import TokenCache
from nauth.owned_tasks import Work
from nauth.reporting import telemetry_seam
from nauth.reporting.reporter import Reporter
from nauth.stores.base import Reconnecting, Record, StoreKey, TokenStore, Unsubscribe, check_store
from nauth.stores.memory import default_store
from nauth.token import RenewalPolicy, Token, TokenState, check_policy

__all__ = ["TokenManager"]


_POLICY = RenewalPolicy()


def _nothing() -> None:
    """Return None: there is no loop yet, and no watching to be stopped."""


class TokenManager:
    """Keep one token alive for any number of coroutines, threads and event loops.

    * A fresh token is handed out without a lock and without waiting.
    * A token near its end is handed out too, while one renewal runs in the background.
    * Without a valid token, callers wait for one shared renewal and share its outcome, success or failure.
    * The renewal is a task of the manager's own. Cancelling any caller neither stops it nor hurts the others.
    * A failed renewal is quiet while the old token lives, and is tried again after a growing pause. Without a valid
      token it starts a cool-down, in which callers get the error at once and the vendor gets no call.

    Args:
        authenticator: how to sign in.
        key: whose token this is, for the store.
        store: where the token is shared; by default with every other client of this process.
        policy: when to renew and how hard to try.
        clock: where time comes from.
        observer: told of renewals, in later turns of the loop. It may raise. It runs on the event loop, which stands
            still meanwhile, so hand slow work to a thread or a task.
    """

    # thousands of managers may wait for their first use; and what the fast path reads is cheaper in slots
    __slots__ = (
        "__dict__",
        "__weakref__",
        "_authenticator",
        "_cache",
        "_cause_gone",
        "_clock",
        "_commit",
        "_key",
        "_loop",
        "_loops",
        "_monotonic",
        "_observer",
        "_policy",
        "_renewal",
        "_stop_watching",
        "_store",
        "_unstored",
        "_unsubscribe",
        "_wall",
        "_writing_back",
    )

    def __init__(
        self,
        authenticator: Authenticator,
        *,
        key: StoreKey,
        store: TokenStore | None = None,
        policy: RenewalPolicy | None = None,
        clock: Clock | None = None,
        observer: Observer | None = None,
    ) -> None:
        check_policy(policy)
        check_clock(clock)
        check_store(store)
        self._policy, self._clock = policy or _POLICY, clock or SYSTEM_CLOCK
        self._observer = Reporter.of(observer, vendor=key.vendor, identity=key.identity, clock=self._clock)
        self._monotonic, self._wall = self._clock.monotonic, self._clock.wall
        self._loops = LoopStates(self, TokenManager._lost)
        self._store: TokenStore = store if store is not None else default_store(self._clock)
        keyed = KeyedStore(self._store, key, self._clock, self._policy.deadline)
        self._cache = TokenCache(
            self._policy,
            self._clock,
            self._observer,
            loops=self._loops,
            backoff=Backoff(self._policy, keyed),
        )
        self._authenticator = authenticator
        self._cause_gone: Callable[[NauthError], bool] | None = getattr(authenticator, "cause_gone", None)
        self._key = key
        self._renewal = Renewal(authenticator, keyed, self._policy, self._clock)
        self._unsubscribe: Unsubscribe | None = None
        self._unstored: Renewed | None = None
        self._commit: Work | None = None
        self._stop_watching: Unsubscribe = _nothing
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = _nothing
        self._writing_back: Token | None = None

    def __repr__(self) -> str:
        state = (
            "closed" if self._cache.closed else self._cache.held.state(self._monotonic(), self._wall()).value
        )
        return f"<TokenManager {self._key.vendor}: {state}>"

    @property
    def current(self) -> Token | None:
        """The token held now, whatever its state; None before the first and after a revocation."""
        return self._cache.held.token

    @property
    def health(self) -> Health:
        """How this manager is doing, from memory alone."""
        now = self._monotonic()
        with self._cache.guard:
            held, failure = self._cache.held, self._cache.backoff.last_failure(now)
        error, ago, left = failure or (None, None, None)
        return Health(
            state=self._health_state(held, now),
            expires_at=None if held.token is None else held.token.expires_at,
            last_error=error,
            failed_ago=ago,
            retry_after=left,
            renewing=self._loops.busy(),
        )

    def _health_state(self, held: HeldToken, mono: float) -> HealthState:
        if self._cache.closed:
            return HealthState.CLOSED
        if held.token is None:
            return HealthState.NONE
        return HealthState(held.state(mono, self._wall()).value)

    @property
    def cache(self) -> TokenCache:
        """What this manager holds in memory. For fast paths, which only read it; `token` decides everything else."""
        return self._cache

    @property
    def store(self) -> TokenStore:
        """Where the token is shared."""
        return self._store

    @property
    def renewable(self) -> bool:
        """Whether a token has to be obtained at all. A credential that is sent as it is needs no sign-in."""
        return bool(getattr(self._authenticator, "renewable", True))

    @property
    def reporter(self) -> Reporter:
        """What takes this manager's events, for whatever else belongs to the same client."""
        return self._observer

    @property
    def started(self) -> bool:
        """Whether it has begun a renewal, listens to the store, and was not closed."""
        return self._unsubscribe is not None

    @property
    def key(self) -> StoreKey:
        """Whose token this is."""
        return self._key

    async def token(self) -> Token:
        """Return a token that is not expired by either clock.

        Raises:
            ClosedError: the manager was closed.
            NauthError: there is no valid token and none could be had; the kind says what the caller may do, and
                `retry_after` when the next attempt makes sense.
        """
        # `TokenCache.fresh`, written out: the call would cost a quarter of all this. One name for both clocks, because
        # every local of a coroutine costs each call
        held, clock = self._cache.ready, self._monotonic
        if held.renew_mono > clock():
            clock = self._wall
            if held.renew_wall > clock():
                return held.token  # type: ignore[return-value]  # what holds no token is never fresh
        answer = self._serve()
        if isinstance(answer, Token):
            return answer
        # not `answer.wait()`: ten thousand waiters would pay for ten thousand more coroutines
        waiter = answer.join()
        try:
            outcome = await waiter
            # `unwrap` alone would do; each waiter would pay for the call
            return outcome.unwrap() if outcome.token is None else outcome.token
        except BaseException:
            answer.leave(waiter)
            raise

    async def renew(self, rejected: Token | None = None, *, at: str | None = None) -> Token:
        """Return a token other than `rejected`, renewing only if no other caller has done so already.

        Args:
            rejected: the token that the vendor answered 401 to. If it is no longer the current one, the current one
                is returned at once. None renews in any case, or joins the renewal under way.
            at: which endpoint answered so, such as "GET /v1/x".

        Raises:
            TokenRefusedError: the last renewal after a 401 did not help, so another would not either; `retry_after`
                tells when one will be allowed. A 401 of another endpoint, to a token that was `accepted`, may renew once.
            TokenUnchangedError: the vendor handed the rejected token out again.
            NauthError: as for `token`.
        """
        answer = self._require_new(rejected, at)
        if isinstance(answer, Token):
            return answer
        return (await answer.wait()).unwrap()

    def reject(self, token: Token, *, at: str | None = None) -> None:
        """Start renewing because the vendor's endpoint `at` answered 401 to `token`, without waiting for it.

        For a request that cannot be sent again: its caller gets the 401, the next caller a new token. Raises nothing:
        where `renew` would raise, the next call will.
        """
        with contextlib.suppress(NauthError):
            self._require_new(token, at)

    def accepted(self, token: Token, *, at: str) -> None:
        """Note that the vendor's endpoint `at` has accepted `token`: a 401 to it elsewhere is news then."""
        self._cache.accept(token, at)

    def refused(self, token: Token, *, at: str | None = None) -> None:
        """Note that the vendor's endpoint `at` answered 401 to `token` although it had only just been renewed.

        Starts a cool-down in which `renew(rejected=...)` raises `TokenRefusedError` instead of calling the vendor:
        a wrong account id must not become a renewal for each request. A token that is no longer current is ignored.
        """
        cooldown = self._cache.refuse(token, at)
        if cooldown is not None:
            notify(self._observer, TokenRefused(cooldown=cooldown))

    def forgive(self) -> None:
        """Forget failed renewals, because what made them fail has changed: a person has signed in, say."""
        with self._cache.guard:
            self._cache.backoff.succeeded()

    async def revoke(self, token: Token | None = None) -> None:
        """End a token's life at the vendor: the current one, which is forgotten here and in the store, or `token`.

        Never signs in to do so: without a token there is nothing to revoke. Renewals wait until the current one is revoked.

        Args:
            token: another one, such as one that has leaked: an older token may live on beside the current one, which stays
                in use. None, or the current token, revokes the current one.

        Raises:
            ClosedError: the manager was closed.
            NauthError: the kinds of `Authenticator.revoke`. The token is kept, so that revoking can be tried again.
        """
        self._check_open()
        if token is not None and not token.same_access(self.current):
            if not getattr(self._authenticator, "revokes", True):
                raise ConfigurationError(
                    "this vendor has no call that ends such a token: it lives to its end. Change the credential that it "
                    "came from. Nothing was sent, and the current token was not revoked"
                )
            await self._authenticator.revoke(token)
            return
        loop_state = self._loops.here()
        flight = Flight(Cause.FORCED, asyncio.get_running_loop())
        if telemetry_seam.installed is not None:
            flight.trace = telemetry_seam.installed.revocation(self._observer)
        loop_state.own(
            self._run_revocation(loop_state, flight),
            name="nauth revocation",
            over=lambda work: flight.finish(_UNCONFIRMED if work.at_risk else ABANDONED),
        )
        outcome = await flight.wait()
        if outcome.error is not None:
            raise fresh_copy(outcome.error)

    async def aclose(self) -> None:
        """Stop renewing. Waits, at most five seconds, for a renewal in flight: its token may have rotated.

        Does not revoke: others may share the session. Closing twice does nothing.
        """
        self._cache.close()
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
            self._stop_watching()
        await self._loops.drain()
        with self._cache.guard:
            self._cache.replace(NOTHING)

    # --- the callers' side: decides without awaiting -------------------------------------------------

    def _serve(self) -> Token | Flight:
        """Return a token to serve now or the flight to wait for, starting one where it is due."""
        # asked here, for a call would cost each of ten thousand waiters more than the answer
        if self._cache.closed:
            self._check_open()
        loop_state = self._loops.here()
        now, work = self._cache.held, loop_state.work
        # `joinable`, written out for ten thousand waiters
        flight = None if work is not None and work.given_up else loop_state.flight
        if not now.stored:
            self._resume_commit(loop_state)
        # nothing to serve, whatever the clocks say. The same as below, apart: ten thousand waiters come this way, and would
        # pay for the clocks and for the call
        if now.token is None or now.expire_mono == -inf:
            if flight is None:
                return self._start_cold(loop_state, now)
            return renewal_events.joined(self._observer, flight) if self._observer.joins else flight
        mono, wall = self._monotonic(), self._wall()
        state = now.state(mono, wall)
        if state is TokenState.EXPIRED:
            if flight is None:
                return self._start_cold(loop_state, now)
            return renewal_events.joined(self._observer, flight)
        if state is TokenState.STALE:
            if flight is None and self._cache.backoff.may_try_quietly(mono):
                self._start(loop_state, Cause.STALE, now)
            self._cache.serve_on(now, mono, wall)
        return now.token

    def _start_cold(self, loop_state: LoopState, now: HeldToken) -> Flight:
        self._check_cooldown()
        flight = self._start(loop_state, Cause.COLD if now.token is None else Cause.EXPIRED, now)
        return renewal_events.joined(self._observer, flight)

    def _require_new(self, rejected: Token | None, at: str | None = None) -> Token | Flight:
        """Return a token other than `rejected` or the flight that will bring one, starting it where it is due."""
        self._check_open()
        now = self._cache.held
        if rejected is not None:
            if not self.renewable:
                refusal = TokenRefusedError(
                    "the vendor refused a credential that is sent as it is: there is nothing to renew. Check that it "
                    "is complete, still valid, and meant for this address",
                    status=401,
                )
                if self._cause_gone is not None:
                    self._cause_gone(refusal)
                raise refusal
            if now.token is not None and not rejected.same_access(now.token) and self._cache.alive():
                return now.token
            error = self._cache.reject(rejected, at)
            if error is not None:
                return self._recheck(error, rejected)
        loop_state = self._loops.here()
        flight = loop_state.joinable
        if flight is None:
            self._check_cooldown()
            flight = self._start(
                loop_state, Cause.FORCED if rejected is None else Cause.REJECTED, now, rejected
            )
        elif rejected is not None:
            flight.rejected.append(rejected)
        return renewal_events.joined(self._observer, flight)

    def _recheck(self, error: TokenRefusedError, rejected: Token) -> Flight:
        """Look in the store for a sibling's token, now and then, while nothing may be renewed; or raise `error`."""
        loop_state = self._loops.here()
        recheck = loop_state.recheck
        if recheck is not None:
            recheck.rejected.append(rejected)
            return recheck
        if not self._cache.backoff.may_recheck(self._monotonic()):
            raise error
        recheck = loop_state.recheck = Flight(Cause.REJECTED, asyncio.get_running_loop(), rejected)

        def over(_: Work) -> None:
            loop_state.recheck = None
            recheck.finish(Outcome(error=error))

        loop_state.own(self._run_recheck(loop_state, recheck), name="nauth recheck", over=over)
        return recheck

    def _check_cooldown(self) -> None:
        try:
            self._cache.backoff.check(self._monotonic())
        except NauthError as error:
            if self._cause_gone is None or not self._cause_gone(error):
                raise
            self.forgive()

    def _check_open(self) -> None:
        if self._cache.closed:
            raise ClosedError("this client was closed; open a new one, or keep it open while it is used")

    def _start(
        self, loop_state: LoopState, cause: Cause, seen: HeldToken, rejected: Token | None = None
    ) -> Flight:
        if self._unsubscribe is None:
            self._unsubscribe = self._store.subscribe(self._key, self._cache.adopt)
            if isinstance(self._store, Reconnecting):
                self._stop_watching = self._store.on_reconnect(self._key, self._on_reconnect)
        self._loop = weakref.ref(asyncio.get_running_loop())
        flight = Flight(cause, asyncio.get_running_loop(), rejected)
        # first of all: an eager task runs its body before the call that makes it returns
        loop_state.flight = flight
        if telemetry_seam.installed is not None:
            flight.trace = telemetry_seam.installed.renewal(self._observer, cause, self._cache)
        notify(self._observer, RenewalStarted(cause=cause))
        started = self._monotonic()
        work = loop_state.own(
            self._run_renewal(loop_state, flight, seen, started),
            name="nauth renewal",
            over=lambda work: self._end(loop_state, flight, started, work),
        )
        if loop_state.flight is flight:  # pragma: no branch - else an eager task has ended already
            loop_state.work = work
        return flight

    # --- the owned task's side: no caller's cancellation reaches it ------------------------------------

    async def _run_renewal(
        self, loop_state: LoopState, flight: Flight, seen: HeldToken, started: float
    ) -> None:
        if flight.trace is not None:
            flight.trace.enter()
        try:
            async with loop_state.lock:
                base = self._cache.held
                if base.token is None and flight.cause is Cause.STALE and not len(flight):
                    return  # revoked while we waited for the lock, and no caller waits: do not sign in again
                # not the base's version: it may have been pushed since, and then it is what the callers want
                since = None if flight.cause is Cause.FORCED else min(seen.version, base.version)
                made = await self._renewal.run(
                    lambda: self._cache.held,
                    flight.rejected,
                    since=since,
                    keep=partial(self._keep_uncommitted, base),
                    permit=partial(self._permit, flight, seen),
                    failed=partial(self._count, flight),
                )
            outcome = self._take(loop_state, made, base, flight, started)
        except CoolingDown as ended:
            outcome = Outcome(error=fresh_copy(ended.error))
            renewal_events.failed(
                self._observer,
                flight,
                ended.error,
                took_s=self._monotonic() - started,
                quiet=self._cache.alive(),
            )
        except NauthError as error:
            outcome = self._fail(error, flight, started)
        except Exception as error:  # noqa: BLE001 - an authenticator's bug must reach the callers as a typed error
            outcome = self._fail(unexpected(error), flight, started)
        # not in a `finally`: the garbage collector may end this coroutine anywhere, and then `_end` has been called
        self._free(loop_state, flight)
        flight.finish(outcome)

    def _permit(self, flight: Flight, seen: HeldToken) -> Renewed | None:
        """Let a renewal under way call the vendor, or return what another loop has brought meanwhile, or raise why not."""
        now = self._cache.held
        # a store that is down tells no loop what another one has brought: it is in memory alone
        if (
            flight.cause is not Cause.FORCED
            and now.token is not None
            and not now.token.same_access(seen.token)
        ):
            mono = self._monotonic()
            fresh = now.state(mono, self._wall()) is TokenState.FRESH
            if fresh and fault_of(now.token, mono - now.asked_mono, flight.rejected) is None:
                return Renewed(now.token, now.version, now.asked_mono, stored=now.stored)
        self._loops.sweep()  # another loop may have been closed under its call, which counts as a failed attempt
        self._cache.backoff.permit(self._monotonic(), quiet=flight.cause is Cause.STALE and not len(flight))
        return None

    def _end(self, loop_state: LoopState, flight: Flight, started: float, work: Work) -> None:
        """End a flight whose work was cancelled: by the end of its loop, or by closing, even before its first step."""
        self._free(loop_state, flight)
        if flight.outcome is not None:
            return
        if work.at_risk and not self._cache.closed:
            outcome = self._fail(_given_up(), flight, started)
        else:
            outcome = self._unavailing(ABANDONED, flight, started)
        flight.finish(outcome)

    def _free(self, loop_state: LoopState, flight: Flight) -> None:
        if loop_state.flight is flight:
            loop_state.flight = loop_state.work = None
            self._cache.look_again()

    def _lost(self, loop_state: LoopState) -> None:
        """Count a renewal whose loop was closed under it, or was left behind by a fork, as a failed attempt.

        It begins no cool-down: callers without a token want one, not the error of a loop that is gone.
        """
        if self._commit is not None and self._commit.task.get_loop() is loop_state.loop():
            self._commit = None  # after a fork its loop is the parent's, and does not look closed
        with self._cache.guard:
            if loop_state.work is not None and loop_state.work.at_risk:
                self._cache.backoff.failed(_given_up(), self._monotonic(), valid=True)

    async def _run_revocation(self, loop_state: LoopState, flight: Flight) -> None:
        if flight.trace is not None:
            flight.trace.enter()
        async with loop_state.lock:
            outcome = await revoke_all(self._renewal, lambda: self._cache.held.token, self._cache.forget)
        flight.finish(outcome)

    def _keep_uncommitted(self, base: HeldToken, made: Renewed) -> None:
        """Hold a token whose commit was cancelled: it may be the only copy of a rotated refresh token."""
        with self._cache.guard:
            now = self._cache.held
            last = now.version == base.version or made.supersedes(now.token)
            if last and not made.token.same_access(now.token):
                age_s = self._monotonic() - made.asked_at
                self._cache.hold(made.token, now.version, age_s, dead=made.fault is not None, stored=False)
                self._unstored = attrs.evolve(made, stored=False)

    def _take(
        self, loop_state: LoopState, made: Renewed, base: HeldToken, flight: Flight, started: float
    ) -> Outcome:
        """Hold what a renewal brought and describe it to the waiters."""
        if flight.trace is not None:
            flight.trace.brought(made.call or "adopted")
        age_s = self._monotonic() - made.asked_at
        # looked at again: a 401 may have arrived while the token was being stored
        fault = made.fault or fault_of(made.token, age_s, flight.rejected)
        with self._cache.guard:
            now = self._cache.held
            ended = now.ended(made.token) and not base.ended(made.token)
            # pushed early, and refused in another loop meanwhile
            if fault is None and now.was_refused(made.token) and not base.was_refused(made.token):
                fault = refusal(made.token, [made.token])
            # pushed before its answer came: placed anew all the same, for the wall clock may have been stepped since
            ours = made.token.same_access(now.token)
            # else a sibling's newer record may have been pushed while this one was on its way
            last = now.version <= made.version or now.version == base.version or made.supersedes(now.token)
            if not ended and (ours or last):
                version, stored = max(made.version, now.version), made.stored or (ours and now.stored)
                self._cache.hold(made.token, version, age_s, dead=fault is not None, stored=stored)
            if fault is None:
                self._cache.backoff.succeeded()
        if ended:  # revoked elsewhere since its early push: no failed attempt, but nothing to hand out either
            return self._unavailing(_ENDED, flight, started)
        if not made.stored and made.call is not None:  # what another loop has brought, that one stores
            self._commit_later(loop_state, made)
        if fault is not None:
            return self._fail(fault, flight, started)
        renewal_events.finished(self._observer, flight, made, now=self._monotonic(), started=started)
        return Outcome(token=made.token)

    def _count(self, flight: Flight, error: NauthError) -> tuple[NauthError, bool]:
        """Count a failed renewal, once; return what its callers are told, and whether the old token lives on."""
        if flight.failure is None:
            error = fresh_copy(error)
            with self._cache.guard:
                quiet = self._cache.alive()
                self._cache.backoff.failed(error, self._monotonic(), valid=quiet)
            flight.failure = error, quiet
        return flight.failure

    def _unavailing(self, outcome: Outcome, flight: Flight, started: float) -> Outcome:
        """Tell of a renewal that brought nothing and is no failed attempt, if callers get its error.

        A process that shuts down, or a client that is closed, gives renewals up that are of no use to any caller.
        """
        if len(flight) and outcome.error is not None:
            took_s, quiet = self._monotonic() - started, self._cache.alive()
            renewal_events.failed(self._observer, flight, outcome.error, took_s=took_s, quiet=quiet)
        return outcome

    def _fail(self, error: NauthError, flight: Flight, started: float) -> Outcome:
        told, quiet = self._count(flight, error)
        renewal_events.failed(self._observer, flight, told, took_s=self._monotonic() - started, quiet=quiet)
        return Outcome(error=told)

    def _resume_commit(self, loop_state: LoopState) -> None:
        """Take the deferred commit up where the loop that was making it is gone, or has given up at its end."""
        if self._unstored is not None and self._unstored.token.same_access(self._cache.held.token):
            work = self._commit
            if work is None or work.task.done() or work.task.get_loop().is_closed():
                self._commit_later(loop_state, self._unstored)

    def _commit_later(self, loop_state: LoopState, made: Renewed) -> None:
        self._unstored = made
        self._commit = loop_state.own(
            self._run_deferred_commit(loop_state, made), name="nauth deferred commit", at_risk=True
        )

    async def _run_deferred_commit(self, loop_state: LoopState, made: Renewed) -> None:
        await commit_until_stored(
            made,
            self._renewal,
            loop_state,
            holding=lambda: self._cache.held,
            stored=self._cache.stored,
            closing=lambda: self._cache.closed,
        )

    # --- a store that has lost what is held here -------------------------------------------------------

    def _on_reconnect(self, record: Record | None) -> None:
        """Write the token held here back where the store has lost it. Called from any thread."""
        now, loop = self._cache.held, self._loop()
        if now.token is None or not now.stored or now.refused or loop is None:
            return
        if record is None or record.version < now.version:
            # a loop that has ended writes nothing; the next renewal stores the token's successor
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._write_back, now)

    def _write_back(self, lost: HeldToken) -> None:
        token = lost.token
        if (
            token is None
            or self._cache.closed
            or self._cache.held is not lost
            or token.same_access(self._writing_back)
        ):
            return
        self._writing_back = token
        made = Renewed(token, lost.version, lost.asked_mono, stored=False)
        loop_state = self._loops.here()

        def over(_: Work) -> None:
            self._writing_back = None

        loop_state.own(self._run_deferred_commit(loop_state, made), name="nauth write back", over=over)

    async def _run_recheck(self, loop_state: LoopState, recheck: Flight) -> None:
        record = await self._renewal.recheck(self._cache.held, recheck.rejected)
        if record is not None:
            self._cache.adopt(record)
            loop_state.recheck = None
            recheck.finish(Outcome(token=record.token))


_ENDED = Outcome(
    error=VendorUnavailableError(
        "the token that this renewal brought was revoked, by another event loop or process, before its commit was confirmed; "
        "the next call signs in anew"
    )
)
_UNCONFIRMED = Outcome(
    error=OutcomeUnknownError(
        "the revocation was given up, because its event loop has ended; the vendor may have acted on it: revoke again"
    )
)


def _given_up() -> OutcomeUnknownError:
    return OutcomeUnknownError(
        "the renewal was given up, because its event loop has ended or its task was cancelled; the vendor may have acted "
        "on it. It is tried again after a pause"
    )
