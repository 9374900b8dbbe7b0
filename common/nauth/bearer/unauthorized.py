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
"""Argument of a `Hidden401`: aiohttp's response, or httpx's with the attributes that `HttpxAnswer` gives it."""

Hidden401: TypeAlias = Callable[[Answered], Awaitable[bool]]
"""Tells whether a response other than 401 means that the token was refused. Must leave its body readable."""


class Rejections:
    """Renew after a 401 that cannot be replayed, or start the cool-down if the last such renewal did not help.

    Without a replay nauth does not see that the vendor refuses the new token too, and each such request would cost a
    renewal.

    Attributes:
        last: the token refused on a request that could not be replayed; None once a later token has worked.
    """

    __slots__ = ("_manager", "last")

    def __init__(self, manager: TokenManager) -> None:
        self._manager = manager
        self.last: Token | None = None

    def note(self, token: Token) -> None:
        """Record that a request with `token` got a 401."""
        if self.last is None or token.same_access(self.last):
            self.last = token
            self._manager.reject(token)
        else:
            self.last = None
            self._manager.refused(token)

    def worked(self, token: Token) -> None:
        """Record that `token` was accepted: the refusal of an earlier token no longer counts."""
        if self.last is not None and not token.same_access(self.last):
            self.last = None
