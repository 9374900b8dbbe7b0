"""The `Authenticator` protocol: what a vendor must be able to do. No vendor, no HTTP."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from nauth.token import Token

__all__ = ["Authenticator"]


@runtime_checkable
class Authenticator(Protocol):
    """Turns one credential into tokens. Holds none, knows no lock, may be called again at any time.

    `TokenManager` calls it from one task at a time and decides when; the authenticator decides how. Each method
    raises `nauth.NauthError` kinds only; which kind it picks tells the manager what to do next:

    * `CredentialsRejectedError` from `refresh`: the refresh token is dead; the manager calls `issue`.
    * `VendorUnavailableError`, `OutcomeUnknownError`: a doubt, not a refusal; no issue is spent on it.

    For a credential that is sent as it is and never changes, set the class attribute ``renewable = False``: after a 401
    nothing is renewed, and the token goes on being served.

    An authenticator may have a method ``cause_gone(error)``. It is called, without awaiting, for each caller whom a
    cool-down (or a 401 that is not renewed) turns away with `error`; if it returns true, the manager renews at once.
    """

    async def issue(self) -> Token:
        """Sign in with the credential itself.

        Raises:
            CredentialsRejectedError: the vendor refused the credential.
            InteractionRequiredError: only a person can sign in.
            VendorUnavailableError: transport, timeout, 429 or 5xx.
            MalformedResponseError: the answer could not be understood.
        """
        ...

    async def refresh(self, token: Token) -> Token:
        """Exchange `token.refresh_token` for a new token. Only called when there is one.

        Where the answer was lost (*outcome unknown*), the authenticator itself repeats the same refresh token if
        the vendor makes that safe. An answer without a refresh token may leave it out: the manager keeps the old.

        Raises:
            CredentialsRejectedError: the vendor definitively refused the refresh token.
            VendorUnavailableError, OutcomeUnknownError, MalformedResponseError: as for `issue`.
        """
        ...

    async def revoke(self, token: Token) -> None:
        """End `token`'s life at the vendor. "Already invalid" is success.

        Raises:
            VendorUnavailableError, OutcomeUnknownError: the token may still be alive.
            ConfigurationError: this vendor offers no way to revoke.
        """
        ...
