"""`Vendor`: what a vendor package gives the `nauth` command, registered as an entry point."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias

import attrs

from nauth.cli.demo.scenario import MakeStory
from nauth.logins import Application
from nauth.secret import Secret
from nauth.testing.custom_endpoints import TaughtRoute
from nauth.token import RenewalPolicy, Token

__all__ = ["Ask", "Client", "Login", "SignedIn", "Vendor"]


class Client(Protocol):
    """The part of a vendor's client that the commands use."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def token(self) -> Coroutine[object, None, Token]:
        """Sign in."""
        ...


class Ask(Protocol):
    """A person who signs in."""

    async def back_at(self, registered: str) -> str:
        """Return the redirect URI to use: `registered`, with a port of this machine if it is loopback and has none."""
        ...

    async def __call__(self, address: str) -> Secret:
        """Show an address to open, and return the one the browser came back to."""
        ...


@attrs.frozen
class SignedIn:
    """What a person's sign-in has brought.

    Attributes:
        token: the token.
        vendor: the vendor's name, as in the store's key.
        base_url: the URL that it is for, as in the store's key.
        application: what is needed to renew it.
    """

    token: Token
    vendor: str
    base_url: str
    application: Application = attrs.field(repr=False)


Login: TypeAlias = Callable[[Ask, str | None], Coroutine[object, None, SignedIn]]
"""Lets a person sign in, through the named identity provider if the vendor has several."""


@attrs.frozen(kw_only=True)
class Vendor:
    """One vendor, as the command line sees it.

    Attributes:
        title: the name people know it by.
        client: makes a client from the process environment, with the session given as ``session=`` if any; raises
            `ConfigurationError` if a variable is missing or wrong.
        policy: when that client renews.
        check: makes the vendor's simplest authenticated call with such a client; returns what to print of the
            response.
        sandbox: makes the vendor's sandbox for a port (0: any), with further endpoints, switches, and a further credential
            for each name (see `nauth.cli.sandbox_keys`); entering it starts it and returns the environment variables
            that point a client at it.
        story: makes the vendor's scenario for `nauth demo`.
        revoke: signs in and ends the session at once; None if the vendor has no call for it.
        login: lets a person sign in; None if the vendor has no sign-in for people.
        providers: whether `login` needs the name of an identity provider.
        settings: returns what to print of the environment's settings; secrets left out, ids masked.
        single_session: whether a second sign-in with the same credentials ends the first one's session.
        port: where the sandbox listens by default.
    """

    title: str
    client: Callable[..., Client]
    policy: RenewalPolicy
    check: Callable[[Any], Coroutine[object, None, Mapping[str, object]]]
    sandbox: Callable[
        [int, Sequence[TaughtRoute], Mapping[str, str], Sequence[str]],
        AbstractAsyncContextManager[Mapping[str, str]],
    ]
    story: MakeStory
    revoke: Callable[[], Coroutine[object, None, None]] | None = None
    login: Login | None = None
    providers: bool = False
    settings: Callable[[], Mapping[str, str]] = dict[str, str]
    single_session: bool = True
    port: int = 0
