"""A 403 that means 401: some of Nomad's own SDKs renew on a 403 only."""

from __future__ import annotations

from aiohttp.hdrs import AUTHORIZATION

from nauth.bearer.unauthorized import Answered
from nauth.clock import Clock
from nauth.manager.token_manager import TokenManager

__all__ = ["Expired403"]

_FORBIDDEN = 403


class Expired403:
    """Tell a 403 that refuses a token for its age from one that refuses the account's right.

    Documents say 401 for an expired token, and Nomad's Python and JavaScript SDKs wait for a 403. So a 403 counts as
    a 401 where this machine's clock says that the token was over by the time of the answer, and only there.

    Attributes:
        manager: whose token; set once it exists.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.manager: TokenManager | None = None

    async def __call__(self, response: Answered) -> bool:
        """Tell whether `response` refuses a token that is over."""
        token = self.manager.current if self.manager is not None else None
        if response.status != _FORBIDDEN or token is None:
            return False
        if response.request_info.headers.get(AUTHORIZATION) != token.authorization:
            return True  # replaced meanwhile: the newer one is tried, and nothing is renewed for it
        return token.expires_at is not None and token.expires_at.timestamp() <= self._clock.wall()
