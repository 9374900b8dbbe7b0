"""Recognise a 403 that means an expired token: some of Nomad's own SDKs renew on a 403 only."""

from __future__ import annotations

from aiohttp.hdrs import AUTHORIZATION

from nauth.bearer.unauthorized import Answered
from nauth.clock import Clock
from nauth.manager.token_manager import TokenManager

__all__ = ["Expired403"]

_FORBIDDEN = 403


class Expired403:
    """Tell a 403 for an expired token from a 403 for a missing permission.

    The documents say 401 for an expired token, but Nomad's Python and JavaScript SDKs wait for a 403. So a 403 counts
    as a 401 in two cases: the token has expired by this machine's clock, or another token has replaced it since the
    request was sent.

    Attributes:
        manager: the manager of the token; set after it has been created.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.manager: TokenManager | None = None

    async def __call__(self, response: Answered) -> bool:
        """Tell whether `response` refuses a token that has expired or was replaced."""
        token = self.manager.current if self.manager is not None else None
        if response.status != _FORBIDDEN or token is None:
            return False
        if response.request_info.headers.get(AUTHORIZATION) != token.authorization:
            return True  # replaced meanwhile: the request is repeated with the newer token, without a renewal
        return token.expires_at is not None and token.expires_at.timestamp() <= self._clock.wall()
