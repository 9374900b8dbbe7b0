"""The registry: what the command line knows of each vendor. A vendor is one entry here and one room beside it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager
from types import TracebackType
from typing import Protocol, Self

import attrs
from attrs import AttrsInstance

from nauth.cli.demo_story import MakeStory
from nauth.token import RenewalPolicy, Token

__all__ = ["VENDORS", "Client", "Vendor"]


class Client(Protocol):
    """What the commands ask of a vendor's client."""

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def token(self) -> Coroutine[object, None, Token]:
        """Sign in."""
        ...

    async def check(self) -> AttrsInstance:
        """Make the vendor's simplest authenticated call."""
        ...

    async def revoke(self) -> None:
        """End the token's life."""
        ...


@attrs.frozen(kw_only=True)
class Vendor:
    """One vendor, as the command line sees it.

    Attributes:
        title: the name people know it by.
        client: makes a client from the process environment; raises `ConfigurationError` where that is not enough.
        policy: when that client renews.
        sandbox: makes the vendor's double for a port (0: any), which gives, once running, the environment variables
            that point a client at it.
        story: makes the vendor's part of the demonstration.
    """

    title: str
    client: Callable[[], Client]
    policy: RenewalPolicy
    sandbox: Callable[[int], AbstractAsyncContextManager[Mapping[str, str]]]
    story: MakeStory


def _nomba() -> Vendor:
    # vendors are imported when named: `nauth --version` needs none of them
    from nauth.cli.nomba import NOMBA  # noqa: PLC0415

    return NOMBA


VENDORS: Mapping[str, Callable[[], Vendor]] = {"nomba": _nomba}
"""Name on the command line -> how to get at the vendor."""
