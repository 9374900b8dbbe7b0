"""The contract suite: `MemoryStore` passes it, and stores that are broken in one way each do not."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest

from nauth.stores.base import Listener, StoreKey, TokenStore, Unsubscribe
from nauth.stores.memory import MemoryStore
from nauth.testing.clock import FakeClock
from nauth.testing.contract.store import StoreContract
from tests.support.broken_stores import BUGS


class TestMemoryStore(StoreContract):
    """Two handles on one `MemoryStore` are the store itself, twice."""

    pushes = True
    engine: type[MemoryStore] = MemoryStore

    def setup_method(self) -> None:
        self.clock = FakeClock()
        self.store = self.engine(clock=self.clock)

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncGenerator[TokenStore]:
        yield self.store

    async def advance(self, by: timedelta) -> None:
        self.clock.advance(by)


class Mute(MemoryStore):
    """Cannot push, which is allowed."""

    def subscribe(self, key: StoreKey, listener: Listener) -> Unsubscribe:
        return lambda: None


class TestMute(TestMemoryStore):
    """The suite asks for no pushes where there are none."""

    pushes = False
    engine = Mute


def verdict(engine: type[MemoryStore], test: str) -> BaseException | None:
    """Run one of the suite's tests over `engine` and return what it failed with."""
    case = TestMemoryStore()
    case.engine = engine
    if engine is not MemoryStore:  # a sound store may need its time on a busy machine
        case.patience = timedelta(seconds=0.2)
    case.setup_method()
    try:
        asyncio.run(getattr(case, test)())
    except Exception as error:  # noqa: BLE001 - whatever a broken store brings about is what we want to know
        return error
    return None


@pytest.mark.parametrize("engine", BUGS, ids=lambda engine: engine.__name__)
@pytest.mark.slow
def test_planted_bugs_are_found(engine: type[MemoryStore]) -> None:
    """A store that is broken in one way fails the test that was written for it, which a sound one passes."""
    assert verdict(MemoryStore, BUGS[engine]) is None
    assert verdict(engine, BUGS[engine]) is not None


def test_the_hooks_must_be_filled_in() -> None:
    """A missing hook is reported."""
    with pytest.raises(NotImplementedError):
        StoreContract().open()
    with pytest.raises(NotImplementedError):
        asyncio.run(StoreContract().advance(timedelta(0)))


def test_every_test_says_what_it_is_about() -> None:
    """The suite's failures are read by people who did not write it."""
    tests = {name: test for name, test in inspect.getmembers(StoreContract) if name.startswith("test_")}
    assert [name for name, test in tests.items() if not test.__doc__] == []
    assert set(BUGS.values()) <= set(tests)


async def test_a_timeout_of_the_engine_is_not_the_suites() -> None:
    """A TimeoutError that the engine itself raises is shown as it is."""
    with pytest.raises(TimeoutError):
        async with StoreContract().bounded("nothing"):
            raise TimeoutError


def test_keys_of_tests_differ() -> None:
    """Tests do not meet on one key, so an engine need not be emptied between them; one test's keys stay the same."""
    one, two = StoreContract(), StoreContract()
    assert one.key("a") == one.key("a")
    assert one.key("a") != two.key("a")
