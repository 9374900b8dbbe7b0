"""`Backoff`: the two `BackoffState` that a manager goes by, its own and its credential's, each made when there is something to note."""

from __future__ import annotations

from datetime import timedelta

from nauth.clock import Clock
from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    TokenRefusedError,
    fresh_copy,
)
from nauth.manager.backoff import UNTROUBLED, BackoffState
from nauth.manager.backoff_table import find_shared, shared_backoff
from nauth.manager.store_access import KeyedStore
from nauth.stores.base import StoreKey, TokenStore
from nauth.token import RenewalPolicy, Token

__all__ = ["Backoff", "CoolingDown"]


class CoolingDown(Exception):  # noqa: N818 - a way out of a renewal, never raised to callers
    """A renewal must not call the vendor, because another one has failed while this one waited for its turn.

    Attributes:
        error: what its callers are told.
    """

    def __init__(self, error: NauthError) -> None:
        super().__init__()
        self.error = error


class Backoff:
    """When a manager leaves the vendor alone: for what the vendor said of the credential, and for what failed on the way.

    What the vendor has said (refused credentials, a person wanted, anything with a status) holds for every client of the
    credential in this process. A failure of the way there, a broken proxy or a store, holds for the one client that met it.

    Neither is made before there is something to note: nothing has gone wrong with most credentials. What another client has
    noted is looked for at each question until it is found.

    Args:
        policy: of the manager.
        store: of the manager, on the credential's key.
    """

    __slots__ = ("_own", "_policy", "_shared", "_store")

    def __init__(self, policy: RenewalPolicy, store: KeyedStore) -> None:
        self._policy, self._store = policy, store
        self._own: BackoffState = UNTROUBLED
        self._shared: BackoffState | None = None

    def _known(self) -> BackoffState:
        """Return what is known of the credential, to be asked and not to be changed."""
        if self._shared is None:
            self._shared = find_shared(*self._which())
        return self._shared or UNTROUBLED

    def _noted(self) -> BackoffState:
        """Return the state of the credential, to be changed."""
        if self._shared is None:
            self._shared = shared_backoff(*self._which())
        return self._shared

    def _which(self) -> tuple[TokenStore, StoreKey, Clock, RenewalPolicy]:
        return self._store.store, self._store.key, self._store.clock, self._policy

    def succeeded(self) -> None:
        """Forget failed renewals, one's own and those of the credential."""
        for state in (self._own, self._known()):
            if state is not UNTROUBLED:
                state.succeeded()

    def failed(self, error: NauthError, now: float, *, valid: bool) -> None:
        """Note a failed renewal, as `BackoffState.failed` does, for whom it concerns."""
        of_credential = isinstance(error, CredentialsRejectedError | InteractionRequiredError)
        spoken = of_credential or error.status is not None
        if spoken:
            self._noted().failed(error, now, valid=valid)
            return
        if self._own is UNTROUBLED:
            self._own = BackoffState(self._policy)
        self._own.failed(error, now, valid=valid)

    def last_failure(self, now: float) -> tuple[str, timedelta, timedelta | None] | None:
        """Return the last failure, as `BackoffState.last_failure` does: what the vendor said before what failed on the way."""
        return self._known().last_failure(now) or self._own.last_failure(now)

    def refused(self, now: float, token: Token, at: str | None = None) -> timedelta | None:
        """Note that `token` was refused although new, for every client of the credential; see `BackoffState.refused`."""
        return self._noted().refused(now, token, at)

    def accepted(self, now: float, token: Token, at: str) -> bool:
        """Note that endpoint `at` has accepted `token`; say whether further endpoints are of interest."""
        return self._noted().accepted(now, token, at)

    def refusal(
        self, now: float, token: Token | None = None, at: str | None = None
    ) -> TokenRefusedError | None:
        """Return why `token`, rejected by endpoint `at`, must not be renewed now, or None where it may."""
        return self._known().refusal(now, token, at)

    def may_recheck(self, now: float) -> bool:
        """Tell whether the store may be asked for a sibling's token during that cool-down; counts as having asked."""
        return self._noted().may_recheck(now)

    def may_try_quietly(self, now: float) -> bool:
        """Tell whether a background renewal may start."""
        return self._own.may_try_quietly(now) and self._known().may_try_quietly(now)

    def check(self, now: float) -> None:
        """Let a renewal that callers wait for start, or raise why not.

        Raises:
            NauthError: a copy of the last failure, with `retry_after` counted from now.
        """
        self._known().check(now)
        self._own.check(now)

    def permit(self, now: float, *, quiet: bool) -> None:
        """Let a renewal under way call the vendor, or raise why not.

        Args:
            now: monotonic seconds.
            quiet: no caller waits for it, so it keeps to the pauses between quiet attempts as well.

        Raises:
            CoolingDown: a failure of another loop or client has begun a pause meanwhile.
        """
        try:
            self.check(now)
        except NauthError as error:
            raise CoolingDown(error) from None
        last = self._known().last or self._own.last
        if quiet and last is not None and not self.may_try_quietly(now):
            raise CoolingDown(fresh_copy(last))
