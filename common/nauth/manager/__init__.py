"""One token, one renewal at a time: the policy of the token manager on one page.

**States.** A token is *fresh* until its margin before the end begins, then *stale*, then *expired*. It is expired as soon
as either clock, monotonic or wall, says so. A token that the vendor refused, or that was revoked, counts as expired.

**Who waits.** A caller gets a fresh token at once. A caller gets a stale token at once too, and one renewal starts in the
background. Without a valid token every caller waits for the renewal under way, or starts it.

**Single flight.** A renewal is a task of the manager's own (`single_flight`). All callers of one event loop share its
outcome, token or error; each gets an error object of its own. A caller that is cancelled stops waiting and changes
nothing for the others.

**The end of a loop** (`nauth.owned_tasks`). A program that cancels all tasks does not see the work, only its keeper. What has not
been sent is given up at once and counts as nothing. What may have been sent is finished and stored within five seconds;
given up then, it counts as a failed attempt. A token that could not be stored is taken up by the next loop that asks.

**A closed loop, a fork** (`loop_state`, `nauth.after_fork`). A loop that was closed during a renewal holds nothing: the store takes its
lease as free, and the attempt counts as failed while the old token lives. A forked child forgets what is under way in its
parent and keeps the token.

**Lease.** Under an `anyio.Lock`, the renewal takes the store's lease for the key, then reads the record again
(`renewal`, `store_access`). If another process has stored a newer usable token, that one is adopted and the vendor gets no
call. Otherwise the manager refreshes, or issues where there is no refresh token, and commits the result under the lease.

**A refresh that is refused.** The record is read again first, because another process may have rotated the refresh
token. Only then does the manager issue. A transport error, a 429 or a 5xx is no refusal and never leads to an issue.

**Back-off and cool-downs** (`backoff`, `backoff_table`, `client_backoff`). What the vendor said of the credential holds for all clients of this
process with the same credential, store object, clock and policy; a failure on the way there for the one that met it. While the old token lives, a failed renewal is quiet: it is tried again after a
pause that doubles up to a cap. With no valid token, a failure starts a cool-down: callers get the same error at once, with
`retry_after`, and the vendor gets no call. A new token that is refused at once starts a cool-down of its own, in which
further 401s renew nothing; `forgive` ends both.

**A store that fails** costs a delay, not a token (`deferred_commit`): a token that could not be committed is served, and its
commit is tried again until it succeeds or another token has replaced it.

**Revoking** takes the same lock and lease, so no renewal runs beside it. The token is forgotten once the vendor confirms.

**Closing** starts no renewal any more and waits at most five seconds for the one under way, because its token may have
been rotated. It does not revoke: other clients may share the session.

**Errors.** What the authenticator raises reaches the callers as it is. A bug in an authenticator or a store is turned into
a typed error. At the policy's deadline the renewal is given up with `OutcomeUnknownError`.
"""

from nauth.manager.token_manager import TokenManager

__all__ = ["TokenManager"]
