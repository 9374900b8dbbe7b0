"""The `Authenticator` protocol: issue, refresh and revoke one vendor's tokens. Knows no vendor and no HTTP."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from nauth.token import Token

__all__ = ["Authenticator"]


@runtime_checkable
class Authenticator(Protocol):
    """Turns one credential into tokens. It keeps no token and no lock; each call is independent of the others.

    `TokenManager` calls it from one task at a time and decides when; the authenticator decides how. Each method
    raises `nauth.NauthError` kinds only; the kind tells the manager what to do next:

    * `CredentialsRejectedError` from `refresh`: the refresh token is dead; the manager calls `issue`.
    * `VendorUnavailableError`, `OutcomeUnknownError`: the refresh token may still work, so the manager does not call
      `issue`.

    For a credential that is sent as it is and never changes, set the class attribute ``renewable = False``: after a
    401 the manager renews nothing and goes on serving the token.

    An authenticator may have a method ``cause_gone(error)``. It is called, without awaiting, for each caller whom a
    cool-down (or a 401 that is not renewed) turns away with `error`. If it returns true, the cool-down ends and the
    manager renews at once.
    """

    async def issue(self) -> Token:
        """Sign in with the credential itself.

        Raises:
            CredentialsRejectedError: the vendor refused the credential.
            InteractionRequiredError: only a person can sign in.
            VendorUnavailableError: transport, timeout, 429 or 5xx.
            MalformedResponseError: the response could not be understood.
        """
        ...

    async def refresh(self, token: Token) -> Token:
        """Exchange `token.refresh_token` for a new token. Only called when there is one.

        If the response was lost (`OutcomeUnknownError`) and the vendor accepts the same refresh token twice, the
        authenticator repeats the call itself. If the response has no refresh token, return a `Token` without one: the
        manager keeps the old one.

        Raises:
            CredentialsRejectedError: the vendor definitively refused the refresh token.
            VendorUnavailableError, OutcomeUnknownError, MalformedResponseError: as for `issue`.
        """
        ...

    async def revoke(self, token: Token) -> None:
        """Revoke `token` at the vendor. A token that is already invalid counts as success.

        Raises:
            VendorUnavailableError, OutcomeUnknownError: the token may still be valid.
            ConfigurationError: this vendor offers no way to revoke.
        """
        ...
