"""The fast path: a fresh token without waiting, both clocks read each time, and every change seen by the very next call."""

from __future__ import annotations

from datetime import timedelta

import attrs
import pytest

from nauth.errors import ClosedError, StoreError, VendorUnavailableError
from nauth.manager.token_manager import TokenManager
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from nombaauth import NombaClient, NombaCredentials
from tests.support.authenticator import FakeAuthenticator
from tests.support.manager import KEY, POLICY, Rig, all_blocked, immediately

LONG = timedelta(hours=1)


def client_of(manager: TokenManager) -> NombaClient:
    """Return a client on `manager`, as if it had made it."""
    credentials = NombaCredentials(client_id="id", client_secret="secret", account_id="account")
    client = NombaClient(credentials, environment="sandbox")
    client._manager, client._cache = manager, manager.cache
    client._monotonic, client._wall = manager.cache.monotonic, manager.cache.wall
    return client


@pytest.mark.parametrize("by_client", [False, True])
@pytest.mark.parametrize("clock", ["system", "fake"])
async def test_a_fresh_token_is_served_without_waiting(clock: str, by_client: bool) -> None:
    """With the machine's clock and with a test's own: one look, the same object, not a turn of the loop."""
    if clock == "system":
        manager = TokenManager(FakeAuthenticator(lifetime=LONG), key=KEY, store=MemoryStore(), policy=POLICY)
    else:
        manager = Rig(lifetime=LONG).manager
    token = await manager.token()
    subject = client_of(manager) if by_client else manager
    assert immediately(subject.token()) is token
    assert manager.cache.fresh() is token
    await manager.aclose()


@pytest.mark.parametrize("by_client", [False, True])
async def test_a_stepped_wall_clock_is_seen_by_the_very_next_call(by_client: bool) -> None:
    """A wall clock that jumps past the token's end ends it at once, though the monotonic clock has not moved."""
    rig = Rig(lifetime=LONG)
    token = await rig.manager.token()
    subject = client_of(rig.manager) if by_client else rig.manager
    assert await subject.token() is token
    rig.clock.step_wall(2 * LONG)
    assert rig.manager.cache.fresh() is None
    assert not (await subject.token()).same_access(token)
    assert len(rig.calls) == 2
    await rig.manager.aclose()


async def test_the_fast_path_reads_both_clocks_each_time() -> None:
    """Each call reads the monotonic and the wall reading of the clock that was given, once."""
    read: list[str] = []

    class Counting(FakeClock):
        def monotonic(self) -> float:
            read.append("monotonic")
            return super().monotonic()

        def wall(self) -> float:
            read.append("wall")
            return super().wall()

    clock = Counting()
    manager = TokenManager(
        FakeAuthenticator(lifetime=LONG), key=KEY, store=MemoryStore(clock=clock), policy=POLICY, clock=clock
    )
    await manager.token()
    for subject in (manager, client_of(manager)):
        read.clear()
        await subject.token()
        assert read == ["monotonic", "wall"]
    await manager.aclose()


async def test_a_stale_token_leaves_the_fast_path() -> None:
    """A token inside its margin is served, but not by the fast path, so that its renewal starts."""
    policy = RenewalPolicy(margin=timedelta(minutes=5), jitter=timedelta(0))
    rig = Rig(lifetime=LONG, policy=policy)
    token = await rig.manager.token()
    rig.clock.advance(timedelta(minutes=56))
    assert rig.manager.cache.fresh() is None
    assert await rig.manager.token() is token
    await rig.manager.aclose()
    assert len(rig.calls) == 2


async def test_the_fast_path_serves_on_while_a_renewal_is_under_way() -> None:
    """The caller that begins an early renewal, or finds one begun, spares the others its look for a tenth of a second."""
    rig = Rig(lifetime=LONG)
    token = await rig.manager.token()
    gate = rig.close_gate()
    rig.clock.advance(3540)
    assert rig.manager.cache.fresh() is None
    for _ in range(3):
        assert immediately(rig.manager.token()) is token
        rig.clock.advance(0.09)
        assert rig.manager.cache.fresh() is token
        rig.clock.advance(0.02)
        assert rig.manager.cache.fresh() is None
        await all_blocked()
    assert rig.calls == ["issue", "issue"]
    gate.set()
    await rig.manager.aclose()


@pytest.mark.parametrize("clock", ["both", "wall"])
async def test_the_fast_path_never_serves_beyond_expiry(clock: str) -> None:
    """Serving on ends where the token does, by either clock."""
    rig = Rig(lifetime=LONG)
    token = await rig.manager.token()
    gate = rig.close_gate()
    rig.clock.advance(3599.95)
    assert immediately(rig.manager.token()) is token
    if clock == "both":
        rig.clock.advance(0.05)
    else:
        rig.clock.step_wall(0.05)
    assert rig.manager.cache.fresh() is None
    gate.set()
    assert await rig.manager.token() is not token
    await rig.manager.aclose()


async def test_the_end_of_a_renewal_ends_serving_on() -> None:
    """After an early renewal that failed the next caller decides anew: it is allowed another try before the moment is over."""
    rig = Rig(lifetime=LONG, policy=attrs.evolve(POLICY, backoff=timedelta(seconds=0.01)))
    token = await rig.manager.token()
    rig.clock.advance(3540)
    rig.vendor.error = VendorUnavailableError("down")
    assert immediately(rig.manager.token()) is token
    assert rig.manager.cache.fresh() is token
    await all_blocked()
    assert rig.manager.cache.fresh() is None
    rig.clock.advance(0.01)
    assert immediately(rig.manager.token()) is token
    await all_blocked()
    assert rig.calls == ["issue"] * 3
    await rig.manager.aclose()


async def test_a_token_that_is_not_stored_is_not_served_on() -> None:
    """Each call looks after a commit that is still to be made, while the token is to be renewed too."""
    rig = Rig(lifetime=LONG)
    rig.store.will("commit", *[StoreError("down")] * 99)
    token = await rig.manager.token()
    rig.clock.advance(3540)
    gate = rig.close_gate()
    assert immediately(rig.manager.token()) is token
    assert rig.manager.cache.fresh() is None
    rig.store.deeds.clear()
    gate.set()
    await rig.manager.aclose()


@pytest.mark.parametrize("change", ["reject", "revoke", "close", "push"])
async def test_every_change_is_seen_by_the_next_call(change: str) -> None:
    """After a 401, a revocation, a close or a sibling's renewal the old token is not served again."""
    store, vendor = MemoryStore(), FakeAuthenticator(lifetime=LONG)
    manager, sibling = (TokenManager(vendor, key=KEY, store=store, policy=POLICY) for _ in range(2))
    token = await manager.token()
    if change == "reject":
        manager.reject(token)
    elif change == "revoke":
        await manager.revoke()
    elif change == "close":
        await manager.aclose()
        assert manager.cache.fresh() is None
        with pytest.raises(ClosedError):
            await manager.token()
        return
    else:
        await sibling.token()
        await sibling.renew(rejected=token)
    assert not (await manager.token()).same_access(token)
    await manager.aclose()
    await sibling.aclose()


async def test_closing_takes_the_token_off_the_fast_path_at_once() -> None:
    """While `aclose` still waits for a renewal in flight, `token()` says that the manager is closed."""
    rig = Rig(lifetime=LONG)
    await rig.manager.token()
    rig.manager.cache.close()
    with pytest.raises(ClosedError):
        await rig.manager.token()
    await rig.manager.aclose()
