"""The window of the fast path: when it opens, how far it reaches, and that every change shuts it."""

from __future__ import annotations

from datetime import timedelta
from math import inf

import pytest

from nauth.clock import SystemClock
from nauth.errors import ClosedError
from nauth.manager.token_cache import WINDOW_S
from nauth.manager.token_manager import TokenManager
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from nombaauth import NombaClient, NombaCredentials
from tests.support.authenticator import FakeAuthenticator
from tests.support.manager import KEY, POLICY, immediately

LONG = timedelta(hours=1)


def on_real_time(
    store: MemoryStore, lifetime: timedelta = LONG, policy: RenewalPolicy = POLICY
) -> TokenManager:
    """Return a manager on the machine's own clock: only there is a window opened."""
    return TokenManager(FakeAuthenticator(lifetime=lifetime), key=KEY, store=store, policy=policy)


async def test_a_close_look_opens_a_short_window() -> None:
    """A fresh token is served for `WINDOW_S` by the monotonic clock alone; the cold call itself opens nothing."""
    manager = on_real_time(MemoryStore())
    token = await manager.token()
    assert manager._until == -inf
    before = SystemClock.monotonic()
    assert await manager.token() is token
    assert before < manager._until <= SystemClock.monotonic() + WINDOW_S
    manager._until = inf
    manager._held = manager._held.dead()  # no call looks at it while the window is open
    assert immediately(manager.token()) is token


async def test_the_window_ends_with_freshness() -> None:
    """A token about to become stale gets a window no longer than the rest of its freshness."""
    manager = on_real_time(MemoryStore(), lifetime=timedelta(milliseconds=100))
    await manager.token()
    await manager.token()
    assert manager._until <= manager._held.renew_mono


async def test_a_stale_token_has_no_window() -> None:
    """A token inside its margin is looked at with both clocks on every call, so that its renewal starts."""
    policy = RenewalPolicy(margin=timedelta(minutes=5), jitter=timedelta(0))
    manager = on_real_time(MemoryStore(), policy=policy)
    await manager.token()
    mono, wall = SystemClock.monotonic(), SystemClock.wall()
    stale = type(manager._held)(manager._held.token, manager._held.version, mono, wall, mono + 60, wall + 60)
    manager._replace(stale)
    await manager.token()
    assert manager._until == -inf
    await manager.aclose()


async def test_another_clock_has_no_window() -> None:
    """On a clock of one's own every call takes the close look, so that a test's step is seen at once."""
    clock = FakeClock()
    manager = TokenManager(
        FakeAuthenticator(), key=KEY, store=MemoryStore(clock=clock), policy=POLICY, clock=clock
    )
    await manager.token()
    await manager.token()
    assert manager._until == -inf


@pytest.mark.parametrize("change", ["reject", "revoke", "close", "push"])
async def test_every_change_shuts_the_window(change: str) -> None:
    """After a 401, a revocation, a close or a sibling's renewal the old token is not served for another moment."""
    store, vendor = MemoryStore(), FakeAuthenticator(lifetime=LONG)
    manager, sibling = (TokenManager(vendor, key=KEY, store=store, policy=POLICY) for _ in range(2))
    token = await manager.token()
    await manager.token()
    assert manager._until > 0
    if change == "reject":
        manager.reject(token)
    elif change == "revoke":
        await manager.revoke()
    elif change == "close":
        await manager.aclose()
        with pytest.raises(ClosedError):
            await manager.token()
        return
    else:
        await sibling.token()
        await sibling.renew(rejected=token)
    assert not (await manager.token()).same_access(token)
    await manager.aclose()
    await sibling.aclose()


async def test_a_window_is_not_opened_on_a_token_just_replaced() -> None:
    """Where another thread replaces the token during the close look, the old one gets no window."""
    manager = on_real_time(MemoryStore())
    await manager.token()
    old = manager._held
    manager._replace(old.dead())
    manager._open_window(old, SystemClock.monotonic(), SystemClock.wall())
    assert manager._until == -inf


async def test_the_client_takes_the_same_path() -> None:
    """`client.token()` serves from its manager's window without a further coroutine."""
    credentials = NombaCredentials(client_id="id", client_secret="secret", account_id="account")
    client = NombaClient(credentials, environment="sandbox")
    manager = client._manager = on_real_time(MemoryStore())
    token = await client.token()
    assert await client.token() is token
    manager._until = inf
    assert immediately(client.token()) is token
