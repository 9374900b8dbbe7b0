"""The registry: what the command line knows of each vendor. A vendor is one entry here and one room beside it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import attrs

from nauth.cli.demo.scenario import MakeStory
from nauth.secret import Secret
from nauth.token import RenewalPolicy, Token

__all__ = ["Ask", "Client", "Login", "Vendor"]


class Client(Protocol):
    """What the commands ask of a vendor's client."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def token(self) -> Coroutine[object, None, Token]:
        """Sign in."""
        ...


Ask: TypeAlias = Callable[[str], Coroutine[object, None, Secret]]
"""Shows a person an address to open, and returns the one their browser came back to."""

Login: TypeAlias = Callable[[Ask, str | None], Coroutine[object, None, Token]]
"""Has a person sign in, through the provider named, if the vendor has several."""


@attrs.frozen(kw_only=True)
class Vendor:
    """One vendor, as the command line sees it.

    Attributes:
        title: the name people know it by.
        client: makes a client from the process environment; raises `ConfigurationError` where that is not enough.
        policy: when that client renews.
        check: makes the vendor's simplest authenticated call with such a client; returns what to print of the answer.
        sandbox: makes the vendor's double for a port (0: any), which gives, once running, the environment variables
            that point a client at it.
        story: makes the vendor's part of the demonstration.
        revoke: signs in and ends the session at once; None where the vendor has no call for it.
        login: has a person sign in; None where nobody can.
        providers: whether `login` wants the name of an identity provider.
    """

    title: str
    client: Callable[[], Client]
    policy: RenewalPolicy
    check: Callable[[], Coroutine[object, None, Mapping[str, object]]]
    sandbox: Callable[[int], AbstractAsyncContextManager[Mapping[str, str]]]
    story: MakeStory
    revoke: Callable[[], Coroutine[object, None, None]] | None = None
    login: Login | None = None
    providers: bool = False
