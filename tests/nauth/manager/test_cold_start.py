"""Without a token: one call for any number of callers, and one outcome."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import sys
import weakref
from datetime import timedelta

import pytest

from nauth.errors import (
    CredentialsRejectedError,
    NauthError,
    OutcomeUnknownError,
    StoreError,
    VendorUnavailableError,
)
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.stores.memory import default_store
from nauth.testing.clock import FakeClock
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY, POLICY, Rig, all_blocked, errors_of, immediately

HERD = 10_000


async def test_cold_herd() -> None:
    """Ten thousand callers without a token cause one call and all get its token."""
    rig = Rig()
    gate = rig.close_gate()
    herd = [asyncio.create_task(rig.name()) for _ in range(HERD)]
    await all_blocked()
    assert rig.calls == ["issue"]
    gate.set()
    assert set(await asyncio.gather(*herd)) == {"t1"}
    assert rig.calls == ["issue"]
    assert rig.store.calls.count("lease") == 1  # one renewal, not one after another that finds its token
    assert not rig.tasks()


async def test_cold_herd_fails_once() -> None:
    """A failed sign-in is one call; each caller gets an exception object of its own, with the pause to make."""
    rig = Rig()
    rig.vendor.error = VendorUnavailableError("down", status=503, request_id="abc")
    outcomes = await asyncio.gather(*(rig.name() for _ in range(HERD)), return_exceptions=True)
    errors = errors_of(outcomes)
    assert rig.calls == ["issue"]
    assert len({id(error) for error in errors}) == HERD
    for error in errors:
        assert isinstance(error, VendorUnavailableError)
        assert error.status == 503
        assert error.request_id == "abc"
        assert error.retry_after == timedelta(seconds=10)
        assert error.__cause__ is None
        assert error.__context__ is None


async def test_cool_down() -> None:
    """During the cool-down callers get the error counted down and the vendor no call; after it there is one more."""
    rig = Rig()
    rig.vendor.errors.append(VendorUnavailableError("down"))
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    for passed, left in ((0, 10), (4, 6), (5.5, 0.5)):
        rig.clock.advance(passed)
        with pytest.raises(VendorUnavailableError) as caught:
            immediately(rig.name())
        assert caught.value.retry_after == timedelta(seconds=left)
    with pytest.raises(VendorUnavailableError):
        await rig.manager.renew()
    assert rig.calls == ["issue"]
    rig.clock.advance(0.5)
    assert set(await asyncio.gather(rig.name(), rig.name())) == {"t1"}
    assert rig.calls == ["issue", "issue"]


async def test_retry_after_is_honoured() -> None:
    """A vendor that names a longer time than the cool-down is left alone for that long."""
    rig = Rig()
    rig.vendor.errors.append(VendorUnavailableError("slow down", retry_after=timedelta(seconds=90)))
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    rig.clock.advance(89)
    with pytest.raises(VendorUnavailableError) as caught:
        await rig.name()
    assert caught.value.retry_after == timedelta(seconds=1)
    rig.clock.advance(1)
    assert await rig.name() == "t1"


async def test_refusal_is_typed() -> None:
    """A refused credential reaches the caller as such."""
    rig = Rig()
    rig.vendor.error = CredentialsRejectedError("no", code="7")
    with pytest.raises(CredentialsRejectedError) as caught:
        await rig.name()
    assert caught.value.code == "7"


class Buggy(FakeAuthenticator):
    async def issue(self) -> Token:
        raise KeyError("planted-secret")


async def test_foreign_exception() -> None:
    """A bug in an authenticator becomes a typed error that names class and place, and quotes nothing."""
    rig = Rig()
    with pytest.raises(NauthError) as caught:
        await rig.another(Buggy()).token()
    assert type(caught.value) is NauthError
    assert "KeyError in issue" in str(caught.value)
    assert "test_cold_start.py:" in str(caught.value)
    assert "planted-secret" not in repr(caught.value)


async def test_a_timeout_error_is_not_the_deadline() -> None:
    """A bare TimeoutError of the authenticator's own is told from the renewal's deadline."""
    rig = Rig()
    rig.vendor.error = TimeoutError()
    with pytest.raises(NauthError, match="TimeoutError in ") as caught:
        await rig.name()
    assert type(caught.value) is NauthError


async def test_deadline() -> None:
    """A renewal that takes too long is given up as "outcome unknown", and its lease is free again."""
    rig = Rig(policy=RenewalPolicy(deadline=timedelta(milliseconds=1)))
    rig.close_gate()
    with pytest.raises(OutcomeUnknownError, match="was given up"):
        await rig.name()
    assert "0 leases" in repr(rig.store)


async def test_store_down() -> None:
    """A store that cannot be reached is a typed error and no call."""
    rig = Rig()
    rig.store.will("lease", StoreError("down"))
    with pytest.raises(StoreError):
        await rig.name()
    assert rig.calls == []


async def test_owned_task_inherits_no_context() -> None:
    """The renewal sees none of the first caller's context variables: they would be one random caller's."""
    tenant = contextvars.ContextVar("tenant", default="nobody")
    seen: list[str] = []

    class Looking(FakeAuthenticator):
        async def issue(self) -> Token:
            seen.append(tenant.get())
            return await super().issue()

    rig = Rig()
    tenant.set("somebody")
    await rig.another(Looking()).token()
    assert seen == ["nobody"]


async def test_owned_task_survives_garbage_collection() -> None:
    """A renewal goes on although all that it waits for is held weakly; the event loop holds tasks weakly too."""
    answers: list[weakref.ref[asyncio.Future[Token]]] = []

    class Weak(FakeAuthenticator):
        async def issue(self) -> Token:
            answer: asyncio.Future[Token] = asyncio.get_running_loop().create_future()
            answers.append(weakref.ref(answer))
            return await answer

    caller = asyncio.create_task(Rig().another(Weak()).token())
    await all_blocked()
    gc.collect()
    answer = answers[0]()
    assert answer is not None
    answer.set_result(made("kept"))
    assert (await caller).access_token == Secret("kept")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager task factories came with Python 3.12")
async def test_eager_tasks() -> None:
    """With eager tasks, whose body runs before the call that makes them returns, all is the same."""
    asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined, unused-ignore]  # 3.12+
    rig = Rig()
    names = await asyncio.gather(*(rig.name() for _ in range(10)))
    assert names == ["t1"] * 10
    assert rig.calls == ["issue"]
    rig.clock.advance(3600)
    rig.vendor.errors.append(VendorUnavailableError("down"))
    outcomes = await asyncio.gather(*(rig.name() for _ in range(10)), return_exceptions=True)
    assert len(errors_of(outcomes)) == 10
    assert rig.calls == ["issue", "issue"]


async def test_fast_path_awaits_nothing() -> None:
    """A fresh token is handed out without the loop turning over, and without the store."""
    rig = Rig()
    token = await rig.manager.token()
    rig.store.calls.clear()
    assert immediately(rig.manager.token()) is token
    assert rig.store.calls == []


async def test_pushed_while_the_fast_path_looked() -> None:
    """A token that became fresh while a caller looked is handed out, not renewed."""
    rig = Rig()
    token = await rig.manager.token()
    await all_blocked()
    assert rig.manager._serve() is token
    assert not rig.tasks()


async def test_default_store_is_shared() -> None:
    """Managers without a store of their own share one for each clock, so a second one costs no sign-in."""
    clock, vendor = FakeClock(), FakeAuthenticator()
    for _ in range(3):
        manager = TokenManager(vendor, key=KEY, clock=clock, policy=POLICY)
        assert (await manager.token()).access_token.reveal() == "t1"
        await manager.aclose()
    assert vendor.calls == ["issue"]
    assert default_store(clock) is not default_store()


async def test_repr() -> None:
    """A repr says the vendor and the token's state, and nothing of the token."""
    rig = Rig()
    assert repr(rig.manager) == "<TokenManager fake: expired>"
    await rig.name()
    assert repr(rig.manager) == "<TokenManager fake: fresh>"
    await rig.manager.aclose()
    assert repr(rig.manager) == "<TokenManager fake: closed>"
    assert rig.manager.key is KEY
