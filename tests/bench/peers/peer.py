"""`Peer`: what a scenario needs of a library, whichever it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import ClassVar

import attrs

__all__ = ["CannotDoError", "Peer", "Setup", "Window"]


class CannotDoError(Exception):
    """The library has no such part; the message is the reason that the report prints."""


@attrs.frozen
class Setup:
    """Where the server is and what a scenario asks for.

    Attributes:
        url: of the token server and the API.
        refresh_token: to renew with, where the scenario is about refresh tokens.
        folder: for what several processes share.
    """

    url: str
    refresh_token: str | None = None
    folder: Path | None = None


@attrs.frozen
class Window:
    """How to bring a token into the library's own time of early renewal: its lifetime, and how long to wait then."""

    lifetime_s: int
    wait_s: float = 0.0


class Peer:
    """A library's token cache, called as the library's own client calls it.

    `open` runs in the first event loop; the object may be used in others after that. A method that is left as it is here
    is one that the library has no part for.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    """The distribution whose version is reported; empty for what is not installed."""
    imports: ClassVar[str] = ""
    """What a program imports to use it."""
    window: ClassVar[Window | None] = None
    """None if it never renews early."""
    cannot: ClassVar[Mapping[str, str]] = {}
    """Scenarios that it has no part for, with the reason."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    async def open(self) -> None:
        """Make the library's objects."""
        raise NotImplementedError

    async def token(self) -> str:
        """Return the token that the next request would carry, renewed if the library thinks so."""
        raise NotImplementedError

    async def get(self, url: str) -> int:
        """Send a GET through the library's own client, with no retries but its own; return the status."""
        raise CannotDoError("the package has no client that sends bearer tokens")

    async def post(self, url: str, body: Callable[[], AsyncIterator[bytes]]) -> int:
        """Send a POST whose body is a stream, likewise."""
        raise CannotDoError("the package has no client that sends bearer tokens")

    async def close(self) -> None:
        """Close what `open` made."""

    def made(self) -> object:
        """Return one more of the objects that cache a token, for the scenario that weighs them."""
        raise CannotDoError("not weighed: its cache cannot be made without a client around it")
