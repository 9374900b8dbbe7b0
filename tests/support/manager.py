"""A `TokenManager` over fakes, and the rhythm of its tests: start, wait until all are blocked, look, go on."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from nauth.events import Event
from nauth.manager.token_manager import TokenManager
from nauth.stores.base import StoreKey
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from tests.support.authenticator import FakeAuthenticator
from tests.support.loops import all_blocked
from tests.support.store import FakeStore

__all__ = ["KEY", "POLICY", "Rig", "all_blocked", "errors_of", "held_open", "immediately"]

KEY = StoreKey(vendor="fake", base_url="https://api.example.com", identity="digest")

POLICY = RenewalPolicy(
    margin=timedelta(seconds=60),
    jitter=timedelta(0),
    backoff=timedelta(seconds=1),
    backoff_cap=timedelta(seconds=8),
    cooldown=timedelta(seconds=10),
)
"""Round numbers and no jitter: a token of an hour is stale from second 3,540."""

_T = TypeVar("_T")


class Rig:
    """One vendor, one store, one clock, and managers on them."""

    def __init__(self, *, policy: RenewalPolicy = POLICY, **vendor: Any) -> None:
        self.clock = FakeClock()
        self.vendor = FakeAuthenticator(**vendor)
        self.store = FakeStore(self.clock)
        self.policy = policy
        self.events: list[Event] = []
        self.manager = self.another()

    def another(self, vendor: FakeAuthenticator | None = None) -> TokenManager:
        """Return one more manager for the same key, store and clock."""
        return TokenManager(
            vendor or self.vendor,
            key=KEY,
            store=self.store,
            policy=self.policy,
            clock=self.clock,
            observer=self.events.append,
        )

    @property
    def calls(self) -> list[str]:
        """What the vendor was asked."""
        return self.vendor.calls

    @property
    def held(self) -> str | None:
        """The access token held by the first manager."""
        token = self.manager.current
        return None if token is None else token.access_token.reveal()

    async def name(self) -> str:
        """Return the access token that a caller gets."""
        return (await self.manager.token()).access_token.reveal()

    def close_gate(self) -> asyncio.Event:
        """Hold the vendor's answers from now on; set the event to let them go."""
        self.vendor.gate = asyncio.Event()
        return self.vendor.gate

    async def stored(self) -> tuple[str, str | None, int] | None:
        """Return the record's access token, refresh token and version."""
        record = await self.store.load(KEY)
        if record is None:
            return None
        refresh = record.token.refresh_token
        return (
            record.token.access_token.reveal(),
            None if refresh is None else refresh.reveal(),
            record.version,
        )

    def tasks(self) -> set[asyncio.Task[None]]:
        """The tasks that the first manager owns in this loop."""
        return set(self.manager._loops.here().tasks)


async def held_open(rig: Rig, *callers: Coroutine[Any, Any, object]) -> None:
    """Let `callers` wait for one answer of the vendor, in eager tasks too, and then for their own ends.

    Raises:
        NauthError: what the first caller to fail was told.
    """
    gate = rig.close_gate()
    tasks = [asyncio.create_task(caller) for caller in callers]
    await all_blocked()
    gate.set()
    await asyncio.gather(*tasks)


def immediately(work: Coroutine[Any, Any, _T]) -> _T:
    """Run `work` to its end without the loop turning over; fail if it waits for anything."""
    try:
        work.send(None)
    except StopIteration as end:
        result: _T = end.value
        return result
    work.close()
    raise AssertionError("the coroutine waited")


def errors_of(outcomes: list[_T | BaseException]) -> list[BaseException]:
    """Return the exceptions among the results of a gather."""
    return [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
