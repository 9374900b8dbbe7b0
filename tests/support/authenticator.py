"""An `Authenticator` that records its calls and does what it was told."""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import timedelta

from nauth.authenticator import Authenticator
from nauth.errors import CredentialsRejectedError
from nauth.secret import Secret
from nauth.token import Token

__all__ = ["HOUR", "FakeAuthenticator", "made"]

HOUR = timedelta(hours=1)


def made(
    name: str, *, lifetime: timedelta | None = HOUR, refresh: str | None = None, session: str | None = None
) -> Token:
    """Build a token whose access token is `name`."""
    return Token(
        access_token=Secret(name),
        refresh_token=None if refresh is None else Secret(refresh),
        lifetime=lifetime,
        extra={} if session is None else {"session": session},
    )


class FakeAuthenticator(Authenticator):
    """A vendor that issues t1, t2 and so on, each with the refresh token r1, r2 if it is `rotating`.

    A rotating vendor takes each refresh token once; one that comes back is refused. What a call does is done before
    its `gate` is waited for: the answer, not the request, is what is on its way.

    Args:
        lifetime: of each token.
        rotating: whether tokens have a refresh token.
        single_session: whether a new token ends the life of the one before.

    Attributes:
        calls: "issue", "refresh r1", "revoke t1" and so on, in order.
        gate: if set, every answer is held until it is open.
        errors: what the next calls raise, in order; None lets one succeed.
        error: what every call raises once `errors` is empty.
        answers: tokens to give before t1, t2 and so on.
        revoked: access tokens ended by `revoke` or by a later session.
    """

    def __init__(
        self, *, lifetime: timedelta | None = HOUR, rotating: bool = False, single_session: bool = False
    ) -> None:
        self.lifetime = lifetime
        self.rotating = rotating
        self.single_session = single_session
        self.calls: list[str] = []
        self.gate: asyncio.Event | None = None
        self.errors: deque[Exception | None] = deque()
        self.error: Exception | None = None
        self.answers: deque[Token] = deque()
        self.revoked: set[str] = set()
        self._spent: set[str] = set()
        self._count = 0

    def accepts(self, token: Token) -> bool:
        """Tell whether a request with `token` would be answered."""
        return token.access_token.reveal() not in self.revoked

    async def issue(self) -> Token:
        return await self._answer("issue")

    async def refresh(self, token: Token) -> Token:
        assert token.refresh_token is not None
        spent = token.refresh_token.reveal()
        if spent in self._spent:
            self.errors.appendleft(CredentialsRejectedError("this refresh token was used before"))
        elif self.rotating and (self.errors[0] if self.errors else self.error) is None:
            self._spent.add(spent)
        return await self._answer(f"refresh {spent}")

    async def revoke(self, token: Token) -> None:
        name = token.access_token.reveal()
        error = self._next_error(f"revoke {name}")
        if self.gate is not None:
            await self.gate.wait()
        if error is not None:
            raise error
        self.revoked.add(name)

    async def _answer(self, call: str) -> Token:
        error = self._next_error(call)
        token = self._make() if error is None else None
        if self.gate is not None:
            await self.gate.wait()
        if token is None:
            assert error is not None
            raise error
        return token

    def _next_error(self, call: str) -> Exception | None:
        self.calls.append(call)
        return self.errors.popleft() if self.errors else self.error

    def _make(self) -> Token:
        if self.answers:
            return self.answers.popleft()
        if self.single_session and self._count:
            self.revoked.add(f"t{self._count}")
        self._count += 1
        return made(
            f"t{self._count}",
            lifetime=self.lifetime,
            refresh=f"r{self._count}" if self.rotating else None,
        )
