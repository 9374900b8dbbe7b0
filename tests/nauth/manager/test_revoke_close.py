"""Revoking and closing, and what they do to a renewal under way."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nauth.errors import (
    ClosedError,
    NauthError,
    OutcomeUnknownError,
    StoreError,
    TokenUnchangedError,
    VendorUnavailableError,
)
from nauth.events import RenewalFailed, RenewalStarted, RenewalSucceeded
from nauth.manager import loop_state as loop_states
from nauth.token import RenewalPolicy
from tests.support.authenticator import HOUR, made
from tests.support.manager import KEY, Rig, all_blocked

DOWN = VendorUnavailableError("down")


async def test_revoke() -> None:
    """Revoking ends the token at the vendor, here and in the store; the next caller signs in anew."""
    rig = Rig()
    await rig.name()
    await rig.manager.revoke()
    assert rig.calls == ["issue", "revoke t1"]
    assert rig.manager.current is None
    assert await rig.stored() is None
    assert await rig.name() == "t2"


async def test_cold_revoke() -> None:
    """Without a token there is nothing to revoke: no call is made, least of all a sign-in."""
    rig = Rig()
    await rig.manager.revoke()
    assert rig.calls == []


async def test_revoke_of_a_siblings_token() -> None:
    """A manager that holds none revokes what the store holds, and the sibling forgets it."""
    rig = Rig()
    await rig.name()
    await rig.another().revoke()
    assert rig.calls == ["issue", "revoke t1"]
    assert rig.manager.current is None


async def test_revoke_of_two_tokens() -> None:
    """Where the store holds another token than the manager, both are revoked."""
    rig = Rig()
    await rig.name()
    await rig.store.plant(KEY, made("newer"))
    await rig.manager.revoke()
    assert rig.calls == ["issue", "revoke newer", "revoke t1"]
    assert await rig.stored() is None
    assert rig.manager.current is None


async def test_revoke_spares_a_newer_record() -> None:
    """A record that was replaced while the old token was being revoked stays in the store."""
    rig = Rig()
    await rig.name()
    rig.store.will("discard", lambda: rig.store.plant(KEY, made("newer")))
    await rig.manager.revoke()
    assert await rig.stored() == ("newer", None, 2)


@pytest.mark.parametrize("error, kind", [(DOWN, VendorUnavailableError), (KeyError("secret"), NauthError)])
async def test_failed_revoke_keeps_the_token(error: Exception, kind: type[NauthError]) -> None:
    """A revocation that failed is a typed error, keeps the token, and can be tried again."""
    rig = Rig()
    await rig.name()
    rig.vendor.errors.append(error)
    with pytest.raises(kind) as caught:
        await rig.manager.revoke()
    assert type(caught.value) is kind
    assert "secret" not in str(caught.value)
    assert await rig.name() == "t1"
    assert await rig.stored() == ("t1", None, 1)
    await rig.manager.revoke()
    assert rig.manager.current is None


async def test_revoke_has_a_deadline() -> None:
    """A revocation that takes too long is given up as "outcome unknown", and its lease is free again."""
    rig = Rig(policy=RenewalPolicy(deadline=timedelta(milliseconds=1)))
    await rig.name()
    rig.close_gate()
    with pytest.raises(OutcomeUnknownError, match="revoke again"):
        await rig.manager.revoke()
    assert "0 leases" in repr(rig.store)


async def test_revoke_waits_for_a_renewal() -> None:
    """A revocation that comes during a renewal ends the token that this one brings."""
    rig = Rig(rotating=True)
    await rig.name()
    gate = rig.close_gate()
    rig.clock.advance(3540)
    await rig.name()
    await all_blocked()
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    assert rig.calls == ["issue", "refresh r1"]
    gate.set()
    await revoking
    assert rig.calls == ["issue", "refresh r1", "revoke t2"]
    assert rig.manager.current is None


async def test_renewal_waits_for_a_revocation() -> None:
    """A caller without a token, during a revocation, waits for its end and gets a token of a new session."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(HOUR)
    gate = rig.close_gate()
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    assert rig.calls == ["issue", "revoke t1"]
    gate.set()
    await revoking
    assert await caller == "t2"
    assert rig.calls == ["issue", "revoke t1", "issue"]


async def test_revoke_is_not_undone_in_the_background() -> None:
    """A background renewal that waited for a revocation does not sign in again behind the user's back."""
    rig = Rig(rotating=True)
    await rig.name()
    rig.clock.advance(3540)
    gate = rig.close_gate()
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    assert await rig.name() == "t1"
    await all_blocked()
    gate.set()
    await revoking
    await all_blocked()
    assert rig.calls == ["issue", "revoke t1"]
    assert rig.manager.current is None
    assert await rig.name() == "t2"


async def test_revoke_survives_its_caller() -> None:
    """A revocation whose caller is cancelled is carried through."""
    rig = Rig()
    await rig.name()
    gate = rig.close_gate()
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    revoking.cancel()
    await asyncio.wait([revoking])
    gate.set()
    await all_blocked()
    assert rig.manager.current is None


async def test_revoke_waits_for_a_siblings_lease() -> None:
    """A revocation waits until the sibling that renews gives the lease back."""
    rig = Rig()
    await rig.name()
    gate = rig.close_gate()
    sibling = rig.another()
    renewing = asyncio.create_task(sibling.renew())
    await all_blocked()
    revoking = asyncio.create_task(rig.manager.revoke())
    await all_blocked()
    assert rig.calls == ["issue", "issue"]
    gate.set()
    await asyncio.gather(renewing, revoking)
    assert rig.calls == ["issue", "issue", "revoke t2"]
    assert sibling.current is None


async def test_revoke_gives_up_on_a_lease_kept_too_long() -> None:
    """A sibling that hangs on to the lease makes revoking fail with a typed error, in bounded time."""
    rig = Rig()
    await rig.name()
    await rig.store.lease(KEY, timedelta(hours=1))

    async def pass_time() -> None:
        rig.clock.advance(41)

    rig.store.will("changed", pass_time, pass_time)
    with pytest.raises(StoreError, match="has held the right to renew for over 80 s"):
        await rig.manager.revoke()
    assert rig.held == "t1"


async def test_revoke_with_a_broken_store() -> None:
    """A store that fails under the lease makes revoking fail, with the lease given back."""
    rig = Rig()
    await rig.name()
    rig.store.will("load", StoreError("down"))
    with pytest.raises(StoreError):
        await rig.manager.revoke()
    assert "0 leases" in repr(rig.store)
    rig.store.will("discard", StoreError("down"))
    with pytest.raises(StoreError):
        await rig.manager.revoke()
    assert rig.manager.current is None


async def test_close() -> None:
    """Closing forgets the token here, leaves it in the store, refuses everything, and may be repeated."""
    rig = Rig()
    await rig.name()
    await rig.manager.aclose()
    await rig.manager.aclose()
    assert rig.manager.current is None
    assert await rig.stored() == ("t1", None, 1)
    for call in (rig.manager.token, rig.manager.renew, rig.manager.revoke):
        with pytest.raises(ClosedError):
            await call()
    assert rig.calls == ["issue"]


async def test_closed_before_use() -> None:
    """A manager that was never used can be closed."""
    rig = Rig()
    await rig.manager.aclose()
    with pytest.raises(ClosedError):
        await rig.name()


async def test_close_waits_for_a_renewal() -> None:
    """Closing waits for the renewal in flight: its rotated token is stored, and its callers are served."""
    rig = Rig(rotating=True)
    await rig.name()
    gate = rig.close_gate()
    rig.clock.advance(HOUR)
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    closing = asyncio.create_task(rig.manager.aclose())
    await all_blocked()
    assert not closing.done()
    with pytest.raises(ClosedError):
        await rig.name()
    gate.set()
    await closing
    assert await caller == "t2"
    assert await rig.stored() == ("t2", "r2", 2)
    assert rig.manager.current is None


def told(rig: Rig) -> list[tuple[str, str | None]]:
    """Return the names of the events of renewals, each with the error that it names."""
    return [
        (type(event).__name__, getattr(event, "error", None))
        for event in rig.events
        if isinstance(event, RenewalStarted | RenewalFailed | RenewalSucceeded)
    ]


async def test_close_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing does not wait for ever: a renewal that hangs is cancelled and its callers get a typed error."""
    monkeypatch.setattr(loop_states, "DRAIN", timedelta(milliseconds=1))
    rig = Rig()
    rig.close_gate()
    caller = asyncio.create_task(rig.name())
    await all_blocked()
    await rig.manager.aclose()
    with pytest.raises(VendorUnavailableError, match="its client was closed"):
        await caller
    await all_blocked()
    assert told(rig) == [("RenewalStarted", None), ("RenewalFailed", "VendorUnavailableError")]
    assert not rig.tasks()
    assert "0 leases" in repr(rig.store)


async def test_pushes_after_closing_are_ignored() -> None:
    """A closed manager holds nothing, whatever its siblings store."""
    rig = Rig()
    await rig.name()
    listener = rig.manager._cache.adopt
    await rig.manager.aclose()
    record = await rig.store.load(KEY)
    assert record is not None
    listener(record)
    assert rig.manager.current is None


@pytest.mark.parametrize("by", ["another loop", "another process"])
async def test_revoked_elsewhere_before_its_commit_was_confirmed(by: str) -> None:
    """A token that was pushed and revoked while its own commit was on its way is not handed out, and no failure counts."""
    rig = Rig()

    async def revoked_elsewhere() -> None:
        token = rig.manager.current
        assert token is not None
        if by == "another loop":
            rig.manager.cache.forget(token, rig.manager.cache.held.version)
        else:
            rig.manager.cache.adopt(None)

    rig.store.will("committed", revoked_elsewhere)
    with pytest.raises(VendorUnavailableError, match="revoked, by another event loop or process"):
        await rig.manager.token()
    assert rig.manager.current is None
    assert rig.manager.health.last_error is None
    await all_blocked()
    assert told(rig)[-1] == ("RenewalFailed", "VendorUnavailableError")
    assert await rig.name() == "t2"


async def test_refused_in_another_loop_before_its_commit_was_confirmed() -> None:
    """A token that was pushed and refused while its own commit was on its way fails its callers: it is not handed out."""
    rig = Rig()

    async def refused_elsewhere() -> None:
        token = rig.manager.current
        assert token is not None
        assert rig.manager.cache.reject(token, "GET /a") is None

    rig.store.will("committed", refused_elsewhere)
    with pytest.raises(TokenUnchangedError):
        await rig.manager.token()
    assert rig.manager.current is not None  # for its refresh token


async def test_a_commit_cancelled_after_its_push_keeps_what_was_pushed() -> None:
    """The store has the token already: it is held as the stored one, and stored no second time."""
    rig = Rig(rotating=True)

    async def cancelled() -> None:
        for task in rig.tasks():
            task.cancel()
        await asyncio.sleep(0)

    rig.store.will("committed", cancelled)
    with pytest.raises(OutcomeUnknownError):
        await rig.manager.token()
    assert await rig.name() == "t1"
    assert await rig.stored() == ("t1", "r1", 1)
    assert rig.store.calls.count("commit") == 1
