"""What counts as a 401, and what follows one on a request that cannot be sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import ClientResponse

from nauth.bearer.httpx_response import HttpxAnswer
from nauth.manager.token_manager import TokenManager
from nauth.token import Token

__all__ = ["Answered", "Hidden401", "Rejections", "TokenHeaders"]


Answered: TypeAlias = ClientResponse | HttpxAnswer
"""What a `Hidden401` is shown: aiohttp's answer, or httpx's in the same words, as far as `HttpxAnswer` has them."""

Hidden401: TypeAlias = Callable[[Answered], Awaitable[bool]]
"""Tells whether a response other than 401 means that the token was refused. Must leave its body readable."""

TokenHeaders: TypeAlias = Callable[[Token], Mapping[str, str]]
"""Returns the headers that go with a token."""


class Rejections:
    """Renew for the next call, or start the cool-down where the last such renewal did not help.

    Without replays nobody sees a renewed token refused at once, and each stream would cost a renewal.

    Attributes:
        last: refused on a request that could not be replayed; no later token has been seen to work yet.
    """

    __slots__ = ("_manager", "last")

    def __init__(self, manager: TokenManager) -> None:
        self._manager = manager
        self.last: Token | None = None

    def note(self, token: Token) -> None:
        """Take down that `token` was answered 401."""
        if self.last is None or token.same_access(self.last):
            self.last = token
            self._manager.reject(token)
        else:
            self.last = None
            self._manager.refused(token)

    def worked(self, token: Token) -> None:
        """Take down that `token` was accepted: an earlier 401 is not held against it."""
        if self.last is not None and not token.same_access(self.last):
            self.last = None
