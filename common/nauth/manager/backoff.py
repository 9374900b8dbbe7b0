"""`BackoffState`: when a manager leaves the vendor alone, and what callers are told meanwhile. Pure state, no I/O."""

from __future__ import annotations

from datetime import timedelta
from math import inf

from nauth.errors import NauthError, TokenRefusedError, fresh_copy
from nauth.token import RenewalPolicy, Token

__all__ = ["UNTROUBLED", "BackoffState"]


_NONE: frozenset[str] = frozenset()
"""No endpoints. One for all managers: an empty set of one's own takes 216 bytes."""

_MOST_ENDPOINTS = 256
"""Endpoints remembered in one pause: paths may hold ids without end."""


class BackoffState:
    """Three reasons to wait, kept apart.

    * *quiet*: a background renewal failed while the old token lives. Callers are told nothing; the next try comes later.
    * *cool-down*: a renewal failed and no valid token is left, or the vendor named a time. Callers get the error.
    * *refused*: the vendor refused a token it had just issued. Further 401s renew nothing, unless one is news: the
      current token has been accepted somewhere, and now an endpoint refuses it that has refused no new token before.

    All instants are the manager's monotonic seconds.
    """

    __slots__ = (
        "__weakref__",
        "_accepted",
        "_accepting",
        "_blamed",
        "_cool_until",
        "_error",
        "_failed_at",
        "_failures",
        "_look_from",
        "_news",
        "_odd",
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
        self._failed_at = -inf
        self._refusals = 0
        self._refused_until = -inf
        self._look_from = -inf
        self._accepted: Token | None = None
        # replaced as wholes: most managers never have any
        self._accepting: frozenset[str] = _NONE  # that have accepted that one while this pause lasts
        self._blamed: Token | None = None  # the token whose refusal began the pause
        self._odd: frozenset[str] = _NONE  # endpoints that have refused a new token in this pause
        self._news = True  # no renewal that news allowed has been in vain in this pause

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
        """Note a failed renewal; `valid` says that the old token still lives. Fills in `error.retry_after`.

        A pause that another loop's failure has begun is never made shorter; callers go on to get that one's error.
        """
        self._failures += 1
        told = error.retry_after.total_seconds() if error.retry_after is not None else 0.0
        quiet = max(self._policy.pause_s(self._policy.backoff, self._failures), told)
        cool = told if valid else max(self._policy.cooldown.total_seconds(), told)
        self._quiet_until = max(self._quiet_until, now + quiet)
        if now + cool >= self._cool_until:
            self._cool_until, self._error, self._failed_at = now + cool, error, now
        if not valid:
            error.retry_after = timedelta(seconds=self._cool_until - now)

    def last_failure(self, now: float) -> tuple[str, timedelta, timedelta | None] | None:
        """Return the last failure's class name, how long ago it was, and how long callers get it at once."""
        if self._error is None:
            return None
        left_s = self._cool_until - now
        return (
            type(self._error).__name__,
            timedelta(seconds=now - self._failed_at),
            timedelta(seconds=left_s) if left_s > 0 else None,
        )

    def may_try_quietly(self, now: float) -> bool:
        """Tell whether a background renewal may start."""
        return now >= self._quiet_until and now >= self._cool_until

    def check(self, now: float) -> None:
        """Let a renewal that callers wait for start, or raise why not.

        Raises:
            NauthError: a copy of the last failure, with `retry_after` counted from now.
        """
        last, until = self._error, self._cool_until  # read once: another thread's success may come in between
        if last is not None and now < until:
            error = fresh_copy(last)
            error.retry_after = timedelta(seconds=until - now)
            raise error

    def refused(self, now: float, token: Token, at: str | None = None) -> timedelta | None:
        """Note that `token` was refused, by endpoint `at`, although new; return the cool-down that this began."""
        if now < self._refused_until:
            # many requests find out at the same time; one refusal is one refusal
            self._news = self._news and token.same_access(self._blamed)
            self._odd = _and(self._odd, at)
            return None
        self._blamed, self._news = token, True
        self._odd, self._accepting = _and(_NONE, at), _NONE
        calm = self._refused_until + self._policy.pause_s(self._policy.cooldown, 40)
        self._refusals = 1 if now > calm else self._refusals + 1
        cooldown_s = self._policy.pause_s(self._policy.cooldown, self._refusals)
        self._refused_until = now + cooldown_s
        return timedelta(seconds=cooldown_s)

    def accepted(self, now: float, token: Token, at: str) -> bool:
        """Note that endpoint `at` has accepted `token`; say whether further endpoints are of interest."""
        if not token.same_access(self._accepted):
            self._accepted = token
            self._accepting = _NONE
        watching = now < self._refused_until
        if watching:
            self._accepting = _and(self._accepting, at)
        return watching

    def refusal(
        self, now: float, token: Token | None = None, at: str | None = None
    ) -> TokenRefusedError | None:
        """Return why `token`, rejected by endpoint `at`, must not be renewed now, or None where it may.

        It may not while the cool-down lasts that began when the last renewal did not help, unless the 401 is news.
        """
        if now >= self._refused_until or self._is_news(token, at):
            return None
        left = timedelta(seconds=self._refused_until - now)
        return TokenRefusedError(
            "the vendor refused a token that it had only just issued, so its age is not the cause and renewing "
            f"again would change nothing. Renewals after a 401 are paused for {left.total_seconds():.1f} s more. If "
            "another process signs in with the same credentials, let them share one token: set NAUTH_STORE, or pass "
            "each client the same store=",
            status=401,
            retry_after=left,
        )

    def _is_news(self, token: Token | None, at: str | None) -> bool:
        """Tell whether a 401 may mean that the token was revoked: a single endpoint that refuses all tokens does not."""
        if token is None or at is None or at in self._odd or not token.same_access(self._accepted):
            return False
        # after one renewal in vain only an endpoint counts that has accepted this very token
        return self._news or at in self._accepting

    def may_recheck(self, now: float) -> bool:
        """Tell whether the store may be asked for a sibling's token during that cool-down; counts as having asked."""
        if now < self._look_from:
            return False
        self._look_from = now + self._policy.backoff.total_seconds()
        return True


def _and(endpoints: frozenset[str], at: str | None) -> frozenset[str]:
    return endpoints if at is None or len(endpoints) >= _MOST_ENDPOINTS else endpoints | {at}


UNTROUBLED = BackoffState(RenewalPolicy())
"""What holds for a credential that nothing has gone wrong with yet. Never written to, and one for all: managers that are made and
not used are many."""
