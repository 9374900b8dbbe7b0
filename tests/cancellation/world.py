"""A manager over a vendor and a store that take their time."""

from __future__ import annotations

from nauth.manager.token_manager import TokenManager
from nauth.token import Token
from tests.cancellation.kit import turn
from tests.support.authenticator import FakeAuthenticator
from tests.support.cancel_everywhere import settled
from tests.support.manager import Rig
from tests.support.store import FakeStore

__all__ = ["World"]


class SlowVendor(FakeAuthenticator):
    """Acts between two turns of waiting: the request's way, and the answer's."""

    async def _answer(self, call: str) -> Token:
        await turn()
        token = await super()._answer(call)
        await turn()
        return token

    async def revoke(self, token: Token) -> None:
        await turn()
        await super().revoke(token)
        await turn()


class SlowStore(FakeStore):
    """Acts after one turn, and answers after another where something was committed."""

    async def _meet(self, method: str, *, counted: bool = True) -> bool:
        await turn()
        return await super()._meet(method, counted=counted)


class World(Rig):
    """One manager over a vendor that rotates its refresh tokens and takes each of them once."""

    def __init__(self) -> None:
        super().__init__()
        self.vendor = SlowVendor(rotating=True)
        self.store = SlowStore(self.clock)
        self.manager = self.another()

    @property
    def newest(self) -> str:
        """The refresh token that the vendor issued last."""
        return f"r{self.vendor._count}" if self.vendor._count else ""

    async def quiet(self, *managers: TokenManager) -> None:
        """Wait until nothing is under way, and look for what was left."""
        await settled(nudge=lambda: self.clock.advance(1))
        for manager in (self.manager, *managers):
            loop_state = manager._loops.here()
            assert (loop_state.flight, loop_state.recheck, loop_state.tasks, loop_state.sleeps) == (
                None,
                None,
                (),
                (),
            )
            assert not loop_state.lock.locked()
        assert (self.store._leases, dict(self.store._waiters), self.clock.sleeping) == ({}, {}, 0)

    async def keepers(self, *managers: TokenManager) -> set[str]:
        """Return every refresh token that a manager or the store holds."""
        stored = await self.stored()
        found = {token.refresh_token for manager in managers if (token := manager.current) is not None}
        return {secret.reveal() for secret in found if secret is not None} | {
            (stored or ("", "", 0))[1] or ""
        }
