"""A credential that changes while a process runs: when its source is asked, and what callers meet."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import attrs
import pytest

from nauth.after_fork import begin_child
from nauth.env_settings import EnvironmentReader
from nauth.errors import (
    ConfigurationError,
    CredentialsRejectedError,
    NauthError,
    TokenRefusedError,
    VendorUnavailableError,
)
from nauth.manager.token_manager import TokenManager
from nauth.secret import Secret
from nauth.sources import Fields, Function, SourceRefusedError, SourceUnavailableError
from nauth.sources.authenticator import SourcedAuthenticator
from nauth.sources.client_setup import CredentialFields, Sourced
from nauth.stores import MemoryStore
from nauth.stores.base import StoreKey
from nauth.testing import FakeClock
from nauth.token import RenewalPolicy, Token


@attrs.frozen
class _Key:
    id: str
    secret: Secret


def _read(reader: EnvironmentReader) -> Callable[[], _Key] | None:
    name, secret = reader.required("X_ID"), reader.required_secret("X_SECRET")
    return lambda: _Key(name, secret)


_FIELDS: CredentialFields[_Key] = CredentialFields(
    prefix="X_", names=("X_ID", "X_SECRET"), read=_read, kinds=(_Key,), who=lambda key: (key.id,)
)


class _Source:
    """Holds what it is told to, counts questions, and can fail or wait."""

    name = "manager:x"
    unchanged_hint = "Look closer"

    def __init__(self) -> None:
        self.secret = "s-1"
        self.asked = 0
        self.error: BaseException | None = None
        self.gate: asyncio.Event | None = None

    async def read(self) -> Fields:
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return Fields({"id": Secret("i"), "secret": Secret(self.secret)})


class _Vendor:
    """Takes one secret; `static` hands the credential out as the token."""

    def __init__(self) -> None:
        self.secret = "s-1"
        self.issued = 0
        self.refused = 0
        self.revoked = 0

    def authenticator(self, key: _Key, *, renewable: bool = True) -> Any:
        vendor = self

        class Authenticator:
            def __init__(self) -> None:
                self.renewable = renewable

            async def issue(self) -> Token:
                if not renewable:
                    return Token(access_token=key.secret, scheme="")
                if key.secret != Secret(vendor.secret):
                    vendor.refused += 1
                    raise CredentialsRejectedError("the secret was refused", status=401, code="no")
                vendor.issued += 1
                return Token(access_token=Secret(f"t-{vendor.issued}"), lifetime=timedelta(hours=1))

            async def refresh(self, token: Token) -> Token:
                return attrs.evolve(token, access_token=Secret("refreshed"))

            async def revoke(self, token: Token) -> None:
                vendor.revoked += 1

        return Authenticator()


class _Stage:
    def __init__(self) -> None:
        self.clock = FakeClock()
        self.source = _Source()
        self.vendor = _Vendor()
        self.sourced = Sourced(self.source, _FIELDS)
        self.managers: list[TokenManager] = []

    def authenticator(
        self, *, renewable: bool = True, extra: Callable[[_Key], Mapping[str, str]] | None = None
    ) -> SourcedAuthenticator[_Key]:
        return SourcedAuthenticator(
            self.sourced.question(self.clock),
            lambda key: self.vendor.authenticator(key, renewable=renewable),
            extra=extra,
        )

    def manager(self, authenticator: SourcedAuthenticator[_Key] | None = None) -> TokenManager:
        made = authenticator or self.authenticator()
        manager = TokenManager(
            made,
            key=StoreKey(vendor="x", base_url="", identity=self.sourced.identity()),
            store=MemoryStore(clock=self.clock),
            clock=self.clock,
            policy=RenewalPolicy(cooldown=timedelta(seconds=60), backoff_cap=timedelta(seconds=60)),
        )
        made.attach(manager)
        self.managers.append(manager)
        return manager


@pytest.fixture
async def stage() -> Any:
    """A source, a vendor, and managers that close with the test."""
    made = _Stage()
    yield made
    for manager in made.managers:
        await manager.aclose()


async def _turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# --- the order manager -> vendor --------------------------------------------------------------------------------------


async def test_the_source_is_asked_once_and_then_remembered(stage: _Stage) -> None:
    """Sign-ins use the credential at hand: a manager's outage is no outage of the service."""
    manager = stage.manager()
    await asyncio.gather(*(manager.token() for _ in range(200)))
    stage.source.error = OSError("down")
    await manager.renew()
    assert (stage.source.asked, stage.vendor.issued) == (1, 2)


async def test_a_refused_credential_is_asked_for_anew(stage: _Stage) -> None:
    """Changed in the source before the vendor forgot the old one: no caller sees a failure."""
    manager = stage.manager()
    await manager.token()
    stage.source.secret = stage.vendor.secret = "s-2"
    tokens = await asyncio.gather(*(manager.renew() for _ in range(200)))
    assert {token.access_token for token in tokens} == {Secret("t-2")}
    assert (stage.source.asked, stage.vendor.refused) == (2, 1)


async def test_an_unchanged_credential_is_the_vendors_word(stage: _Stage) -> None:
    """The refusal keeps its kind and code, and says that the source was asked; nothing is tried twice."""
    manager = stage.manager()
    await manager.token()
    stage.vendor.secret = "s-2"
    with pytest.raises(
        CredentialsRejectedError, match=r"refused. manager:x was asked again just now.*Look closer"
    ) as refused:
        await manager.renew()
    assert (refused.value.status, refused.value.code) == (401, "no")
    assert refused.value.__context__ is None
    assert (stage.source.asked, stage.vendor.refused) == (2, 1)


async def test_a_fresh_credential_that_is_refused(stage: _Stage) -> None:
    """Read a moment ago, it is not asked for again at once."""
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError, match="read from manager:x just before"):
        await stage.manager().token()
    assert stage.source.asked == 1


async def test_refused_while_the_source_is_down(stage: _Stage) -> None:
    """The vendor's refusal, with the source's failure as its second sentence."""
    manager = stage.manager()
    await manager.token()
    stage.vendor.secret = "s-2"
    stage.source.error = OSError("down")
    with pytest.raises(
        CredentialsRejectedError, match=r"refused. Its source could not be asked: manager:x .*OSError"
    ):
        await manager.renew()


# --- the order vendor -> manager --------------------------------------------------------------------------------------


async def test_a_cool_down_ends_when_the_source_changes(stage: _Stage) -> None:
    """While callers come, the source is asked after 1, 2, 4 seconds and so on; a change ends the cool-down at once."""
    manager = stage.manager()
    token = await manager.token()
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await manager.renew(rejected=token)
    asked: list[int] = []
    for _ in range(16):
        with pytest.raises(CredentialsRejectedError):
            await manager.token()
        await _turns()
        asked.append(stage.source.asked)
        stage.clock.advance(0.5)
    assert asked == [2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 4, 4, 5, 5]
    stage.source.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    await _turns()
    stage.clock.advance(8)
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    await _turns()
    assert (await manager.token()).access_token == Secret("t-2")


async def test_no_callers_no_questions(stage: _Stage) -> None:
    """A service without callers leaves its source alone."""
    manager = stage.manager()
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    stage.clock.advance(9)
    await _turns()
    assert stage.source.asked == 1


async def test_many_clients_of_one_source_ask_together(stage: _Stage) -> None:
    """Each has a cool-down of its own; the pauses between questions are those of the source."""
    managers = [stage.manager() for _ in range(20)]
    stage.vendor.secret = "s-2"
    for manager in managers:
        with pytest.raises(CredentialsRejectedError):
            await manager.token()
    before = stage.source.asked
    stage.clock.advance(9.5)
    for manager in managers:
        with pytest.raises(CredentialsRejectedError):
            await manager.token()
    await _turns()
    assert stage.source.asked == before + 1


async def test_one_question_at_a_time_for_each_client(stage: _Stage) -> None:
    """While the source takes its time, callers get the error at once and ask no second question."""
    manager = stage.manager()
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    stage.source.gate = asyncio.Event()
    for _ in range(4):
        stage.clock.advance(2)
        with pytest.raises(CredentialsRejectedError):
            await manager.token()
        await _turns()
    assert stage.source.asked == 2
    stage.source.gate.set()
    await _turns()


async def test_other_failures_ask_nothing(stage: _Stage) -> None:
    """A cool-down of an outage has nothing to do with the credential."""
    authenticator = stage.authenticator()
    assert not authenticator.cause_gone(VendorUnavailableError("busy"))
    await _turns()
    assert stage.source.asked == 0


async def test_a_source_that_comes_back(stage: _Stage) -> None:
    """Without a credential at hand callers get the source's own error, and go on as soon as it answers."""
    manager = stage.manager()
    stage.source.error = SourceUnavailableError("down", source="manager:x")
    with pytest.raises(SourceUnavailableError):
        await manager.token()
    stage.source.error = None
    stage.clock.advance(1.5)
    with pytest.raises(SourceUnavailableError):
        await manager.token()
    await _turns()
    assert (await manager.token()).access_token == Secret("t-1")


async def test_a_manager_that_is_gone(stage: _Stage) -> None:
    """An answer that comes after its client was dropped changes nothing."""
    authenticator = stage.authenticator()
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await authenticator.issue()
    stage.source.secret = "s-2"
    stage.clock.advance(2)
    assert not authenticator.cause_gone(CredentialsRejectedError("no"))
    await _turns()
    assert (await authenticator.issue()).access_token == Secret("t-1")


# --- credentials that are sent as they are ----------------------------------------------------------------------------


async def test_a_static_key_is_replaced_after_a_401(stage: _Stage) -> None:
    """The 401 is handed back, the source is asked beside, and the next call has the new key."""
    authenticator = stage.authenticator(renewable=False)
    manager = stage.manager(authenticator)
    token = await manager.token()
    assert not authenticator.renewable
    with pytest.raises(TokenRefusedError, match="nothing to renew"):
        await manager.renew(rejected=token)
    await _turns()
    assert (await manager.token()).same_access(token)  # unchanged: it goes on being served
    stage.source.secret = "s-2"
    stage.clock.advance(2.5)
    with pytest.raises(TokenRefusedError):
        await manager.renew(rejected=token)
    await _turns()
    assert (await manager.token()).access_token == Secret("s-2")


async def test_a_static_key_is_read_anew_at_each_sign_in(stage: _Stage) -> None:
    """There is no vendor to refuse it; a source that is down leaves the key at hand."""
    authenticator = stage.authenticator(renewable=False)
    first = await authenticator.issue()
    stage.source.error = OSError("down")
    assert (await authenticator.issue()).same_access(first)
    stage.source.error = None
    stage.source.secret = "s-2"
    assert (await authenticator.issue()).access_token == Secret("s-2")


# --- refresh and revocation -------------------------------------------------------------------------------------------


async def test_refresh_and_revoke_use_the_credential_at_hand(stage: _Stage) -> None:
    """A process that found its token in a store asks the source once for it."""
    authenticator = stage.authenticator(extra=lambda key: {"account": key.id})
    old = Token(access_token=Secret("a"), refresh_token=Secret("r"), extra={"more": "1"})
    assert dict((await authenticator.refresh(old)).extra) == {"more": "1", "account": "i"}
    await authenticator.revoke(old)
    assert dict((await authenticator.issue()).extra) == {"account": "i"}
    assert stage.source.asked == 1
    other = stage.authenticator()
    await other.revoke(old)
    assert (stage.source.asked, stage.vendor.revoked) == (2, 2)
    assert "manager:x" in repr(other)


# --- the question -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error, kind, words",
    [
        (SourceRefusedError("no right", source="manager:x"), SourceRefusedError, "no right"),
        (ConfigurationError("not so"), ConfigurationError, "not so"),
        (OSError("CANARY"), SourceUnavailableError, "could not be reached"),
        (TimeoutError("CANARY"), SourceUnavailableError, "did not answer in time"),
        (ValueError("CANARY"), SourceRefusedError, "failed with ValueError"),
    ],
)
async def test_what_a_source_raises(
    stage: _Stage, error: Exception, kind: type[NauthError], words: str
) -> None:
    """Comes out as one of the two kinds; the text of a foreign error is not shown."""
    stage.source.error = error
    question = stage.sourced.question(stage.clock)
    with pytest.raises(kind, match=words) as refused:
        await question.ask()
    assert "CANARY" not in f"{refused.value!r}"
    assert refused.value.__context__ is None


async def test_what_is_missing_is_listed(stage: _Stage) -> None:
    """All of it, in one error."""

    class Empty(_Source):
        async def read(self) -> Fields:
            return Fields({"name": Secret("CANARY")})

    with pytest.raises(SourceRefusedError) as refused:
        await Sourced(Empty(), _FIELDS).question(stage.clock).ask()
    assert refused.value.problems == (
        "X_ID: not in manager:x (has: name)",
        "X_SECRET: not in manager:x (has: name)",
    )


async def test_callers_share_a_question(stage: _Stage) -> None:
    """A cancelled caller does not end it for the others."""
    stage.source.gate = asyncio.Event()
    question = stage.sourced.question(stage.clock)
    asking = [asyncio.create_task(question.ask()) for _ in range(200)]
    await _turns()
    asking[0].cancel()
    await _turns()
    stage.source.gate.set()
    found = await asyncio.gather(*asking[1:])
    assert set(found) == {_Key("i", Secret("s-1"))}
    assert stage.source.asked == 1


def test_a_loop_that_ends_during_a_question(stage_free: _Stage) -> None:
    """The next loop asks anew."""
    question = stage_free.sourced.question(stage_free.clock)

    async def ask_and_leave() -> None:
        stage_free.source.gate = asyncio.Event()
        task = asyncio.create_task(question.ask())
        await _turns()
        del task

    asyncio.run(ask_and_leave())
    stage_free.source.gate = None
    assert asyncio.run(question.ask()).id == "i"


async def _all_cancelled() -> None:
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest.mark.parametrize("turns", range(4))
async def test_all_is_cancelled_during_a_question(turns: int, stage: _Stage) -> None:
    """The loop goes on after it cancelled all tasks, even before the question's first step: the next caller asks anew."""
    question = stage.sourced.question(stage.clock)
    stage.source.gate = asyncio.Event()
    first = asyncio.create_task(question.ask())
    for _ in range(turns):
        await asyncio.sleep(0)
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    second = asyncio.create_task(question.ask())
    await asyncio.gather(*others, return_exceptions=True)
    assert first.cancelled()
    stage.source.gate.set()
    async with asyncio.timeout(5):
        assert (await second).id == "i"


async def test_a_question_that_was_cut_off_is_told_to_its_callers(stage: _Stage) -> None:
    """A caller that was not cancelled itself gets a typed error, and does not wait for ever."""
    question = stage.sourced.question(stage.clock)
    stage.source.gate = asyncio.Event()
    caller = asyncio.create_task(question.ask())
    await _turns()
    for task in asyncio.all_tasks() - {caller, asyncio.current_task()}:
        task.cancel()
    with pytest.raises(SourceUnavailableError, match="event loop was ending"):
        async with asyncio.timeout(5):
            await caller


async def test_a_look_that_was_cut_off_is_repeated(stage: _Stage) -> None:
    """All is cancelled before the look's first step: callers of the cool-down begin the next one."""
    manager = stage.manager()
    stage.vendor.secret = "s-2"
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    stage.clock.advance(2)
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    await _all_cancelled()
    asked, stage.source.secret = stage.source.asked, "s-2"
    stage.clock.advance(4)
    with pytest.raises(CredentialsRejectedError):
        await manager.token()
    await _turns()
    assert stage.source.asked == asked + 1
    await manager.token()


async def test_a_look_of_the_parents_is_not_waited_for(stage: _Stage) -> None:
    """A child that was forked during the parent's look may look itself: that one's answer does not come to it."""
    authenticator, refusal = stage.authenticator(), CredentialsRejectedError("no")
    stage.source.gate = asyncio.Event()
    stage.clock.advance(2)
    authenticator.cause_gone(refusal)
    assert authenticator._under_way()
    begin_child()
    assert not authenticator._under_way()
    stage.source.gate.set()
    await _turns()


@pytest.fixture
def stage_free() -> Iterator[_Stage]:
    """A stage without a loop."""
    yield _Stage()
    gc.collect()


def test_clients_of_one_source_share_the_question() -> None:
    """By source and vendor, for as long as one of them lives."""
    stage = _Stage()
    other = Sourced(_Source(), _FIELDS)
    question = stage.sourced.question(stage.clock)
    assert Sourced(stage.source, _FIELDS).question(stage.clock) is question
    assert other.question(stage.clock) is not question


# --- functions --------------------------------------------------------------------------------------------------------


async def test_a_function_is_a_source() -> None:
    """What it returns is the credential itself, of the right class."""

    async def fetch() -> _Key:
        return _Key("i", Secret("s"))

    async def wrong() -> Any:
        return {"id": "CANARY"}

    clock = FakeClock()
    question = Sourced(Function(fetch), _FIELDS).question(clock)
    assert (await question.ask()).id == "i"
    assert question.unchanged_hint == ""
    with pytest.raises(SourceRefusedError, match="must return _Key, not dict") as refused:
        await Sourced(Function(wrong), _FIELDS).question(clock).ask()
    assert "CANARY" not in str(refused.value)
    assert (
        Sourced(Function(fetch, name="a"), _FIELDS).identity()
        == Sourced(Function(wrong, name="a"), _FIELDS).identity()
    )
