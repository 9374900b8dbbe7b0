"""`Rejections`: what to do after a 401 on a request that cannot be sent again."""

from __future__ import annotations

from nauth.manager import TokenManager
from nauth.token import Token

__all__ = ["Rejections"]


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
