"""What counts as a 401, and what follows one on a request that cannot be sent again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Mapping
from typing import TypeAlias

import attrs
from aiohttp import ClientResponse

from nauth.bearer.httpx_response import HttpxResponseView
from nauth.manager.token_manager import TokenManager
from nauth.token import Token

__all__ = ["UNSCREENED", "Answered", "Hidden401", "Rejections", "Screen", "TokenHeaders", "screen_of"]


Answered: TypeAlias = ClientResponse | HttpxResponseView
"""Argument of a `Hidden401`: aiohttp's response, or httpx's with the attributes that `HttpxResponseView` gives it."""

Hidden401: TypeAlias = Callable[[Answered], Awaitable[bool]]
"""Tells whether a response other than 401 means that the token was refused. Must leave its body readable.

It may have an attribute `screen`, a `Screen`, and is then asked only about the responses that pass it.
"""

TokenHeaders: TypeAlias = Callable[[Token], Mapping[str, str]]
"""Returns the headers that go with a token."""


@attrs.frozen
class Screen:
    """What rules out nearly every response before a `Hidden401` is asked: asking costs more than all else a middleware does.

    Attributes:
        statuses: those that may hide a 401.
        mark: bytes that the body of a hidden 401 holds, unless it writes them in escapes or in other than ASCII characters.
            None if the body says nothing; the three below are not looked at then.
        types: values of ``Content-Type`` with which the body may be searched. With any other the `Hidden401` is asked.
        digits: the most that ``Content-Length`` may have in a hidden 401. About a response without one the `Hidden401` is asked.
    """

    statuses: Container[int]
    mark: bytes | None = None
    types: frozenset[str | None] = frozenset()
    digits: int = 0


UNSCREENED = Screen(range(1000))
"""Rules out nothing."""

_NONE = Screen(range(0))


def screen_of(hidden_401: Hidden401 | None) -> Screen:
    """Return the screen of `hidden_401`; one that lets nothing through if there is none to ask."""
    if hidden_401 is None:
        return _NONE
    screen: Screen = getattr(hidden_401, "screen", UNSCREENED)
    return screen


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
