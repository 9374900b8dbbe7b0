"""A store that is down: what goes on serving, what is tried again, and what recovers by itself."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Literal

import attrs
import pytest

from nauth.errors import ConfigurationError, LeaseLostError, StoreError
from nauth.events import TokenAdopted
from nauth.stores.base import Record
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import made
from tests.support.manager import KEY, POLICY, Rig, all_blocked, errors_of

ALONE = attrs.evolve(POLICY, on_store_failure="renew-alone")
DOWN = StoreError("down")


async def test_serve_keeps_the_token() -> None:
    """With "serve", a token that is about to expire goes on being served, and no caller gets an error."""
    rig = Rig()
    await rig.name()
    rig.clock.advance(3550)
    rig.store.will("lease", DOWN)
    assert await rig.name() == "t1"
    await all_blocked()
    assert (rig.calls, await rig.name()) == (["issue"], "t1")
    rig.clock.advance(1)
    assert await rig.name() == "t1"
    await all_blocked()
    assert await rig.name() == "t2"


async def test_serve_fails_at_expiry() -> None:
    """With "serve", callers get the store's error once the token has expired; a recovered store is picked up."""
    rig = Rig()
    await rig.name()
    rig.clock.advance(3600)
    rig.store.will("load", DOWN)
    with pytest.raises(StoreError) as caught:
        await rig.name()
    assert caught.value.retry_after is not None
    rig.clock.advance(caught.value.retry_after.total_seconds())
    assert await rig.name() == "t2"
    assert rig.store.calls.count("release") == 1  # of the lease that was had before the load failed


@pytest.mark.parametrize("broken", ["lease", "load"])
async def test_renew_alone(broken: str) -> None:
    """With "renew-alone", a cold start and a renewal go ahead without the store."""
    rig = Rig(policy=ALONE, rotating=True)
    rig.store.will(broken, DOWN)
    assert await rig.name() == "t1"
    rig.store.will(broken, DOWN, DOWN)
    assert (await rig.manager.renew()).access_token.reveal() == "t2"
    assert rig.calls == ["issue", "refresh r1"]
    await rig.manager.aclose()


async def test_what_was_renewed_alone_is_stored_later() -> None:
    """What the store did not take is stored as soon as it recovers, so that siblings do not spend an old token."""
    rig = Rig(policy=ALONE, rotating=True)
    await rig.name()
    sibling = rig.another()
    await sibling.token()
    rig.store.will("lease", DOWN, DOWN)
    await rig.manager.renew()
    assert await rig.stored() == ("t1", "r1", 1)
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() == ("t1", "r1", 1)
    rig.clock.advance(2)
    await all_blocked()
    assert await rig.stored() == ("t2", "r2", 2)
    assert (await sibling.token()).access_token.reveal() == "t2"
    assert rig.tasks() == set()
    await rig.manager.renew()
    assert rig.calls == ["issue", "refresh r1", "refresh r2"]


@pytest.mark.parametrize(
    "error",
    [StoreError("full"), LeaseLostError("over"), RuntimeError("a bug"), ConfigurationError("a wrong mode")],
)
async def test_commit_that_fails_is_repeated(error: Exception) -> None:
    """A token that could not be committed serves at once and is stored later; its age is not lost."""
    rig = Rig(rotating=True)
    rig.store.will("commit", error)
    assert await rig.name() == "t1"
    await all_blocked()
    assert await rig.stored() is None
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() == ("t1", "r1", 1)
    record = await rig.store.load(KEY)
    assert record is not None
    assert record.age.total_seconds() == 1
    assert [event for event in rig.events if isinstance(event, TokenAdopted)] == []


async def test_a_store_that_wants_to_be_put_right_during_a_renewal() -> None:
    """A file that was replaced, during the call, by one that others may read: the new token is kept, and stored later."""
    rig, wrong = Rig(rotating=True), ConfigurationError("others may read the file: chmod 600")
    await rig.name()
    for method, times in {"commit": 1, "release": 1, "lease": 2, "load": 1}.items():
        passed = () if method == "commit" else (None,) * (method != "release")
        rig.store.will(method, *passed, *(wrong,) * times)
    assert (await rig.manager.renew()).access_token.reveal() == "t2"
    assert rig.held == "t2"
    for _ in range(12):  # the lease that could not be given back ends by time
        await all_blocked()
        rig.clock.advance(8)
    await all_blocked()
    assert await rig.stored() == ("t2", "r2", 2)
    assert rig.tasks() == set()


@pytest.mark.parametrize("push", [False, True])
async def test_the_token_that_is_being_replaced_is_written_back(push: bool) -> None:
    """A store that is emptied during a renewal, and gets the old token back meanwhile, costs no rotated token.

    The process that finds the store emptied writes back what it holds, be it a sibling or this one. The old token is the record with
    the highest version then, and its refresh token is spent.
    """
    rig = Rig(rotating=True)
    await rig.name()
    gate = rig.close_gate()
    renewing = asyncio.create_task(rig.manager.renew())
    await all_blocked()
    old = rig.manager.current
    assert old is not None
    await rig.store.plant(KEY, old, age=timedelta(seconds=1), push=push)
    gate.set()
    assert (await renewing).access_token.reveal() == "t2"
    assert rig.held == "t2"
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() == ("t2", "r2", 3)
    await rig.manager.renew()
    assert rig.calls == ["issue", "refresh r1", "refresh r2"]


async def test_lost_answer_of_a_commit() -> None:
    """A commit that happened though its answer was lost is recognised: nothing is written twice."""
    rig = Rig(rotating=True)
    rig.store.will("committed", DOWN)
    assert await rig.name() == "t1"
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert rig.store.calls.count("commit") == 1
    assert rig.manager._cache.held.version == 1
    assert rig.tasks() == set()


async def test_deposit_waits_for_the_lease() -> None:
    """While another client renews, nothing is stored over its record; the newer record is adopted."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    assert await rig.name() == "t1"
    await all_blocked()
    lease = await rig.store.lease(KEY, POLICY.deadline)
    assert lease is not None
    rig.clock.advance(1)
    await all_blocked()
    await rig.store.commit(lease, made("newer"), expected_version=0, age=timedelta(0))
    assert rig.held == "newer"
    rig.clock.advance(2)
    await all_blocked()
    assert await rig.stored() == ("newer", None, 1)
    assert rig.tasks() == set()


async def test_deposit_finds_a_newer_record() -> None:
    """What a sibling has stored meanwhile is adopted, not overwritten, also where the store does not push."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    await rig.name()
    await all_blocked()
    rig.clock.advance(0.5)
    await rig.store.plant(KEY, made("newer"))
    rig.clock.advance(0.5)
    await all_blocked()
    assert rig.held == "newer"
    assert await rig.stored() == ("newer", None, 1)


async def test_deposit_replaces_an_older_record() -> None:
    """What a sibling asked for before this token was asked for is replaced, though it was stored later."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    await rig.name()
    await rig.store.plant(KEY, made("older"), age=POLICY.deadline)
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() == ("t1", "r1", 2)


@pytest.mark.parametrize("between", [0, 1])
@pytest.mark.parametrize("refused", [True, False])
async def test_a_token_that_the_store_takes_late(refused: bool, between: int) -> None:
    """A commit that was given up, and reaches the store after its token was replaced, neither stops nor undoes the latest one."""
    rig = Rig(policy=attrs.evolve(POLICY, on_store_failure="renew-alone"), rotating=True)
    rig.store.will("commit", DOWN)
    first = latest = await rig.manager.token()
    for _ in range(between):
        rig.store.will("lease", DOWN)
        rig.store.will("commit", DOWN)
        latest = await rig.manager.renew(latest if refused else None)
    rig.store.will("lease", DOWN)
    latest = await rig.manager.renew(latest if refused else None)
    assert latest.access_token.reveal() == f"t{2 + between}"
    await all_blocked()
    rig.clock.advance(0.5)
    await rig.store.plant(KEY, first, age=timedelta(0))  # it tells the age of when it was sent
    await all_blocked()
    for _ in range(20):
        rig.clock.advance(1)
        await all_blocked()
    assert rig.held == f"t{2 + between}"
    assert (await rig.stored() or ())[:2] == (f"t{2 + between}", f"r{2 + between}")
    assert rig.tasks() == set()


async def test_store_restarted_empty() -> None:
    """A store that has lost its records gets the token back with the next renewal."""
    rig = Rig(rotating=True)
    for _ in range(3):
        await rig.manager.renew()
    rig.store._entries.clear()
    rig.store._version = 0
    assert (await rig.manager.renew()).access_token.reveal() == "t4"
    assert await rig.stored() == ("t4", "r4", 1)
    assert rig.calls == ["issue", "refresh r1", "refresh r2", "refresh r3"]


async def test_revoked_before_it_was_stored() -> None:
    """A token that was revoked is not stored any more."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    await rig.name()
    await rig.manager.revoke()
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() is None
    assert rig.tasks() == set()


async def test_revoked_while_the_deposit_waits_for_the_store() -> None:
    """A token that was revoked while its commit_until_stored was asking for the record is not stored."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    await rig.name()

    async def forget() -> None:
        rig.manager._cache.forget(made("t1"), 0)

    await all_blocked()
    rig.store.will("load", forget)
    rig.clock.advance(1)
    await all_blocked()
    assert await rig.stored() is None
    assert rig.tasks() == set()


async def test_closing_tries_once_more() -> None:
    """Closing cuts the pause short: a token that is only in memory gets a last chance to be stored."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN, DOWN)
    await rig.name()
    await all_blocked()
    await rig.manager.aclose()
    assert await rig.stored() is None
    assert rig.tasks() == set()
    again = Rig(rotating=True)
    again.store.will("commit", DOWN)
    await again.name()
    await again.manager.aclose()
    assert await again.stored() == ("t1", "r1", 1)


async def test_waiting_is_not_hurt_by_a_store_that_cannot_tell() -> None:
    """A failure while waiting for a sibling's renewal is found out by the next look."""
    rig = Rig()
    lease = await rig.store.lease(KEY, POLICY.deadline)
    assert lease is not None
    rig.store.will("changed", DOWN, lambda: rig.store.release(lease))
    assert await rig.name() == "t1"


@pytest.mark.parametrize(
    "choice, calls", [("serve", ["refresh r1"]), ("renew-alone", ["refresh r1", "issue"])]
)
async def test_store_fails_after_a_refused_refresh(
    choice: Literal["serve", "renew-alone"], calls: list[str]
) -> None:
    """Before a session is given up the store is asked; where it cannot answer, the policy decides."""
    rig = Rig(policy=attrs.evolve(POLICY, on_store_failure=choice), rotating=True)
    await rig.name()
    rig.calls.clear()
    rig.vendor._spent.add("r1")
    rig.store.will("load", None, DOWN)
    outcomes: list[Token | BaseException] = [
        *(await asyncio.gather(rig.manager.renew(), return_exceptions=True))
    ]
    assert [type(error) for error in errors_of(outcomes)] == ([StoreError] if choice == "serve" else [])
    assert rig.calls == calls


async def test_revocation_needs_the_store() -> None:
    """A revocation without the store would leave the others with a dead token: it fails, whatever the policy."""
    rig = Rig(policy=ALONE)
    await rig.name()
    rig.store.will("lease", DOWN)
    with pytest.raises(StoreError):
        await rig.manager.revoke()
    assert rig.held == "t1"


async def test_push_of_the_same_token() -> None:
    """A record of the token that is held already brings its version, and no event."""
    rig = Rig()
    token = await rig.manager.token()
    await all_blocked()
    rig.events.clear()
    rig.manager._cache.adopt(Record(token=token, version=9, age=POLICY.deadline))
    await all_blocked()
    assert rig.manager._cache.held.version == 9
    assert rig.events == []


def test_policy_has_two_choices() -> None:
    """Anything but the two policies is refused where it is written."""
    with pytest.raises(ConfigurationError, match="'serve' or 'renew-alone'"):
        RenewalPolicy(on_store_failure="ignore")  # type: ignore[arg-type]


async def test_load_fails_while_another_renews() -> None:
    """Who has no lease and cannot read the record either gives nothing back and gets the store's error."""
    rig = Rig()
    assert await rig.store.lease(KEY, POLICY.deadline) is not None
    rig.store.will("load", DOWN)
    with pytest.raises(StoreError):
        await rig.name()
    assert "release" not in rig.store.calls


async def test_superseded_between_two_attempts() -> None:
    """A token that has been replaced while the store was down is not stored any more."""
    rig = Rig(rotating=True)
    rig.store.will("commit", DOWN)
    await rig.name()

    async def forget() -> None:
        rig.manager._cache.forget(made("t1"), 0)
        raise DOWN

    rig.store.will("lease", forget)
    await all_blocked()
    rig.clock.advance(1)
    await all_blocked()
    assert rig.tasks() == set()
    assert rig.store.calls.count("lease") == 2


async def test_a_token_that_a_sibling_has_stored_counts_as_stored() -> None:
    """A vendor that caches gives two clients one token: the second finds it in the store, and looks no further."""
    rig = Rig(policy=ALONE)
    rig.store.will("lease", DOWN)
    await rig.name()
    assert rig.manager.cache.fresh() is None  # each call looks after the commit
    token = rig.manager.current
    assert token is not None
    await rig.store.plant(KEY, token, age=timedelta(seconds=30))
    await all_blocked()
    rig.clock.advance(5)
    await all_blocked()
    assert rig.manager.cache.fresh() is token


async def test_a_dead_arrival_that_could_not_be_stored() -> None:
    """The old token goes on serving while the new refresh token waits; nothing is stored in the name of the old one."""
    rig = Rig()
    rig.vendor.answers.append(made("a", refresh="ra"))
    await rig.name()
    rig.clock.advance(3550)
    rig.vendor.answers.append(made("late", lifetime=timedelta(seconds=-1), refresh="rb"))
    rig.store.will("commit", DOWN)
    assert await rig.name() == "a"
    await all_blocked()
    assert await rig.name() == "a"
    token = rig.manager.current
    assert token is not None
    assert token.refresh_token is not None
    assert token.refresh_token.reveal() == "rb"


async def test_a_token_that_another_loop_brought_and_that_was_refused_meanwhile() -> None:
    """Where the vendor refuses it while the lease is given back, who was refused gets another token."""
    rig = Rig(policy=ALONE)
    gate, released = asyncio.Event(), asyncio.Event()
    rig.store.will("lease", gate.wait)
    rig.store.will("release", released.wait)
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    elsewhere = made("elsewhere")
    with rig.manager.cache.guard:
        rig.manager.cache.hold(elsewhere, 0, 0.0, dead=False, stored=True)
    gate.set()
    await all_blocked()
    refused = asyncio.create_task(rig.manager.renew(elsewhere))
    await all_blocked()
    released.set()
    async with asyncio.timeout(5):
        assert (await refused).access_token.reveal() == "t1"
        assert await caller == "t1"
    assert "0 leases" in repr(rig.store)


async def test_a_token_that_another_loop_brought_without_the_store() -> None:
    """A renewal that waited for its lease meanwhile hands that token out, and calls no vendor for one more."""
    rig = Rig(policy=ALONE)
    gate = asyncio.Event()
    rig.store.will("lease", gate.wait)
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    with rig.manager.cache.guard:
        rig.manager.cache.hold(made("elsewhere"), 0, 0.0, dead=False, stored=False)
    gate.set()
    assert await caller == "elsewhere"
    assert rig.calls == []
    assert isinstance(rig.events[-1], TokenAdopted)
    assert "0 leases" in repr(rig.store)
