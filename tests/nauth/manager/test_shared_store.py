"""Several managers on one store: who calls the vendor, who adopts, and what a failing store costs."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import pytest

from nauth.errors import LeaseLostError, StoreError, VendorUnavailableError
from nauth.events import TokenAdopted
from tests.support.authenticator import HOUR, made
from tests.support.loops import Loops
from tests.support.manager import KEY, Rig, all_blocked, errors_of, immediately

DOWN = VendorUnavailableError("down")


async def test_one_issue_between_two() -> None:
    """Two managers that start cold at the same time make one call."""
    rig = Rig()
    gate = rig.close_gate()
    managers = [rig.manager, rig.another()]
    callers = [asyncio.create_task(manager.token()) for manager in managers for _ in range(50)]
    await all_blocked()
    gate.set()
    assert {token.access_token.reveal() for token in await asyncio.gather(*callers)} == {"t1"}
    assert rig.calls == ["issue"]


async def test_push() -> None:
    """A sibling holds a renewed token as soon as it is stored, without a call, a wait or a look at the store."""
    rig = Rig()
    sibling = rig.another()
    await rig.name()
    await sibling.token()
    rig.events.clear()
    await rig.manager.renew()
    rig.store.calls.clear()
    assert immediately(sibling.token()).access_token.reveal() == "t2"
    assert rig.store.calls == []
    await all_blocked()
    assert rig.events.count(TokenAdopted(age=timedelta(0), pushed=True)) == 1


async def test_push_ends_a_cool_down() -> None:
    """Who was in a cool-down is served with what a sibling renewed."""
    rig = Rig()
    sibling = rig.another()
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    await sibling.token()
    assert immediately(rig.name()) == "t1"


async def test_old_pushes_are_ignored() -> None:
    """A record that is not newer than the token held changes nothing."""
    rig = Rig()
    await rig.name()
    record = await rig.store.load(KEY)
    await rig.manager.renew()
    rig.manager._cache.adopt(record)
    assert rig.held == "t2"


async def test_push_without_a_loop() -> None:
    """A store may push from a thread that runs no loop."""
    rig = Rig()
    await rig.name()
    await all_blocked()
    record = await rig.store.plant(KEY, made("pushed"))
    rig.events.clear()
    await asyncio.to_thread(rig.manager._cache.adopt, record)
    assert rig.held == "pushed"
    assert rig.events == [TokenAdopted(age=timedelta(0), pushed=True)]


async def test_pushed_dead_token_costs_no_caller_the_living_one() -> None:
    """A dead token that a sibling stored for its refresh token leaves the living one in place."""
    rig = Rig()
    await rig.name()
    await rig.store.plant(KEY, made("dead", lifetime=timedelta(0), refresh="next"), push=True)
    assert immediately(rig.name()) == "t1"
    rig.clock.advance(HOUR)
    await rig.name()
    assert rig.calls == ["issue", "refresh next"]


async def test_adoption_without_push(loops: Loops) -> None:
    """Where the store did not push, a renewal takes the newer record instead of calling the vendor."""
    if loops.eager:
        pytest.skip(
            "the next renewal, for a sibling's token that is stale too, is over before the caller is answered"
        )
    rig = Rig()
    await rig.name()
    await rig.store.plant(KEY, made("sibling"), age=timedelta(seconds=5))
    rig.clock.advance(3550)
    await rig.name()
    await all_blocked()
    rig.clock.advance(45 - 1)
    assert immediately(rig.name()) == "sibling"
    assert rig.calls == ["issue"]
    assert rig.events[-1] == TokenAdopted(age=timedelta(seconds=3555), pushed=False)


async def test_rejected_token_is_not_adopted() -> None:
    """A newer record with the very token that was refused is renewed, not adopted."""
    rig = Rig()
    first = await rig.manager.token()
    await rig.store.plant(KEY, made("t1", refresh="next"))
    token = await rig.manager.renew(rejected=first)
    assert token.access_token.reveal() == "t2"
    assert rig.calls == ["issue", "refresh next"]


async def test_forced_renewal_adopts_only_what_is_newer_than_its_start() -> None:
    """`renew()` takes what a sibling stores while it waits for the lease, but not what lay there before."""
    rig = Rig()
    await rig.name()
    await rig.store.plant(KEY, made("before"))
    token = await rig.manager.renew()
    assert token.access_token.reveal() == "t2"
    gate = rig.close_gate()
    forcing = [asyncio.create_task(manager.renew()) for manager in (rig.manager, rig.another())]
    await all_blocked()
    gate.set()
    assert {token.access_token.reveal() for token in await asyncio.gather(*forcing)} == {"t3"}
    assert rig.calls == ["issue"] * 3


@pytest.mark.parametrize("rejecting", [False, True])
async def test_push_before_the_renewal_began(loops: Loops, *, rejecting: bool) -> None:
    """What is pushed between a caller's look and the first step of its renewal is what the caller gets."""
    if loops.eager:
        pytest.skip("an eager renewal begins at the caller's look: nothing comes between")
    rig = Rig()
    first = await rig.manager.token()
    rig.clock.advance(HOUR)
    caller = asyncio.create_task(rig.manager.renew(rejected=first) if rejecting else rig.manager.token())
    await asyncio.sleep(0)
    await rig.store.plant(KEY, made("pushed"), push=True)
    assert (await caller).access_token.reveal() == "pushed"
    assert rig.calls == ["issue"]


async def test_lease_is_freed_on_failure() -> None:
    """A failed renewal frees the lease, so that a sibling does not wait for it."""
    rig = Rig()
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    assert "0 leases" in repr(rig.store)
    assert (await rig.another().token()).access_token.reveal() == "t1"


async def test_waiting_sibling_tries_after_a_failure() -> None:
    """When the sibling that renewed failed, the one that waited makes a call of its own."""
    rig = Rig()
    gate = rig.close_gate()
    rig.vendor.errors.append(DOWN)
    callers = [asyncio.create_task(manager.token()) for manager in (rig.manager, rig.another())]
    await all_blocked()
    gate.set()
    outcomes = await asyncio.gather(*callers, return_exceptions=True)
    assert len(errors_of(outcomes)) == 1
    assert rig.calls == ["issue", "issue"]


async def test_lease_kept_too_long() -> None:
    """A sibling that keeps the lease without storing anything is a typed error, in bounded time."""
    rig = Rig()
    await rig.store.lease(KEY, timedelta(hours=1))

    async def pass_time() -> None:
        rig.clock.advance(41)

    rig.store.will("changed", pass_time, pass_time)
    with pytest.raises(StoreError, match="another client has held"):
        await rig.name()
    assert rig.calls == []


async def test_lease_about_to_end_is_extended() -> None:
    """A lease that has become too short for a call, while the store was slow, is extended before the call."""
    rig = Rig()

    async def slow_store() -> None:
        rig.clock.advance(11)

    rig.store.will("load", slow_store)
    assert await rig.name() == "t1"
    assert rig.store.calls == ["lease", "load", "extend", "commit"]


async def test_lease_that_cannot_be_extended() -> None:
    """Where the lease is lost before the call, nothing is asked of the vendor and the store is looked at again."""
    rig = Rig()

    async def slow_store() -> None:
        rig.clock.advance(11)

    rig.store.will("load", slow_store)
    rig.store.will("extend", LeaseLostError("over"))
    rig.store.will("changed", None)
    rig.store.will("lease", None, lambda: rig.store.plant(KEY, made("winner")))
    assert await rig.name() == "winner"
    assert rig.calls == []


async def test_lease_that_an_extension_leaves_too_short() -> None:
    """A lease that has aged on its way to us, extended or not, is given back: the vendor is asked under a later one."""
    rig = Rig()

    async def slow_store() -> None:
        rig.clock.advance(11)

    rig.store.will("load", slow_store)
    rig.store.will("extended", slow_store)
    rig.store.will("changed", None)
    assert await rig.name() == "t1"
    first, again = ["lease", "load", "extend", "release", "changed"], ["lease", "load", "commit"]
    assert rig.store.calls == first + again


async def test_lost_lease_adopts_the_winner() -> None:
    """Who lost the lease and finds a newer record takes that one."""
    rig = Rig()
    rig.store.will("commit", lambda: rig.store.plant(KEY, made("winner")))
    assert await rig.name() == "winner"
    assert rig.held == "winner"
    await all_blocked()
    assert rig.events[-1] == TokenAdopted(age=timedelta(0), pushed=False)


async def test_lost_lease_without_a_winner() -> None:
    """Who lost the lease and finds nothing newer, or nothing usable, serves the token it has."""
    rig = Rig(rotating=True)
    dead = made("dead", lifetime=timedelta(0))
    for name, found in enumerate([None, StoreError("down"), lambda: rig.store.plant(KEY, dead)], start=1):
        rig.store.will("load", None, found)
        rig.store.will("commit", LeaseLostError("lost"))
        assert await rig.name() == f"t{name}"
        assert rig.held == f"t{name}"
        rig.clock.advance(HOUR)


async def test_lost_lease_does_not_adopt_a_refused_token() -> None:
    """A winner that holds the refused token is no winner."""
    rig = Rig()
    first = await rig.manager.token()
    rig.store.will("commit", lambda: rig.store.plant(KEY, made("t1")))
    token = await rig.manager.renew(rejected=first)
    assert token.access_token.reveal() == "t2"


@pytest.mark.parametrize("error", [StoreError("down"), OSError("planted-secret")])
async def test_token_that_cannot_be_stored_is_served(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """A store that fails at the commit, even with a bug, does not cost the token; the log says so, briefly."""
    rig = Rig(rotating=True)
    rig.store.will("commit", error)
    assert await rig.name() == "t1"
    assert await rig.stored() is None
    assert "did not take a new token" in caplog.text
    assert f"{type(error).__name__} in" in caplog.text or str(error) in caplog.text
    assert "planted-secret" not in caplog.text
    rig.clock.advance(HOUR)
    assert await rig.name() == "t2"
    assert rig.calls == ["issue", "refresh r1"]
    assert await rig.stored() == ("t2", "r2", 1)


async def test_store_that_lost_its_record_and_fails() -> None:
    """A record that vanished from the store, and a store that then fails, do not keep a new token from being held."""
    rig = Rig(rotating=True)
    await rig.name()
    await rig.manager.renew()
    token = rig.manager.current
    assert token is not None
    rig.store._entries.clear()
    rig.store.will("commit", StoreError("down"))
    await rig.manager.renew()
    assert rig.held == "t3"
    await rig.manager.renew()
    assert rig.calls == ["issue", "refresh r1", "refresh r2", "refresh r3"]


async def test_store_whose_versions_start_anew() -> None:
    """A store that was emptied, and counts from one again, does not keep a new token from being held."""
    rig = Rig(rotating=True)
    for _ in range(3):
        await rig.manager.renew()
    rig.store._entries.clear()
    rig.store._version = 0
    await rig.manager.renew()
    assert rig.held == "t4"
    assert await rig.stored() == ("t4", "r4", 1)


async def test_manager_that_was_never_closed() -> None:
    """A manager that went without being closed leaves nothing behind that could hurt its siblings."""
    rig = Rig()
    await rig.another().token()
    gc.collect()
    await rig.manager.renew()
    assert rig.held == "t2"


async def test_release_that_fails_is_quiet() -> None:
    """A lease that cannot be given back does not spoil the renewal."""
    rig = Rig()
    rig.store.will("release", StoreError("down"))
    assert await rig.name() == "t1"


async def test_newer_push_during_a_renewal_stands() -> None:
    """A record pushed after this manager's own was stored is not overwritten by the late result."""
    rig = Rig()
    rig.store.will("committed", lambda: rig.store.plant(KEY, made("newest"), push=True))
    await rig.name()
    assert rig.held == "newest"


async def test_revoked_token_that_arrives_late() -> None:
    """A token that was revoked here is not taken back when a sibling stores it late."""
    rig = Rig()
    token = await rig.manager.token()
    await rig.manager.revoke()
    await rig.store.plant(KEY, token, push=True)
    assert rig.held is None
    assert await rig.name() == "t2"
