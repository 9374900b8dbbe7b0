"""What counts as a 401, and what follows one on a request that cannot be sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from aiohttp import ClientResponse

from nauth.bearer.httpx_response import HttpxResponseView
from nauth.manager.token_manager import TokenManager
from nauth.token import Token

__all__ = ["Answered", "Hidden401", "Rejections", "TokenHeaders"]


Answered: TypeAlias = ClientResponse | HttpxResponseView
"""Argument of a `Hidden401`: aiohttp's response, or httpx's with the attributes that `HttpxResponseView` gives it."""

Hidden401: TypeAlias = Callable[[Answered], Awaitable[bool]]
"""Tells whether a response other than 401 means that the token was refused. Must leave its body readable."""

TokenHeaders: TypeAlias = Callable[[Token], Mapping[str, str]]
"""Returns the headers that go with a token."""


class Rejections:
    """Renew after a 401 that cannot be replayed, or start the cool-down if the last such renewal did not help.

    Without a replay nauth does not see that the vendor refuses the new token too, and each such request would cost a
    renewal.

    Attributes:
        last: the token refused on a request that could not be replayed; None once it is known to have been the cause.
    """

    __slots__ = ("_at", "_heir", "_manager", "last")

    def __init__(self, manager: TokenManager) -> None:
        self._manager = manager
        self.last: Token | None = None
        self._at = ""
        self._heir: Token | None = None

    def learns_from(self, token: Token) -> bool:
        """Tell whether it would make a difference that `token` was accepted."""
        return self.last is not None or self._manager.cache.settled is not token

    def note(self, token: Token, at: str) -> None:
        """Record that endpoint `at` answered 401 to `token`."""
        if self.last is None or token.same_access(self.last):
            self.last, self._at, self._heir = token, at, None
            self._manager.reject(token, at=at)
        else:
            self.last = None
            self._manager.refused(token, at=at)

    def worked(self, token: Token, at: str) -> None:
        """Record that endpoint `at` accepted `token`.

        The earlier 401 was the token's fault where the endpoint that gave it takes the next one. That another endpoint
        takes it proves nothing; but once yet another token is in use, the matter is too old to be held against it.
        """
        self._manager.accepted(token, at=at)
        if self.last is None or token.same_access(self.last):
            return
        if at == self._at or (self._heir is not None and not token.same_access(self._heir)):
            self.last = None
        self._heir = token
