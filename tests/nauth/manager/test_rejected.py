"""After a 401: who renews, how often, and when it is given up."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from nauth.errors import (
    ClosedError,
    InteractionRequiredError,
    StoreError,
    TokenRefusedError,
    TokenUnchangedError,
    VendorUnavailableError,
)
from nauth.manager.token_manager import TokenManager
from nauth.token import RenewalPolicy, Token
from tests.support.authenticator import FakeAuthenticator, made
from tests.support.manager import KEY, POLICY, Rig, all_blocked, immediately

DOWN = VendorUnavailableError("down")


async def test_renew_forces() -> None:
    """`renew()` renews a token that is still good."""
    rig = Rig()
    await rig.name()
    token = await rig.manager.renew()
    assert token.access_token.reveal() == "t2"
    assert rig.calls == ["issue", "issue"]


async def test_renew_joins() -> None:
    """`renew()` during a renewal waits for that one."""
    rig = Rig()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.manager.token()), asyncio.create_task(rig.manager.renew())]
    await all_blocked()
    gate.set()
    assert len(set(await asyncio.gather(*callers))) == 1
    assert rig.calls == ["issue"]


async def test_late_401_renews_nothing() -> None:
    """A 401 for a token that has been replaced gets the current one, at once."""
    rig = Rig()
    first = await rig.manager.token()
    second = await rig.manager.renew(rejected=first)
    assert immediately(rig.manager.renew(rejected=first)) is second
    rig.clock.advance(3550)
    assert immediately(rig.manager.renew(rejected=first)) is second
    assert rig.calls == ["issue", "issue"]


async def test_rejection_without_a_token() -> None:
    """A 401 for another client's token, with none held here, leads to a renewal."""
    rig = Rig()
    token = await rig.manager.renew(rejected=made("foreign"))
    assert token.access_token.reveal() == "t1"


async def test_storm_of_401() -> None:
    """Two hundred rejections of one token at the same time are one renewal."""
    rig = Rig()
    first = await rig.manager.token()
    gate = rig.close_gate()
    callers = [asyncio.create_task(rig.manager.renew(rejected=first)) for _ in range(200)]
    await all_blocked()
    gate.set()
    assert {token.access_token.reveal() for token in await asyncio.gather(*callers)} == {"t2"}
    assert rig.calls == ["issue", "issue"]


async def test_rejected_token_is_not_handed_out_again() -> None:
    """A token that met a 401 is dead, also when its renewal fails; callers get the error, not the token."""
    rig = Rig()
    first = await rig.manager.token()
    rig.vendor.errors.append(DOWN)
    with pytest.raises(VendorUnavailableError):
        await rig.manager.renew(rejected=first)
    with pytest.raises(VendorUnavailableError):
        await rig.name()
    rig.clock.advance(10)
    assert await rig.name() == "t2"


async def test_unchanged_token() -> None:
    """A vendor that answers with the refused token again is an error and a cool-down."""
    rig = Rig()
    rig.vendor.answers.extend([made("same"), made("same")])
    first = await rig.manager.token()
    for _ in range(3):
        with pytest.raises(TokenUnchangedError) as caught:
            await rig.manager.renew(rejected=first)
        assert caught.value.retry_after == timedelta(seconds=10)
    with pytest.raises(TokenUnchangedError):
        await rig.name()
    assert rig.calls == ["issue", "issue"]


async def test_unchanged_token_may_be_tried_again_later() -> None:
    """After the cool-down a vendor that still vouches for the token is believed: a static token may work again."""
    rig = Rig()
    rig.vendor.answers.extend([made("same")] * 3)
    first = await rig.manager.token()
    with pytest.raises(TokenUnchangedError):
        await rig.manager.renew(rejected=first)
    rig.clock.advance(10)
    assert await rig.name() == "same"
    assert immediately(rig.name()) == "same"


async def test_unchanged_token_keeps_its_new_refresh_token() -> None:
    """A refresh token that was rotated beside an unchanged access token is not lost."""
    rig = Rig()
    rig.vendor.answers.extend([made("same", refresh="one"), made("same", refresh="two")])
    first = await rig.manager.token()
    with pytest.raises(TokenUnchangedError):
        await rig.manager.renew(rejected=first)
    with pytest.raises(TokenUnchangedError):
        await rig.name()
    assert await rig.stored() == ("same", "two", 2)
    rig.clock.advance(10)
    assert await rig.name() == "t1"
    assert rig.calls == ["issue", "refresh one", "refresh two"]


@pytest.mark.parametrize("refresh", [None, "rotated"])
async def test_unchanged_token_does_not_come_back_through_the_store(refresh: str | None) -> None:
    """Two managers whose vendor repeats a refused token do not hand it to each other for ever."""
    rig = Rig()
    sibling = rig.another()
    first = await rig.manager.token()
    await sibling.token()
    for number in range(10):
        rig.vendor.answers.append(made("t1", refresh=refresh and f"{refresh}{number}"))
    for _ in range(20):
        for manager in (rig.manager, sibling):
            with pytest.raises((TokenUnchangedError, VendorUnavailableError)):
                await manager.renew(rejected=first)
            with pytest.raises(TokenUnchangedError):
                await rig.name()
    assert len(rig.calls) == 2  # the second one found the first one's failure


async def test_rejected_during_the_renewal() -> None:
    """A 401 that comes while the same token is being stored again keeps it from being handed out."""
    rig = Rig()
    first = await rig.manager.token()
    rig.clock.advance(3540)
    rig.vendor.answers.append(made("t1"))
    storing, stored = asyncio.Event(), asyncio.Event()

    async def slow_store() -> None:
        storing.set()
        await stored.wait()

    rig.store.will("commit", slow_store)
    await rig.name()
    await storing.wait()
    late = asyncio.create_task(rig.manager.renew(rejected=first))
    await all_blocked()
    stored.set()
    with pytest.raises(TokenUnchangedError):
        await late
    with pytest.raises(TokenUnchangedError):
        await rig.name()


async def request(manager: TokenManager, vendor: FakeAuthenticator) -> str:
    """Send a request the way the middleware does, to a vendor that knows which tokens are alive."""
    token = await manager.token()
    await asyncio.sleep(0)
    if vendor.accepts(token):
        return "200"
    try:
        renewed = await manager.renew(rejected=token)
    except TokenRefusedError:
        return "401"
    await asyncio.sleep(0)
    if vendor.accepts(renewed):
        return "200"
    manager.refused(renewed)
    return "401"


class NeverContent(FakeAuthenticator):
    def accepts(self, token: Token) -> bool:
        return False


async def test_always_401() -> None:
    """A thousand requests that are refused whatever the token cost two token calls."""
    rig = Rig()
    vendor = NeverContent()
    manager = rig.another(vendor)
    answers = await asyncio.gather(*(request(manager, vendor) for _ in range(500)))
    for _ in range(500):
        answers.append(await request(manager, vendor))
    assert set(answers) == {"401"}
    assert vendor.calls == ["issue", "issue"]


async def test_refused_says_when() -> None:
    """After a refused new token, a 401 gets the typed error with the time left of a pause that doubles."""
    rig = Rig(policy=RenewalPolicy())
    first = await rig.manager.token()
    second = await rig.manager.renew(rejected=first)
    rig.manager.refused(first)  # no longer current: ignored
    rig.clock.advance(1)
    rig.manager.refused(second)
    rig.clock.advance(4)
    with pytest.raises(TokenRefusedError) as caught:
        await rig.manager.renew(rejected=second)
    assert caught.value.retry_after == timedelta(seconds=6)
    assert immediately(rig.name()) == "t2"
    rig.clock.advance(6)
    third = await rig.manager.renew(rejected=second)
    assert third.access_token.reveal() == "t3"
    rig.manager.refused(third)
    rig.clock.advance(19)
    with pytest.raises(TokenRefusedError):
        await rig.manager.renew(rejected=third)


async def test_reject_starts_a_renewal_without_waiting() -> None:
    """`reject` returns at once; the next caller gets a new token."""
    rig = Rig()
    first = await rig.manager.token()
    rig.manager.reject(first)
    rig.manager.reject(first)
    assert await rig.name() == "t2"
    assert rig.calls == ["issue", "issue"]


async def test_reject_raises_nothing() -> None:
    """`reject` is quiet in a cool-down and after closing."""
    rig = Rig()
    first = await rig.manager.token()
    rig.vendor.errors.append(DOWN)
    rig.manager.reject(first)
    await all_blocked()
    rig.manager.reject(first)
    assert rig.calls == ["issue", "issue"]
    await rig.manager.aclose()
    rig.manager.reject(first)
    with pytest.raises(ClosedError):
        await rig.manager.renew(rejected=first)


async def test_takeover_costs_one_renewal() -> None:
    """Where a new session ends the old one, two managers of one store settle on one token."""
    rig = Rig(single_session=True)
    other = rig.another()
    await asyncio.gather(rig.manager.token(), other.token())
    rig.vendor.revoked.add("t1")  # another process signed in
    managers = [rig.manager, other] * 20
    answers = await asyncio.gather(*(request(manager, rig.vendor) for manager in managers))
    assert set(answers) == {"200"}
    assert rig.calls == ["issue", "issue"]


async def test_a_sibling_of_another_credential_takes_over() -> None:
    """A store of one's own and a vendor of one session: each takes over once, by its own 401."""
    rig = Rig(single_session=True)
    stranger = TokenManager(rig.vendor, key=KEY, store=Rig().store, clock=rig.clock, policy=POLICY)
    assert await request(rig.manager, rig.vendor) == "200"
    assert await request(stranger, rig.vendor) == "200"
    assert await request(rig.manager, rig.vendor) == "200"
    assert rig.calls == ["issue"] * 3


class Fixed(FakeAuthenticator):
    """A credential that is sent as it is."""

    renewable = False


async def test_a_credential_that_never_changes_is_not_renewed() -> None:
    """After a 401 nothing is called, the caller is told at once, and the token goes on being served."""
    rig = Rig()
    fixed = Fixed()
    manager = rig.another(fixed)
    token = await manager.token()
    with pytest.raises(TokenRefusedError, match="nothing to renew"):
        await manager.renew(rejected=token)
    manager.reject(token)
    assert await manager.token() is token
    assert fixed.calls == ["issue"]


async def test_forgiven() -> None:
    """Once a person has acted, the next call tries at once instead of waiting for the cool-down's end."""
    rig = Rig()
    rig.vendor.errors.append(InteractionRequiredError("sign in"))
    with pytest.raises(InteractionRequiredError):
        await rig.manager.token()
    with pytest.raises(InteractionRequiredError):
        await rig.manager.token()
    assert len(rig.calls) == 1
    rig.manager.forgive()
    await rig.manager.token()
    assert len(rig.calls) == 2


async def _refused(rig: Rig) -> Token:
    """Bring the rig into the cool-down after a refused renewal and return the token that was refused."""
    first = await rig.manager.token()
    second = await rig.manager.renew(rejected=first)
    rig.manager.refused(second)
    return second


async def test_siblings_token_during_the_cool_down() -> None:
    """While nothing may be renewed, a token that a sibling stored is found, also where the store does not push."""
    rig = Rig()
    second = await _refused(rig)
    await rig.store.plant(KEY, made("theirs"))
    found = await asyncio.gather(*(rig.manager.renew(rejected=second) for _ in range(20)))
    assert {token.access_token.reveal() for token in found} == {"theirs"}
    assert rig.held == "theirs"
    assert rig.calls == ["issue", "issue"]


async def test_looks_during_the_cool_down_are_few() -> None:
    """A storm of 401s in the cool-down asks the store once per back-off, and the vendor never."""
    rig = Rig()
    second = await _refused(rig)
    rig.store.calls.clear()
    for _ in range(2):
        for _ in range(50):
            with pytest.raises(TokenRefusedError):
                await rig.manager.renew(rejected=second)
        rig.clock.advance(1)
    assert rig.store.calls == ["load", "load"]
    assert rig.calls == ["issue", "issue"]


async def test_store_fails_during_the_cool_down() -> None:
    """A store that cannot be asked leaves the caller with the refusal."""
    rig = Rig()
    second = await _refused(rig)
    rig.store.will("load", StoreError("down"))
    with pytest.raises(TokenRefusedError):
        await rig.manager.renew(rejected=second)
    rig.clock.advance(1)
    rig.store.will("load", RuntimeError("a bug"))
    with pytest.raises(TokenRefusedError):
        await rig.manager.renew(rejected=second)


async def test_look_does_not_disturb_callers_of_token() -> None:
    """Who only wants a token is served, or signed in for, while the store is being looked at."""
    rig = Rig()
    second = await _refused(rig)
    gate = asyncio.Event()
    rig.store.will("load", gate.wait)
    looking = asyncio.create_task(rig.manager.renew(rejected=second))
    await all_blocked()
    assert immediately(rig.name()) == "t2"
    rig.clock.advance(3600)
    assert await rig.name() == "t3"
    gate.set()
    # by this clock the look took an hour, so what it found may be over as well
    with pytest.raises(TokenRefusedError):
        await looking
