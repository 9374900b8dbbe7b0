"""`Pauses`: when a manager leaves the vendor alone, and what callers are told meanwhile. Pure state, no I/O."""

from __future__ import annotations

from datetime import timedelta
from math import inf

from nauth.errors import (
    CredentialsRejectedError,
    InteractionRequiredError,
    NauthError,
    TokenRefusedError,
    fresh_copy,
)
from nauth.token import RenewalPolicy

__all__ = ["Backoff", "CoolingDown", "Pauses"]


class CoolingDown(Exception):  # noqa: N818 - a way out of a renewal, never raised to callers
    """A renewal must not call the vendor, because another one has failed while this one waited for its turn.

    Attributes:
        error: what its callers are told.
    """

    def __init__(self, error: NauthError) -> None:
        super().__init__()
        self.error = error


class Pauses:
    """Three reasons to wait, kept apart.

    * *quiet*: a background renewal failed while the old token lives. Nobody is told; the next try comes later.
    * *cool-down*: a renewal failed and no valid token is left, or the vendor named a time. Callers get the error.
    * *refused*: the vendor refused a token it had just issued. Further 401s renew nothing.

    All instants are the manager's monotonic seconds.
    """

    __slots__ = (
        "__weakref__",
        "_cool_until",
        "_error",
        "_failures",
        "_look_from",
        "_policy",
        "_quiet_until",
        "_refusals",
        "_refused_until",
    )

    def __init__(self, policy: RenewalPolicy) -> None:
        self._policy = policy
        self._failures = 0
        self._quiet_until = -inf
        self._cool_until = -inf
        self._error: NauthError | None = None
        self._refusals = 0
        self._refused_until = -inf
        self._look_from = -inf

    @property
    def last(self) -> NauthError | None:
        """The last failure, until a renewal succeeds."""
        return self._error

    def succeeded(self) -> None:
        """Forget failed renewals. A refused token is not forgiven: the new one may be refused as well."""
        self._failures = 0
        self._quiet_until = self._cool_until = -inf
        self._error = None

    def failed(self, error: NauthError, now: float, *, valid: bool) -> None:
        """Note a failed renewal; `valid` says that the old token still lives. Fills in `error.retry_after`."""
        self._failures += 1
        told = error.retry_after.total_seconds() if error.retry_after is not None else 0.0
        quiet = max(self._policy.pause_s(self._policy.backoff, self._failures), told)
        cool = told if valid else max(self._policy.cooldown.total_seconds(), told)
        self._quiet_until, self._cool_until = now + quiet, now + cool
        if not valid:
            error.retry_after = timedelta(seconds=cool)
        self._error = error

    def may_try_quietly(self, now: float) -> bool:
        """Tell whether a background renewal may start."""
        return now >= self._quiet_until and now >= self._cool_until

    def check(self, now: float) -> None:
        """Let a renewal that callers wait for start, or raise why not.

        Raises:
            NauthError: a copy of the last failure, with `retry_after` counted from now.
        """
        if self._error is not None and now < self._cool_until:
            error = fresh_copy(self._error)
            error.retry_after = timedelta(seconds=self._cool_until - now)
            raise error

    def refused(self, now: float) -> None:
        """Note that a token was refused although it had only just been issued."""
        if now < self._refused_until:
            return  # many requests find out at the same time; one refusal is one refusal
        calm = self._refused_until + self._policy.pause_s(self._policy.cooldown, 40)
        self._refusals = 1 if now > calm else self._refusals + 1
        self._refused_until = now + self._policy.pause_s(self._policy.cooldown, self._refusals)

    def refusal(self, now: float) -> TokenRefusedError | None:
        """Return why a rejected token must not be renewed now, or None where it may.

        It may not while the cool-down lasts that began when the last renewal did not help.
        """
        if now >= self._refused_until:
            return None
        left = timedelta(seconds=self._refused_until - now)
        return TokenRefusedError(
            "the vendor refused a token that it had only just issued, so its age is not the cause and renewing "
            f"again would change nothing. Renewals after a 401 are paused for {left.total_seconds():.1f} s more",
            status=401,
            retry_after=left,
        )

    def may_look(self, now: float) -> bool:
        """Tell whether the store may be asked for a sibling's token during that cool-down; counts as having asked."""
        if now < self._look_from:
            return False
        self._look_from = now + self._policy.backoff.total_seconds()
        return True


class Backoff:
    """When a manager leaves the vendor alone: for what the vendor said of the credential, and for what failed on the way.

    What the vendor has said (refused credentials, a person wanted, anything with a status) holds for every client of the
    credential in this process. A failure of the way there, a broken proxy or a store, holds for the one client that met it.

    Args:
        policy: of the manager.
        shared: of the credential.
    """

    __slots__ = ("_own", "_shared")

    def __init__(self, policy: RenewalPolicy, shared: Pauses) -> None:
        self._own, self._shared = Pauses(policy), shared

    def succeeded(self) -> None:
        """Forget failed renewals, one's own and those of the credential."""
        self._own.succeeded()
        self._shared.succeeded()

    def failed(self, error: NauthError, now: float, *, valid: bool) -> None:
        """Note a failed renewal, as `Pauses.failed` does, for whom it concerns."""
        of_credential = isinstance(error, CredentialsRejectedError | InteractionRequiredError)
        spoken = of_credential or error.status is not None
        (self._shared if spoken else self._own).failed(error, now, valid=valid)

    def refused(self, now: float) -> None:
        """Note that a token was refused although it had only just been issued, for every client of the credential."""
        self._shared.refused(now)

    def refusal(self, now: float) -> TokenRefusedError | None:
        """Return why a rejected token must not be renewed now, or None where it may."""
        return self._shared.refusal(now)

    def may_look(self, now: float) -> bool:
        """Tell whether the store may be asked for a sibling's token during that cool-down; counts as having asked."""
        return self._shared.may_look(now)

    def may_try_quietly(self, now: float) -> bool:
        """Tell whether a background renewal may start."""
        return self._own.may_try_quietly(now) and self._shared.may_try_quietly(now)

    def check(self, now: float) -> None:
        """Let a renewal that callers wait for start, or raise why not.

        Raises:
            NauthError: a copy of the last failure, with `retry_after` counted from now.
        """
        self._shared.check(now)
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
        last = self._shared.last or self._own.last
        if quiet and last is not None and not self.may_try_quietly(now):
            raise CoolingDown(fresh_copy(last))
