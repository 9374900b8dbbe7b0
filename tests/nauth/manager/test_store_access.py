"""`KeyedStore`: no operation of a store is waited for without an end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta

import pytest

from nauth.errors import StoreError
from nauth.manager import store_access as sharing
from nauth.manager.store_access import KeyedStore
from nauth.testing.clock import FakeClock
from tests.support.authenticator import made
from tests.support.manager import KEY, all_blocked
from tests.support.store import FakeStore

SHORT = timedelta(milliseconds=1)
_Step = Callable[[KeyedStore], Coroutine[object, object, object]]


async def _lease(store: KeyedStore) -> None:
    await store.lease(SHORT)


async def _commit(store: KeyedStore) -> None:
    lease = await store.lease(timedelta(seconds=1))
    assert lease is not None
    await store.commit(lease, made("a"), expected_version=0, age=SHORT)


async def _extend(store: KeyedStore) -> None:
    lease = await store.lease(timedelta(seconds=1))
    assert lease is not None
    await store.extend(lease, SHORT)


STEPS: dict[str, _Step] = {
    "load": lambda shared: shared.load(),
    "lease": _lease,
    "commit": _commit,
    "extend": _extend,
    "discard": lambda shared: shared.discard(made("a")),
}


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(FakeClock())


@pytest.mark.parametrize("method", STEPS)
async def test_hanging_store(store: FakeStore, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that gets no answer ends in an error that says what goes on."""
    monkeypatch.setattr(sharing, "STORE_DEADLINE", SHORT)
    store.will(method, asyncio.Event().wait)
    with pytest.raises(StoreError, match="has not answered within"):
        await STEPS[method](KeyedStore(store, KEY, FakeClock()))


async def test_hanging_release_and_wait(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Giving a lease back and waiting for a change are given up quietly."""
    monkeypatch.setattr(sharing, "POLL", SHORT)
    monkeypatch.setattr(sharing, "STORE_DEADLINE", SHORT)
    keyed = KeyedStore(store, KEY, FakeClock())
    lease = await keyed.lease(timedelta(seconds=1))
    assert lease is not None
    store.will("release", asyncio.Event().wait)
    await keyed.release(lease)
    store.will("changed", asyncio.Event().wait)
    await keyed.changed()
    assert store.calls == ["lease", "release", "changed"]


@pytest.mark.parametrize("bug", [TimeoutError("canary"), RuntimeError("canary")])
async def test_bug_of_a_store(store: FakeStore, bug: Exception) -> None:
    """Whatever a store raises beside nauth's errors is told as a failure of the store, without its text."""
    store.will("load", bug)
    with pytest.raises(StoreError, match=f"^{type(bug).__name__} in _meet") as caught:
        await KeyedStore(store, KEY, FakeClock()).load()
    assert "canary" not in str(caught.value)
    assert caught.value.__context__ is None


async def test_cancelled(store: FakeStore) -> None:
    """A cancelled wait stays a cancellation."""
    store.will("load", asyncio.Event().wait)
    task = asyncio.create_task(KeyedStore(store, KEY, FakeClock()).load())
    await all_blocked()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
