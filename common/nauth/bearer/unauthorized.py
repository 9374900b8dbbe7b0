"""What counts as a 401, and what follows one on a request that cannot be sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from aiohttp import ClientResponse

from nauth.bearer.httpx_response import HttpxAnswer
from nauth.manager.token_manager import TokenManager
from nauth.token import Token

__all__ = ["Answered", "Hidden401", "Rejections"]


Answered: TypeAlias = ClientResponse | HttpxAnswer
"""What a `Hidden401` is shown: aiohttp's answer, or httpx's in the same words, as far as `HttpxAnswer` has them."""

Hidden401: TypeAlias = Callable[[Answered], Awaitable[bool]]
"""Tells whether a response other than 401 means that the token was refused. Must leave its body readable."""


class Rejections:
    """Renew for the next call, or start the cool-down where the last such renewal did not help.

    Without replays nobody sees a renewed token refused at once, and each stream would cost a renewal.

    Attributes:
        last: refused on a request that could not be replayed, and not known to have been the cause.
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
        """Take down that endpoint `at` has answered 401 to `token`."""
        if self.last is None or token.same_access(self.last):
            self.last, self._at, self._heir = token, at, None
            self._manager.reject(token, at=at)
        else:
            self.last = None
            self._manager.refused(token, at=at)

    def worked(self, token: Token, at: str) -> None:
        """Take down that endpoint `at` has accepted `token`.

        The earlier 401 was the token's fault where the endpoint that gave it takes the next one. That another endpoint
        takes it proves nothing; but once yet another token is in use, the matter is too old to be held against it.
        """
        self._manager.accepted(token, at=at)
        if self.last is None or token.same_access(self.last):
            return
        if at == self._at or (self._heir is not None and not token.same_access(self._heir)):
            self.last = None
        self._heir = token
