"""Many clients of one credential in a process: what the vendor said to one of them holds for all."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import pytest

from nauth.clock import SystemClock
from nauth.errors import (
    CredentialsRejectedError,
    NauthError,
    NotSentError,
    TokenRefusedError,
    VendorUnavailableError,
)
from nauth.manager import backoff_table
from nauth.manager.backoff import UNTROUBLED
from nauth.manager.backoff_table import shared_backoff
from nauth.manager.token_manager import TokenManager
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy
from tests.support.authenticator import HOUR, FakeAuthenticator
from tests.support.manager import KEY, POLICY, Rig, all_blocked, errors_of


def refused() -> Rig:
    """Return a rig whose vendor refuses the credential."""
    rig = Rig()
    rig.vendor.error = CredentialsRejectedError("no such client")
    return rig


async def test_one_after_another() -> None:
    """A thousand clients, each opened for one request and closed, make one call in a cool-down."""
    rig = refused()
    for _ in range(1_000):
        manager = rig.another()
        with pytest.raises(CredentialsRejectedError) as told:
            await manager.token()
        assert told.value.retry_after is not None
        await manager.aclose()
    assert rig.calls == ["issue"]
    rig.clock.advance(POLICY.cooldown)
    with pytest.raises(CredentialsRejectedError):
        await rig.another().token()
    assert rig.calls == ["issue", "issue"]


async def test_a_refusal_while_the_store_gives_the_lease() -> None:
    """A client that gets the lease after another one was refused makes no call: it looks once more before it calls."""
    rig, gate = refused(), asyncio.Event()
    rig.store.will("lease", gate.wait)
    slow = asyncio.create_task(rig.manager.token())
    await all_blocked()
    with pytest.raises(CredentialsRejectedError):
        await rig.another().token()
    gate.set()
    with pytest.raises(CredentialsRejectedError):
        await slow
    assert rig.calls == ["issue"]


async def test_all_at_once() -> None:
    """A thousand clients that ask at the same moment make one call, and each gets an error object of its own."""
    asyncio.get_running_loop().slow_callback_duration = 60  # remarks on that are not what is looked for
    rig = refused()
    gate = rig.close_gate()
    managers = [rig.another() for _ in range(1_000)]
    asking = asyncio.gather(*(manager.token() for manager in managers), return_exceptions=True)
    for _ in range(10):
        await asyncio.sleep(0)
    gate.set()
    errors = errors_of(await asking)
    assert {type(error) for error in errors} == {CredentialsRejectedError}
    assert len(set(map(id, errors))) == 1_000
    assert rig.calls == ["issue"]


async def test_stale_tokens_and_a_vendor_that_is_down() -> None:
    """Clients whose token is stale keep to one pause between quiet attempts, whichever client made the last one."""
    rig = Rig()
    managers = [rig.another() for _ in range(20)]
    for manager in managers:
        await manager.token()
    rig.clock.advance(3_545)
    rig.vendor.error = VendorUnavailableError("down", status=503)
    for manager in managers:
        await manager.token()
    for _ in range(20):
        await asyncio.sleep(0)
    assert rig.calls == ["issue", "issue"]
    for manager in managers:
        await manager.aclose()


async def test_a_failure_on_the_way_is_not_shared() -> None:
    """A client whose proxy is broken does not pause another one."""
    rig = Rig()
    rig.vendor.errors.append(NotSentError("the proxy is down"))
    with pytest.raises(NotSentError):
        await rig.manager.token()
    with pytest.raises(NotSentError):
        await rig.manager.token()
    assert (await rig.another().token()).access_token.reveal() == "t1"
    assert rig.calls == ["issue", "issue"]


async def test_forgiving_and_refusing_hold_for_all() -> None:
    """What a person has mended is mended for all clients; a fresh token that was refused pauses all."""
    rig = refused()
    with pytest.raises(CredentialsRejectedError):
        await rig.manager.token()
    rig.vendor.error = None
    rig.another().forgive()
    token = await rig.manager.token()
    sibling = rig.another()
    await sibling.token()
    rig.manager.refused(token)
    with pytest.raises(TokenRefusedError):
        await sibling.renew(rejected=token)


async def test_what_is_not_shared() -> None:
    """Another store object, another clock, another policy and a store that cannot be referenced share nothing."""
    store, clock = MemoryStore(), FakeClock()

    class Odd(MemoryStore):
        __hash__ = None  # type: ignore[assignment]

    mine = shared_backoff(store, KEY, clock, POLICY)
    assert shared_backoff(store, KEY, clock, POLICY) is mine
    assert shared_backoff(store, KEY, SystemClock(), POLICY) is shared_backoff(
        store, KEY, SystemClock(), POLICY
    )
    odd = Odd.__new__(Odd)
    others = [
        shared_backoff(MemoryStore(), KEY, clock, POLICY),
        shared_backoff(store, KEY, FakeClock(), POLICY),
        shared_backoff(store, KEY, clock, RenewalPolicy(deadline=HOUR)),
        shared_backoff(odd, KEY, clock, POLICY),
        shared_backoff(odd, KEY, clock, POLICY),
        mine,
    ]
    assert len(set(map(id, others))) == len(others)


async def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a client, what went wrong is kept for a while, and for a number of credentials."""
    monkeypatch.setattr(backoff_table, "_MOST", 3)
    store, clock = MemoryStore(), FakeClock()
    policies = [RenewalPolicy(deadline=timedelta(seconds=number)) for number in range(1, 10)]
    for policy in policies:
        shared_backoff(store, KEY, clock, policy)
    assert len(backoff_table._recent) == 3
    monkeypatch.setattr(backoff_table, "_KEPT_S", -1.0)
    shared_backoff(store, KEY, clock, policies[0])
    assert len(backoff_table._recent) == 0


async def test_clients_on_the_default_store_share() -> None:
    """Clients made without a store find each other's failures."""
    vendor = FakeAuthenticator()
    vendor.error = CredentialsRejectedError("no such client")
    clock = FakeClock()
    for _ in range(3):
        with pytest.raises(CredentialsRejectedError):
            await TokenManager(vendor, key=KEY, clock=clock, policy=POLICY).token()
    assert vendor.calls == ["issue"]


async def test_a_failure_counts_before_the_lease_is_released() -> None:
    """A store that is slow to release the lease gives no other client the time to call the vendor meanwhile."""
    rig = refused()
    released = asyncio.Event()

    async def slow_to_answer() -> None:
        rig.store._leases.clear()
        await released.wait()

    rig.store.will("release", slow_to_answer)
    first = asyncio.create_task(rig.manager.token())
    await all_blocked()
    with pytest.raises(CredentialsRejectedError):
        await rig.another().token()
    released.set()
    with pytest.raises(CredentialsRejectedError):
        await first
    assert rig.calls == ["issue"]


async def test_no_issue_after_a_refused_refresh_in_a_pause_begun_meanwhile() -> None:
    """A renewal whose refresh token is refused does not go on to issue once another client has been refused."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    rig.vendor.errors.append(CredentialsRejectedError("used before"))

    async def refused_elsewhere() -> None:
        rig.manager.cache.backoff.failed(
            CredentialsRejectedError("no such client"), rig.clock.monotonic(), valid=False
        )

    rig.store.will("load", None, refused_elsewhere)
    with pytest.raises(CredentialsRejectedError, match="no such client"):
        await rig.name()
    assert rig.calls == ["issue", "refresh r1"]


async def test_a_cause_that_is_gone_ends_the_pause() -> None:
    """An authenticator whose credential has changed since it was refused lets the next caller sign in at once."""

    class Rotated(FakeAuthenticator):
        def cause_gone(self, error: NauthError) -> bool:
            return isinstance(error, CredentialsRejectedError)

    vendor = Rotated()
    vendor.errors.append(CredentialsRejectedError("the old secret"))
    manager = Rig().another(vendor)
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    assert (await manager.token()).access_token.reveal() == "t1"


async def test_a_client_that_is_older_than_the_failure() -> None:
    """A client that was made before another one failed, and asks after that one is gone, finds the cool-down at its first look."""
    rig = refused()
    older, failing = rig.another(), rig.another()
    with pytest.raises(CredentialsRejectedError):
        await failing.token()
    await failing.aclose()
    del failing
    gc.collect()
    assert older.health.last_error == "CredentialsRejectedError"
    with pytest.raises(CredentialsRejectedError):
        await older.token()
    assert rig.calls == ["issue"]


async def test_nothing_is_kept_of_what_went_well() -> None:
    """Clients that nothing has gone wrong with keep no state and leave none in the table, whatever they were asked."""
    rig = Rig()
    token = await rig.manager.token()
    assert rig.manager.cache.backoff.refusal(0, token) is None
    rig.manager.forgive()
    backoff = rig.manager.cache.backoff
    assert (backoff._own, backoff._shared) == (UNTROUBLED, None)
    assert not backoff_table._tables.get(rig.store)
    assert UNTROUBLED.last is None


async def test_a_clock_that_cannot_be_referenced() -> None:
    """Each client by such a clock goes by what it has met itself."""

    class Still:
        __slots__ = ()

        def monotonic(self) -> float:
            return 0.0

        def wall(self) -> float:
            return 1_800_000_000.0

        async def sleep(self, seconds: float) -> None:
            raise NotImplementedError

    vendor, store = FakeAuthenticator(), MemoryStore()
    kept = shared_backoff(store, KEY, SystemClock(), POLICY)  # else nothing is looked for
    vendor.errors.append(CredentialsRejectedError("no such client"))
    managers = [TokenManager(vendor, key=KEY, clock=Still(), policy=POLICY, store=store) for _ in range(2)]
    for _ in range(2):
        with pytest.raises(CredentialsRejectedError):
            await managers[0].token()
    assert (await managers[1].token()).access_token.reveal() == "t1"
    assert vendor.calls == ["issue", "issue"]
    assert kept.last is None
    for manager in managers:
        await manager.aclose()
